// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/device/block/tile_decoder.cuh"
#include "qfmt/ptx/memory.cuh"

namespace qfmt::inline v0::grid {

/// Measured on an H200 (bench/results): many short blocks, each with all its loads in flight before
/// it builds its table, keep reads and writes flowing better than a persistent grid. 16 KB written
/// a block.
struct DequantizeTuning {
  static constexpr int threads = 512;
  static constexpr int packs = 2;            // 16-byte stores of a thread
  static constexpr int prefetch_group = 16;  // blocks for which one block asks the L2 for codes
  static constexpr int prefetch_ahead = 4;   // groups
};

/// out[i] = value i of `in`, rounded once to T.     out: (in.size)
/// Aligned: in.codes to a pack of codes, out to 16 bytes.
template <SchemeSpec S, Element T, bool Aligned, class Tuning = DequantizeTuning>
__launch_bounds__(Tuning::threads, Aligned ? 2048 / Tuning::threads : 1) QFMT_KERNEL
    void dequantize_kernel(QuantizedSpan<S const> in, T* out) {
  using Decoder = block::TileDecoder<S const, T, Tuning::threads, Tuning::packs>;
  __shared__ typename Decoder::TempStorage storage;
  int64_t const first = int64_t{blockIdx.x} * Decoder::tile;
  bool const whole = in.size - first >= Decoder::tile;

  if constexpr (Aligned) {
    constexpr uint32_t bytes = Tuning::prefetch_group * Decoder::tile * S::bits / 8;
    if (threadIdx.x == 0 && blockIdx.x % Tuning::prefetch_group == 0) {
      int64_t const begin = first * S::bits / 8 + int64_t{Tuning::prefetch_ahead} * bytes;
      if (reinterpret_cast<uintptr_t>(in.codes) % 16 == 0 && begin + bytes <= in.size * S::bits / 8)
        ptx::prefetch_l2(in.codes + begin, bytes);
    }
  }

  auto const store = [&](int i, auto const& values, [[maybe_unused]] int count) {
    auto const rounded = thread::round_to<T>(values);
    if constexpr (Aligned) {
      thread::store_elements(rounded, out + first + i);
    } else {
      thread::store_elements(rounded, out + first + i, count);
    }
  };
  Decoder decoder(storage);
  int const n = whole ? Decoder::tile : static_cast<int>(in.size - first);
  if constexpr (!Aligned) {
    decoder.template decode<false>(in, first, n, store);
  } else if (whole) {
    decoder.template decode<true>(in, first, n, store);
  } else {  // the one short tile of a tensor: a value a thread
    for (int i = static_cast<int>(threadIdx.x); i < n; i += Tuning::threads)
      out[first + i] = from_float<T>(decode_at(in, first + i));
  }
}

/// The same, a value a thread: for rows that do not divide into packs.
template <SchemeSpec S, Element T>
__launch_bounds__(256) QFMT_KERNEL
    void dequantize_values_kernel(QuantizedSpan<S const> in, T* out) {
  int64_t const i = int64_t{blockIdx.x} * 256 + threadIdx.x;
  if (i < in.size) out[i] = from_float<T>(decode_at(in, i));
}

}  // namespace qfmt::inline v0::grid
