// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Packed weights and activations in shared memory as operands of the tensor cores. Weights are the
// 16-row operand. The order of k within a group is free as long as both operands follow it: lane
// 4g + t takes the t-th quarter of the group, of rows g and g + 8 of the weights and of row g of x,
// so that a byte of packed codes is one register of the operand.
#pragma once

#include "qfmt/device/block/pair_table.cuh"
#include "qfmt/format/int8.hpp"
#include "qfmt/ops/stream/weight_ring.cuh"
#include "qfmt/ptx/mma.cuh"
#include "qfmt/ptx/packed.cuh"

namespace qfmt::inline v0::stream {

/// How codes become pairs of 16-bit numbers: through the table.
template <SchemeSpec S, Element T>
struct PairDecoder {
  using Table = block::PairTable<typename S::format, T>;
  static constexpr int table_bytes = static_cast<int>(sizeof(typename Table::TempStorage));
  static constexpr int spare_at = 128;  // 128 bytes of every 256 of the table
  static constexpr int spare_stride = 256;
  /// What a sum of scale * pair has to be multiplied by.
  static constexpr float factor = 1.f / level_gain<typename S::format, T>;

  Table table;

  __device__ explicit PairDecoder(uint8_t* shared)
      : table(*reinterpret_cast<typename Table::TempStorage*>(shared)) {}
  __device__ void fill() { table.fill(); }

  /// Pair I of the lane's packed words.
  template <int I>
  __device__ uint32_t pair(uint32_t const* words) const {
    return table.template pair<I % 4>(words[I / 4]);
  }
};

/// Int8 codes are numbers already.
template <SchemeSpec S, Element T>
  requires(stl::same_as<typename S::format, Int8>)
struct PairDecoder<S, T> {
  static constexpr int table_bytes = 0;
  static constexpr int spare_at = 0;
  static constexpr int spare_stride = 128;
  static constexpr float factor = 0x1.020408p-7f;  // 1/127

  __device__ explicit PairDecoder(uint8_t*) {}
  __device__ void fill() {}

  template <int I>
  __device__ uint32_t pair(uint32_t const* words) const {
    if constexpr (Float16Like<T>) {
      // Above 1024 a float16 steps by one: 1024 + (q + 128), less 1152.
      uint32_t const biased = ptx::permute_bytes(0x64646464u, words[I / 2] ^ 0x80808080u,
                                                 I % 2 == 0 ? 0x0504u : 0x0706u);
      return ptx::add_pairs<T>(biased, 0xE480E480u);
    } else {
      // From 128 to 256 a bfloat16 does: 128 + (q & 127), less 128 or, where q < 0, 256.
      uint32_t const q = ptx::permute_bytes(words[I / 2], 0, I % 2 == 0 ? 0x4140u : 0x4342u);
      return ptx::add_pairs<T>((q & 0x007F007Fu) | 0x43004300u, (q & 0x00800080u) | 0xC300C300u);
    }
  }
};

/// One group of 16 rows of weights.
template <SchemeSpec S>
struct WeightFragment {
  static constexpr int pairs = group_values<S> / 8;  // of a lane in a row
  uint32_t row[2][pairs];                            // rows g and g + 8

  /// stage: the warp's stage in shared memory; rows 16 * tile and on.
  template <int RowBytes, class Decoder>
  __device__ void load(uint8_t const* stage, int tile, int group, Decoder const& decoder) {
    constexpr int bytes = lane_bytes<S>;
    int const lane = static_cast<int>(threadIdx.x % 32);
    int const g = lane / 4;
    int const at = (piece_swizzle<S>(g) * 16) ^ (lane % 4 * bytes) ^ (group * 4 * bytes);
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      uint32_t words[(bytes + 3) / 4];
      load_lane(stage + (16 * tile + 8 * h + g) * RowBytes + at, words);
      decode<0>(words, row[h], decoder);
    }
  }

 private:
  static __device__ void load_lane(uint8_t const* from, uint32_t* words) {
    constexpr int bytes = lane_bytes<S>;
    if constexpr (bytes == 16) {
      uint4 const v = *reinterpret_cast<uint4 const*>(from);
      words[0] = v.x, words[1] = v.y, words[2] = v.z, words[3] = v.w;
    } else if constexpr (bytes == 8) {
      uint2 const v = *reinterpret_cast<uint2 const*>(from);
      words[0] = v.x, words[1] = v.y;
    } else if constexpr (bytes == 4) {
      words[0] = *reinterpret_cast<uint32_t const*>(from);
    } else {
      words[0] = *reinterpret_cast<uint16_t const*>(from);
    }
  }
  template <int I, class Decoder>
  static __device__ void decode(uint32_t const* words, uint32_t (&out)[pairs],
                                Decoder const& decoder) {
    if constexpr (I < pairs) {
      out[I] = decoder.template pair<I>(words);
      decode<I + 1>(words, out, decoder);
    }
  }
};

/// One group of 8 rows of x.
template <SchemeSpec S>
struct ActivationFragment {
  static constexpr int pairs = group_values<S> / 8;
  uint32_t pair[pairs];

  /// from: the lane's first value, aligned to its share of the group. Lanes whose row does not
  /// exist get zeros.
  __device__ void load(uint8_t const* from, bool exists) {
#pragma unroll
    for (int i = 0; i < pairs; ++i) pair[i] = 0;
    if (!exists) return;
    if constexpr (pairs >= 4) {
#pragma unroll
      for (int i = 0; i < pairs; i += 4) {
        uint4 const v = *reinterpret_cast<uint4 const*>(from + i * 4);
        pair[i] = v.x, pair[i + 1] = v.y, pair[i + 2] = v.z, pair[i + 3] = v.w;
      }
    } else {
      uint2 const v = *reinterpret_cast<uint2 const*>(from);
      pair[0] = v.x, pair[1] = v.y;
    }
  }
};

/// d += w * x over pairs i and i + 1 of the lanes, sums in f32.
template <SchemeSpec S, Element T>
__device__ void multiply(WeightFragment<S> const& w, ActivationFragment<S> const& x, int i,
                         float (&d)[4]) {
  uint32_t const a[4] = {w.row[0][i], w.row[1][i], w.row[0][i + 1], w.row[1][i + 1]};
  uint32_t const b[2] = {x.pair[i], x.pair[i + 1]};
  ptx::mma_m16n8k16<T>(d, a, b, d);
}

}  // namespace qfmt::inline v0::stream
