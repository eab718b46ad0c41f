// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Some rows of a quantized matrix, decoded one below the other.
#pragma once

#include "qfmt/device/grid/dequantize.cuh"
#include "qfmt/ops/dequantized/columns.cuh"

namespace qfmt::inline v0 {
namespace dequantized {

/// Rows [first, first + count) as a tensor of their own; size 0 where they are not one: prepacked,
/// rows with gaps, or a first value that begins no block (under nested scales, no group of 256
/// blocks).
template <SchemeSpec S>
constexpr QuantizedSpan<S const> rows_as_span(QuantizedMatrix<S const> const& w, int64_t first,
                                              int64_t count) {
  int64_t const begin = w.origin + first * w.row_stride;
  int64_t const block = S::is_row_wise ? 0 : S::block_size;
  if (detail::is_prepacked<S> || w.row_stride != w.cols || begin * S::bits % 8 != 0) return {};
  QuantizedSpan<S const> span = w.values;
  span.codes += begin * S::bits / 8;
  span.size = count * w.cols;
  if constexpr (S::is_row_wise) {
    if (begin % span.scales.row_length != 0 || span.size % span.scales.row_length != 0) return {};
    span.scales.absmax += begin / span.scales.row_length;
  } else if constexpr (S::is_nested) {
    if (begin % (block * AbsmaxScheme::block_size) != 0) return {};
    span.scales.absmax.codes += begin / block;
    span.scales.absmax.scales.absmax += begin / block / AbsmaxScheme::block_size;
    span.scales.absmax.size = block_count<S>(span.size);
  } else if constexpr (stl::same_as<typename S::scale, DoubleQuant<false>>) {
    if (begin % block != 0) return {};
    span.scales.absmax += begin / block;
  } else {
    return {};
  }
  return span;
}

/// Decodes rows [first, first + count) of w, a valid view.     out: (count, w.cols)
template <SchemeSpec S, Element T>
Status decode_rows(QuantizedMatrix<S const> const& w, int64_t first, int64_t count, T* out,
                   cudaStream_t stream) {
  if constexpr (!detail::is_prepacked<S>) {
    auto const span = rows_as_span<S>(w, first, count);
    if (span.size > 0) return device::dequantize<S, T>(span, out, stream);
  }
  return decode_columns<S>(w, {first, count, 0, w.cols}, out, stream);
}

}  // namespace dequantized
}  // namespace qfmt::inline v0
