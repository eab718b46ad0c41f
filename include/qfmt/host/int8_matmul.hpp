// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// LLM.int8(): y[M,N] = x[M,K] * w[N,K]^T + bias[N] in 8-bit integers, with the columns of x that
// hold outliers in the type of x.
#pragma once

#include "qfmt/host/int8_product.hpp"
#include "qfmt/host/quantize_activations.hpp"

namespace qfmt::inline v0::host {

namespace detail {

/// Of arguments that were checked.
template <class Executor, Element T>
void int8_matmul_over(Executor& executor, QuantizedMatrix<LlmInt8 const> const& w,
                      OutlierWeights<T> const& kept, T const* x, int64_t m, T* y, T const* bias,
                      float threshold, void* workspace, Int8Options options) {
  QuantizedActivations<> a = place_activations(workspace, m, w.cols);
  quantize_activations_over(executor, x, threshold, a, options);
  if (!(threshold > 0.f)) a.outliers = nullptr;
  Int8Product<T> const p{w, kept, a, x, y, bias};
  constexpr int64_t rows_of_a_task = int8_tile_n;
  executor(ceil_div(w.rows, rows_of_a_task), [&](int64_t task) {
    int64_t const first = task * rows_of_a_task;
    multiply_int8(p, {first, std::min(w.rows, first + rows_of_a_task)}, options);
  });
}

/// Weights (rows, cols) in T, quantized by rows into the last part of the workspace.
template <class Executor, Element T>
QuantizedMatrix<LlmInt8> quantize_int8_weights(Executor& executor, T const* w, int64_t rows,
                                               int64_t cols, int64_t m, void* workspace,
                                               Int8Options options) {
  int64_t const at = qfmt::detail::int8_placement(m, cols, rows).weights;
  auto const quantized = place<LlmInt8>(static_cast<uint8_t*>(workspace) + at, rows, cols);
  quantize_activations_over(executor, w, 0.f, {quantized, nullptr}, options);
  return quantized;
}

}  // namespace detail

/// y = x * w^T + bias with the weights and all but the outlier columns of x in 8-bit integers,
/// over an executor (Threads{}, or an engine's own). What it returns does not depend on it.
///     x: (m, w.cols)   y: (m, w.rows)   bias: (w.rows) or null; row-major
///
/// x is quantized as quantize_activations says: under a threshold > 0 (6 is usual) a column with
/// any |x| >= threshold, NaN or infinity is an outlier column, which is multiplied as it is with
///  - the weights that `kept` holds for it (the paper's way: as exact as T), or else
///  - the int8 weights, decoded and rounded to T (bitsandbytes' way).
/// Threshold 0: plain int8; a row of x with a NaN or an infinity gives a row of NaN. Under a
/// threshold they give what a product of floats gives. Either way other rows are not harmed.
///
/// Numerics: sums of products of codes are exact, whatever cols is; one rounding of the sum to f32,
/// one each for the factors absmax / 127^2 of the weights and absmax of x, outlier columns in f32
/// in ascending order, bias in f32; one rounding to T, also for bfloat16. The same bits at every
/// SIMD level, for every executor, and in a row of y whatever the other rows are under threshold 0.
///
/// Workspace: int8_matmul_workspace_bytes(m, w.cols) bytes, aligned to 4. Errors: those of
/// check_int8_matmul. Neither allocates nor throws itself. y may not overlap the operands.
template <class Executor, Element T>
Status int8_matmul_parallel(Executor&& executor, QuantizedMatrix<LlmInt8 const> w,
                            std::type_identity_t<OutlierWeights<T>> kept, T const* x, int64_t m,
                            T* y, std::type_identity_t<T> const* bias, float threshold,
                            Workspace workspace, Int8Options options = {}) {
  if (Errc const e = check_int8_matmul(w, kept, x, m, y, bias, threshold, workspace); e != Errc::ok)
    return {e};
  if (m == 0 || w.rows == 0) return {};
  detail::int8_matmul_over(executor, w, kept, x, m, y, bias, threshold, workspace.data, options);
  return {};
}

/// The same without kept weights.
template <class Executor, Element T>
Status int8_matmul_parallel(Executor&& executor, QuantizedMatrix<LlmInt8 const> w, T const* x,
                            int64_t m, T* y, std::type_identity_t<T> const* bias, float threshold,
                            Workspace workspace, Int8Options options = {}) {
  return int8_matmul_parallel(executor, w, OutlierWeights<T>{}, x, m, y, bias, threshold, workspace,
                              options);
}

/// The same for weights (rows, cols) in T (bitsandbytes' has_fp16_weights): quantized by rows for
/// this call, and as they are for outlier columns. A row of the weights with a NaN or an infinity
/// gives a column of NaN. Workspace: int8_matmul_workspace_bytes(m, cols, rows).
template <class Executor, Element T>
Status int8_matmul_parallel(Executor&& executor, T const* w, int64_t rows, int64_t cols,
                            std::type_identity_t<T> const* x, int64_t m, std::type_identity_t<T>* y,
                            std::type_identity_t<T> const* bias, float threshold,
                            Workspace workspace, Int8Options options = {}) {
  if (Errc const e = check_int8_matmul(w, rows, cols, x, m, y, bias, threshold, workspace);
      e != Errc::ok)
    return {e};
  if (m == 0 || rows == 0) return {};
  auto const quantized =
      detail::quantize_int8_weights(executor, w, rows, cols, m, workspace.data, options);
  detail::int8_matmul_over(executor, QuantizedMatrix<LlmInt8 const>(quantized),
                           OutlierWeights<T>{w, nullptr, cols}, x, m, y, bias, threshold,
                           workspace.data, options);
  return {};
}

/// int8_matmul_parallel on the calling thread.
template <Element T>
Status int8_matmul(QuantizedMatrix<LlmInt8 const> w, T const* x, int64_t m, T* y,
                   std::type_identity_t<T> const* bias, float threshold, Workspace workspace,
                   Int8Options options = {}) {
  return int8_matmul_parallel(Serial{}, w, OutlierWeights<T>{}, x, m, y, bias, threshold, workspace,
                              options);
}

template <Element T>
Status int8_matmul(QuantizedMatrix<LlmInt8 const> w, std::type_identity_t<OutlierWeights<T>> kept,
                   T const* x, int64_t m, T* y, std::type_identity_t<T> const* bias,
                   float threshold, Workspace workspace, Int8Options options = {}) {
  return int8_matmul_parallel(Serial{}, w, kept, x, m, y, bias, threshold, workspace, options);
}

template <Element T>
Status int8_matmul(T const* w, int64_t rows, int64_t cols, std::type_identity_t<T> const* x,
                   int64_t m, std::type_identity_t<T>* y, std::type_identity_t<T> const* bias,
                   float threshold, Workspace workspace, Int8Options options = {}) {
  return int8_matmul_parallel(Serial{}, w, rows, cols, x, m, y, bias, threshold, workspace,
                              options);
}

}  // namespace qfmt::inline v0::host
