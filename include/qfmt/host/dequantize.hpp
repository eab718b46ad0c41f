// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Decoding whole tensors on the CPU.
#pragma once

#include "qfmt/host/executor.hpp"
#include "qfmt/host/simd/codec.hpp"

#include <algorithm>

namespace qfmt::inline v0::host {

/// Decodes a whole tensor on the calling thread. out: (in.size), row-major.
///
/// Numerics: f32(level) * f32(absmax), rounded once to T (nearest even); nested absmax is
/// f32(map[code] * absmax2) + offset in two roundings; formula formats as they say. Exactly what
/// bitsandbytes decodes from the same bytes, on any compiler, flags and SIMD level.
/// Errors: null_pointer, misaligned, size_mismatch, unsupported_shape. Neither allocates nor
/// throws.
template <SchemeSpec S, Element T>
Status dequantize(QuantizedSpan<S const> in, std::span<T> out, DequantizeOptions options = {}) {
  if (Status const s = detail::check_call(out, in); !s) return s;
  simd::decode_blocks(in, out.data(), {0, block_count_of(in)}, options);
  return {};
}

/// The same for vectors, arrays and spans of any extent.
template <SchemeSpec S, OutputElementRange R>
Status dequantize(QuantizedSpan<S const> in, R&& out, DequantizeOptions options = {}) {
  return dequantize<S, std::ranges::range_value_t<R>>(in, std::span(as_span(out)), options);
}
template <MutableScheme S, OutputElementRange R>
Status dequantize(QuantizedSpan<S> in, R&& out, DequantizeOptions options = {}) {
  return dequantize<S, std::ranges::range_value_t<R>>(in, std::span(as_span(out)), options);
}

/// Decodes the blocks of `range` to their places in `out`, which is the whole tensor's: (in.size).
/// Ranges that do not overlap may run at the same time.
/// Numerics: those of dequantize. Errors: also size_mismatch where the range leaves the tensor.
template <SchemeSpec S, OutputElementRange R>
Status dequantize_range(QuantizedSpan<S> in, R&& out, BlockRange range,
                        DequantizeOptions options = {}) {
  auto const values = as_span(out);
  if (Status const s = detail::check_call(values, in); !s) return s;
  if (Status const s = detail::check_range(in, range); !s) return s;
  simd::decode_blocks(in, values.data(), range, options);
  return {};
}

/// dequantize over an executor (Threads{}, or an engine's own); done when it returns.
/// out: (in.size), row-major. Numerics and errors: those of dequantize.
template <class Executor, SchemeSpec S, OutputElementRange R>
Status dequantize_parallel(Executor&& executor, QuantizedSpan<S> in, R&& out,
                           DequantizeOptions options = {}) {
  auto const values = as_span(out);
  if (Status const s = detail::check_call(values, in); !s) return s;
  constexpr int64_t values_worth_a_task = 1 << 16;
  int64_t const blocks = block_count_of(in);
  int64_t const length = in.size > 0 ? block_length_of(in) : 1;
  int64_t const run = std::max<int64_t>(1, values_worth_a_task / length);
  executor(ceil_div(blocks, run), [&](int64_t task) {
    simd::decode_blocks(in, values.data(), {task * run, std::min(blocks, (task + 1) * run)},
                        options);
  });
  return {};
}

}  // namespace qfmt::inline v0::host
