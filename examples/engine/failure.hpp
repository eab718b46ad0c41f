// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qfmt/io/error.hpp>

#include <cstdio>
#include <stdexcept>
#include <string>

namespace engine {

/// Ends the program; main prints the text and returns 1.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The value, or a Failure with what is wrong with the file.
template <class T>
T value_or_fail(qfmt::io::Result<T> result) {
  if (!result) throw Failure(result.error().text());
  return std::move(*result);
}

inline void require(bool holds, std::string const& text) {
  if (!holds) throw Failure(text);
}

inline void require(qfmt::Status status, std::string const& subject) {
  if (!status) throw Failure(subject + ": " + qfmt::message(status.code));
}

/// The exit code of a program that does `work`: 0, or 1 after what went wrong was printed.
template <class Work>
int exit_code_of(char const* program, Work const& work) {
  try {
    work();
  } catch (std::exception const& error) {
    std::fprintf(stderr, "%s: %s\n", program, error.what());  // <fmt/core.h> 9 and nvcc disagree
    return 1;
  }
  return 0;
}

}  // namespace engine
