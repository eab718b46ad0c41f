# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0

# qfmt_single.hpp, .cuh and .inc are made from the headers, never committed.
option(QFMT_SINGLE_HEADER "Make the single files and install them as component single (Python 3)" OFF)

# Defines the target qfmt_single, which makes the files in ${PROJECT_BINARY_DIR}/single.
function(qfmt_single_header_target)
  if(TARGET qfmt_single)
    return()
  endif()
  find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)
  set(folder "${PROJECT_BINARY_DIR}/single")
  set(files "${folder}/qfmt_single.hpp" "${folder}/qfmt_single.cuh" "${folder}/qfmt_single.inc")
  set(script "${PROJECT_SOURCE_DIR}/cmake/single_header.py")
  get_target_property(headers qfmt HEADER_SET)
  add_custom_command(
    OUTPUT ${files}
    COMMAND Python3::Interpreter -B "${script}" "${PROJECT_SOURCE_DIR}/include" "${folder}"
    DEPENDS "${script}" ${headers}
    VERBATIM)
  add_custom_target(qfmt_single DEPENDS ${files})
endfunction()

if(QFMT_SINGLE_HEADER)
  qfmt_single_header_target()
  add_custom_target(qfmt_single_all ALL)
  add_dependencies(qfmt_single_all qfmt_single)
  if(QFMT_INSTALL)
    foreach(ending IN ITEMS hpp cuh inc)
      install(FILES "${PROJECT_BINARY_DIR}/single/qfmt_single.${ending}"
              DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT single)
    endforeach()
  endif()
endif()
