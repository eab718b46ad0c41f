// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/codec/options.hpp"
#include "qfmt/device/block/scale_mean.cuh"
#include "qfmt/device/warp/block_encoder.cuh"
#include "qfmt/ptx/memory.cuh"

namespace qfmt::inline v0 {
namespace grid QFMT_HIDDEN {

/// Measured on an H200 (bench/results): small blocks with long tiles, and as many of them on an SM
/// as registers allow without spills.
template <int Bits, Element T>
struct QuantizeTuning {
  static constexpr int warps = 4;
  static constexpr int packs = 8;  // 16-byte loads of a lane

  /// Blocks of threads that an SM holds; a block of values that is longer than a tile makes it
  /// longer, and a kernel for any alignment takes the registers it needs.
  QFMT_HD static constexpr int blocks_per_sm(int block_size, bool aligned) {
    int const longest = block_size / (warp::size * thread::elements_per_vector<T>);  // packs a lane
    if (!aligned) return 1;
    if (longest > packs) return longest > 16 || Bits == 8 ? 3 : 4;
    return sizeof(T) == 4 ? 6 : Bits == 4 ? 8 : 7;
  }
};

/// Values that a block of threads quantizes.
template <SchemeSpec S, Element T, class Tuning = QuantizeTuning<S::bits, T>>
inline constexpr int quantize_tile = Tuning::warps*
    warp::BlockEncoder<typename S::format, S::block_size, T, Nearest, Tuning::packs>::tile;

/// Codes and f32 scales of `size` values in blocks of S::block_size.     values: (size)
/// Aligned: values to 16 bytes, out.codes to a pack of codes, and `size` is whole tiles of a block
/// of threads. Nested: sums[b] is the node of ScaleSumTree over the scales of block of threads b.
template <SchemeSpec S, Element T, class Encoder, bool Aligned,
          class Tuning = QuantizeTuning<S::bits, T>>
__launch_bounds__(Tuning::warps* warp::size,
                  Tuning::blocks_per_sm(S::block_size, Aligned)) __global__
    void quantize_kernel(T const* values, int64_t size, warp::Encoded out,
                         [[maybe_unused]] ScaleSum* sums) {
  using F = typename S::format;
  using Blocks = warp::BlockEncoder<F, S::block_size, T, Encoder, Tuning::packs>;
  using Table = block::EncodeTable<F, Tuning::warps * warp::size>;
  static_assert(!S::is_nested || quantize_tile<S, T, Tuning> >= values_per_scale_sum);
  __shared__ typename Table::TempStorage storage;
  Table table(storage);

  int64_t const tile = int64_t{blockIdx.x} * Tuning::warps + threadIdx.x / warp::size;
  int64_t const first = tile * Blocks::tile;
  int64_t const left = size - first;
  int const n = left >= Blocks::tile ? Blocks::tile : left > 0 ? static_cast<int>(left) : 0;
  typename Blocks::Values packs[Blocks::packs];
  if (!Aligned || n > 0) Blocks::template load<Aligned>(values + first, n, packs);
  table.fill();
  ptx::launch_dependents();
  __syncthreads();
  [[maybe_unused]] ScaleSum sum{};
  if (n > 0) {
    auto const scales = Blocks::template encode<Aligned>(packs, first, n, table, out);
    if constexpr (S::is_nested) sum = scales.sum();
  }
  if constexpr (S::is_nested) {
    using Summer = block::WarpSummer<Tuning::warps>;
    __shared__ typename Summer::TempStorage sum_storage;
    sum = Summer(sum_storage)(sum);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
  }
}

}  // namespace grid
}  // namespace qfmt::inline v0
