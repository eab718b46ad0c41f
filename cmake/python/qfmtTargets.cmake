# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0

# The target of the Python package, whose folder is wherever pip has put it.
if(NOT TARGET qfmt::qfmt)
  add_library(qfmt::qfmt INTERFACE IMPORTED)
  set_target_properties(
    qfmt::qfmt
    PROPERTIES INTERFACE_COMPILE_FEATURES cxx_std_20
               INTERFACE_INCLUDE_DIRECTORIES "${PACKAGE_PREFIX_DIR}/include")
endif()
