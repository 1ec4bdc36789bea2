# The object code the products are put together from.
#
#   hakmem_boxes       every box, the C API (hak_*) included; nothing that takes malloc's name
#   hakmem_os          the system calls; a test may link a fake in their place
#   hakmem_api_libc    malloc and its family, and prctl, for both libraries
#   hakmem_api_shared  what only libhakmem.so has
#   hakmem_api_static  what only libhakmem.a has, in the member that replaces libc's malloc.o
#   hakmem_api_new     the C++ operators of libhakmem.a, a member of their own
#   hakmem_hardened_*  boxes, libc and shared once more, of the hardened flavour

file(GLOB hakmem_all_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/*/*.cpp)
# What only the hardened flavour has.
set(hakmem_hardened_sources ${hakmem_all_sources})
list(FILTER hakmem_hardened_sources INCLUDE REGEX "/src/(hardened/[^/]*|superslab/(canary|randomness)\\.cpp)$")
set(hakmem_boxes_sources ${hakmem_all_sources})
list(REMOVE_ITEM hakmem_boxes_sources ${hakmem_hardened_sources})
list(FILTER hakmem_boxes_sources EXCLUDE REGEX "/src/os/[^/]*$")
list(FILTER hakmem_boxes_sources EXCLUDE REGEX
     "/src/api/(libc|libc_info|libc_aliases_static|prctl|cxx_new[^/]*)\\.cpp$")
set(hakmem_os_sources ${hakmem_all_sources})
list(FILTER hakmem_os_sources INCLUDE REGEX "/src/os/[^/]*$")

# A malloc that the compiler recognises as one gets "optimised" into a call of itself. And the way to a slow path stays
# within its function: to a part elsewhere each jump takes four bytes more (0002).
set(hakmem_api_sources ${hakmem_all_sources})
list(FILTER hakmem_api_sources INCLUDE REGEX "/src/api/[^/]*$")
set_source_files_properties(
  ${hakmem_api_sources} PROPERTIES
  COMPILE_OPTIONS "-fno-builtin;$<$<CXX_COMPILER_ID:GNU>:-fno-reorder-blocks-and-partition>")
# The basic operators and the forms that forward to them are files of their own on purpose.
set_property(SOURCE ${PROJECT_SOURCE_DIR}/src/api/cxx_new.cpp
                    ${PROJECT_SOURCE_DIR}/src/api/cxx_new_forms.cpp
                    ${PROJECT_SOURCE_DIR}/src/api/cxx_new_static.cpp
             APPEND PROPERTY COMPILE_OPTIONS
                             $<$<CXX_COMPILER_ID:GNU>:-Wno-sized-deallocation>)

if(HAKMEM_PGO)
  hakmem_pgo_sources(${hakmem_all_sources})
endif()

function(hakmem_add_objects name)
  add_library(${name} OBJECT ${ARGN})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(${name} PRIVATE hakmem_warnings hakmem_boxes_options)
endfunction()

set(hakmem_api ${PROJECT_SOURCE_DIR}/src/api)
hakmem_add_objects(hakmem_boxes ${hakmem_boxes_sources})
set_property(SOURCE ${hakmem_api}/c_api.cpp ${PROJECT_SOURCE_DIR}/src/heap/lifecycle.cpp APPEND PROPERTY COMPILE_DEFINITIONS
             HAKMEM_VERSION="${PROJECT_VERSION}")
hakmem_add_objects(hakmem_os ${hakmem_os_sources})
hakmem_add_objects(hakmem_hardened_boxes ${hakmem_boxes_sources} ${hakmem_hardened_sources})
target_compile_definitions(hakmem_hardened_boxes PUBLIC HAKMEM_HARDENED=1)
if(NOT HAKMEM_SANITIZE)
  hakmem_add_objects(hakmem_hardened_libc ${hakmem_api}/libc.cpp ${hakmem_api}/libc_info.cpp ${hakmem_api}/prctl.cpp)
  hakmem_add_objects(hakmem_hardened_shared ${hakmem_api}/cxx_new.cpp ${hakmem_api}/cxx_new_forms.cpp)
  target_compile_definitions(hakmem_hardened_libc PUBLIC HAKMEM_HARDENED=1)
  target_compile_definitions(hakmem_hardened_shared PUBLIC HAKMEM_HARDENED=1)
  hakmem_add_objects(hakmem_api_libc ${hakmem_api}/libc.cpp ${hakmem_api}/libc_info.cpp ${hakmem_api}/prctl.cpp)
  hakmem_add_objects(hakmem_api_shared ${hakmem_api}/cxx_new.cpp ${hakmem_api}/cxx_new_forms.cpp)
  hakmem_add_objects(hakmem_api_static ${hakmem_api}/libc_aliases_static.cpp)
  hakmem_add_objects(hakmem_api_new ${hakmem_api}/cxx_new_static.cpp)
endif()
