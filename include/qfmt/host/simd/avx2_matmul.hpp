// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Inner products of one row of weights with M packed rows of x on AVX2: exact activations.
#pragma once

#include "qfmt/host/simd/avx2_decode.hpp"
#include "qfmt/host/simd/matmul_plan.hpp"

#if defined(__x86_64__)

namespace qfmt::inline v0::host::simd::avx2 {

/// One vector of sums for each row of x.
template <int M>
struct Sums {
  __m256 of[M];
};

[[gnu::always_inline]] QFMT_AVX2 inline float total(__m256 x) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  s = _mm_hadd_ps(s, s);
  return _mm_cvtss_f32(_mm_hadd_ps(s, s));
}

/// Exact activations. Packed: 64 values of row 0, of row 1, ...
struct Exact : PlainLevels {
  static constexpr int unit = 64;              // values of K that a step takes
  static constexpr int unit_bytes = 4 * unit;  // of one row of x, packed

  template <class Scales, class Inner>
  static void read_scales(Scales const& scales, Inner const&, int64_t first, int64_t last,
                          float* own) {
    scales_of(scales, first, last, own);
  }

  /// A unit of one row of x.
  template <Element T>
  QFMT_AVX2 static void pack(T const* x, uint8_t* to) {
    auto* const out = reinterpret_cast<float*>(to);
    for (int i = 0; i < unit; i += 8) _mm256_storeu_ps(out + i, load8(x + i));
  }

  /// totals[m] += part of a row of weights * packed row m.
  template <FormatSpec F, int Block, int M>
  QFMT_AVX2 static void dot(RowPart row, Levels<F> const& levels, uint8_t const* packed,
                            float* totals);
};

template <int M, int... I>
[[gnu::always_inline]] QFMT_AVX2 inline void add_products(Sums<M>& s, __m256 w, float const* x,
                                                          stl::integer_sequence<int, I...>) {
  ((s.of[I] = _mm256_fmadd_ps(w, _mm256_loadu_ps(x + I * Exact::unit), s.of[I])), ...);
}

/// sums[m] += w * 8 values of row m.
template <int M>
[[gnu::always_inline]] QFMT_AVX2 inline void add_products(Sums<M>& s, __m256 w, float const* x) {
  add_products(s, w, x, stl::make_integer_sequence<int, M>{});
}

/// 16 weights of 4 bits.
template <int M>
[[gnu::always_inline]] QFMT_AVX2 inline void add_some(Sums<M>& even, Sums<M>& odd, Table16 const& t,
                                                      uint8_t const* codes, float const* x) {
  add_products(even, _mm256_castsi256_ps(decode8(codes, t)), x);
  add_products(odd, _mm256_castsi256_ps(decode8(codes + 4, t)), x + 8);
}

/// 64 weights of 4 bits.
template <int Block, int M>
[[gnu::always_inline]] QFMT_AVX2 inline void add_unit(Sums<M> (&s)[sets<M>], float const* levels,
                                                      uint8_t const* codes, float const* scales,
                                                      float const* x) {
  constexpr int n = sets<M>;
  Table16 t = table16<float, false>(levels, scales[0]);
  add_some(s[0], s[1 % n], t, codes, x);
  if constexpr (Block == 16) t = table16<float, false>(levels, scales[1]);
  add_some(s[2 % n], s[3 % n], t, codes + 8, x + 16);
  if constexpr (Block <= 32) t = table16<float, false>(levels, scales[32 / Block]);
  add_some(s[0], s[1 % n], t, codes + 16, x + 32);
  if constexpr (Block == 16) t = table16<float, false>(levels, scales[3]);
  add_some(s[2 % n], s[3 % n], t, codes + 24, x + 48);
}

[[gnu::always_inline]] QFMT_AVX2 inline __m256 int8_values(uint8_t const* codes) {
  __m128i const c = _mm_loadl_epi64(reinterpret_cast<__m128i const*>(codes));
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(c));
}

/// 64 Int8 weights, without their scale.
template <int M>
[[gnu::always_inline]] QFMT_AVX2 inline void add_unit(Sums<M> (&s)[sets<M>], uint8_t const* codes,
                                                      float const* x) {
  constexpr int n = sets<M>;
  add_products(s[0], int8_values(codes), x);
  add_products(s[1 % n], int8_values(codes + 8), x + 8);
  add_products(s[2 % n], int8_values(codes + 16), x + 16);
  add_products(s[3 % n], int8_values(codes + 24), x + 24);
  add_products(s[0], int8_values(codes + 32), x + 32);
  add_products(s[1 % n], int8_values(codes + 40), x + 40);
  add_products(s[2 % n], int8_values(codes + 48), x + 48);
  add_products(s[3 % n], int8_values(codes + 56), x + 56);
}

template <FormatSpec F, int Block, int M>
QFMT_AVX2 void Exact::dot(RowPart row, Levels<F> const& levels, uint8_t const* packed,
                          float* totals) {
  auto const* x = reinterpret_cast<float const*>(packed);
  Sums<M> s[sets<M>];
  for (auto& one : s)
    for (int m = 0; m < M; ++m) one.of[m] = _mm256_setzero_ps();
  int64_t i = 0;
  for (; i + unit <= row.count; i += unit, x += M * unit) {
    auto const* const codes = row.codes + i * bits_of<F> / 8;
    prefetch_codes(codes);
    if constexpr (bits_of<F> == 4) {
      prefetch_scales<Block>(row.scales + i / Block);
      add_unit<Block>(s, levels.level, codes, row.scales + i / Block, x);
    } else {
      add_unit(s, codes, x);
    }
  }
  if (i < row.count) {
    PaddedPart<F, Block, unit> const last(row, i);
    if constexpr (bits_of<F> == 4) {
      add_unit<Block>(s, levels.level, last.codes, last.scales, x);
    } else {
      add_unit(s, last.codes, x);
    }
  }
  for (int m = 0; m < M; ++m) {
    __m256 all = s[0].of[m];
    for (int set = 1; set < sets<M>; ++set) all = _mm256_add_ps(all, s[set].of[m]);
    float const sum = total(all);
    totals[m] += bits_of<F> == 4 ? sum : exact::mul(exact::mul(sum, row.scales[0]), 0x1.020408p-7f);
  }
}

}  // namespace qfmt::inline v0::host::simd::avx2

#endif
