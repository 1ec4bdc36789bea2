# Tests of the cross build (preset aarch64): each program under qemu-user, with pages of 4, 16 and 64 KiB, and under the
# hardened flavour with 64.

# Its threads are translated as they run, and it may share the processor.
set(hakmem_emulated_seconds 240)
# As distributions compile now: return addresses on the stack are signed, which backtraces have to take off.
add_compile_options(-mbranch-protection=standard)

include(${hakmem_tests}/programs.cmake)

# A tenth of what they do elsewhere, or less.
set(hakmem_count_lifecycle_cancelled_and_exiting 10)
set(hakmem_count_lifecycle_children 10)
set(hakmem_count_lifecycle_no_keys 100)
set(hakmem_count_lifecycle_owners_leave 200)
set(hakmem_count_lifecycle_raw_clone 10)

# hakmem_add_emulated(NAME LABEL LIBRARY PROGRAM ARGUMENT...): under the library, or none where that is empty.
function(hakmem_add_emulated name label library program)
  set(library_file "")
  set(preload "")
  set(sizes 4 16 64)
  if(library STREQUAL "hakmem-hardened")
    set(sizes 64)
  endif()
  if(library)
    set(library_file $<TARGET_FILE:${library}>)
    set(preload -E LD_PRELOAD=${library_file})
  endif()
  foreach(pages IN LISTS sizes)
    math(EXPR bytes "${pages} * 1024")
    set(emulator ${CMAKE_CROSSCOMPILING_EMULATOR} -p ${bytes})
    hakmem_add_test(${name}_${pages}k ${label} ${emulator} ${preload} $<TARGET_FILE:${program}> ${ARGN})
    list(JOIN emulator " " emulator)
    # qemu 7.2 keeps a record for each page of a reservation.
    set_tests_properties(
      ${name}_${pages}k PROPERTIES ENVIRONMENT "TEST_EMULATOR=${emulator};TEST_PAGE_BYTES=${bytes};\
TEST_SECONDS=${hakmem_emulated_seconds};TEST_COUNT=${hakmem_count_${program}};TEST_LIBRARY=${library_file};TEST_PLUGINS=${hakmem_plugins};HAKMEM_RESERVE=1GiB")
  endforeach()
endfunction()

# What qemu-user 7.2 does not emulate.
set(hakmem_not_emulated
    # Limits and filters of the kernel.
    lifecycle_locked_memory lifecycle_memory_limit lifecycle_memory_pressure lifecycle_memory_refused
    lifecycle_refused_calls lifecycle_report_in_sandbox lifecycle_sandbox lifecycle_no_proc
    # Trap flags: single steps are x86's here.
    lifecycle_exit_in_handler lifecycle_fork_in_handler lifecycle_handler_each_instruction
    # A timer that is faster than its signals.
    lifecycle_handler_timer
    # Threads in the child of a process that had some: it aborts.
    lifecycle_fork_storm
    # Resident memory, which these are about: its own is in the figures, and it ignores advice about huge pages.
    lifecycle_copy_on_write lifecycle_huge_pages lifecycle_idle_process lifecycle_many_threads lifecycle_phases
    lifecycle_pure_freer lifecycle_shrinking_pool lifecycle_sleeping_owner lifecycle_thread_exit_destructors
    lifecycle_trim_others lifecycle_unloaded_libraries
    # The report is to be all of stderr, where it says what it did with the signal.
    hardened_report_json
    # Its /proc/self/maps does not name libc's heap, by which libc's blocks are known.
    lifecycle_deepbind_plugin lifecycle_late_dlopen
    # They reserve 1 TiB, because they allocate before there are options, or refuse those they have.
    interface_operators lifecycle_environment lifecycle_first_calls lifecycle_guarded_blocks lifecycle_options
    # A second name in LD_PRELOAD, with large pages: it does not know the memory where the dynamic linker has it.
    lifecycle_reentry_dlsym)

foreach(folder interface misuse lifecycle hardened)
  file(GLOB sources CONFIGURE_DEPENDS ${hakmem_tests}/${folder}/*.c ${hakmem_tests}/${folder}/*.cpp)
  foreach(source IN LISTS sources)
    get_filename_component(name ${source} NAME_WE)
    set(target ${folder}_${name})
    if(target IN_LIST hakmem_not_emulated)
      continue()
    endif()
    hakmem_add_plain_program(${target} ${source})
    target_sources(${target} PRIVATE ${hakmem_tests}/emulated/exec.c) # they start themselves again
    if(NOT folder STREQUAL "hardened")
      hakmem_add_emulated(${target} ${folder} hakmem ${target})
    endif()
    hakmem_add_emulated(hardened_${target} hardened hakmem-hardened ${target})
  endforeach()
endforeach()

file(GLOB sources CONFIGURE_DEPENDS ${hakmem_tests}/link/*.c ${hakmem_tests}/link/*.cpp)
foreach(source IN LISTS sources)
  get_filename_component(name ${source} NAME_WE)
  set(target link_${name})
  # As fork_storm, and set-uid.
  if(name MATCHES "^static_(threads_fork|secure)$")
    continue()
  endif()
  hakmem_add_static_program(${target} ${source})
  hakmem_add_emulated(${target} link "" ${target})
endforeach()

foreach(library hakmem hakmem-hardened)
  hakmem_add_test(interface_exports_${library} interface ${Python3_EXECUTABLE}
                  ${hakmem_tests}/interface/exports.py --library $<TARGET_FILE:${library}>)
endforeach()
hakmem_add_test(aarch64_hits link ${Python3_EXECUTABLE} ${hakmem_tests}/emulated/aarch64_hits.py
                --library $<TARGET_FILE:hakmem>)

# The system calls of some of them, as larger pages want them.
foreach(target interface_calloc_zero interface_realloc_contents lifecycle_owners_leave)
  foreach(library hakmem hakmem-hardened)
    foreach(bytes 16384 65536)
      list(JOIN CMAKE_CROSSCOMPILING_EMULATOR " " emulator)
      set(name whole_pages_${target}_${library}_${bytes})
      hakmem_add_test(${name} emulated ${Python3_EXECUTABLE} ${hakmem_tests}/emulated/whole_pages.py
                      --page-bytes ${bytes} --emulator ${emulator} --preload $<TARGET_FILE:${library}>
                      --control $<TARGET_FILE:${target}>)
      set_tests_properties(${name} PROPERTIES ENVIRONMENT "TEST_SECONDS=${hakmem_emulated_seconds};TEST_COUNT=200")
    endforeach()
  endforeach()
endforeach()
