# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0

# version.hpp is the one home of the version: a copied include folder has it too.
file(STRINGS "${CMAKE_CURRENT_LIST_DIR}/../include/qfmt/version.hpp" lines
     REGEX "^#define QFMT_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+")
foreach(part IN ITEMS MAJOR MINOR PATCH)
  if(NOT "${lines}" MATCHES "QFMT_VERSION_${part} +([0-9]+)")
    message(FATAL_ERROR "qfmt: include/qfmt/version.hpp defines no QFMT_VERSION_${part}")
  endif()
  set(QFMT_VERSION_${part} "${CMAKE_MATCH_1}")
endforeach()
set(QFMT_VERSION "${QFMT_VERSION_MAJOR}.${QFMT_VERSION_MINOR}.${QFMT_VERSION_PATCH}")
unset(lines)
