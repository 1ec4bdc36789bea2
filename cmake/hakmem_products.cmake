# libhakmem.so, libhakmem-hardened.so and libhakmem.a.

function(hakmem_add_shared name)
  add_library(${name} SHARED ${ARGN})
  add_library(hakmem::${name} ALIAS ${name})
  set_target_properties(
    ${name} PROPERTIES VERSION ${PROJECT_VERSION}
                       SOVERSION 0 # changes when programs would have to be linked anew
                       LINKER_LANGUAGE C # libc only, no libstdc++
                       LINK_DEPENDS ${PROJECT_SOURCE_DIR}/src/api/exports.map
                       LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
  target_link_libraries(${name} PRIVATE hakmem_link_options)
  target_include_directories(${name} INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                               $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  # A program that names no symbol of ours takes its malloc from us all the same, also where --as-needed is in force, as
  # it is by default in some distributions. hakmem::<name> is this target, here and where it is installed.
  target_link_options(
    ${name} INTERFACE
    "SHELL:-Wl,--push-state,--no-as-needed \"$<TARGET_LINKER_FILE:hakmem::${name}>\" -Wl,--pop-state")
endfunction()

hakmem_add_shared(hakmem $<TARGET_OBJECTS:hakmem_boxes> $<TARGET_OBJECTS:hakmem_os>
                  $<TARGET_OBJECTS:hakmem_api_libc> $<TARGET_OBJECTS:hakmem_api_shared>)
hakmem_add_shared(hakmem-hardened $<TARGET_OBJECTS:hakmem_hardened_boxes> $<TARGET_OBJECTS:hakmem_os>
                  $<TARGET_OBJECTS:hakmem_hardened_libc> $<TARGET_OBJECTS:hakmem_hardened_shared>)

# The archive has two members. hakmem.o replaces libc's malloc.o as a whole, so it is one object, and
# what is internal to us is made local in it. Its COMDAT groups are dissolved first: a group whose
# name became local could otherwise be dropped in favour of a user's group of the same name.
set(hakmem_archive ${PROJECT_BINARY_DIR}/libhakmem.a)
set(hakmem_members ${PROJECT_BINARY_DIR}/archive)
set(hakmem_malloc_objects $<TARGET_OBJECTS:hakmem_boxes> $<TARGET_OBJECTS:hakmem_os>
                          $<TARGET_OBJECTS:hakmem_api_libc> $<TARGET_OBJECTS:hakmem_api_static>)
# It takes binutils: LLVM's linker cannot dissolve groups, and CMake prefers that one beside clang.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(HAKMEM_LD ${CMAKE_LINKER} CACHE FILEPATH "GNU ld")
  set(HAKMEM_OBJCOPY ${CMAKE_OBJCOPY} CACHE FILEPATH "GNU objcopy")
else()
  find_program(HAKMEM_LD NAMES ld.bfd ld DOC "GNU ld" REQUIRED)
  find_program(HAKMEM_OBJCOPY NAMES objcopy DOC "GNU objcopy" REQUIRED)
endif()
set(hakmem_merge ${CMAKE_COMMAND} -E env LD=${HAKMEM_LD} OBJCOPY=${HAKMEM_OBJCOPY}
                 ${PROJECT_SOURCE_DIR}/cmake/merge_objects.sh)
add_custom_command(
  OUTPUT ${hakmem_archive}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${hakmem_members}
  COMMAND ${hakmem_merge} ${hakmem_members}/hakmem.o ${hakmem_malloc_objects}
  COMMAND ${hakmem_merge} ${hakmem_members}/hakmem_new.o $<TARGET_OBJECTS:hakmem_api_new>
  COMMAND ${CMAKE_COMMAND} -E rm -f ${hakmem_archive}
  COMMAND ${CMAKE_AR} qcsD ${hakmem_archive} ${hakmem_members}/hakmem.o
          ${hakmem_members}/hakmem_new.o
  DEPENDS ${hakmem_malloc_objects} $<TARGET_OBJECTS:hakmem_api_new>
          ${PROJECT_SOURCE_DIR}/cmake/merge_objects.sh
  COMMENT "Merging libhakmem.a"
  COMMAND_EXPAND_LISTS VERBATIM)
add_custom_target(hakmem_static ALL DEPENDS ${hakmem_archive})
# Of a file from another target make knows no rule: that target comes first.
add_dependencies(hakmem_static hakmem_boxes hakmem_os hakmem_api_libc hakmem_api_static hakmem_api_new)

# An archive's member comes along only when it is asked for: if nothing but libc asks, libc's own malloc is nearer.
set(hakmem_pulls_malloc -Wl,-u,malloc)

add_library(hakmem::static STATIC IMPORTED GLOBAL)
set_target_properties(
  hakmem::static PROPERTIES IMPORTED_LOCATION ${hakmem_archive}
                            INTERFACE_LINK_OPTIONS ${hakmem_pulls_malloc}
                            INTERFACE_INCLUDE_DIRECTORIES ${PROJECT_SOURCE_DIR}/include)
add_dependencies(hakmem::static hakmem_static)
