# fuzz/: libFuzzer targets, in the ubsan preset: clang, and undefined behaviour ends the run. There the boxes carry
# libFuzzer's coverage; the unit tests of that preset have it too, and do not mind. No
# comparisons are traced: an input is numbers, no text to be guessed. The targets themselves have neither coverage nor
# checks: the model looks at each byte of each block, which is most of what is done, and teaches nothing of the library.

target_compile_options(hakmem_boxes PRIVATE -fsanitize-coverage=inline-8bit-counters,pc-table)
foreach(target api garbage)
  add_executable(fuzz_${target} ${hakmem_tests}/fuzz/${target}.cpp)
  target_include_directories(fuzz_${target} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include ${hakmem_tests})
  target_compile_options(fuzz_${target} PRIVATE -O2 -fno-sanitize=all)
  target_link_options(fuzz_${target} PRIVATE -fsanitize=fuzzer)
  target_link_libraries(fuzz_${target} PRIVATE hakmem_os hakmem_boxes_archive hakmem_warnings Threads::Threads
                                               ${CMAKE_DL_LIBS})
endforeach()
hakmem_add_test(fuzz_api fuzz ${Python3_EXECUTABLE} ${hakmem_tests}/fuzz/run.py $<TARGET_FILE:fuzz_api>
                --operations 1 --inputs 200)
hakmem_add_test(fuzz_garbage fuzz ${Python3_EXECUTABLE} ${hakmem_tests}/fuzz/run.py $<TARGET_FILE:fuzz_garbage>
                --operations 1 --inputs 2000)
