// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What the emulated device reports: a Fault leaves the launch as an exception, with the thread, the
// source line where it stood and what it did wrong.
#pragma once

#include <stdexcept>
#include <string>

namespace gpu_free {

struct Fault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A line of source.
struct Site {
  char const* file = nullptr;
  int line = 0;

  /// As a default argument of a built-in: the line that calls it.
  static constexpr Site here(char const* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return {file, line};
  }
};

#define GPU_FREE_SITE ::gpu_free::Site site = ::gpu_free::Site::here()

/// Throws a Fault whose text names the calling thread, if a kernel runs.
[[noreturn]] void fail(std::string const& what, Site site = {});

}  // namespace gpu_free
