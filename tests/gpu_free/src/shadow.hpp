// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What is known of each byte of shared and device memory: whether it was ever written, who touched
// it last, and whether that is ordered before the access at hand. Fed by the compiler's own
// -fsanitize=thread calls (hooks.cpp), so it sees plain C++ accesses; in a build without them
// everything here does nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "gpu_free/async.hpp"

namespace gpu_free::shadow {

/// A vector clock: what its owner knows of every thread of the cluster and, behind them, of the
/// asynchronous copies that each thread issued.
using Clock = std::vector<std::uint32_t>;

enum class Kind { read, write, atomic };

bool enabled();

void begin_launch();
void begin_cluster(unsigned blocks, unsigned threads_per_block);
void end_cluster();

/// An access by the running thread. Fails on races, unwritten bytes and foreign memory.
void access(void const* pointer, std::size_t bytes, Kind kind);

/// Asynchronous operations, from the thread that starts one to the clock it completes on.
Async issue();
void access(Async const& by, void const* pointer, std::size_t bytes, Kind kind);
void complete(Async const& done, Clock& into);

// Order between threads.
void release(Clock& into);
void acquire(Clock const& from);
void acquire(unsigned thread, Clock const& from);
void join_block(unsigned rank, std::vector<unsigned> const& threads);
void join(std::vector<unsigned> const& threads);
void join_lanes(unsigned first, unsigned mask);
void fence();
/// The running thread's writes so far become visible to asynchronous reads of shared memory.
void async_proxy_fence();

// Device memory.
void add_buffer(void* data, std::size_t bytes);
void remove_buffer(void* data);
void set_defined(void const* data, std::size_t bytes, bool defined);
bool is_defined(void const* data, std::size_t bytes);

}  // namespace gpu_free::shadow
