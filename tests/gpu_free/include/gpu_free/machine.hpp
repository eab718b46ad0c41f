// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What the doubles of CUDA's built-ins and instructions stand on: the running thread, the places
// where threads wait for each other, and shared memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "gpu_free/fault.hpp"
#include "gpu_free/vector_types.hpp"

namespace gpu_free {

/// The CUDA thread that runs.
struct Thread {
  uint3 index{};        // threadIdx
  uint3 block{};        // blockIdx
  unsigned linear = 0;  // index in the block
  unsigned rank = 0;    // of the block in its cluster
  unsigned id = 0;      // index in the cluster

  unsigned lane() const { return linear % 32; }
  unsigned warp() const { return linear / 32; }
};

/// Whether the code that runs is a kernel's own: its memory accesses are then checked.
bool in_kernel();

/// Marks a scope of harness code inside a kernel, such as a double that keeps books on the heap.
class Outside {
 public:
  Outside();
  ~Outside();
  Outside(Outside const&) = delete;
  Outside& operator=(Outside const&) = delete;

 private:
  void* fiber_;
};

/// Fails outside of kernels.
Thread const& thread();

/// The lanes' payloads when a warp has come together; null for lanes that the mask does not name.
using Lanes = std::array<void*, 32>;

namespace detail {
void converge(unsigned mask, char const* what, void* payload, void (*op)(void*, Lanes const&),
              void* context, Site site);
}

/// Waits until all lanes of `mask` are here with the same mask and the same `what`; the last one
/// calls op(std::array<Payload*, 32>) once. Orders execution, not memory.
template <class Payload, class Op>
void converge(unsigned mask, char const* what, Payload& mine, Op op, Site site) {
  auto const call = [](void* context, Lanes const& lanes) {
    std::array<Payload*, 32> typed{};
    for (std::size_t i = 0; i < 32; ++i) typed[i] = static_cast<Payload*>(lanes[i]);
    (*static_cast<Op*>(context))(typed);
  };
  detail::converge(mask, what, &mine, call, &op, site);
}

/// __syncwarp: the same, and memory is ordered between the lanes.
void sync_warp(unsigned mask, Site site);

/// __syncthreads. All threads of the block that have not ended must come to the same source line.
void sync_block(Site site);

/// bar.sync / bar.arrive `id` with `threads` threads, 0 meaning the whole block.
void sync_named(unsigned id, unsigned threads, Site site);
void arrive_named(unsigned id, unsigned threads, Site site);

/// barrier.cluster.arrive and .wait.
void arrive_cluster(Site site);
void wait_cluster(Site site);

/// A point where another thread may go on: atomics and polls.
void pause(Site site);

unsigned lane_active_mask();
unsigned cluster_size();

/// The dynamic shared memory of a block of this cluster, by default the running one's.
std::byte* dynamic_shared();
std::byte* dynamic_shared(unsigned rank);
std::size_t dynamic_shared_bytes();

/// Shared-space addresses as instructions know them: the dynamic part begins at 1024, static
/// variables at 2^24. Fails for what is not shared memory.
std::uint32_t shared_address(void const* pointer, Site site = {});
std::byte* shared_pointer(std::uint32_t address, Site site = {});

/// What an instruction reads or writes on the running thread's behalf, checked as its own accesses
/// are.
void check_read(void const* pointer, std::size_t bytes);
void check_write(void* pointer, std::size_t bytes);

/// The same place in another block of the cluster (mapa).
std::byte* map_shared(void* pointer, unsigned rank, Site site = {});

}  // namespace gpu_free
