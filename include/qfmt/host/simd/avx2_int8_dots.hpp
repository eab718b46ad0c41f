// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Exact sums of products of 8-bit codes on AVX2. vpmaddubsw saturates pairs of products at 2^15;
// |w| times x under w's sign stays below that: x's codes are -127..127, so a pair is at most
// 2 * 128 * 127 = 32512, also where a file's weights hold -128.
#pragma once

#include "qfmt/host/simd/avx2.hpp"

#if defined(__x86_64__)

namespace qfmt::inline v0::host::simd::avx2 {

template <int N>
struct CodeVectors {
  __m256i of[N];
};

template <int N, int... I>
[[gnu::always_inline]] QFMT_AVX2 inline CodeVectors<N> load_codes(
    uint8_t const* p, int64_t stride, stl::integer_sequence<int, I...>) {
  return {{_mm256_loadu_si256(reinterpret_cast<__m256i const*>(p + I * stride))...}};
}

template <int N, int... I>
[[gnu::always_inline]] QFMT_AVX2 inline CodeVectors<N> magnitudes(
    CodeVectors<N> const& w, stl::integer_sequence<int, I...>) {
  return {{_mm256_abs_epi8(w.of[I])...}};
}

/// 32 products, summed by fours.
[[gnu::always_inline]] QFMT_AVX2 inline __m256i products(__m256i magnitude, __m256i w, __m256i x) {
  __m256i const pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(x, w));
  return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

/// sums[n][m] += 32 products of row n of w and row m of x.
template <int N, int M, int... I>
[[gnu::always_inline]] QFMT_AVX2 inline void add_codes(CodeVectors<N * M>& sums,
                                                       CodeVectors<N> const& magnitude,
                                                       CodeVectors<N> const& w,
                                                       CodeVectors<M> const& x,
                                                       stl::integer_sequence<int, I...>) {
  ((sums.of[I] =
        _mm256_add_epi32(sums.of[I], products(magnitude.of[I / M], w.of[I / M], x.of[I % M]))),
   ...);
}

[[gnu::always_inline]] QFMT_AVX2 inline int32_t total(__m256i x) {
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xB1)));
}

struct Int8Dots {
  static constexpr int rows_of_x = 2;
  template <int M>
  static constexpr int rows_of_weights = M == 1 ? 4 : 2;

  static int32_t prepare(uint8_t const*, int64_t) { return 0; }

  /// out[n * M + m]: sums of products of `count` codes, at most int8_sum_cols, of N rows of weights
  /// and M rows of x.
  template <int N, int M>
  QFMT_AVX2 static void dots(uint8_t const* w, int64_t w_stride, uint8_t const* x, int64_t x_stride,
                             int64_t count, int32_t const*, int32_t* out) {
    constexpr stl::make_integer_sequence<int, N> of_w{};
    constexpr stl::make_integer_sequence<int, M> of_x{};
    constexpr stl::make_integer_sequence<int, N * M> all{};
    CodeVectors<N * M> sums;
    for (auto& s : sums.of) s = _mm256_setzero_si256();
    int64_t i = 0;
    for (; i + 32 <= count; i += 32) {
      if constexpr (M == 1) prefetch_rows(w + N * w_stride + i, w_stride, of_w);
      auto const weights = load_codes<N>(w + i, w_stride, of_w);
      add_codes<N, M>(sums, magnitudes<N>(weights, of_w), weights,
                      load_codes<M>(x + i, x_stride, of_x), all);
    }
    for (int j = 0; j < N * M; ++j) {
      int32_t sum = total(sums.of[j]);
      uint8_t const* const a = w + j / M * w_stride;
      uint8_t const* const b = x + j % M * x_stride;
      for (int64_t k = i; k < count; ++k)
        sum += static_cast<int8_t>(a[k]) * static_cast<int8_t>(b[k]);
      out[j] = sum;
    }
  }

  /// add_outlier for 16 rows of x.
  QFMT_AVX2 static void add_outliers(float* sums, float const* x, float weight) {
    for (int i = 0; i < 16; i += 8) {
      __m256 product = _mm256_mul_ps(_mm256_loadu_ps(x + i), _mm256_set1_ps(weight));
      asm("" : "+x"(product));  // rounded before it is added to: no compiler fuses it
      _mm256_storeu_ps(sums + i, _mm256_add_ps(product, _mm256_loadu_ps(sums + i)));
    }
  }
};

}  // namespace qfmt::inline v0::host::simd::avx2

#endif
