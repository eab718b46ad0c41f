// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Prepacked weights and activations as the streaming matmul's operands. The order of k is the
// natural one here: of each eight values of a row lane 4g + t takes 2t and 2t + 1.
#pragma once

#include "qfmt/layout/prepacked_matrix.hpp"
#include "qfmt/ops/stream/fragments.cuh"

namespace qfmt::inline v0::stream {

/// One group of 16 rows of prepacked weights.
template <SchemeSpec S>
  requires qfmt::detail::is_prepacked<S>
struct WeightFragment<S> {
  static constexpr int pairs = group_values<S> / 8;  // of a lane in a row
  uint32_t row[2][pairs];                            // rows g and g + 8

  /// codes: a place of a queue of whole tiles; rows 16 * tile and on
  template <class Decoder>
  __device__ WeightFragment(uint8_t const* codes, int tile, int group, Decoder const& decoder) {
    constexpr int group_bytes = group_values<S> * S::bits / 8;  // of a row
    constexpr int halves = group_bytes <= 32 ? 1 : group_bytes / 32;
    constexpr int words = (pairs / halves * S::bits / 4 + 3) / 4;  // of a row in a unit
    int const lane = static_cast<int>(threadIdx.x % 32);
    int const r = qfmt::detail::unit_row(lane);
    uint8_t const* const from = codes + (16 * tile + r) * stage_bytes;
#pragma unroll
    for (int half = 0; half < halves; ++half) {
      int const begin = group * group_bytes + half * 32;  // of the row
      int const piece = (begin / 32 * 2 + lane % 2) ^ piece_swizzle<S>(r);
      uint8_t const* const unit = from + piece * 16 + begin % 32 / 4;
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        uint32_t packed[words];
        load(unit + h * 8, packed);
        uint32_t decoded[pairs / halves];
        decoder.decode(packed, decoded);
#pragma unroll
        for (int i = 0; i < pairs / halves; ++i) row[h][half * (pairs / halves) + i] = decoded[i];
      }
    }
  }

 private:
  template <int Words>
  static __device__ void load(uint8_t const* from, uint32_t (&words)[Words]) {
    if constexpr (Words == 2) {
      uint2 const v = *reinterpret_cast<uint2 const*>(from);
      words[0] = v.x, words[1] = v.y;
    } else if constexpr (group_values<S> * S::bits / 8 > 8) {
      words[0] = *reinterpret_cast<uint32_t const*>(from);
    } else {
      words[0] = *reinterpret_cast<uint16_t const*>(from);
    }
  }
};

/// One group of 8 rows of x in the same order.
template <SchemeSpec S>
  requires qfmt::detail::is_prepacked<S>
struct ActivationFragment<S> {
  static constexpr int pairs = group_values<S> / 8;
  uint32_t pair[pairs]{};

  /// from: the lane's quarter of the group, in shared memory; of rows that do not exist any row's
  __device__ void load(uint32_t from, bool) {
    uint32_t const t = threadIdx.x % 4;
    uint32_t const begin = from - t * (group_values<S> / 4 * 2) + t * 4;
#pragma unroll
    for (int i = 0; i < pairs; ++i)
      pair[i] = ptx::load_table_word(begin + static_cast<uint32_t>(i) * 16);
  }
};

}  // namespace qfmt::inline v0::stream
