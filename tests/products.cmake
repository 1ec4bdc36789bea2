# Tests of what is shipped: libhakmem.so, libhakmem.a and the hakmem command.

include(${hakmem_tests}/programs.cmake)

# hakmem_test_under(LIBRARY NAME LABEL PROGRAM). Its environment: the library preloaded, the path of it for programs that load it themselves, the
# path of the hakmem command, and where the plugins lie.
function(hakmem_test_under library name label program)
  hakmem_add_test(${name} ${label} ${program})
  set_tests_properties(
    ${name} PROPERTIES ENVIRONMENT "LD_PRELOAD=$<TARGET_FILE:${library}>;\
TEST_LIBRARY=$<TARGET_FILE:${library}>;TEST_COMMAND=$<TARGET_FILE:hakmem_cli>;\
TEST_PLUGINS=${hakmem_plugins}")
endfunction()

foreach(folder interface misuse lifecycle)
  file(GLOB sources CONFIGURE_DEPENDS ${hakmem_tests}/${folder}/*.c ${hakmem_tests}/${folder}/*.cpp)
  foreach(source IN LISTS sources)
    get_filename_component(name ${source} NAME_WE)
    set(target ${folder}_${name})
    # The debug build's rank check knows threads, and a handler is two frames of one thread.
    if(HAKMEM_DEBUG AND name MATCHES "handler")
      continue()
    endif()
    hakmem_add_plain_program(${target} ${source})
    hakmem_test_under(hakmem ${target} ${folder} ${target})
    # One signal at each instruction takes minutes where there are more of them; phases is about what the
    # default flavour gives back.
    if(NOT name MATCHES "^(handler_each_instruction|phases)$")
      hakmem_test_under(hakmem-hardened hardened_${target} hardened ${target})
    endif()
  endforeach()
endforeach()
file(GLOB sources CONFIGURE_DEPENDS ${hakmem_tests}/hardened/*.c ${hakmem_tests}/hardened/*.cpp)
foreach(source IN LISTS sources)
  get_filename_component(name ${source} NAME_WE)
  hakmem_add_plain_program(hardened_${name} ${source})
  hakmem_test_under(hakmem-hardened hardened_${name} hardened hardened_${name})
endforeach()
# A debug build counts each thread's locks as well.
foreach(library hakmem hakmem-hardened)
  hakmem_add_test(interface_exports_${library} interface ${Python3_EXECUTABLE}
                  ${hakmem_tests}/interface/exports.py --library $<TARGET_FILE:${library}>
                  --tls-bytes $<IF:$<BOOL:${HAKMEM_DEBUG}>,64,8>)
endforeach()

hakmem_add_plain_program(valgrind_errors ${hakmem_tests}/interface/valgrind/errors.c)
hakmem_add_test(interface_under_valgrind interface ${Python3_EXECUTABLE}
                ${hakmem_tests}/interface/under_valgrind.py --library $<TARGET_FILE:hakmem>
                --program $<TARGET_FILE:valgrind_errors>)

# A statically linked program proves that the archive replaces libc's malloc without a clash.
file(GLOB sources CONFIGURE_DEPENDS ${hakmem_tests}/link/*.c ${hakmem_tests}/link/*.cpp)
foreach(source IN LISTS sources)
  get_filename_component(name ${source} NAME_WE)
  set(target link_${name})
  hakmem_add_static_program(${target} ${source})
  hakmem_add_test(${target} link ${target})
endforeach()

# Pages of 16 and 64 KiB, which qemu pretends. With such pages the dynamic linker refuses the libraries of a system that
# has small ones, so these programs are static.
if(HAKMEM_RELEASE_TESTS)
  foreach(source interface/family.c interface/calloc_zero.c interface/realloc_contents.c)
    get_filename_component(name ${source} NAME_WE)
    hakmem_add_static_program(pages_${name} ${hakmem_tests}/${source})
    target_link_options(pages_${name} PRIVATE -Wl,-z,max-page-size=65536)
    foreach(bytes 16384 65536)
      hakmem_add_test(pages_${name}_${bytes} emulated ${Python3_EXECUTABLE} ${hakmem_tests}/emulated/whole_pages.py
                      --page-bytes ${bytes} --emulator qemu-${CMAKE_SYSTEM_PROCESSOR} $<TARGET_FILE:pages_${name}>)
    endforeach()
  endforeach()
  hakmem_add_test(pages_control emulated ${Python3_EXECUTABLE} ${hakmem_tests}/emulated/whole_pages.py --control
                  --page-bytes 65536 --emulator qemu-${CMAKE_SYSTEM_PROCESSOR} $<TARGET_FILE:pages_calloc_zero>)
endif()

hakmem_add_test(artifacts link ${Python3_EXECUTABLE} ${hakmem_tests}/artifacts.py
                --build ${PROJECT_BINARY_DIR})
# What is installed, and programs that are linked with it in each way that README.md names.
if(HAKMEM_RELEASE_TESTS)
  hakmem_add_test(installed link ${Python3_EXECUTABLE} ${hakmem_tests}/link/installed_test.py
                  --build ${PROJECT_BINARY_DIR} --version ${PROJECT_VERSION} --compiler ${CMAKE_C_COMPILER})
endif()
if(HAKMEM_RELEASE_TESTS AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT HAKMEM_PGO)
  hakmem_add_test(library_alone link ${Python3_EXECUTABLE} ${hakmem_tests}/link/library_alone_test.py
                  --command $<TARGET_FILE:hakmem_cli> --compiler ${CMAKE_C_COMPILER} --cxx-compiler ${CMAKE_CXX_COMPILER})
  set_tests_properties(library_alone PROPERTIES TIMEOUT 600)
endif()
hakmem_add_test(cli cli ${Python3_EXECUTABLE} ${hakmem_tests}/cli/cli_test.py
                --command $<TARGET_FILE:hakmem_cli> --version ${PROJECT_VERSION}
                --compiler ${CMAKE_C_COMPILER})

# What a process shows of its heap, and the commands that look at it.
hakmem_add_test(observe_page observe ${Python3_EXECUTABLE} ${hakmem_tests}/observe/page_test.py
                --library $<TARGET_FILE:hakmem> --command $<TARGET_FILE:hakmem_cli>)
hakmem_add_plain_program(one_huge_block ${hakmem_tests}/observe/one_huge_block.c)
target_compile_options(one_huge_block PRIVATE -O1 -g)
hakmem_add_test(probe observe ${Python3_EXECUTABLE} ${hakmem_tests}/observe/probe_test.py
                --library $<TARGET_FILE:hakmem> --program $<TARGET_FILE:one_huge_block>)
hakmem_add_plain_program(profile_leak ${hakmem_tests}/observe/leak.cpp)
target_compile_options(profile_leak PRIVATE -O1 -g)
hakmem_add_test(profile cli ${Python3_EXECUTABLE} ${hakmem_tests}/observe/profile_test.py
                --library $<TARGET_FILE:hakmem> --command $<TARGET_FILE:hakmem_cli>
                --leak $<TARGET_FILE:profile_leak>)
hakmem_add_plain_program(pinning ${hakmem_tests}/observe/pin.cpp)
target_compile_options(pinning PRIVATE -O1 -g)
hakmem_add_test(blame cli ${Python3_EXECUTABLE} ${hakmem_tests}/observe/blame_test.py
                --library $<TARGET_FILE:hakmem> --command $<TARGET_FILE:hakmem_cli>
                --pin $<TARGET_FILE:pinning>)
hakmem_add_test(live cli ${Python3_EXECUTABLE} ${hakmem_tests}/cli/live_test.py
                --library $<TARGET_FILE:hakmem> --command $<TARGET_FILE:hakmem_cli>
                --compiler ${CMAKE_C_COMPILER} --documentation ${PROJECT_SOURCE_DIR}/docs/OBSERVE.md)
# Once: they take a minute together.
if(HAKMEM_RELEASE_TESTS)
  hakmem_add_test(doctor cli ${Python3_EXECUTABLE} ${hakmem_tests}/cli/doctor_test.py
                  --library $<TARGET_FILE:hakmem> --command $<TARGET_FILE:hakmem_cli>
                  --documentation ${PROJECT_SOURCE_DIR}/docs/OBSERVE.md)
  hakmem_add_test(manual cli ${Python3_EXECUTABLE} ${hakmem_tests}/cli/manual_test.py
                  --command $<TARGET_FILE:hakmem_cli> --build ${PROJECT_BINARY_DIR})
  hakmem_add_test(gdb_script observe ${Python3_EXECUTABLE} ${hakmem_tests}/observe/gdb_test.py
                  --library $<TARGET_FILE:hakmem> --script ${PROJECT_SOURCE_DIR}/tools/gdb/hakmem_gdb.py)
endif()
if(HAKMEM_ESBUILD)
  hakmem_add_test(serve cli ${Python3_EXECUTABLE} ${hakmem_tests}/cli/serve_test.py
                  --library $<TARGET_FILE:hakmem> --command $<TARGET_FILE:hakmem_cli>)
endif()
# The page is the same in every flavour.
if(HAKMEM_ESBUILD AND HAKMEM_RELEASE_TESTS)
  hakmem_add_test(dashboard cli ${Python3_EXECUTABLE} ${hakmem_tests}/cli/dashboard_test.py
                  --library $<TARGET_FILE:hakmem> --command $<TARGET_FILE:hakmem_cli>
                  --screenshots ${PROJECT_BINARY_DIR}/dashboard)
endif()
hakmem_add_test(selftest_security cli ${Python3_EXECUTABLE} ${hakmem_tests}/cli/selftest_test.py
                --command $<TARGET_FILE:hakmem_cli> --library $<TARGET_FILE:hakmem>)

# What `make soak` runs programs with; the programs themselves are those of lifecycle/.
hakmem_add_test(soak_self_test cli ${Python3_EXECUTABLE} ${hakmem_tests}/soak/self_test.py)

# Debian's scipy belongs to Debian's Python, which need not be the one that CMake finds first.
find_program(HAKMEM_SYSTEM_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH DOC "The Python that has scipy")
if(NOT HAKMEM_SYSTEM_PYTHON)
  set(HAKMEM_SYSTEM_PYTHON ${Python3_EXECUTABLE} CACHE FILEPATH "The Python that has scipy" FORCE)
endif()
add_executable(statistics_probe ${hakmem_tests}/cli/statistics_probe.cpp
                                ${PROJECT_SOURCE_DIR}/tools/bench/statistics.cpp)
target_include_directories(statistics_probe PRIVATE ${PROJECT_SOURCE_DIR}/tools)
target_link_libraries(statistics_probe PRIVATE hakmem_warnings)
hakmem_add_test(bench_statistics cli ${HAKMEM_SYSTEM_PYTHON} ${hakmem_tests}/cli/bench_statistics_test.py
                --probe $<TARGET_FILE:statistics_probe>)
hakmem_add_test(bench_compare cli ${Python3_EXECUTABLE} ${hakmem_tests}/cli/bench_compare_test.py
                --command $<TARGET_FILE:hakmem_cli> --library $<TARGET_FILE:hakmem>)

# The programs of bench/, in small: that they run and say what they should, not how fast they are.
if(HAKMEM_BUILD_BENCH)
  hakmem_add_test(bench_workloads bench ${Python3_EXECUTABLE}
                  ${hakmem_tests}/bench/workloads_test.py --bench ${PROJECT_BINARY_DIR}/bench
                  --library $<TARGET_FILE:hakmem> --ceiling $<TARGET_FILE:hakmem_benchfast>)
  hakmem_add_test(bench_ceiling cli ${Python3_EXECUTABLE} ${hakmem_tests}/cli/bench_ceiling_test.py
                  --command $<TARGET_FILE:hakmem_cli>)
  hakmem_add_test(bench_scale cli ${Python3_EXECUTABLE} ${hakmem_tests}/cli/bench_scale_test.py
                  --command $<TARGET_FILE:hakmem_cli> --bench ${PROJECT_BINARY_DIR}/bench
                  --ceiling $<TARGET_FILE:hakmem_benchfast>)
  hakmem_add_test(scale_is_flat bench ${Python3_EXECUTABLE} ${hakmem_tests}/bench/scale_test.py
                  --bench ${PROJECT_BINARY_DIR}/bench --library $<TARGET_FILE:hakmem>)
endif()

# By the lines of the library as it is shipped, in one program's instructions.
if(HAKMEM_RELEASE_TESTS AND HAKMEM_BUILD_BENCH)
  hakmem_add_plain_program(large_fill ${hakmem_tests}/observe/large_fill.c)
  hakmem_add_test(idle_cost observe ${Python3_EXECUTABLE} ${hakmem_tests}/observe/idle_cost_test.py
                  --library $<TARGET_FILE:hakmem> --bench ${PROJECT_BINARY_DIR}/bench --fill $<TARGET_FILE:large_fill>)
endif()

# The real compiler is the preset's; training is short, compiling the library twice takes most of the time.
if(HAKMEM_RELEASE_TESTS AND NOT HAKMEM_PGO)
  set(compiler_name clang)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    set(compiler_name gcc)
  endif()
  hakmem_add_test(pgo cli ${Python3_EXECUTABLE} ${hakmem_tests}/cli/pgo_test.py --compiler ${compiler_name})
  set_tests_properties(pgo PROPERTIES TIMEOUT 600)
endif()

# A sanitizer's frames are not the product's, and the parser knows one machine's calls.
if(NOT HAKMEM_SANITIZE AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(stack_depth ${Python3_EXECUTABLE} ${hakmem_tests}/stack_depth.py)
  hakmem_add_test(stack_depth link ${stack_depth} --library $<TARGET_FILE:hakmem>)
  hakmem_add_test(hardened_stack_depth link ${stack_depth} --library $<TARGET_FILE:hakmem-hardened>)
  hakmem_add_test(stack_depth_self_test link ${stack_depth} --self-test)
endif()

# Only an optimised build has the shape that the limits are about, and a profile may change it.
if(HAKMEM_RELEASE_TESTS)
  set(hot_path ${Python3_EXECUTABLE} ${hakmem_tests}/hot_path.py)
  if(HAKMEM_PGO)
    hakmem_add_test(hot_path link ${hot_path} --library $<TARGET_FILE:hakmem> --limits)
  else()
    hakmem_add_test(hot_path link ${hot_path} --library $<TARGET_FILE:hakmem>)
  endif()
  hakmem_add_test(hot_path_self_test link ${hot_path} --self-test)
  # The other compiler's hot paths are frozen, too: this builds its library, nothing else.
  find_program(HAKMEM_CLANG clang DOC "The second compiler")
  find_program(HAKMEM_CLANGXX clang++ DOC "The second compiler")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND HAKMEM_CLANG AND HAKMEM_CLANGXX AND NOT HAKMEM_PGO)
    set(folder ${PROJECT_BINARY_DIR}/hot_path_clang)
    hakmem_add_test(hot_path_clang link ${CMAKE_CTEST_COMMAND}
                    --build-and-test ${PROJECT_SOURCE_DIR} ${folder}
                    --build-generator ${CMAKE_GENERATOR} --build-target libhakmem.so
                    --build-options -DCMAKE_C_COMPILER=${HAKMEM_CLANG} -DCMAKE_CXX_COMPILER=${HAKMEM_CLANGXX}
                                    -DHAKMEM_BUILD_TOOLS=OFF
                    --test-command ${hot_path} --library ${folder}/libhakmem.so)
  endif()
endif()

set(runner ${hakmem_tests}/programs/run.py)
if(HAKMEM_RELEASE_TESTS AND EXISTS ${runner})
  file(GLOB runner_sources CONFIGURE_DEPENDS ${hakmem_tests}/programs/*.py)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${runner_sources})
  execute_process(
    COMMAND ${Python3_EXECUTABLE} ${runner} --list
    OUTPUT_VARIABLE names OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  string(REPLACE "\n" ";" names "${names}")
  foreach(name IN LISTS names)
    foreach(library hakmem hakmem-hardened)
      hakmem_add_test(program_${name}_${library} programs ${Python3_EXECUTABLE} ${runner} --only ${name}
                      --library $<TARGET_FILE:${library}>)
      set_tests_properties(program_${name}_${library} PROPERTIES TIMEOUT 600)
    endforeach()
  endforeach()
endif()
