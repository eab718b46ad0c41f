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

/// Exact activations of 4-bit weights. Packed: of each 128 values of a row, those at places 1, 0,
/// 3, 2, 5, 4, 7 and 6 of every eight, as the eight nibbles of a dword of codes have them.
struct Exact : ScaleReader, PlainLevels {
  static constexpr int unit = 128;             // values of K that a step takes
  static constexpr int unit_bytes = 4 * unit;  // of one row of x, packed

  /// A unit of one row of x.
  template <Element T>
  QFMT_AVX512 static void pack(T const* x, uint8_t* to) {
    float values[unit];
    for (int i = 0; i < unit; i += 16) _mm512_storeu_ps(values + i, load16(x + i));
    __m512i const eighth = _mm512_set_epi32(120, 112, 104, 96, 88, 80, 72, 64,  //
                                            56, 48, 40, 32, 24, 16, 8, 0);
    for (int s = 0; s < 8; ++s)
      _mm512_storeu_ps(to + 64 * s, _mm512_i32gather_ps(eighth, values + (s ^ 1), 4));
  }

  /// totals[m] += part of a row of weights * packed row m.
  template <FormatSpec F, int Block, int M>
  QFMT_AVX512 static void dot(RowPart row, Levels<F> const& levels, uint8_t const* packed,
                              float* totals);
};

/// The scales of 128 values for each lane of eight.
template <int Block>
[[gnu::always_inline]] QFMT_AVX512 inline __m512 lane_scales(float const* scales) {
  if constexpr (Block >= 128) {
    return _mm512_set1_ps(scales[0]);
  } else {
    constexpr int lanes = Block / 8, count = 128 / Block;
    __m512i const lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m256 const some = _mm256_maskz_loadu_ps(static_cast<__mmask8>((1 << count) - 1), scales);
    constexpr int shift = lanes == 2 ? 1 : lanes == 4 ? 2 : 3;
    return _mm512_permutexvar_ps(_mm512_srli_epi32(lane, shift), _mm512_castps256_ps512(some));
  }
}

/// sums[m] += w * 16 values of row m, which lie `Stride` values apart.
template <int Stride, int M, int... I>
[[gnu::always_inline]] QFMT_AVX512 inline void add_products(Sums<M>& s, __m512 w, float const* x,
                                                            stl::integer_sequence<int, I...>) {
  ((s.of[I] = _mm512_fmadd_ps(w, _mm512_loadu_ps(x + I * Stride), s.of[I])), ...);
}

template <int Stride, int M>
[[gnu::always_inline]] QFMT_AVX512 inline void add_products(Sums<M>& s, __m512 w, float const* x) {
  add_products<Stride>(s, w, x, stl::make_integer_sequence<int, M>{});
}

/// sums[m] += block[m] * scale.
template <int M, int... I>
[[gnu::always_inline]] QFMT_AVX512 inline void add_scaled(Sums<M>& s, Sums<M> const& block,
                                                          __m512 scale,
                                                          stl::integer_sequence<int, I...>) {
  ((s.of[I] = _mm512_fmadd_ps(block.of[I], scale, s.of[I])), ...);
}

template <int Nibble, int M>
[[gnu::always_inline]] QFMT_AVX512 inline void add_nibble(Sums<M>& s, __m512 levels, __m512i codes,
                                                          float const* x) {
  __m512i const at = Nibble == 0 ? codes : _mm512_srli_epi32(codes, 4 * Nibble);
  add_products<Exact::unit>(s, _mm512_permutexvar_ps(at, levels), x + 16 * Nibble);
}

/// 128 weights of 4 bits. A permute reads the lowest four bits.
template <int Block, int M>
[[gnu::always_inline]] QFMT_AVX512 inline void add_unit(Sums<M>& s, __m512 levels,
                                                        uint8_t const* codes, float const* scales,
                                                        float const* x) {
  __m512i const c = _mm512_loadu_si512(codes);
  Sums<M> block = no_sums<M>();
  add_nibble<0>(block, levels, c, x);
  add_nibble<1>(block, levels, c, x);
  add_nibble<2>(block, levels, c, x);
  add_nibble<3>(block, levels, c, x);
  add_nibble<4>(block, levels, c, x);
  add_nibble<5>(block, levels, c, x);
  add_nibble<6>(block, levels, c, x);
  add_nibble<7>(block, levels, c, x);
  add_scaled(s, block, lane_scales<Block>(scales), stl::make_integer_sequence<int, M>{});
}

/// The sums of a row of 4-bit weights: add_unit of its whole units, then of what is left. x: packed
/// rows, `Step` of X a unit.
template <int Unit, int Step, FormatSpec F, int Block, int M, class Table, class X>
[[gnu::always_inline]] QFMT_AVX512 inline Sums<M> row_sums(RowPart const& row, Table levels,
                                                           X const* x) {
  Sums<M> s = no_sums<M>();
  int64_t i = 0;
  for (; i + Unit <= row.count; i += Unit, x += M * Step) {
    prefetch_codes(row.codes + i / 2);
    prefetch_scales<Block>(row.scales + i / Block);
    add_unit<Block>(s, levels, row.codes + i / 2, row.scales + i / Block, x);
  }
  if (i < row.count) {
    PaddedPart<F, Block, Unit> const last(row, i);
    add_unit<Block>(s, levels, last.codes, last.scales, x);
  }
  return s;
}

template <FormatSpec F, int Block, int M>
QFMT_AVX512 void Exact::dot(RowPart row, Levels<F> const& levels, uint8_t const* packed,
                            float* totals) {
  auto const* x = reinterpret_cast<float const*>(packed);
  add_lanes(row_sums<unit, unit, F, Block, M>(row, _mm512_loadu_ps(levels.level), x), totals);
}

/// Exact activations of Int8 weights. Packed in order.
struct ExactInt8 : ScaleReader, PlainLevels {
  static constexpr int unit = 64;
  static constexpr int unit_bytes = 4 * unit;

  template <Element T>
  QFMT_AVX512 static void pack(T const* x, uint8_t* to) {
    for (int i = 0; i < unit; i += 16) _mm512_storeu_ps(to + 4 * i, load16(x + i));
  }

  template <FormatSpec F, int Block, int M>
  QFMT_AVX512 static void dot(RowPart row, Levels<F> const& levels, uint8_t const* packed,
                              float* totals);
};

[[gnu::always_inline]] QFMT_AVX512 inline __m512 int8_values(uint8_t const* codes) {
  __m128i const c = _mm_loadu_si128(reinterpret_cast<__m128i const*>(codes));
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(c));
}

/// 64 Int8 weights, without their scale.
template <int M>
[[gnu::always_inline]] QFMT_AVX512 inline void add_unit(Sums<M> (&s)[sets<M>], uint8_t const* codes,
                                                        float const* x) {
  constexpr int n = sets<M>, stride = ExactInt8::unit;
  add_products<stride>(s[0], int8_values(codes), x);
  add_products<stride>(s[1 % n], int8_values(codes + 16), x + 16);
  add_products<stride>(s[2 % n], int8_values(codes + 32), x + 32);
  add_products<stride>(s[3 % n], int8_values(codes + 48), x + 48);
}

template <FormatSpec F, int Block, int M>
QFMT_AVX512 void ExactInt8::dot(RowPart row, Levels<F> const&, uint8_t const* packed,
                                float* totals) {
  auto const* x = reinterpret_cast<float const*>(packed);
  Sums<M> s[sets<M>];
  for (auto& one : s) one = no_sums<M>();
  int64_t i = 0;
  for (; i + unit <= row.count; i += unit, x += M * unit) {
    prefetch_codes(row.codes + i);
    add_unit(s, row.codes + i, x);
  }
  if (i < row.count) {
    PaddedPart<F, 0, unit> const last(row, i);
    add_unit(s, last.codes, x);
  }
  for (int set = 1; set < sets<M>; ++set)
    for (int m = 0; m < M; ++m) s[0].of[m] = _mm512_add_ps(s[0].of[m], s[set].of[m]);
  float scaled[M]{};
  add_lanes(s[0], scaled);
  for (int m = 0; m < M; ++m)
    totals[m] += exact::mul(exact::mul(scaled[m], row.scales[0]), 0x1.020408p-7f);
}

}  // namespace qfmt::inline v0::host::simd::avx512

#pragma GCC diagnostic pop

#endif
