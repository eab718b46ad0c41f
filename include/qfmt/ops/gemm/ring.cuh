// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Places in shared memory that one side fills by the copy engine and the other empties, each at its
// own pace.
#pragma once

#include "qfmt/ops/gemm/shape.hpp"
#include "qfmt/ptx/bulk.cuh"

namespace qfmt::inline v0::gemm {

/// False in device code for anything but sm_90a, where these kernels are empty; the host asks the
/// compiled kernel for its launch bound.
#if defined(__CUDA_ARCH__) && !defined(__CUDA_ARCH_FEAT_SM90_ALL)
inline constexpr bool has_warpgroups = false;
#else
inline constexpr bool has_warpgroups = true;
#endif

/// Where a side stands in a ring: the place, and the parity of its phase.
class Turn {
 public:
  __device__ int place() const { return place_; }
  __device__ uint32_t parity() const { return parity_; }
  __device__ void next(int count) {
    if (++place_ < count) return;
    place_ = 0;
    parity_ ^= 1;
  }

 private:
  int place_ = 0;
  uint32_t parity_ = 0;
};

/// The barriers of one ring: (2, count) words. A place is full when its bytes have come, and empty
/// again when every consuming warp has released it.
class Ring {
 public:
  __device__ Ring(uint8_t* shared, ptx::Barrier* barriers, Places const& places)
      : shared_(shared), barriers_(barriers), places_(places) {}

  /// Called by one thread, before the block's first use and its fence_barrier_init.
  __device__ void init(int consumer_warps) const {
    for (int i = 0; i < places_.count; ++i) {
      ptx::init_barrier(full(i), 1);
      ptx::init_barrier(empty(i), consumer_warps);
    }
  }

  /// The place of a turn, once it may be filled; `bytes` will come. Called by one thread.
  __device__ uint8_t* fill(Turn const& turn) const {
    ptx::wait(empty(turn.place()), turn.parity() ^ 1);  // the phase before the first is complete
    ptx::arrive_and_expect(full(turn.place()), static_cast<uint32_t>(places_.bytes));
    return at(turn.place());
  }
  /// The place itself.
  __device__ uint8_t* place(Turn const& turn) const { return at(turn.place()); }
  __device__ ptx::Barrier* filled(Turn const& turn) const { return full(turn.place()); }

  /// Whether it is full already; to ask early, while there is other work to do.
  __device__ bool is_full(Turn const& turn) const {
    return ptx::try_wait(full(turn.place()), turn.parity());
  }

  /// The place of a turn, once it is full; `is_there`: what is_full said before. Called by every
  /// thread of a warp.
  __device__ uint8_t* take(Turn const& turn, bool is_there = false) const {
    if (!is_there) ptx::wait(full(turn.place()), turn.parity());
    return at(turn.place());
  }

  /// Called by whole warps, after the last read of it.
  __device__ void release(Turn const& turn) const {
    __syncwarp();
    if (threadIdx.x % 32 == 0) ptx::arrive(empty(turn.place()));
  }

  __device__ int count() const { return places_.count; }

 private:
  __device__ uint8_t* at(int i) const { return shared_ + places_.offset(i); }
  __device__ ptx::Barrier* full(int i) const { return barriers_ + i; }
  __device__ ptx::Barrier* empty(int i) const { return barriers_ + places_.count + i; }

  uint8_t* shared_;
  ptx::Barrier* barriers_;
  Places const& places_;
};

}  // namespace qfmt::inline v0::gemm
