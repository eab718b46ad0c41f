// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Inner products of one row of weights with M packed rows of x on AVX-512: exact activations.
// Weights are decoded in registers as they are for dequantize.
#pragma once

#include "qfmt/host/simd/avx512_decode.hpp"
#include "qfmt/host/simd/matmul_plan.hpp"

#if defined(__x86_64__)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace qfmt::inline v0::host::simd::avx512 {

/// One vector of sums for each row of x.
template <int M>
struct Sums {
  __m512 of[M];
};

template <int M>
[[gnu::always_inline]] QFMT_AVX512 inline Sums<M> no_sums() {
  Sums<M> s;
  for (int m = 0; m < M; ++m) s.of[m] = _mm512_setzero_ps();
  return s;
}

[[gnu::always_inline]] QFMT_AVX512 inline __m128 quarter(__m512 x) {
  __m256 const half = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

/// totals[m] += the lanes of sums m.
template <int M>
[[gnu::always_inline]] QFMT_AVX512 inline void add_lanes(Sums<M> const& s, float* totals) {
  if constexpr (M < 4) {
    totals[0] += _mm512_reduce_add_ps(s.of[0]);
    if constexpr (M > 1) totals[1] += _mm512_reduce_add_ps(s.of[1]);
  } else {
    __m128 const low = _mm_hadd_ps(quarter(s.of[0]), quarter(s.of[1]));
    __m128 const high = _mm_hadd_ps(quarter(s.of[2]), quarter(s.of[3]));
    _mm_storeu_ps(totals, _mm_add_ps(_mm_loadu_ps(totals), _mm_hadd_ps(low, high)));
    if constexpr (M == 8) {
      __m128 const low2 = _mm_hadd_ps(quarter(s.of[4]), quarter(s.of[5]));
      __m128 const high2 = _mm_hadd_ps(quarter(s.of[6]), quarter(s.of[7]));
      _mm_storeu_ps(totals + 4, _mm_add_ps(_mm_loadu_ps(totals + 4), _mm_hadd_ps(low2, high2)));
    }
  }
}

struct ScaleReader {
  template <class Scales, class Inner>
  QFMT_AVX512 static void read_scales(Scales const& scales, Inner const& inner, int64_t first,
                                      int64_t last, float* own) {
    scales_of(scales, inner, first, last, own);
  }
};

/// Exact activations. Packed: 64 values of row 0, of row 1, ...
struct Exact : ScaleReader {
  static constexpr int unit = 64;  // values of K that a step takes
  static constexpr int bytes = 4;  // of one packed value

  template <FormatSpec F>
  static Levels<F> const& prepared(Levels<F> const& levels) {
    return levels;
  }

  /// totals[m] += part of a row of weights * packed row m.
  template <FormatSpec F, int Block, int M>
  QFMT_AVX512 static void dot(RowPart row, Levels<F> const& levels, uint8_t const* packed,
                              float* totals);

  /// A unit of one row of x; where n is less than that, zeros fill it.
  template <Element T>
  QFMT_AVX512 static void pack(T const* x, int64_t n, uint8_t* to) {
    auto* const out = reinterpret_cast<float*>(to);
    if (n < unit) {
      T padded[unit]{};
      std::memcpy(static_cast<void*>(padded), x, static_cast<size_t>(n) * sizeof(T));
      return pack(padded, unit, to);
    }
    _mm512_storeu_ps(out, load16(x));
    _mm512_storeu_ps(out + 16, load16(x + 16));
    _mm512_storeu_ps(out + 32, load16(x + 32));
    _mm512_storeu_ps(out + 48, load16(x + 48));
  }
};

/// sums[m] += w * 16 values of row m.
template <int M, int... I>
[[gnu::always_inline]] QFMT_AVX512 inline void add_products(Sums<M>& s, __m512 w, float const* x,
                                                            stl::integer_sequence<int, I...>) {
  ((s.of[I] = _mm512_fmadd_ps(w, _mm512_loadu_ps(x + I * Exact::unit), s.of[I])), ...);
}

template <int M>
[[gnu::always_inline]] QFMT_AVX512 inline void add_products(Sums<M>& s, __m512 w, float const* x) {
  add_products(s, w, x, stl::make_integer_sequence<int, M>{});
}

/// Few rows of x need more sums than rows, to have enough of them under way.
template <int M>
inline constexpr int sets = M == 1   ? 4
                            : M == 2 ? 2
                                     : 1;

/// 64 weights of 4 bits.
template <int Block, int M>
[[gnu::always_inline]] QFMT_AVX512 inline void add_unit(Sums<M> (&s)[sets<M>], __m512 levels,
                                                        uint8_t const* codes, float const* scales,
                                                        float const* x) {
  int64_t c[4];
  std::memcpy(&c[0], codes, 8);
  std::memcpy(&c[1], codes + 8, 8);
  std::memcpy(&c[2], codes + 16, 8);
  std::memcpy(&c[3], codes + 24, 8);
  constexpr int n = sets<M>;
  __m512 t = _mm512_mul_ps(levels, _mm512_set1_ps(scales[0]));
  add_products(s[0], decode16(c[0], t), x);
  if constexpr (Block == 16) t = _mm512_mul_ps(levels, _mm512_set1_ps(scales[1]));
  add_products(s[1 % n], decode16(c[1], t), x + 16);
  if constexpr (Block <= 32) t = _mm512_mul_ps(levels, _mm512_set1_ps(scales[32 / Block]));
  add_products(s[2 % n], decode16(c[2], t), x + 32);
  if constexpr (Block == 16) t = _mm512_mul_ps(levels, _mm512_set1_ps(scales[3]));
  add_products(s[3 % n], decode16(c[3], t), x + 48);
}

/// 64 Int8 weights, without their scale.
template <int M>
[[gnu::always_inline]] QFMT_AVX512 inline void add_unit(Sums<M> (&s)[sets<M>], uint8_t const* codes,
                                                        float const* x) {
  constexpr int n = sets<M>;
  auto const* const c = reinterpret_cast<__m128i const*>(codes);
  add_products(s[0], _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(c))), x);
  add_products(s[1 % n], _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(c + 1))), x + 16);
  add_products(s[2 % n], _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(c + 2))), x + 32);
  add_products(s[3 % n], _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(c + 3))), x + 48);
}

template <FormatSpec F, int Block, int M>
QFMT_AVX512 void Exact::dot(RowPart row, Levels<F> const& levels, uint8_t const* packed,
                            float* totals) {
  auto const* x = reinterpret_cast<float const*>(packed);
  constexpr int step = Exact::unit;
  Sums<M> s[sets<M>];
  for (auto& one : s) one = no_sums<M>();
  int64_t i = 0;
  if constexpr (bits_of<F> == 4) {
    __m512 const l = _mm512_loadu_ps(levels.level);
    for (; i + step <= row.count; i += step, x += M * step) {
      prefetch_codes(row.codes + i / 2);
      prefetch_scales<Block>(row.scales + i / Block);
      add_unit<Block>(s, l, row.codes + i / 2, row.scales + i / Block, x);
    }
    if (i < row.count) {
      int64_t const rest = row.count - i;
      PaddedPart<step / 2, step / 16> const last(
          row.codes + i / 2, (rest + 1) / 2, row.scales + i / Block, (rest + Block - 1) / Block);
      add_unit<Block>(s, l, last.codes, last.scales, x);
    }
  } else {
    for (; i + step <= row.count; i += step, x += M * step) {
      prefetch_codes(row.codes + i);
      add_unit(s, row.codes + i, x);
    }
    if (i < row.count) {
      PaddedPart<step, 1> const last(row.codes + i, row.count - i, row.scales, 1);
      add_unit(s, last.codes, x);
    }
  }
  if constexpr (sets < M >> 1)
    for (int set = 1; set < sets<M>; ++set)
      for (int m = 0; m < M; ++m) s[0].of[m] = _mm512_add_ps(s[0].of[m], s[set].of[m]);
  if constexpr (bits_of<F> == 8) {
    float scaled[M]{};
    add_lanes(s[0], scaled);
    for (int m = 0; m < M; ++m)
      totals[m] += exact::mul(exact::mul(scaled[m], row.scales[0]), 0x1.020408p-7f);
  } else {
    add_lanes(s[0], totals);
  }
}

}  // namespace qfmt::inline v0::host::simd::avx512

#pragma GCC diagnostic pop

#endif
