# `cmake --install build/release`: the libraries, the header, how to find them, and the command where it is built.

include(CMakePackageConfigHelpers)
set(hakmem_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/hakmem)

install(TARGETS hakmem hakmem-hardened EXPORT hakmem-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${PROJECT_BINARY_DIR}/libhakmem.a DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/hakmem DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(TARGET hakmem_cli)
  install(TARGETS hakmem_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(DIRECTORY ${PROJECT_BINARY_DIR}/manual/ DESTINATION ${CMAKE_INSTALL_DATAROOTDIR} OPTIONAL)
endif()
install(FILES tools/gdb/hakmem_gdb.py DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/hakmem)
install(EXPORT hakmem-targets NAMESPACE hakmem:: DESTINATION ${hakmem_package_dir})

configure_package_config_file(cmake/hakmem-config.cmake.in hakmem-config.cmake
                              INSTALL_DESTINATION ${hakmem_package_dir}
                              PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(hakmem-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/hakmem-config.cmake
              ${PROJECT_BINARY_DIR}/hakmem-config-version.cmake DESTINATION ${hakmem_package_dir})

# Relative to where the file lies, so that the prefix may be chosen as late as at the installation.
file(RELATIVE_PATH hakmem_pc_to_prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/hakmem.pc.in hakmem.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/hakmem.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
