// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// A block of threads decodes a tile of values and hands them to the caller, 16 bytes of T a thread
// at a time: what dequantize, the row gather and fused kernels of one's own are made of.
#pragma once

#include "qfmt/device/block/level_table.cuh"
#include "qfmt/device/block/scale_tile.cuh"
#include "qfmt/device/thread/codes.cuh"
#include "qfmt/device/thread/elements.cuh"

namespace qfmt::inline v0::block {

/// Decodes tiles of Threads * Packs * values_per_pack flat values of a tensor.
///
///     using Decoder = block::TileDecoder<S, T, 256, 2>;
///     __shared__ typename Decoder::TempStorage storage;
///     Decoder decoder(storage);
///     decoder(in, first, n, [&](int i, float const (&values)[Decoder::values_per_pack], int count)
///     {
///       ...   // values [first + i, first + i + count); the rest of the pack is unspecified
///     });
///
/// Every thread of a one-dimensional block of Threads calls it; it synchronises the block once.
/// `first` is a multiple of values_per_pack, and of row-wise schemes the row length is one, too
/// (Aligned or not): a pack then has one scale. A second call needs a __syncthreads() before it.
/// Numerics: the bits of qfmt::decode_at, not yet rounded to T.
template <SchemeSpec S, Element T, int Threads, int Packs>
class TileDecoder {
  using Format = typename S::format;

 public:
  static constexpr int values_per_pack = thread::elements_per_vector<T>;
  static constexpr int tile = Threads * Packs * values_per_pack;
  static constexpr int bytes_per_pack = values_per_pack * S::bits / 8;

  struct TempStorage {
    typename LevelTable<Format, Threads>::TempStorage levels;
    typename ScaleTile<S, tile, Threads>::TempStorage scales;
  };

  __device__ explicit TileDecoder(TempStorage& storage)
      : levels_(storage.levels), scales_(storage.scales) {}

  /// n: how many values, at most `tile`. Aligned: the tile is whole and its codes are aligned to
  /// bytes_per_pack.
  template <bool Aligned, class Sink>
  __device__ void decode(QuantizedSpan<S> const& in, int64_t first, int n, Sink&& sink) {
    Codes codes[Packs];  // asked for before anything is waited for
#pragma unroll
    for (int p = 0; p < Packs; ++p) {
      int const i = value_of(p);
      uint8_t const* const at = in.codes + (first + i) * S::bits / 8;
      if constexpr (Aligned) {
        codes[p] = thread::load_codes<S::bits, values_per_pack>(at);
      } else {
        codes[p] = thread::load_codes<S::bits, values_per_pack>(at, valid(n - i));
      }
    }
    levels_.fill(stored_levels(in.scales));
    scales_.fill(in, first, n);
    __syncthreads();
#pragma unroll
    for (int p = 0; p < Packs; ++p) {
      int const i = value_of(p);
      int const count = Aligned ? values_per_pack : valid(n - i);
      if (count == 0) return;
      float const scale = scales_(in, i);
      float values[values_per_pack];
#pragma unroll
      for (int k = 0; k < values_per_pack; ++k) values[k] = levels_(codes[p][k], scale);
      sink(i, values, count);
    }
  }

 private:
  using Codes = thread::CodePack<S::bits, values_per_pack>;

  /// Neighbouring threads take neighbouring packs.
  static __device__ int value_of(int p) {
    return (p * Threads + static_cast<int>(threadIdx.x)) * values_per_pack;
  }
  static __device__ int valid(int left) {
    return left < 0 ? 0 : left < values_per_pack ? left : values_per_pack;
  }

  LevelTable<Format, Threads> levels_;
  ScaleTile<S, tile, Threads> scales_;
};

}  // namespace qfmt::inline v0::block
