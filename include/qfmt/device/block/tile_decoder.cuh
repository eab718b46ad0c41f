// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// A block of threads decodes a tile of values and hands them to the caller, 16 bytes of T a thread
// at a time: what dequantize, the row gather and fused kernels of one's own are made of.
#pragma once

#include "qfmt/device/block/block_locator.cuh"
#include "qfmt/device/block/level_table.cuh"
#include "qfmt/device/thread/codes.cuh"
#include "qfmt/device/thread/elements.cuh"
#include "qfmt/device/warp/level_lanes.cuh"

namespace qfmt::inline v0::block {

namespace detail {
template <FormatSpec F, int Threads>
struct levels_of {
  using type = LevelTable<F, Threads>;
};
template <CodebookFormat F, int Threads>
  requires(bits_of<F> == 4)
struct levels_of<F, Threads> {
  using type = warp::LevelLanes<F>;
};
}  // namespace detail

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
/// Every thread of a one-dimensional block of Threads calls it; it synchronises the block at most
/// once. `first` is a multiple of values_per_pack, and of row-wise schemes the row length is one,
/// too (Aligned or not): a pack then has one scale. A second call needs a __syncthreads() before
/// it. Numerics: the bits of qfmt::decode_at, not yet rounded to T.
template <SchemeSpec S, Element T, int Threads, int Packs>
class TileDecoder {
  using Levels = typename detail::levels_of<typename S::format, Threads>::type;

 public:
  static constexpr int values_per_pack = thread::elements_per_vector<T>;  ///< 16 bytes of them
  /// Values that a block decodes at a time.
  static constexpr int tile = Threads * Packs * values_per_pack;
  static constexpr int bytes_per_pack = values_per_pack * S::bits / 8;  ///< of codes

  using TempStorage = typename Levels::TempStorage;  ///< in shared memory

  /// Over storage that fill() fills.
  __device__ explicit TileDecoder(TempStorage& storage) : levels_(storage) {}

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
    BlockLocator<S, tile> const block_of(in, first);
    float scale[Packs];
    if constexpr (!S::is_nested) {
      look_up_scales(in, block_of, n, scale);
    } else {
      ptx::prefetch_line(in.scales.absmax.codes + shared_block(block_of, n));
    }
    levels_.fill(stored_levels(in.scales));
    if constexpr (Levels::needs_barrier) {
      // The result, 0, goes into the codes, so that no part of their decoding is moved to before
      // the barrier: there every thread would wait for the slowest load of the block.
      auto const zero = static_cast<uint32_t>(__syncthreads_or(0));
#pragma unroll
      for (int p = 0; p < Packs; ++p)
#pragma unroll
        for (uint32_t& word : codes[p].word) word ^= zero;
    }
    if constexpr (S::is_nested) {  // several loads in turn: no thread waits for another's
      if constexpr (warp_shares_scales) {
        share_scales(in, block_of, n, scale);
      } else {
        look_up_scales(in, block_of, n, scale);
      }
    }
#pragma unroll
    for (int p = 0; p < Packs; ++p) {
      int const i = value_of(p);
      int const count = Aligned ? values_per_pack : valid(n - i);
      float values[values_per_pack];
#pragma unroll
      for (int k = 0; k < values_per_pack; ++k) values[k] = levels_(codes[p][k], scale[p]);
      if (count > 0) sink(i, values, count);
    }
  }

 private:
  using Codes = thread::CodePack<S::bits, values_per_pack>;
  using Locator = BlockLocator<S, tile>;

  /// A warp decodes each scale of its packs once, in a lane of its own, where there are lanes
  /// enough.
  static constexpr int lanes_per_pack = 32 / Packs;
  static constexpr bool warp_shares_scales =
      !S::is_row_wise && 32 * values_per_pack / (S::block_size + S::is_row_wise) < lanes_per_pack;

  __device__ static void look_up_scales(QuantizedSpan<S> const& in, Locator const& block_of, int n,
                                        float (&scale)[Packs]) {
#pragma unroll
    for (int p = 0; p < Packs; ++p)
      scale[p] = value_of(p) < n ? scale_at(in.scales, block_of(value_of(p))) : 0.f;
  }

  __device__ static int lane() { return static_cast<int>(threadIdx.x) % 32; }
  __device__ static int64_t first_block(Locator const& block_of, int p) {
    return block_of(value_of(p) - lane() * values_per_pack);
  }
  /// The block whose scale this lane decodes.
  __device__ static int64_t shared_block(Locator const& block_of, int n) {
    int64_t const mine = first_block(block_of, lane() / lanes_per_pack) + lane() % lanes_per_pack;
    int64_t const last = block_of(n - 1);
    return mine < last ? mine : last;
  }

  __device__ static void share_scales(QuantizedSpan<S> const& in, Locator const& block_of, int n,
                                      float (&scale)[Packs]) {
    float const decoded = scale_at(in.scales, shared_block(block_of, n));
#pragma unroll
    for (int p = 0; p < Packs; ++p) {
      auto const among = static_cast<int>(block_of(value_of(p)) - first_block(block_of, p));
      scale[p] = __shfl_sync(0xFFFFFFFFu, decoded, p * lanes_per_pack + among);
    }
  }

  /// Neighbouring threads take neighbouring packs.
  static __device__ int value_of(int p) {
    return (p * Threads + static_cast<int>(threadIdx.x)) * values_per_pack;
  }
  static __device__ int valid(int left) {
    return left < 0 ? 0 : left < values_per_pack ? left : values_per_pack;
  }

  Levels levels_;
};

}  // namespace qfmt::inline v0::block
