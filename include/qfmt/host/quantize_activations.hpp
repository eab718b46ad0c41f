// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Activations to 8-bit integers by rows, and which of their columns hold outliers: LLM.int8()'s
// first step, on one thread or over an executor.
#pragma once

#include "qfmt/codec/check_int8_matmul.hpp"
#include "qfmt/codec/int8_product.hpp"
#include "qfmt/host/arguments.hpp"
#include "qfmt/host/executor.hpp"
#include "qfmt/host/int8_options.hpp"
#include "qfmt/host/simd/codec.hpp"

#include <atomic>
#include <cstring>

namespace qfmt::inline v0::host {

namespace detail {

/// Marks columns of a bitmap that other threads mark as well.
inline void mark_outliers(uint32_t& word, uint32_t columns) {
  std::atomic_ref const shared(word);
  if ((shared.load(std::memory_order_relaxed) & columns) != columns)
    shared.fetch_or(columns, std::memory_order_relaxed);
}

/// Marks the columns of one row that hold outliers.
template <Element T>
void mark_outliers_of_row(T const* x, int64_t cols, decltype(magnitude_bits(T{})) regular,
                          uint32_t* outliers) {
  for (int64_t k = 0; k < cols; k += outlier_word_bits) {
    int const count = cols - k < outlier_word_bits ? static_cast<int>(cols - k) : outlier_word_bits;
    uint32_t found = 0;
    for (int i = 0; i < count; ++i)
      found |= static_cast<uint32_t>(is_outlier(x[k + i], regular)) << i;
    if (found != 0) mark_outliers(outliers[k / outlier_word_bits], found);
  }
}

/// One row: absmax over the regular values, their codes (those of outliers are of no meaning, their
/// columns are cleared), and marks for the outliers.
///     x, codes: (cols)   outliers: a bitmap, or null where every value is regular
template <Element T>
void quantize_activation_row(SimdLevel level, T const* x, int64_t cols,
                             decltype(magnitude_bits(T{})) regular, uint8_t* codes, float& absmax,
                             uint32_t* outliers) {
  auto const [most, has_outliers] = largest_magnitudes(x, cols, regular);
  absmax = activation_absmax<T>(most);
  simd::encode_blocks<Int8, 0>(level, x, cols, cols, &absmax, codes);
  if (has_outliers) mark_outliers_of_row(x, cols, regular, outliers);
}

/// Gives every row code 0 in the outlier columns.
inline void clear_outlier_columns(QuantizedActivations<> const& a, BlockRange rows) {
  constexpr int most = 128;
  int64_t columns[most];
  if (a.outliers == nullptr) return;
  for (int64_t from = 0; from < a.values.cols;) {
    int const count = next_outlier_columns(a.outliers, a.values.cols, from, columns, most);
    for (int64_t r = rows.first; r < rows.last; ++r) {
      uint8_t* const codes = a.values.values.codes + a.values.origin + r * a.values.row_stride;
      for (int i = 0; i < count; ++i) codes[columns[i]] = 0;
    }
  }
}

/// Rows of a task: enough work to be worth one.
inline int64_t activation_rows_of_a_task(int64_t cols) {
  return std::max<int64_t>(1, (int64_t{1} << 16) / std::max<int64_t>(1, cols));
}

/// Of arguments that were checked.
template <class Executor, Element T>
void quantize_activations_over(Executor& executor, T const* x, float threshold,
                               QuantizedActivations<> const& out, Int8Options options) {
  QuantizedMatrix<LlmInt8> const& a = out.values;
  if (out.outliers != nullptr)
    std::memset(out.outliers, 0,
                static_cast<size_t>(ceil_div(a.cols, outlier_word_bits)) * sizeof(uint32_t));
  if (a.rows == 0 || a.cols == 0) return;
  auto const regular = largest_regular<T>(threshold);
  SimdLevel const level = simd_level(options.simd);
  int64_t const step = activation_rows_of_a_task(a.cols);
  auto const over_rows = [&](auto const& work) {
    executor(ceil_div(a.rows, step), [&](int64_t task) {
      work(BlockRange{task * step, std::min(a.rows, (task + 1) * step)});
    });
  };
  over_rows([&](BlockRange rows) {
    for (int64_t r = rows.first; r < rows.last; ++r) {
      int64_t const first = a.origin + r * a.row_stride;
      quantize_activation_row(level, x + r * a.cols, a.cols, regular, a.values.codes + first,
                              a.values.scales.absmax[block_of(a.values, first)], out.outliers);
    }
  });
  // A column may turn out to be one in the last row: only now is it known for the others.
  if (threshold > 0.f) over_rows([&](BlockRange rows) { clear_outlier_columns(out, rows); });
}

}  // namespace detail

/// Quantizes activations for int8_matmul.     x: (out.values.rows, out.values.cols), row-major
///
/// A value is regular if |x| < threshold; under threshold 0 every value is. What is not, NaN and
/// the infinities included, is an outlier, and a column with an outlier in any row is an outlier
/// column: its bit is set in the bitmap, and its codes are 0 in every row. absmax is over the
/// regular values of a row, those in outlier columns included; codes are
/// round(x * (127 / absmax)), ties to even, IEEE division. Under threshold 0 a row with a NaN or an
/// infinity gets absmax NaN and codes 0.
///
/// bitsandbytes' int8_vectorwise_quant, but: the division is IEEE's (its own is off by an ulp,
/// which shows at ties), the threshold is compared exactly rather than in float16, NaN is an
/// outlier rather than dropped, and T is not cast to float16 first. Numerics: the bytes do not
/// depend on the executor or the SIMD level. Errors: those of check_quantize_activations. Neither
/// allocates nor throws itself.
template <class Executor, Element T>
Status quantize_activations_parallel(Executor&& executor, T const* x, float threshold,
                                     QuantizedActivations<> out, Int8Options options = {}) {
  if (Errc const e = check_quantize_activations(x, threshold, out); e != Errc::ok) return {e};
  detail::quantize_activations_over(executor, x, threshold, out, options);
  return {};
}

/// quantize_activations_parallel on the calling thread.     x: (out.values.rows, out.values.cols)
///
/// Numerics and errors: those of quantize_activations_parallel. Neither allocates nor throws.
template <Element T>
Status quantize_activations(T const* x, float threshold, QuantizedActivations<> out,
                            Int8Options options = {}) {
  return quantize_activations_parallel(Serial{}, x, threshold, out, options);
}

}  // namespace qfmt::inline v0::host
