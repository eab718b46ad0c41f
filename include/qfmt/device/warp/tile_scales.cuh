// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/device/warp/lanes.cuh"

namespace qfmt::inline v0::warp {

/// The scales of a tile of neighbouring blocks in the lanes of a warp, as deal_peaks leaves them:
/// of Groups scales for each LanesPerBlock lanes a lane holds numbers k * LanesPerBlock +
/// lane % LanesPerBlock. The scale of number g belongs to block g * 32 / LanesPerBlock +
/// lane / LanesPerBlock of the tile.
template <int Groups, int LanesPerBlock>
struct TileScales {
  static constexpr int per_group = size / LanesPerBlock;  ///< blocks side by side in a warp
  /// Scales that a lane keeps.
  static constexpr int held = Groups > LanesPerBlock ? Groups / LanesPerBlock : 1;
  static constexpr int blocks = Groups * per_group;  ///< in a tile

  float absmax[held];  ///< of the blocks that this lane keeps
  int n;               ///< how many blocks of the tile the tensor has

  /// to: (n)
  __device__ void store(float* to) const {
#pragma unroll
    for (int k = 0; k < held; ++k)
      if (block_of(k) < n) to[block_of(k)] = absmax[k];
  }

  /// The sum over the tile, in every lane: the node of ScaleSumTree over its blocks. Every lane
  /// calls it.
  __device__ ScaleSum sum() const {
    double sums[held];
    int count = 0;
#pragma unroll
    for (int k = 0; k < held; ++k) {
      bool const counts = block_of(k) < n && is_finite(absmax[k]);
      sums[k] = counts ? exact::to_double(absmax[k]) : 0.0;
      count += __popc(__ballot_sync(all_lanes, counts));
    }
    // A block's number counts up with lane / LanesPerBlock, then lane % LanesPerBlock, then k.
#pragma unroll
    for (int distance = LanesPerBlock; distance < size; distance *= 2) add_across(sums, distance);
#pragma unroll
    for (int distance = 1; distance < LanesPerBlock && distance < Groups; distance *= 2)
      add_across(sums, distance);
#pragma unroll
    for (int width = 1; width < held; width *= 2)
#pragma unroll
      for (int k = 0; k < held; k += 2 * width) sums[k] += sums[k + width];
    return {sums[0], count};
  }

 private:
  /// `blocks` for what another lane holds, too.
  __device__ static int block_of(int k) {
    int const g = k * LanesPerBlock + lane() % LanesPerBlock;
    return g < Groups ? g * per_group + lane() / LanesPerBlock : blocks;
  }
  __device__ static void add_across(double (&sums)[held], int distance) {
#pragma unroll
    for (int k = 0; k < held; ++k) sums[k] += __shfl_xor_sync(all_lanes, sums[k], distance);
  }
};

}  // namespace qfmt::inline v0::warp
