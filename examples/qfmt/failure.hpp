// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// How the program ends.
#pragma once

#include <qfmt/io/error.hpp>

#include <stdexcept>
#include <string>

namespace app {

enum ExitCode : int {
  exit_ok = 0,
  exit_differs = 1,
  exit_usage = 2,
  exit_bad_input = 3,
  exit_cannot_write = 4,
  exit_cannot_quantize = 5,
  exit_interrupted = 130,
};

/// Ends the command; main prints the text and returns the code. Nothing half-written survives the
/// way there: the writer removes its temporary file.
class Failure : public std::runtime_error {
 public:
  Failure(ExitCode code, std::string const& text) : std::runtime_error(text), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

/// The value, or a Failure with this code.
template <class T>
T value_or_fail(qfmt::io::Result<T> result, ExitCode code) {
  if (!result) throw Failure(code, result.error().text());
  return std::move(*result);
}

inline void fail_on(qfmt::io::Error const& error, ExitCode code) {
  if (error) throw Failure(code, error.text());
}

}  // namespace app
