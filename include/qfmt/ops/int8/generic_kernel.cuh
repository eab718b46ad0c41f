// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The LLM.int8() product that is right everywhere: any shape, alignment and GPU. A warp takes one
// row of the weights and up to eight rows of x; its lanes take four columns each in turn.
#pragma once

#include "qfmt/codec/int8_product.hpp"
#include "qfmt/ptx/memory.cuh"
#include "qfmt/ptx/packed.cuh"

namespace qfmt::inline v0 {
namespace int8 QFMT_HIDDEN {

inline constexpr int generic_warps = 8;
inline constexpr int generic_rows = 8;  ///< rows of x in a pass

/// An int8 matmul whose activations are quantized, as kernels take it.
template <Element T>
struct Product {
  QuantizedMatrix<LlmInt8 const> w;
  OutlierWeights<T> kept;
  QuantizedActivations<LlmInt8 const> a;  // rows of codes aligned to 4 bytes, 0 behind cols
  T const* x;                             // (m, cols)
  T* y;                                   // (m, w.rows)
  T const* bias;                          // (w.rows) or null
};

/// Codes [k, k + 4) of a row of weights as a word; those of outlier columns and behind the row's
/// end are 0.
__device__ inline uint32_t load_weights(uint8_t const* row, int64_t k, int64_t cols,
                                        uint32_t const* outliers) {
  uint32_t const marks = outlier_word(outliers, k) >> k % outlier_word_bits;
  uint32_t word = 0;
  if (cols - k >= 4 && reinterpret_cast<uintptr_t>(row + k) % 4 == 0) {
    word = *reinterpret_cast<uint32_t const*>(row + k);
  } else {
    for (int i = 0; i < 4; ++i)
      if (k + i < cols) word |= static_cast<uint32_t>(row[k + i]) << 8 * i;
  }
  if ((marks & 15u) != 0)
    for (int i = 0; i < 4; ++i)
      if ((marks >> i & 1u) != 0) word &= ~(0xFFu << 8 * i);
  return word;
}

/// sums[c] += products of codes of a row of weights and row c of x that this lane takes.
///     x: `count` rows of codes, stride apart
__device__ inline void add_codes(uint8_t const* row, uint8_t const* x, int64_t stride, int count,
                                 int64_t cols, uint32_t const* outliers, int lane,
                                 int64_t (&sums)[generic_rows]) {
  for (int64_t chunk = 0; chunk < cols; chunk += int8_sum_cols) {
    int64_t const end = cols - chunk < int8_sum_cols ? cols : chunk + int8_sum_cols;
    int32_t part[generic_rows] = {};
    for (int64_t k = chunk + 4 * lane; k < end; k += 4 * 32) {
      uint32_t const w = load_weights(row, k, cols, outliers);
#pragma unroll
      for (int c = 0; c < generic_rows; ++c)
        if (c < count)
          part[c] =
              ptx::dot_s8x4(w, *reinterpret_cast<uint32_t const*>(x + c * stride + k), part[c]);
    }
#pragma unroll
    for (int c = 0; c < generic_rows; ++c) sums[c] += part[c];
  }
}

/// The outlier columns of row n of the weights, whose scale is absmax, and row m of x, in the
/// host's order.
template <Element T>
__device__ float sum_outliers(Product<T> const& p, float absmax, int64_t n, int64_t m) {
  uint8_t const* const codes = p.w.values.codes + p.w.origin + n * p.w.row_stride;
  float sum = 0.f;
  for (int64_t k = 0; k < p.w.cols; k += outlier_word_bits)
    for (uint32_t marks = outlier_word(p.a.outliers, k); marks != 0; marks &= marks - 1) {
      int64_t const column = k + __ffs(static_cast<int>(marks)) - 1;
      int64_t const kept_at = kept_column(p.kept, column);
      float const weight = outlier_weight(codes, absmax, p.kept, n, column, kept_at);
      sum = add_outlier(sum, to_float(p.x[m * p.w.cols + column]), weight);
    }
  return sum;
}

/// y = x * w^T + bias from quantized activations. Block (b, j) works on rows [generic_warps * b,
/// ...) of the weights and rows [generic_rows * j, ...) of x. The bits of host::int8_matmul.
template <Element T>
__launch_bounds__(generic_warps * 32) __global__
    void matmul_kernel(__grid_constant__ Product<T> const p) {
  int64_t const n = int64_t{blockIdx.x} * generic_warps + threadIdx.x / 32;
  int const lane = static_cast<int>(threadIdx.x % 32);
  ptx::wait_for_dependencies();
  if (n >= p.w.rows) return;

  QuantizedMatrix<LlmInt8 const> const& a = p.a.values;
  int64_t const first_m = int64_t{blockIdx.y} * generic_rows;
  int const count =
      a.rows - first_m < generic_rows ? static_cast<int>(a.rows - first_m) : generic_rows;
  int64_t const flat = p.w.origin + n * p.w.row_stride;
  int64_t sums[generic_rows] = {};
  add_codes(p.w.values.codes + flat, a.values.codes + a.origin + first_m * a.row_stride,
            a.row_stride, count, p.w.cols, p.a.outliers, lane, sums);

  int64_t mine = 0;  // lane c: of row c of x
#pragma unroll
  for (int c = 0; c < generic_rows; ++c) {
    long long sum = sums[c];
#pragma unroll
    for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
    if (lane == c) mine = sum;
  }
  if (lane >= count) return;
  int64_t const m = first_m + lane;
  bool const empty = p.w.cols == 0;
  float const w_absmax = empty ? 0.f : scale_at(p.w.values.scales, block_of(p.w.values, flat));
  float const x_absmax = empty ? 0.f : scale_at(a.values.scales, m);
  float const bias = p.bias == nullptr ? 0.f : to_float(p.bias[n]);
  float const outliers = sum_outliers(p, w_absmax, n, m);
  p.y[m * p.w.rows + n] =
      from_float<T>(int8_product(mine, weight_factor(w_absmax), x_absmax, outliers, bias));
}

}  // namespace int8
}  // namespace qfmt::inline v0
