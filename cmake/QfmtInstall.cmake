# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# Everything lies under share/ and include/: the package holds no machine code.
set(package_dir "${CMAKE_INSTALL_DATADIR}/cmake/qfmt")

install(TARGETS qfmt EXPORT qfmtTargets FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT qfmtTargets NAMESPACE qfmt:: DESTINATION "${package_dir}")

configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/qfmtConfig.cmake.in" "${PROJECT_BINARY_DIR}/qfmtConfig.cmake"
  INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file(
  "${PROJECT_BINARY_DIR}/qfmtConfigVersion.cmake"
  VERSION "${PROJECT_VERSION}"
  COMPATIBILITY SameMinorVersion # until 1.0 a minor version may change the API
  ARCH_INDEPENDENT)
install(FILES "${PROJECT_BINARY_DIR}/qfmtConfig.cmake"
              "${PROJECT_BINARY_DIR}/qfmtConfigVersion.cmake" DESTINATION "${package_dir}")

if(IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(QFMT_PC_INCLUDEDIR "${CMAKE_INSTALL_INCLUDEDIR}")
else()
  set(QFMT_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file("${PROJECT_SOURCE_DIR}/cmake/qfmt.pc.in" "${PROJECT_BINARY_DIR}/qfmt.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/qfmt.pc" DESTINATION "${CMAKE_INSTALL_DATADIR}/pkgconfig")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DATADIR}/licenses/qfmt")
