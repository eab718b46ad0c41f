# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0

# Defines Catch2::Catch2WithMain and catch_discover_tests(), or stops with the line that helps.
#   1. an installed Catch2 3.4 or newer
#   2. QFMT_CATCH2_SOURCE_DIR: an unpacked Catch2 source, of which the amalgamated pair is built
# Nothing is downloaded: configuring needs no network.
set(QFMT_CATCH2_SOURCE_DIR "" CACHE PATH "Unpacked Catch2 3 source, where no package is installed")

find_package(Catch2 3.4 CONFIG QUIET)
if(Catch2_FOUND)
  include(Catch)
elseif(QFMT_CATCH2_SOURCE_DIR)
  set(extras "${QFMT_CATCH2_SOURCE_DIR}/extras")
  if(NOT EXISTS "${extras}/catch_amalgamated.cpp")
    message(FATAL_ERROR "qfmt: ${extras} holds no catch_amalgamated.cpp: not a Catch2 3 source")
  endif()
  # The tests include <catch2/...>; the pair is one header, to which each of those names forwards.
  file(GLOB_RECURSE headers RELATIVE "${QFMT_CATCH2_SOURCE_DIR}/src"
       "${QFMT_CATCH2_SOURCE_DIR}/src/catch2/*.hpp")
  foreach(header IN LISTS headers)
    file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/catch2/include/${header}"
         CONTENT "#include <catch_amalgamated.hpp>\n")
  endforeach()
  add_library(qfmt_catch2 STATIC "${extras}/catch_amalgamated.cpp")
  add_library(Catch2::Catch2WithMain ALIAS qfmt_catch2)
  target_include_directories(qfmt_catch2 SYSTEM PUBLIC "${extras}"
                                                       "${CMAKE_BINARY_DIR}/catch2/include")
  target_compile_features(qfmt_catch2 PUBLIC cxx_std_20)
  include("${extras}/Catch.cmake")
else()
  message(
    FATAL_ERROR
      "qfmt: the tests need Catch2 3.4 or newer. One of these provides it:\n"
      "  bash tests/run.sh                                   (installs it, then builds and tests)\n"
      "  apt-get install libcatch2-dev                       (Debian 13, Ubuntu 24.04 and newer)\n"
      "  apt-get install -t bookworm-backports libcatch2-dev (Debian 12 with backports)\n"
      "  cmake -DQFMT_CATCH2_SOURCE_DIR=<unpacked Catch2 3>  (offline)\n"
      "or build without tests: -DQFMT_BUILD_TESTS=OFF")
endif()
