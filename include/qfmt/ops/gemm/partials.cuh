// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Sums of split tiles on their way from the blocks that began a tile to the one that ends it,
// through the caller's workspace.
//
// Nobody prepares the workspace. A mark is set by a value of 64 bits that no memory holds by chance
// and cleared by the one warp that waited for it, so that none is set when a launch ends.
#pragma once

#include "qfmt/ops/gemm/shape.hpp"
#include "qfmt/ptx/memory.cuh"

namespace qfmt::inline v0::gemm {

/// Bytes of workspace, aligned to 16, for this many blocks.
template <class Tuning>
QFMT_HD constexpr int64_t partial_bytes(int64_t blocks) {
  return blocks * (Tuning::consumer_warps * int64_t{sizeof(uint64_t)} +
                   int64_t{Tuning::rows} * Tuning::columns * int64_t{sizeof(float)});
}

/// The sums of a warp, once each block.
template <class Tuning>
class Partials {
  static constexpr int warps = Tuning::consumer_warps;
  static constexpr int packs = Tuning::columns / 8;  // of four sums, of a lane

 public:
  /// workspace: may be null where no tile is split
  __device__ Partials(void* workspace, int blocks, int warp)
      : workspace_(workspace), blocks_(blocks), warp_(warp) {}

  /// Leaves the sums of block `block`. Called by whole warps.
  __device__ void put(int block, float const (&sum)[Tuning::columns / 2]) const {
    float4* const to = sums_of(block);
#pragma unroll
    for (int i = 0; i < packs; ++i)
      to[i * 32] = {sum[4 * i], sum[4 * i + 1], sum[4 * i + 2], sum[4 * i + 3]};
    __syncwarp();
    if (threadIdx.x % 32 == 0) ptx::store_release(mark_at(block), mark_of(block));
  }

  /// Waits for the sums of blocks [first, last) and adds them, in this order. Called by whole
  /// warps.
  __device__ void add(int first, int last, float (&sum)[Tuning::columns / 2]) const {
    for (int block = first; block < last; ++block) {
      uint64_t* const mark = mark_at(block);
      ptx::wait_until_equal(mark, mark_of(block));
      float4 const* const from = sums_of(block);
#pragma unroll
      for (int i = 0; i < packs; ++i) {
        float4 const v = from[i * 32];
        sum[4 * i] += v.x;
        sum[4 * i + 1] += v.y;
        sum[4 * i + 2] += v.z;
        sum[4 * i + 3] += v.w;
      }
      __syncwarp();
      if (threadIdx.x % 32 == 0) *mark = 0;
    }
  }

 private:
  static __device__ uint64_t mark_of(int block) {
    return 0xD6E8FEB86659FD93u * (2 * static_cast<uint64_t>(block) + 1);
  }

  /// (blocks, warps, packs, 32), then marks (blocks, warps)
  __device__ float4* sums_of(int block) const {
    int64_t const warp = int64_t{block} * warps + warp_;
    return static_cast<float4*>(workspace_) + warp * packs * 32 + threadIdx.x % 32;
  }
  __device__ uint64_t* mark_at(int block) const {
    float4* const end = static_cast<float4*>(workspace_) + int64_t{blocks_} * warps * packs * 32;
    return reinterpret_cast<uint64_t*>(end) + block * warps + warp_;
  }

  void* workspace_;
  int blocks_, warp_;
};

}  // namespace qfmt::inline v0::gemm
