# cmake --install: headers, both libraries, the command, and what find_package and pkg-config read.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# What must be built before `cmake --install`.
add_custom_target(sluice_package DEPENDS sluice_lib_static sluice_lib_shared)
set(SLUICE_LIBRARIES sluice_lib_static sluice_lib_shared)
if(TARGET sluice_upload)
  list(APPEND SLUICE_LIBRARIES sluice_upload)
  add_dependencies(sluice_package sluice_upload)
endif()
if(TARGET sluice)
  add_dependencies(sluice_package sluice)
endif()

set(SLUICE_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/sluice)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/sluice DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h")
install(TARGETS ${SLUICE_LIBRARIES} EXPORT sluiceTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET sluice)
  install(TARGETS sluice RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  # The daemon's units, of the system and of users. A package has another prefix than the build, so
  # they are made when they are installed.
  install(CODE "
    set(CMAKE_INSTALL_FULL_BINDIR \${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR})
    set(CMAKE_INSTALL_FULL_DOCDIR \${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DOCDIR})
    foreach(unit sluice sluice-user)
      configure_file(${PROJECT_SOURCE_DIR}/packaging/\${unit}.service.in
        ${PROJECT_BINARY_DIR}/packaging/\${unit}.service @ONLY)
    endforeach()")
  install(FILES ${PROJECT_BINARY_DIR}/packaging/sluice.service
    ${PROJECT_SOURCE_DIR}/packaging/sluice-http.socket DESTINATION lib/systemd/system)
  install(FILES ${PROJECT_BINARY_DIR}/packaging/sluice-user.service DESTINATION lib/systemd/user
    RENAME sluice.service)
  install(FILES ${PROJECT_SOURCE_DIR}/docs/serve.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
endif()
install(FILES ${PROJECT_SOURCE_DIR}/packaging/sluice.lnav.json
  DESTINATION ${CMAKE_INSTALL_DATADIR}/sluice)
install(EXPORT sluiceTargets NAMESPACE sluice:: DESTINATION ${SLUICE_CMAKE_DIR})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/THIRD_PARTY_NOTICES.md
  DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(SLUICE_COMPAT_DIR ${CMAKE_INSTALL_INCLUDEDIR}/sluice/compat)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/sluiceConfig.cmake.in
  ${PROJECT_BINARY_DIR}/sluiceConfig.cmake INSTALL_DESTINATION ${SLUICE_CMAKE_DIR}
  PATH_VARS SLUICE_COMPAT_DIR)
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/sluiceConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/sluiceConfig.cmake
  ${PROJECT_BINARY_DIR}/sluiceConfigVersion.cmake DESTINATION ${SLUICE_CMAKE_DIR})

# Paths from the file's own place, so that the installed tree may be moved.
file(RELATIVE_PATH SLUICE_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${PROJECT_SOURCE_DIR}/cmake/sluice.pc.in ${PROJECT_BINARY_DIR}/sluice.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/sluice.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# A Debian package of all of it: `cpack -G DEB` in the build tree.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)  # sluice_package, not the tests too
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME sluice)
set(CPACK_PACKAGE_CONTACT "Sluice maintainers <maintainers@sluice.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY
  "logs, metrics and state off the hot path, kept and queryable")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS libzstd1)  # loaded where rotated files are compressed
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)  # and the trigger for ldconfig
include(CPack)
