// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What the lanes of a warp do together. Every lane of the warp calls these.
#pragma once

#include "qfmt/codec/nested.hpp"

namespace qfmt::inline v0::warp {

inline constexpr int size = 32;                     ///< lanes
inline constexpr unsigned all_lanes = 0xFFFFFFFFu;  ///< the mask of a whole warp

/// The lane of the calling thread.
__device__ inline int lane() { return static_cast<int>(threadIdx.x) % size; }

/// Merges a peak over the warp; every lane has it.
template <class Peak>
__device__ void merge_peak(Peak& peak) {
#pragma unroll
  for (int distance = 1; distance < size; distance *= 2)
    peak.merge(__shfl_xor_sync(all_lanes, peak.state, distance));
}

/// Merges each of N peaks within groups of Lanes neighbouring lanes and deals them out: afterwards
/// peak[k] is that of number k * Lanes + lane % Lanes, for k below max(1, N / Lanes), where numbers
/// count modulo N. Each exchange moves half of what is left.
template <int Lanes, class Peak, int N>
__device__ void deal_peaks(Peak (&peak)[N]) {
#pragma unroll
  for (int distance = 1, held = N; distance < Lanes; distance *= 2) {
    bool const odd = (lane() & distance) != 0;
    if (held > 1) {
      held /= 2;
#pragma unroll
      for (int i = 0; i < held; ++i) {
        auto const low = peak[2 * i].state, high = peak[2 * i + 1].state;
        peak[i].state = odd ? high : low;
        peak[i].merge(__shfl_xor_sync(all_lanes, odd ? low : high, distance));
      }
    } else {
      peak[0].merge(__shfl_xor_sync(all_lanes, peak[0].state, distance));
    }
  }
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
