// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Exact sums of products of 8-bit codes on AVX-512 with VNNI. vpdpbusd multiplies unsigned by
// signed bytes: weights are taken as w + 128, and 128 times the sum of x's codes is subtracted.
// Sums wrap and never saturate, so they are exact wherever the result fits 32 bits.
#pragma once

#include "qfmt/host/simd/avx512.hpp"

#if defined(__x86_64__)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace qfmt::inline v0::host::simd::avx512 {

template <int N>
struct CodeVectors {
  __m512i of[N];
};

template <int N, int... I>
[[gnu::always_inline]] QFMT_AVX512 inline CodeVectors<N> load_codes(
    uint8_t const* p, int64_t stride, __mmask64 mask, stl::integer_sequence<int, I...>) {
  return {{_mm512_maskz_loadu_epi8(mask, p + I * stride)...}};
}

template <int N, int... I>
[[gnu::always_inline]] QFMT_AVX512 inline CodeVectors<N> load_codes(
    uint8_t const* p, int64_t stride, stl::integer_sequence<int, I...>) {
  return {{_mm512_loadu_si512(p + I * stride)...}};
}

/// Bytes of w + 128.
template <int N, int... I>
[[gnu::always_inline]] QFMT_AVX512 inline CodeVectors<N> biased(CodeVectors<N> const& w,
                                                                stl::integer_sequence<int, I...>) {
  return {{_mm512_xor_si512(w.of[I], _mm512_set1_epi8(-128))...}};
}

/// sums[n][m] += 64 products of row n of w and row m of x.
template <int N, int M, int... I>
[[gnu::always_inline]] QFMT_AVX512 inline void add_codes(CodeVectors<N * M>& sums,
                                                         CodeVectors<N> const& w,
                                                         CodeVectors<M> const& x,
                                                         stl::integer_sequence<int, I...>) {
  ((sums.of[I] = _mm512_dpbusd_epi32(sums.of[I], w.of[I / M], x.of[I % M])), ...);
}

struct Int8Dots {
  static constexpr int rows_of_x = 4;
  template <int M>
  static constexpr int rows_of_weights = 4;

  /// What dots takes for one row of x: the sum of n codes.
  QFMT_AVX512 static int32_t prepare(uint8_t const* x, int64_t n) {
    __m512i sum = _mm512_setzero_si512();
    int64_t i = 0;
    for (; i + 64 <= n; i += 64)
      sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1), _mm512_loadu_si512(x + i));
    auto const mask = static_cast<__mmask64>((uint64_t{1} << (n - i)) - 1);
    sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1), _mm512_maskz_loadu_epi8(mask, x + i));
    return _mm512_reduce_add_epi32(sum);
  }

  /// out[n * M + m]: sums of products of `count` codes, at most int8_sum_cols, of N rows of weights
  /// and M rows of x.
  template <int N, int M>
  QFMT_AVX512 static void dots(uint8_t const* w, int64_t w_stride, uint8_t const* x,
                               int64_t x_stride, int64_t count, int32_t const* x_sums,
                               int32_t* out) {
    constexpr stl::make_integer_sequence<int, N> of_w{};
    constexpr stl::make_integer_sequence<int, M> of_x{};
    constexpr stl::make_integer_sequence<int, N * M> all{};
    CodeVectors<N * M> sums;
    for (auto& s : sums.of) s = _mm512_setzero_si512();
    int64_t i = 0;
    for (; i + 64 <= count; i += 64) {
      if constexpr (M == 1) prefetch_rows(w + N * w_stride + i, w_stride, of_w);
      auto const weights = biased<N>(load_codes<N>(w + i, w_stride, of_w), of_w);
      add_codes<N, M>(sums, weights, load_codes<M>(x + i, x_stride, of_x), all);
    }
    if (i < count) {
      auto const mask = static_cast<__mmask64>((uint64_t{1} << (count - i)) - 1);
      auto const weights = biased<N>(load_codes<N>(w + i, w_stride, mask, of_w), of_w);
      add_codes<N, M>(sums, weights, load_codes<M>(x + i, x_stride, mask, of_x), all);
    }
    for (int j = 0; j < N * M; ++j)
      out[j] = static_cast<int32_t>(static_cast<uint32_t>(_mm512_reduce_add_epi32(sums.of[j])) -
                                    128u * static_cast<uint32_t>(x_sums[j % M]));
  }

  /// add_outlier for 16 rows of x.
  QFMT_AVX512 static void add_outliers(float* sums, float const* x, float weight) {
    __m512 const product = rounded(_mm512_mul_ps(_mm512_loadu_ps(x), _mm512_set1_ps(weight)));
    _mm512_storeu_ps(sums, _mm512_add_ps(product, _mm512_loadu_ps(sums)));
  }
};

}  // namespace qfmt::inline v0::host::simd::avx512

#pragma GCC diagnostic pop

#endif
