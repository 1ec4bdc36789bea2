# What tests of the shipped libraries are: stand-alone programs, and the libraries that these load.

# A program as a user would write it: not linked with hakmem, nor optimised so far that its malloc
# calls are gone. The file is free to commit the crime that it is about, so no warnings.
function(hakmem_add_plain_program target source)
  add_executable(${target} ${source})
  target_compile_options(${target} PRIVATE -O1 -g -fno-builtin -w)
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE) # as g++ always has it
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/include ${hakmem_tests})
  target_link_libraries(${target} PRIVATE Threads::Threads ${CMAKE_DL_LIBS})
endfunction()

# The same with the archive in it, which the program then knows for its own malloc.
function(hakmem_add_static_program target source)
  hakmem_add_plain_program(${target} ${source})
  target_compile_definitions(${target} PRIVATE TEST_STATIC=1)
  target_link_options(${target} PRIVATE -static)
  target_link_libraries(${target} PRIVATE hakmem::static)
endfunction()

# Shared libraries that the programs load or preload: <folder>/plugins/*, under their own names.
set(hakmem_plugins ${CMAKE_CURRENT_BINARY_DIR}/plugins)
file(GLOB sources CONFIGURE_DEPENDS ${hakmem_tests}/*/plugins/*.c ${hakmem_tests}/*/plugins/*.cpp)
foreach(source IN LISTS sources)
  get_filename_component(name ${source} NAME_WE)
  add_library(plugin_${name} MODULE ${source})
  target_compile_options(plugin_${name} PRIVATE -O1 -g -fno-builtin -w)
  target_compile_definitions(plugin_${name} PRIVATE _GNU_SOURCE)
  target_link_libraries(plugin_${name} PRIVATE Threads::Threads ${CMAKE_DL_LIBS})
  set_target_properties(plugin_${name} PROPERTIES PREFIX "" OUTPUT_NAME ${name}
                                                  LIBRARY_OUTPUT_DIRECTORY ${hakmem_plugins})
endforeach()
