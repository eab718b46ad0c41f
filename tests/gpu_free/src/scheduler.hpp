// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The parts of the scheduler that the other sources of the harness use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gpu_free/machine.hpp"

namespace gpu_free::scheduler {

/// Gives the processor away until `wake(id)`. `why` stands in the report of a deadlock.
void block(char const* why, Site site);
void wake(unsigned id);

/// One step of asynchronous work for the moment when no thread can go on; false if none is left.
/// Set by async.cpp.
struct AsyncHooks {
  void (*begin_cluster)() = nullptr;
  bool (*progress)() = nullptr;
  void (*end_cluster)() = nullptr;  // fails if something is still in flight
};
AsyncHooks& async_hooks();

/// Uniform below n, from the seed.
std::uint32_t random(std::uint32_t n);

bool is_stack(void const* pointer);          // the running fiber's
bool is_thread_record(void const* pointer);  // what thread() refers to

/// Shared memory of the cluster that runs, as byte ranges.
struct Range {
  std::byte* first;
  std::size_t bytes;
  bool contains(void const* p) const { return p >= first && p < first + bytes; }
};
Range dynamic_range(unsigned rank);
Range static_range();
unsigned blocks();
unsigned threads_per_block();
std::string name_of(unsigned id);  // "thread (3,0,0) of block (1,0,0)"

}  // namespace gpu_free::scheduler
