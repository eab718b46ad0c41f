// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The operands of LLM.int8() besides the weights: activations quantized by rows, which of their
// columns hold outliers, and weights of such columns that were kept in the activations' type.
#pragma once

#include "qfmt/format/int8.hpp"
#include "qfmt/layout/placement.hpp"

namespace qfmt::inline v0 {

/// LLM.int8()'s scheme: 8-bit integers under one absmax a row (bitsandbytes' CB and SCB).
using LlmInt8 = Scheme<Format<Int8>, RowWise>;

/// Columns of a word of the outlier bitmap.
inline constexpr int outlier_word_bits = 32;

/// Activations as LLM.int8() multiplies them.
template <SchemeSpec S = LlmInt8>
struct QuantizedActivations {
  /// (m, k). An outlier column has code 0 throughout; absmax is over the regular values of a row.
  QuantizedMatrix<S> values{};
  /// (ceil(k / 32)) words: bit k % 32 of word k / 32 is 1 where column k holds an outlier; the bits
  /// behind the last column are 0. May be null where no threshold is asked for.
  same_const_t<S, uint32_t>* outliers = nullptr;

  template <class C>
  requires AddsConst<S, C> QFMT_HD constexpr operator QuantizedActivations<C>() const {
    return {values, outliers};
  }
};

/// Weights of the columns that may become outlier columns, as they were before quantization. Such a
/// column's part of a product is as exact as the activations' type; for a column that is not among
/// them the int8 weights are decoded, as bitsandbytes does for every one.
template <Element T>
struct OutlierWeights {
  T const* values = nullptr;         // (rows, count); null: none are kept
  int64_t const* columns = nullptr;  // (count), ascending; null: every column, count = cols
  int64_t count = 0;
  int64_t row_stride = count;  // values
};

namespace detail {

/// Bytes from one row of activations' codes to the next: whole vectors of every SIMD unit.
QFMT_HD constexpr int64_t activation_stride(int64_t cols) { return ceil_div(cols, 64) * 64; }

/// Where the pieces of quantized activations lie, and of weights that are quantized for one call.
struct Int8Placement {
  int64_t outliers = 0;
  int64_t absmax = 0;
  int64_t weights = 0;
  int64_t bytes = -1;
};

QFMT_HD constexpr Int8Placement int8_placement(int64_t m, int64_t cols, int64_t weight_rows) {
  constexpr int64_t limit = int64_t{1} << 58;
  if (m < 0 || cols < 0 || weight_rows < 0 || cols > limit) return {};
  if (m > limit || (cols > 0 && m > limit / activation_stride(cols))) return {};
  int64_t const weights = storage_bytes<LlmInt8>(weight_rows, cols);
  if (weights < 0) return {};
  auto const aligned = [](int64_t bytes) { return (bytes + 127) / 128 * 128; };
  Int8Placement p;
  p.outliers = aligned(m * activation_stride(cols));
  p.absmax = p.outliers + aligned(ceil_div(cols, outlier_word_bits) * 4);
  p.weights = p.absmax + aligned(m * 4);
  p.bytes = p.weights + weights;
  return p;
}

}  // namespace detail

/// Bytes of workspace that int8_matmul needs for m rows of x, on the host and on a device; -1 where
/// a dimension is negative or too large. weight_rows: rows of the weights where the call takes them
/// in T and quantizes them itself, else 0.
QFMT_HD constexpr int64_t int8_matmul_workspace_bytes(int64_t m, int64_t cols,
                                                      int64_t weight_rows = 0) {
  return detail::int8_placement(m, cols, weight_rows).bytes;
}

/// Lays quantized activations out in `storage`: int8_matmul_workspace_bytes(m, cols) bytes, aligned
/// to 4 (16 for the fastest kernels). Touches no memory. Rows of codes lie a multiple of 64 bytes
/// apart.
QFMT_HD inline QuantizedActivations<> place_activations(void* storage, int64_t m, int64_t cols) {
  detail::Int8Placement const p = detail::int8_placement(m, cols, 0);
  if (storage == nullptr || p.bytes < 0) return {};
  auto* const bytes = static_cast<uint8_t*>(storage);
  int64_t const stride = detail::activation_stride(cols);
  QuantizedSpan<LlmInt8> const span{
      bytes, {reinterpret_cast<float*>(bytes + p.absmax), stride}, m * stride};
  return {{span, m, cols, stride}, reinterpret_cast<uint32_t*>(bytes + p.outliers)};
}

}  // namespace qfmt::inline v0
