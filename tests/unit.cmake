# The gtest programs: unit/<box>/ on the real os/, fakeos/ on its own.

if(NOT TARGET GTest::gtest_main)
  message(STATUS "GTest is not there: no unit tests (scripts/install_packages test)")
  return()
endif()

# As an archive, so that a test has the boxes it uses and no others: the heap's start-up code would
# otherwise run in the tests of the boxes below it.
add_library(hakmem_boxes_archive STATIC $<TARGET_OBJECTS:hakmem_boxes>)
set_target_properties(hakmem_boxes_archive PROPERTIES LINKER_LANGUAGE CXX)
add_library(hakmem_hardened_archive STATIC $<TARGET_OBJECTS:hakmem_hardened_boxes>)
set_target_properties(hakmem_hardened_archive PROPERTIES LINKER_LANGUAGE CXX)
target_compile_definitions(hakmem_hardened_archive INTERFACE HAKMEM_HARDENED=1)

file(GLOB hakmem_support_sources CONFIGURE_DEPENDS ${hakmem_tests}/support/*.cpp)

# hakmem_add_unit_test(NAME LABEL OBJECTS SOURCE...)
function(hakmem_add_unit_test name label objects)
  add_executable(${name} ${ARGN} ${hakmem_support_sources})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include
                                             ${hakmem_tests})
  target_link_libraries(${name} PRIVATE ${objects} hakmem_warnings GTest::gtest_main GTest::gmock
                                        Threads::Threads ${CMAKE_DL_LIBS})
  target_compile_options(${name} PRIVATE -g1) # lines are enough for a backtrace, and a quarter of the build less
  if(TARGET rapidcheck)
    target_link_libraries(${name} PRIVATE rapidcheck)
    target_compile_definitions(${name} PRIVATE HAKMEM_HAVE_RAPIDCHECK=1)
  endif()
  if(CMAKE_CROSSCOMPILING)
    hakmem_add_emulated(${name} ${label} "" ${name} --gtest_brief=1)
  else()
    hakmem_add_test(${name} ${label} ${name} --gtest_brief=1)
  endif()
endfunction()

file(GLOB hakmem_unit_boxes CONFIGURE_DEPENDS LIST_DIRECTORIES true ${hakmem_tests}/unit/*)
foreach(folder IN LISTS hakmem_unit_boxes)
  get_filename_component(box ${folder} NAME)
  if(box MATCHES "^(bench|hardened)$") # see below
    continue()
  endif()
  if(CMAKE_CROSSCOMPILING AND NOT box STREQUAL "os") # the one that knows the machine
    continue()
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cpp)
  if(sources)
    hakmem_add_unit_test(test_${box} unit "hakmem_os;hakmem_boxes_archive" ${sources})
  endif()
endforeach()

if(CMAKE_CROSSCOMPILING)
  return()
endif()

# The hardened flavour's own, and the heap once more: the model, threads, what the API promises.
file(GLOB sources CONFIGURE_DEPENDS ${hakmem_tests}/unit/hardened/*.cpp ${hakmem_tests}/unit/heap/*.cpp)
hakmem_add_unit_test(test_hardened unit "hakmem_os;hakmem_hardened_archive" ${sources})

file(GLOB hakmem_fakeos_sources CONFIGURE_DEPENDS ${hakmem_tests}/fakeos/*.cpp)
if(hakmem_fakeos_sources)
  # Pages and process are the test's own; the rest of os/ is the real one.
  set(hakmem_real_os_sources ${hakmem_os_sources})
  list(FILTER hakmem_real_os_sources EXCLUDE REGEX "/(pages|process)\\.cpp$")
  hakmem_add_unit_test(test_fakeos unit hakmem_boxes_archive ${hakmem_fakeos_sources}
                       ${hakmem_real_os_sources})
  # It begins anew for each call that is refused: millions of page faults, which some machines take minutes for.
  set_tests_properties(test_fakeos PROPERTIES TIMEOUT 900)
endif()

# What `hakmem bench` makes of figures, and how the command says numbers. Only files that judge: no process is started.
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
set(hakmem_judges ${PROJECT_SOURCE_DIR}/tools/bench)
file(GLOB sources CONFIGURE_DEPENDS ${hakmem_tests}/unit/bench/*.cpp)
hakmem_add_unit_test(test_bench unit "fmt::fmt;nlohmann_json::nlohmann_json" ${sources}
                     ${hakmem_judges}/statistics.cpp ${hakmem_judges}/samples.cpp ${hakmem_judges}/verdict.cpp
                     ${hakmem_judges}/scale_table.cpp ${hakmem_judges}/callgrind_file.cpp
                     ${PROJECT_SOURCE_DIR}/tools/live/text.cpp)
target_include_directories(test_bench PRIVATE ${PROJECT_SOURCE_DIR}/tools)
