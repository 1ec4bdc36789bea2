# schedule/: the boxes once more, their atomics scheduling points of a deterministic scheduler. Compiled with
# the instrumentation of ThreadSanitizer and linked without its runtime: schedule/tsan_runtime.cpp is that.

set(hakmem_schedule ${hakmem_tests}/schedule)
set(hakmem_scheduled_sources ${hakmem_boxes_sources} ${hakmem_os_sources})
list(FILTER hakmem_scheduled_sources EXCLUDE REGEX "/os/(thread|process|shared_page)\\.cpp$")
# All that includes src/ is instrumented: of an inline function the linker keeps anybody's copy.
add_library(hakmem_scheduled OBJECT ${hakmem_scheduled_sources} ${hakmem_schedule}/protocols.cpp
                                    ${hakmem_schedule}/hand_overs.cpp ${hakmem_schedule}/os_thread.cpp
                                    ${hakmem_schedule}/os_shared_page.cpp ${hakmem_tests}/fakeos/fake_process.cpp)
target_include_directories(hakmem_scheduled PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include
                                                    ${hakmem_tests})
target_compile_definitions(hakmem_scheduled PRIVATE HAKMEM_VERSION="${PROJECT_VERSION}" HAKMEM_DEBUG=1)
# gcc has no call for a fence between threads. The one there is, of the stats page, is in none of the lives.
target_compile_options(hakmem_scheduled PRIVATE -fsanitize=thread $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
target_link_libraries(hakmem_scheduled PRIVATE hakmem_warnings hakmem_boxes_options)

add_executable(test_schedule ${hakmem_schedule}/main.cpp ${hakmem_schedule}/scheduler.cpp
                             ${hakmem_schedule}/races.cpp ${hakmem_schedule}/program.cpp
                             ${hakmem_schedule}/tsan_runtime.cpp)
target_include_directories(test_schedule PRIVATE ${hakmem_tests})
target_link_libraries(test_schedule PRIVATE hakmem_scheduled hakmem_warnings Threads::Threads ${CMAKE_DL_LIBS})
hakmem_add_test(schedule unit test_schedule --count 2000)
