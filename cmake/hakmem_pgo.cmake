# Profile-guided optimisation of libhakmem's own code (docs/decisions/0016-pgo.md). scripts/pgo drives it.
#
#   HAKMEM_PGO=generate   the library counts, and writes a profile when the process ends
#   HAKMEM_PGO=use        it is compiled with the profile that scripts/pgo has verified
#
# Included before the libraries are declared. It adds to hakmem_boxes_options and hakmem_link_options.

set(HAKMEM_PGO "" CACHE STRING "generate or use: instrument the library, or compile it with a profile")
set(HAKMEM_PGO_PROFILES "" CACHE PATH "Folder of the profiles")
if(NOT HAKMEM_PGO)
  return()
endif()
if(NOT HAKMEM_PGO MATCHES "^(generate|use)$" OR NOT HAKMEM_PGO_PROFILES)
  message(FATAL_ERROR "HAKMEM_PGO is generate or use, and HAKMEM_PGO_PROFILES names a folder")
endif()

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # The prefix path keeps the build folder out of the profiles' names: another folder uses them.
  # Value profiles are left out: their runtime allocates while the allocator is counting.
  set(hakmem_pgo_both -fprofile-prefix-path=${PROJECT_BINARY_DIR} -fno-profile-values)
  set(hakmem_pgo_generate -fprofile-generate=${HAKMEM_PGO_PROFILES} -fprofile-update=single)
  # What the training never ran is compiled as without a profile, not for size.
  set(hakmem_pgo_use -fprofile-use=${HAKMEM_PGO_PROFILES} -fprofile-partial-training)
else()
  set(hakmem_pgo_both "SHELL:-mllvm -disable-vp")
  set(hakmem_pgo_generate -fprofile-generate=${HAKMEM_PGO_PROFILES})
  # The merged profile holds only functions that ran: scripts/pgo drops the others.
  set(hakmem_pgo_use -fprofile-use=${HAKMEM_PGO_PROFILES}/merged.profdata)
endif()

target_compile_options(hakmem_boxes_options INTERFACE ${hakmem_pgo_both} ${hakmem_pgo_${HAKMEM_PGO}})
if(HAKMEM_PGO STREQUAL "generate")
  target_link_options(hakmem_link_options INTERFACE -fprofile-generate)
endif()

# For the sources, once their other properties are set.
function(hakmem_pgo_sources)
  if(HAKMEM_PGO STREQUAL "use")
    # `verified` is the last file that a collection writes: each object is compiled after it.
    set_property(SOURCE ${ARGN} APPEND PROPERTY OBJECT_DEPENDS ${HAKMEM_PGO_PROFILES}/verified)
    # The shared library, which is what runs in training, has no part of these.
    list(FILTER ARGN INCLUDE REGEX "/src/api/[^/]*_static\\.cpp$")
    set_property(SOURCE ${ARGN} APPEND PROPERTY COMPILE_OPTIONS
                                                $<$<CXX_COMPILER_ID:GNU>:-Wno-missing-profile>)
  endif()
endfunction()
