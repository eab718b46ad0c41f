// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/status.hpp"

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

namespace qfmt::inline v0::io {

/// What went wrong with a file: the code, what it concerns and why. True means there was an error.
struct Error {
  Status status;        ///< ok: no error
  std::string subject;  ///< the file, or the tensor in it, whose fault it is
  std::string detail;   ///< one clause for a person

  /// True where there is an error: `if (Error e = f()) return e;`.
  explicit operator bool() const { return !status; }

  /// "subject: detail", or the code's own sentence where there is no detail.
  std::string text() const {
    return subject + ": " + (detail.empty() ? std::string(message(status.code)) : detail);
  }
};

/// The error behind a failed system call, file_error with the errno that it reads.
inline Error system_error(std::string subject, char const* action) {
  int const number = errno;
  return {{Errc::file_error, -1, number},
          std::move(subject),
          std::string(action) + " failed: " + std::strerror(number)};
}

/// A value, or why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  /// A value.
  Result(T value) : value_(std::move(value)) {}
  /// An error, whose status is not ok.
  Result(Error error) : error_(std::move(error)) {}

  /// True where there is a value.
  explicit operator bool() const { return value_.has_value(); }
  /// The value, which must be there.
  T& operator*() { return *value_; }
  /// The value, which must be there.
  T const& operator*() const { return *value_; }
  /// The value, which must be there.
  T* operator->() { return &*value_; }
  /// The value, which must be there.
  T const* operator->() const { return &*value_; }
  /// The error; ok where there is a value.
  Error const& error() const { return error_; }

 private:
  std::optional<T> value_;
  Error error_{};
};

}  // namespace qfmt::inline v0::io
