// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/device/warp/block_encoder.cuh"
#include "qfmt/scheme/scheme.hpp"

namespace qfmt::inline v0::grid {

struct QuantizeTuning {
  static constexpr int warps = 8;
  static constexpr int packs = 4;  // 16-byte loads a lane has in flight, at least
};

/// Codes and f32 scales of `size` values in blocks of S::block_size.     values: (size)
/// Aligned: values to 16 bytes, out.codes to a pack of codes.
template <SchemeSpec S, Element T, class Encoder, bool Aligned, class Tuning = QuantizeTuning>
__launch_bounds__(Tuning::warps* warp::size) QFMT_KERNEL
    void quantize_kernel(T const* values, int64_t size, warp::Encoded out) {
  using F = typename S::format;
  using Blocks = warp::BlockEncoder<F, S::block_size, T, Encoder, Tuning::packs>;
  using Table = block::EncodeTable<F, Tuning::warps * warp::size>;
  __shared__ typename Table::TempStorage storage;
  Table table(storage);

  int64_t const tile = int64_t{blockIdx.x} * Tuning::warps + threadIdx.x / warp::size;
  int64_t const first = tile * Blocks::tile;
  int64_t const left = size - first;
  bool const whole = Aligned && left >= Blocks::tile;
  int const n = left >= Blocks::tile ? Blocks::tile : left > 0 ? static_cast<int>(left) : 0;
  typename Blocks::Values packs[Blocks::packs];
  if (whole) {
    Blocks::template load<true>(values + first, n, packs);
  } else {
    Blocks::template load<false>(values + first, n, packs);
  }
  table.fill();
  __syncthreads();
  if (n == 0) return;
  if (whole) {
    Blocks::template encode<true>(packs, first, n, table, out);
  } else {
    Blocks::template encode<false>(packs, first, n, table, out);
  }
}

}  // namespace qfmt::inline v0::grid
