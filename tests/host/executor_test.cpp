// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "qfmt/host/executor.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace {

using namespace qfmt;

/// The threads that took part in `tasks` tasks, each long enough that others get a share.
template <class Executor>
std::set<std::thread::id> threads_of(Executor const& executor, std::int64_t tasks) {
  std::set<std::thread::id> seen;
  std::mutex lock;
  executor(tasks, [&](std::int64_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::lock_guard const guard(lock);
    seen.insert(std::this_thread::get_id());
  });
  return seen;
}

}  // namespace

TEST_CASE("Serial runs tasks in order on the calling thread", "[host][parallel]") {
  std::vector<std::int64_t> order;
  host::Serial{}(5, [&](std::int64_t task) { order.push_back(task); });
  CHECK(order == std::vector<std::int64_t>{0, 1, 2, 3, 4});
  CHECK(threads_of(host::Serial{}, 10) == std::set{std::this_thread::get_id()});
}

TEST_CASE("Threads take part up to the count that was asked for", "[host][parallel]") {
  CHECK(threads_of(host::Threads{1}, 20) == std::set{std::this_thread::get_id()});
  for (int const count : {2, 3, 8}) {
    auto const seen = threads_of(host::Threads{count}, 100);
    CHECK(seen.size() <= static_cast<std::size_t>(count));
    CHECK(seen.size() >= 2);
  }
}

TEST_CASE("Threads take part only where there is a task for them", "[host][parallel]") {
  for (std::int64_t const tasks : {1, 2, 3})
    CHECK(threads_of(host::Threads{8}, tasks).size() <= static_cast<std::size_t>(tasks));
}

TEST_CASE("no task, no call", "[host][parallel]") {
  for (int const count : {0, 1, 8, -1, std::numeric_limits<int>::min()}) {
    int calls = 0;
    host::Threads{count}(0, [&](std::int64_t) { ++calls; });
    CHECK(calls == 0);
  }
}

TEST_CASE("a count of zero or less means the hardware's", "[host][parallel]") {
  auto const hardware = std::max(1u, std::thread::hardware_concurrency());
  for (int const count : {0, -1, std::numeric_limits<int>::min()})
    CHECK(threads_of(host::Threads{count}, 50).size() <= hardware);
}
