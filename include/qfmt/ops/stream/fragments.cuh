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
#include "qfmt/ops/stream/weight_queue.cuh"
#include "qfmt/ptx/mma.cuh"
#include "qfmt/ptx/packed.cuh"

namespace qfmt::inline v0::stream {

/// True in code for GPUs whose blocks may have shared memory enough for a table that begins at a
/// multiple of 65536: Hopper and the Blackwell of data centres. The host's aligns_table agrees.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900 && __CUDA_ARCH__ < 1200
inline constexpr bool table_is_aligned = true;
#else
inline constexpr bool table_is_aligned = false;
#endif

/// How codes become pairs of 16-bit numbers: through the table.
template <SchemeSpec S, Element T>
struct PairDecoder {
  using Table = block::PairTable<typename S::format, T, table_is_aligned>;
  static constexpr int table_bytes = static_cast<int>(sizeof(typename Table::TempStorage));
  static constexpr int spare_at = 128;  // 128 bytes of every 256 of the table
  static constexpr int spare_stride = 256;
  static constexpr int spare_bytes = table_bytes / 2;
  /// What a sum of scale * pair has to be multiplied by.
  static constexpr float factor = 1.f / level_gain<typename S::format, T>;

  Table table;

  __device__ explicit PairDecoder(uint8_t* shared)
      : table(*reinterpret_cast<typename Table::TempStorage*>(shared)) {}
  __device__ void fill() { table.fill(); }

  /// The pair of byte `byte` of a packed word.
  __device__ uint32_t pair_at(uint32_t word, int byte) const { return table.pair_at(word, byte); }

  /// The pairs of a lane's packed words.
  template <int Pairs, int I = 0>
  __device__ void decode(uint32_t const* words, uint32_t (&out)[Pairs]) const {
    if constexpr (I < Pairs) {
      out[I] = table.template pair<I % 4>(words[I / 4]);
      decode<Pairs, I + 1>(words, out);
    }
  }
};

/// Int8 codes are numbers already.
template <SchemeSpec S, Element T>
  requires(stl::same_as<typename S::format, Int8>)
struct PairDecoder<S, T> {
  static constexpr int table_bytes = 0;
  static constexpr int spare_at = 0;
  static constexpr int spare_stride = 128;
  static constexpr int spare_bytes = 0;
  static constexpr float factor = 0x1.020408p-7f;  // 1/127

  __device__ explicit PairDecoder(uint8_t*) {}
  __device__ void fill() {}

  template <int Pairs>
  __device__ void decode(uint32_t const* words, uint32_t (&out)[Pairs]) const {
#pragma unroll
    for (int i = 0; i < Pairs; ++i) out[i] = pair_at(words[i / 2], i % 2);
  }

  /// The pair of half `half` of a word of four codes.
  static __device__ uint32_t pair_at(uint32_t word, int half) {
    if constexpr (Float16Like<T>) {
      // Above 1024 a float16 steps by one: 1024 + (q + 128), less 1152.
      uint32_t const biased =
          ptx::permute_bytes(0x64646464u, word ^ 0x80808080u, half == 0 ? 0x0504u : 0x0706u);
      return ptx::add_pairs<T>(biased, 0xE480E480u);
    } else {
      // From 128 to 256 a bfloat16 does: 128 + (q & 127), less 128 or, where q < 0, 256.
      uint32_t const q = ptx::permute_bytes(word, 0, half == 0 ? 0x4140u : 0x4342u);
      return ptx::add_pairs<T>((q & 0x007F007Fu) | 0x43004300u, (q & 0x00800080u) | 0xC300C300u);
    }
  }
};

/// One group of 16 rows of weights.
template <SchemeSpec S>
struct WeightFragment {
  static constexpr int pairs = group_values<S> / 8;  // of a lane in a row
  uint32_t row[2][pairs];                            // rows g and g + 8

  /// codes: a place of a WeightQueue; rows 16 * tile and on
  template <class Decoder>
  __device__ WeightFragment(uint8_t const* codes, int tile, int group, Decoder const& decoder) {
    int const lane = static_cast<int>(threadIdx.x % 32);
    int const at =
        (piece_swizzle<S>(lane / 4) * 16) ^ (lane % 4 * lane_bytes<S>)^(group * 4 * lane_bytes<S>);
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      uint32_t words[(lane_bytes<S> + 3) / 4];
      load_lane(codes + (16 * tile + 8 * h + lane / 4) * stage_bytes + at, words);
      decoder.decode(words, row[h]);
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
};

/// One group of 8 rows of x. Lanes whose row does not exist keep zeros, and cost no access.
template <SchemeSpec S>
struct ActivationFragment {
  static constexpr int pairs = group_values<S> / 8;
  uint32_t pair[pairs]{};

  /// from: the lane's first value, in shared memory, aligned to its share of the group
  __device__ void load(uint32_t from, bool exists) {
    constexpr int words = pairs >= 4 ? 4 : 2;
#pragma unroll
    for (int i = 0; i < pairs; i += words)
      ptx::load_shared_if<words>(pair + i, from + static_cast<uint32_t>(i * 4), exists);
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
