// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/device/block/tile_decoder.cuh"
#include "qfmt/ptx/memory.cuh"

namespace qfmt::inline v0 {
namespace grid QFMT_HIDDEN {

/// Measured on an H200 (bench/results): many short blocks, each with all its loads in flight at
/// once, keep reads and writes flowing better than a persistent grid. A block writes 16 KB, or 32
/// where it decodes nested scales and 4-bit codes for 16-bit values.
template <SchemeSpec S, Element T>
struct DequantizeTuning {
  static constexpr int threads = 512;
  static constexpr int packs =
      S::is_nested && S::bits == 4 && sizeof(T) == 2 ? 4 : 2;  // 16-byte stores of a thread
  static constexpr int prefetch_group = 8;  // blocks for which one block asks the L2 for codes
  static constexpr int prefetch_ahead = packs == 4 ? 4 : 8;  // groups
};

/// Threads that an SM of the architecture being compiled for holds; ptxas refuses to be asked for
/// more.
QFMT_HD constexpr int threads_per_sm() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
  return 1024;
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ != 800 && __CUDA_ARCH__ != 900 && \
    __CUDA_ARCH__ / 100 != 10
  return 1536;
#else
  return 2048;
#endif
}

/// out[i] = value i of `in`, rounded once to T.     out: (in.size)
/// Aligned: in.codes to a pack of codes, out to 16 bytes.
template <SchemeSpec S, Element T, bool Aligned, class Tuning = DequantizeTuning<S, T>>
__launch_bounds__(Tuning::threads, Aligned ? threads_per_sm() / Tuning::threads : 1) __global__
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

  auto const store = [&](int i, float const(&values)[Decoder::values_per_pack],
                         [[maybe_unused]] int count) {
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
__launch_bounds__(256) __global__ void dequantize_values_kernel(QuantizedSpan<S const> in, T* out) {
  int64_t const i = int64_t{blockIdx.x} * 256 + threadIdx.x;
  if (i < in.size) out[i] = from_float<T>(decode_at(in, i));
}

}  // namespace grid
}  // namespace qfmt::inline v0
