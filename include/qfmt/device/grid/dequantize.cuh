// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Decoding whole tensors on the GPU.
#pragma once

#include "qfmt/device/arguments.cuh"
#include "qfmt/device/grid/dequantize_kernel.cuh"
#include "qfmt/device/launch.cuh"

namespace qfmt::inline v0::device {

/// ok, or why dequantize refuses: null_pointer, misaligned (codes and out may have any alignment
/// their elements may have), size_mismatch, unsupported_shape. Reads no device memory.
template <SchemeSpec S, Element T>
constexpr Errc check_dequantize(QuantizedSpan<S> const& in, T const* out) {
  return check_tensor(in, out);
}

/// Decodes a whole tensor.     out: (in.size), device memory, row-major
///
/// Stream-ordered: returns before the work is done, allocates nothing, may be captured into a
/// graph. Determinism: gpu_to_gpu.
/// Numerics: those of host::dequantize, bit for bit. Where `in` and `out` are aligned to 16 bytes,
/// as `place` lays them out, accesses are 16 bytes wide; else they are as wide as they may be.
/// Errors: those of check_dequantize; device_error with the cudaError_t of the launch.
template <SchemeSpec S, Element T>
Status dequantize(QuantizedSpan<S const> in, T* out, cudaStream_t stream) {
  using E = kernel_element_t<T>;
  using Decoder = block::TileDecoder<S const, E, grid::DequantizeTuning::threads,
                                     grid::DequantizeTuning::packs>;
  if (Errc const e = check_dequantize(in, out); e != Errc::ok) return {e};
  if (in.size == 0) return {};
  E* const to = as_kernel_elements(out);
  if constexpr (S::is_row_wise) {
    if (in.scales.row_length % Decoder::values_per_pack != 0)
      return launch(grid::dequantize_values_kernel<S, E>,
                    {.blocks = ceil_div(in.size, 256), .threads = 256}, stream, in, to);
  }
  bool const aligned = is_aligned(in.codes, Decoder::bytes_per_pack) && is_aligned(out, 16);
  return launch(
      aligned ? grid::dequantize_kernel<S, E, true> : grid::dequantize_kernel<S, E, false>,
      {.blocks = ceil_div(in.size, Decoder::tile), .threads = grid::DequantizeTuning::threads},
      stream, in, to);
}

/// The same for a view that could be written through.
template <MutableScheme S, Element T>
Status dequantize(QuantizedSpan<S> in, T* out, cudaStream_t stream) {
  return dequantize<S, T>(QuantizedSpan<S const>(in), out, stream);
}

}  // namespace qfmt::inline v0::device
