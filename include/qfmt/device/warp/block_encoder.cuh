// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// A warp quantizes blocks of values that it holds in registers.
#pragma once

#include "qfmt/device/block/encode_table.cuh"
#include "qfmt/device/thread/block_rounding.cuh"
#include "qfmt/device/thread/codes.cuh"
#include "qfmt/device/warp/tile_scales.cuh"

namespace qfmt::inline v0::warp {

/// Where the results of a tensor go. count: null, or where NaN and infinity are counted.
struct Encoded {
  uint8_t* codes;             ///< of the first block
  float* absmax;              ///< of the first block
  unsigned long long* count;  ///< of NaN and infinity; null: not counted
};

/// Quantizes at least MinPacks packs of 16 bytes a lane, at least one block: a tile of consecutive
/// values that begins at a block. Lane l of pack p holds values
/// [(p * 32 + l) * values_per_pack, ... + values_per_pack).
///
/// Numerics: the encoder's, bit for bit those of Encoder::scale and Encoder::encode.
template <FormatSpec F, int BlockSize, Element T, class Encoder, int MinPacks = 4>
struct BlockEncoder {
  static constexpr int values_per_pack = thread::elements_per_vector<T>;  ///< 16 bytes of them
  /// That the lanes load together.
  static constexpr int values_per_warp_pack = values_per_pack * size;
  /// That share a block.
  static constexpr int lanes_per_block =
      BlockSize < values_per_warp_pack ? BlockSize / values_per_pack : size;
  /// Of one lane in a block.
  static constexpr int packs_per_block =
      BlockSize > values_per_warp_pack ? BlockSize / values_per_warp_pack : 1;
  /// Of one lane in a tile.
  static constexpr int packs = MinPacks > packs_per_block ? MinPacks : packs_per_block;
  static constexpr int tile = packs * values_per_warp_pack;  ///< values of a tile

  /// The scales of a tile, as `encode` leaves them in the lanes.
  using Scales = TileScales<packs / packs_per_block, lanes_per_block>;

  using Values = thread::ElementPack<T, values_per_pack>;  ///< what a lane loads at a time
  using Codes = thread::PackOf<F, values_per_pack>;        ///< what a lane stores at a time

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
  /// `table` has been filled. Returns the scales that this lane has written.
  template <bool Whole, class Table>
  __device__ static Scales encode(Values const (&values)[packs], int64_t first, int n,
                                  Table const& table, Encoded const& out) {
    constexpr int groups = packs / packs_per_block;  // of packs that make up whole blocks
    using Peak = thread::BlockPeak<Encoder, T>;
    using Rounding = thread::BlockRounding<Encoder, F>;
    Peak peak[groups];
#pragma unroll
    for (int p = 0; p < packs; ++p) peak[p / packs_per_block].add(values[p]);
    deal_peaks<lanes_per_block>(peak);
    Scales scales;
    scales.n = Whole ? Scales::blocks : static_cast<int>(ceil_div(n, BlockSize));
    float factor[Scales::held];
    bool by_table = true;
#pragma unroll
    for (int k = 0; k < Scales::held; ++k) {
      scales.absmax[k] = scale_of_absmax<F>(peak[k].absmax());
      Rounding const rounding(scales.absmax[k]);
      factor[k] = rounding.factor();
      by_table = by_table & rounding.uses_table();
    }
    /// What the lane that holds pack p's scale has.
    auto const of_pack = [&](float const(&x)[Scales::held], int p) {
      int const g = p / packs_per_block;
      return __shfl_sync(all_lanes, x[g / lanes_per_block], g % lanes_per_block, lanes_per_block);
    };
    auto const store = [&](Codes const& codes, int p) {
      uint8_t* const to = out.codes + (first + value_of(p)) * bits_of<F> / 8;
      if constexpr (Whole) {
        thread::store_codes(codes, to);
      } else {
        thread::store_codes(codes, to, valid(p, n));
      }
    };
    if (__all_sync(all_lanes, by_table)) {
#pragma unroll
      for (int p = 0; p < packs; ++p)
        store(thread::encode_by_table<F, Rounding>(values[p], of_pack(factor, p), table), p);
    } else {
      count(values, n, out.count);
      Values rest[packs];
      float absmax[packs];
#pragma unroll
      for (int p = 0; p < packs; ++p) {
        rest[p] = values[p];
        absmax[p] = of_pack(scales.absmax, p);
      }
      // Rare, so a loop that shifts packs through registers rather than many copies of a long rule.
#pragma unroll 1
      for (int p = 0; p < packs; ++p) {
        store(thread::encode_by_rule<F>(rest[0], Rounding(absmax[0])), p);
#pragma unroll
        for (int q = 1; q < packs; ++q) {
          rest[q - 1] = rest[q];
          absmax[q - 1] = absmax[q];
        }
      }
    }
    scales.store(out.absmax + first / BlockSize);
    return scales;
  }

 private:
  __device__ static void count(Values const (&values)[packs], int n, unsigned long long* counter) {
    if (counter == nullptr) return;
    int found = 0;
#pragma unroll
    for (int p = 0; p < packs; ++p) found += thread::count_non_finite(values[p], valid(p, n));
    found = sum(found);
    if (lane() == 0 && found != 0) atomicAdd(counter, static_cast<unsigned long long>(found));
  }
};

}  // namespace qfmt::inline v0::warp
