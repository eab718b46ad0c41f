// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// A warp quantizes blocks of values that it holds in registers.
#pragma once

#include "qfmt/device/block/encode_table.cuh"
#include "qfmt/device/thread/block_rounding.cuh"
#include "qfmt/device/thread/codes.cuh"
#include "qfmt/device/warp/lanes.cuh"

namespace qfmt::inline v0::warp {

/// Where the results of a tensor go. count: null, or where NaN and infinity are counted.
struct Encoded {
  uint8_t* codes;
  float* absmax;
  unsigned long long* count;
};

/// Quantizes at least MinPacks packs of 16 bytes a lane, at least one block: a tile of consecutive
/// values that begins at a block. Lane l of pack p holds values
/// [(p * 32 + l) * values_per_pack, ... + values_per_pack).
///
/// Numerics: the encoder's, bit for bit those of Encoder::scale and Encoder::encode.
template <FormatSpec F, int BlockSize, Element T, class Encoder, int MinPacks = 4>
struct BlockEncoder {
  static constexpr int values_per_pack = thread::elements_per_vector<T>;
  static constexpr int values_per_warp_pack = values_per_pack * size;
  static constexpr int lanes_per_block =
      BlockSize < values_per_warp_pack ? BlockSize / values_per_pack : size;
  static constexpr int packs_per_block =
      BlockSize > values_per_warp_pack ? BlockSize / values_per_warp_pack : 1;
  static constexpr int packs = MinPacks > packs_per_block ? MinPacks : packs_per_block;
  static constexpr int tile = packs * values_per_warp_pack;

  using Values = thread::ElementPack<T, values_per_pack>;
  using Codes = thread::PackOf<F, values_per_pack>;

  /// Where in the tile this lane's pack p begins.
  __device__ static int value_of(int p) { return (p * size + lane()) * values_per_pack; }

  /// How many of pack p's values are among the first n of the tile.
  __device__ static int valid(int p, int n) {
    int const left = n - value_of(p);
    return left < 0 ? 0 : left < values_per_pack ? left : values_per_pack;
  }

  /// The tile's values from `from`. Whole: all of them, aligned to 16 bytes; else the first n, the
  /// others 0.
  template <bool Whole>
  __device__ static void load(T const* from, int n, Values (&values)[packs]) {
#pragma unroll
    for (int p = 0; p < packs; ++p) {
      if constexpr (Whole) {
        values[p] = thread::load_elements(from + value_of(p));
      } else {
        values[p] = thread::load_elements(from + value_of(p), valid(p, n));
      }
    }
  }

  /// Codes and scales of the tile that begins at value `first` of the tensor. Whole: all its values
  /// count and out.codes is aligned to a pack of codes; else its first n do. Every lane calls it;
  /// `table` has been filled.
  template <bool Whole, class Table>
  __device__ static void encode(Values const (&values)[packs], int64_t first, int n,
                                Table const& table, Encoded const& out) {
#pragma unroll
    for (int p = 0; p < packs; p += packs_per_block) {
      thread::BlockPeak<Encoder, T> peak;
#pragma unroll
      for (int k = 0; k < packs_per_block; ++k) peak.add(values[p + k]);
      float const absmax = merge_peaks<lanes_per_block>(peak).absmax();
      thread::BlockRounding<Encoder, F> const rounding(absmax);
      bool const by_table = __all_sync(all_lanes, rounding.uses_table());
      if (!by_table) count(values, p, n, out.count);
      if (lane() % lanes_per_block == 0 && (Whole || value_of(p) < n))
        out.absmax[(first + value_of(p)) / BlockSize] = absmax;
#pragma unroll
      for (int k = 0; k < packs_per_block; ++k) {
        Codes const codes = by_table ? thread::encode_by_table<F>(values[p + k], rounding, table)
                                     : thread::encode_by_rule<F>(values[p + k], rounding);
        uint8_t* const to = out.codes + (first + value_of(p + k)) * bits_of<F> / 8;
        if constexpr (Whole) {
          thread::store_codes(codes, to);
        } else {
          thread::store_codes(codes, to, valid(p + k, n));
        }
      }
    }
  }

 private:
  __device__ static void count(Values const (&values)[packs], int p, int n,
                               unsigned long long* counter) {
    if (counter == nullptr) return;
    int found = 0;
#pragma unroll
    for (int k = 0; k < packs_per_block; ++k)
      found += thread::count_non_finite(values[p + k], valid(p + k, n));
    found = sum(found);
    if (lane() == 0 && found != 0) atomicAdd(counter, static_cast<unsigned long long>(found));
  }
};

}  // namespace qfmt::inline v0::warp
