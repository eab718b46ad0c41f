// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Who runs the parts of a host operation. An executor is anything callable as
//
//     executor(tasks, body)      // runs body(0) ... body(tasks - 1), in any order and on any
//                                // threads, and returns when all have returned
//
// so an engine passes its own pool in one line. Results do not depend on the executor.
#pragma once

#include "qfmt/config.hpp"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace qfmt::inline v0::host {

/// One task after another on the calling thread.
struct Serial {
  /// body(0), body(1), ... on the calling thread.
  template <class Body>
  void operator()(int64_t tasks, Body const& body) const {
    for (int64_t task = 0; task < tasks; ++task) body(task);
  }
};

/// Up to `count` threads for the length of one call, the calling one among them; 0: one for each
/// hardware thread. Allocates. Where the system grants fewer threads, those at hand do the work;
/// built with -fno-exceptions, a refused thread ends the program, as std::thread's constructor then
/// does.
struct Threads {
  int count = 0;  ///< threads at most; 0: as many as the hardware has

  /// Runs body(0) ... body(tasks - 1) and returns when all have returned. Allocates.
  template <class Body>
  void operator()(int64_t tasks, Body const& body) const {
    std::atomic<int64_t> next{0};
    auto const work = [&] {
      for (int64_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) body(task);
    };
    int64_t const wanted =
        count > 0 ? count : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    std::vector<std::thread> helpers;
    start(helpers, std::min(wanted, tasks) - 1, work);
    work();
    for (std::thread& helper : helpers) helper.join();
  }

 private:
  template <class Work>
  static void start(std::vector<std::thread>& helpers, int64_t count, Work const& work) {
#if defined(__cpp_exceptions)
    try {
#endif
      for (int64_t i = 0; i < count; ++i) helpers.emplace_back(work);
#if defined(__cpp_exceptions)
    } catch (...) {  // no more threads or memory: the calling thread works on with what there is
    }
#endif
  }
};

}  // namespace qfmt::inline v0::host
