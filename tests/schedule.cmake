# schedule/: the boxes once more, their atomics scheduling points of a deterministic scheduler. Compiled with
# the instrumentation of ThreadSanitizer and linked without its runtime: schedule/tsan_runtime.cpp is that.

set(hakmem_schedule ${hakmem_tests}/schedule)
set(hakmem_scheduled_sources ${hakmem_boxes_sources} ${hakmem_os_sources})
list(FILTER hakmem_scheduled_sources EXCLUDE REGEX "/os/(thread|process|shared_page)\\.cpp$")

# All that includes src/ is instrumented: of an inline function the linker keeps anybody's copy.
function(hakmem_add_scheduled name)
  add_library(${name} OBJECT ${ARGN})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include ${hakmem_tests})
  target_compile_definitions(${name} PRIVATE HAKMEM_VERSION="${PROJECT_VERSION}" HAKMEM_DEBUG=1)
  # gcc has no call for a fence between threads. The one there is, of the stats page, is in none of the lives.
  target_compile_options(${name} PRIVATE -fsanitize=thread $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
  target_link_libraries(${name} PRIVATE hakmem_warnings hakmem_boxes_options)
endfunction()

hakmem_add_scheduled(hakmem_scheduled ${hakmem_scheduled_sources} ${hakmem_schedule}/os_thread.cpp
                     ${hakmem_schedule}/os_shared_page.cpp ${hakmem_tests}/fakeos/fake_process.cpp)
hakmem_add_scheduled(hakmem_lives ${hakmem_schedule}/protocols.cpp ${hakmem_schedule}/hand_overs.cpp)
hakmem_add_scheduled(hakmem_scavenged_lives ${hakmem_schedule}/scavenged.cpp)

# hakmem_add_schedule(NAME LIVES COUNT): test_NAME runs so many seeds of these lives.
function(hakmem_add_schedule name lives count)
  add_executable(test_${name} ${hakmem_schedule}/main.cpp ${hakmem_schedule}/scheduler.cpp ${hakmem_schedule}/races.cpp
                              ${hakmem_schedule}/program.cpp ${hakmem_schedule}/tsan_runtime.cpp)
  target_include_directories(test_${name} PRIVATE ${hakmem_tests})
  target_link_libraries(test_${name} PRIVATE hakmem_scheduled ${lives} hakmem_warnings Threads::Threads ${CMAKE_DL_LIBS})
  hakmem_add_test(${name} unit test_${name} --count ${count})
endfunction()

hakmem_add_schedule(schedule hakmem_lives 2000)
hakmem_add_schedule(scavenger hakmem_scavenged_lives 300)
