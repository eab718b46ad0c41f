// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What the lanes of a warp do together. Every lane of the warp calls these.
#pragma once

#include "qfmt/codec/nested.hpp"

namespace qfmt::inline v0::warp {

inline constexpr int size = 32;
inline constexpr unsigned all_lanes = 0xFFFFFFFFu;

__device__ inline int lane() { return static_cast<int>(threadIdx.x) % size; }

/// Merges the peaks of each group of Lanes neighbouring lanes; every lane has its group's.
template <int Lanes = size, class Peak>
__device__ Peak merge_peaks(Peak peak) {
#pragma unroll
  for (int distance = Lanes / 2; distance > 0; distance /= 2)
    peak.merge(__shfl_xor_sync(all_lanes, peak.state, distance));
  return peak;
}

/// The sum over all lanes, in every lane.
__device__ inline int sum(int x) {
#pragma unroll
  for (int distance = size / 2; distance > 0; distance /= 2)
    x += __shfl_xor_sync(all_lanes, x, distance);
  return x;
}

/// The sum over all lanes by the binary tree over the lane number that defines nested offsets, in
/// every lane.
__device__ inline ScaleSum sum(ScaleSum x) {
#pragma unroll
  for (int distance = 1; distance < size; distance *= 2) {
    ScaleSum const other{__shfl_xor_sync(all_lanes, x.sum, distance),
                         static_cast<int64_t>(__shfl_xor_sync(
                             all_lanes, static_cast<long long>(x.count), distance))};
    x = x + other;  // a sum of two does not depend on their order
  }
  return x;
}

}  // namespace qfmt::inline v0::warp
