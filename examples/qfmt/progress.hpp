// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// One line on stderr: tensors done, rate, time left. Redrawn on a terminal; elsewhere a line every
// five seconds, so that a log of a long run shows that it lives.
#pragma once

#include <fmt/core.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <unistd.h>

namespace app {

class Progress {
 public:
  /// `bytes` counts what is to be read, once for each pass over it.
  Progress(bool quiet, std::size_t tensors, std::int64_t bytes)
      : quiet_(quiet), tensors_(tensors), bytes_(bytes) {}
  Progress(Progress const&) = delete;
  ~Progress() { clear(); }

  void read(std::int64_t bytes) {
    bytes_done_ += bytes;
    show();
  }
  void tensor_done() { ++tensors_done_; }

  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  double megabytes_per_second() const {
    return static_cast<double>(bytes_done_) / 1e6 / std::max(seconds(), 1e-6);
  }

  /// Takes the line away, so that other text can stand there.
  void clear() {
    if (drawn_) fmt::print(stderr, "\r\033[K");
    drawn_ = false;
  }

 private:
  using Clock = std::chrono::steady_clock;

  void show() {
    auto const now = Clock::now();
    if (quiet_ || now - shown_ < interval_) return;
    shown_ = now;
    double const rate = megabytes_per_second();
    auto const left = static_cast<std::int64_t>(
        static_cast<double>(bytes_ - bytes_done_) / 1e6 / std::max(rate, 1e-6) + 0.5);
    fmt::print(stderr, "{}{}/{} tensors, {:.0f} MB/s, {}:{:02} left{}", terminal_ ? "\r\033[K" : "",
               tensors_done_, tensors_, rate, left / 60, left % 60, terminal_ ? "" : "\n");
    std::fflush(stderr);
    drawn_ = terminal_;
  }

  bool quiet_;
  std::size_t tensors_, tensors_done_ = 0;
  std::int64_t bytes_, bytes_done_ = 0;
  bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  bool drawn_ = false;
  std::chrono::milliseconds interval_{terminal_ ? 100 : 5000};
  Clock::time_point start_ = Clock::now();
  Clock::time_point shown_ = start_;
};

}  // namespace app
