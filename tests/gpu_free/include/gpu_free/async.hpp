// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Asynchronous work: mbarriers, bulk copies that complete on them, and per-thread copy groups. A
// copy lands as late as it may (when nothing else can go on, at an even seed) or at once (odd).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "gpu_free/fault.hpp"

namespace gpu_free {

/// An operation under way: who issued it, as the how-manieth, knowing what of the others.
struct Async {
  unsigned issuer = 0;
  std::uint32_t serial = 0;
  std::vector<std::uint32_t> known;
};

/// The running thread starts an asynchronous operation.
Async issue_async();
void async_reads(Async const& by, void const* pointer, std::size_t bytes);
void async_writes(Async const& by, void* pointer, std::size_t bytes);
/// The running thread has waited for it.
void async_done(Async const& operation);

void mbarrier_init(void* barrier, unsigned arrivals, Site site);
/// Copies and other blocks may use the barriers that this thread has initialised.
void mbarrier_init_fence(Site site);
void mbarrier_invalidate(void* barrier, Site site);
/// Returns the parity of the phase that this arrival belongs to.
unsigned mbarrier_arrive(void* barrier, unsigned count, Site site);
void mbarrier_expect_tx(void* barrier, std::uint32_t bytes, Site site);
/// True when the phase of this parity is complete. `may_block`: false only now and then, and never
/// for ever: a phase that nothing can complete is a reported deadlock.
bool mbarrier_test(void* barrier, unsigned parity, bool may_block, Site site);

/// This thread's writes to shared memory so far may be read by asynchronous operations.
void async_proxy_fence();

/// One contiguous part of a copy; `from` null writes zeros.
struct Piece {
  void* to;
  void const* from;
  std::size_t bytes;
};

/// cp.async.bulk: the pieces land together and then count their bytes on the mbarrier.
void bulk_copy(Piece const* pieces, std::size_t count, void* barrier, Site site);

/// cp.async of the running thread, its groups and its waits.
void thread_copy(Piece piece, Site site);
void thread_copy_commit();
void thread_copy_wait(unsigned groups_left, Site site);
/// cp.async.mbarrier.arrive: an arrival when all earlier copies of the thread have landed.
void thread_copy_arrive(void* barrier, bool counts, Site site);

}  // namespace gpu_free
