// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Encoding on AVX2, of whole blocks whose absmax is known. 4 bit: a search among the decision
// points by permutes. 8-bit maps: a gathered bin and one exact comparison. Int8: arithmetic.
#pragma once

#include "qfmt/host/simd/avx2.hpp"
#include "qfmt/host/simd/formats.hpp"

#if defined(__x86_64__)

namespace qfmt::inline v0::host::simd::avx2 {

/// Decision points in the order that a search from -rank needs: k points below stand at -k mod 8.
struct SearchTables {
  float second[2], third[8], fourth[8];
  uint8_t code[16];  // of k points below (and 8 more for FP4's negatives) at -k mod 16

  constexpr explicit SearchTables(Points16 const& p, bool magnitude)
      : second{}, third{}, fourth{}, code{} {
    for (int k = 0; k < 8; ++k) fourth[(8 - k) % 8] = p.below[2 * k];
    for (int k = 0; k < 4; ++k) third[(8 - k) % 8] = p.below[magnitude ? 2 * k : 4 * k + 1];
    second[0] = p.below[magnitude ? 1 : 3];
    second[1] = p.below[magnitude ? 5 : 11];
    for (int k = 0; k < 16; ++k)
      code[(16 - k) % 16] =
          static_cast<uint8_t>(magnitude ? p.code[k % 8] | (k >= 8 ? 8 : 0) : p.code[k]);
  }
};

template <PointFormat F>
inline constexpr SearchTables search_tables{points_of<F>, decides_on_magnitude<F>};

[[gnu::always_inline]] QFMT_AVX2 inline __m256i above(__m256 x,
                                                      __m256 point) {  // -1 where x > point
  return _mm256_castps_si256(_mm256_cmp_ps(x, point, _CMP_GT_OQ));
}

[[gnu::always_inline]] QFMT_AVX2 inline __m256i next_bit(__m256i rank, __m256 x,
                                                         float const* points) {
  __m256 const point = _mm256_permutevar8x32_ps(_mm256_loadu_ps(points), rank);
  return _mm256_add_epi32(_mm256_add_epi32(rank, rank), above(x, point));
}

/// Minus the rank of 8 values of a 16-level format; FP4's negatives 8 more.
template <PointFormat F, Element T>
  requires(bits_of<F> == 4)
[[gnu::always_inline]] QFMT_AVX2 inline __m256i codes8(T const* values, __m256 factor) {
  constexpr SearchTables const& t = search_tables<F>;
  __m256 x = _mm256_mul_ps(load8(values), factor);
  __m256i negative = _mm256_setzero_si256();
  if constexpr (decides_on_magnitude<F>) {
    __m256i const bits = _mm256_castps_si256(x);
    __m256i const magnitude = _mm256_and_si256(bits, _mm256_set1_epi32(0x7FFFFFFF));
    __m256i const is_zero = _mm256_cmpeq_epi32(magnitude, _mm256_setzero_si256());
    negative = _mm256_andnot_si256(is_zero, _mm256_srai_epi32(bits, 31));
    x = _mm256_castsi256_ps(magnitude);
  }
  constexpr int middle = decides_on_magnitude<F> ? 3 : 7;
  __m256i const first = above(x, _mm256_set1_ps(points_of<F>.below[middle]));
  __m256 const point = _mm256_blendv_ps(_mm256_set1_ps(t.second[0]), _mm256_set1_ps(t.second[1]),
                                        _mm256_castsi256_ps(first));
  __m256i rank = _mm256_add_epi32(_mm256_add_epi32(first, first), above(x, point));
  rank = next_bit(rank, x, t.third);
  if constexpr (decides_on_magnitude<F>)
    return _mm256_add_epi32(rank, _mm256_slli_epi32(negative, 3));
  return next_bit(rank, x, t.fourth);
}

/// The codes of 8 values of an 8-bit map.
template <PointFormat F, Element T>
  requires(bits_of<F> == 8)
[[gnu::always_inline]] QFMT_AVX2 inline __m256i codes8(T const* values, __m256 factor) {
  constexpr WideBins const& bins = wide_bins_of<F>;
  __m256 const x = _mm256_mul_ps(load8(values), factor);
  __m256i const bits = _mm256_castps_si256(x);
  __m256i magnitude = _mm256_and_si256(bits, _mm256_set1_epi32(0x7FFFFFFF));
  magnitude = _mm256_max_epi32(magnitude, _mm256_set1_epi32(int{FloatBins::least}));
  magnitude = _mm256_min_epi32(magnitude, _mm256_set1_epi32(0x3FFFFFFF));  // within the table
  __m256i const bin = _mm256_sub_epi32(_mm256_srli_epi32(magnitude, WideBins::shift),
                                       _mm256_set1_epi32(FloatBins::least >> WideBins::shift));
  __m256i const sign = _mm256_and_si256(_mm256_srli_epi32(bits, 31 - WideBins::sign_bit),
                                        _mm256_set1_epi32(1 << WideBins::sign_bit));
  __m256i const word = _mm256_i32gather_epi32(reinterpret_cast<int const*>(bins.base),
                                              _mm256_or_si256(bin, sign), 1);
  __m256i const below = _mm256_and_si256(word, _mm256_set1_epi32(255));
  __m256 const point = _mm256_i32gather_ps(qfmt::detail::host_points<F>.below, below, 4);
  return _mm256_sub_epi32(below, above(x, point));
}

template <stl::same_as<Int8> F, Element T>
[[gnu::always_inline]] QFMT_AVX2 inline __m256i codes8(T const* values, __m256 factor) {
  return _mm256_cvtps_epi32(_mm256_mul_ps(load8(values), factor));
}

/// The low bytes of 32 lanes, in order.
[[gnu::always_inline]] QFMT_AVX2 inline __m256i low_bytes(__m256i a, __m256i b, __m256i c,
                                                          __m256i d) {
  __m256i const low = _mm256_set1_epi32(255);
  __m256i const ab = _mm256_packus_epi32(_mm256_and_si256(a, low), _mm256_and_si256(b, low));
  __m256i const cd = _mm256_packus_epi32(_mm256_and_si256(c, low), _mm256_and_si256(d, low));
  return _mm256_permutevar8x32_epi32(_mm256_packus_epi16(ab, cd),
                                     _mm256_set_epi32(7, 3, 6, 2, 5, 1, 4, 0));
}

template <FormatSpec F, Element T>
[[gnu::always_inline]] QFMT_AVX2 inline void encode32(T const* values, __m256 factor,
                                                      uint8_t* codes) {
  __m256i const code = low_bytes(codes8<F>(values, factor), codes8<F>(values + 8, factor),
                                 codes8<F>(values + 16, factor), codes8<F>(values + 24, factor));
  if constexpr (bits_of<F> == 8) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes), code);
  } else {
    __m256i const table = _mm256_broadcastsi128_si256(
        _mm_loadu_si128(reinterpret_cast<__m128i const*>(search_tables<F>.code)));
    __m256i const c = _mm256_shuffle_epi8(table, _mm256_and_si256(code, _mm256_set1_epi8(15)));
    __m256i const pairs = _mm256_maddubs_epi16(c, _mm256_set1_epi16(0x0110));  // 16 first + second
    __m256i const bytes = _mm256_permute4x64_epi64(_mm256_packus_epi16(pairs, pairs), 0x08);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(codes), _mm256_castsi256_si128(bytes));
  }
}

/// n values of one block.
template <FormatSpec F, Element T>
[[gnu::always_inline]] QFMT_AVX2 inline void encode_run(T const* values, int64_t n, float scale,
                                                        uint8_t* codes) {
  __m256 const factor = _mm256_set1_ps(scale);
  int64_t i = 0;
  for (; i + 32 <= n; i += 32) {
    prefetch_values<32>(values + i);
    encode32<F>(values + i, factor, codes + i * bits_of<F> / 8);
  }
  if (i == n) return;
  PaddedValues<32, T> last(values + i, n - i);
  encode32<F>(last.data(), factor, last.codes());
  last.template copy_codes<F>(codes + i * bits_of<F> / 8);
}

/// Codes of `count` ordinary blocks of `length` values (Length, where that is not 0).
template <FormatSpec F, int Length, Element T>
QFMT_AVX2 void encode_blocks(T const* values, int64_t count, int64_t length, float const* factors,
                             uint8_t* codes) {
  if constexpr (Length != 0) length = Length;
  for (int64_t b = 0; b < count; ++b, values += length, codes += length * bits_of<F> / 8)
    encode_run<F>(values, length, factors[b], codes);
}

/// block_absmax of `count` blocks of `length` values (Length, where that is not 0).
template <int Length, Element T>
QFMT_AVX2 void absmax_blocks(T const* values, int64_t count, int64_t length, float* absmax) {
  if constexpr (Length != 0) length = Length;
  for (int64_t b = 0; b < count; ++b, values += length)
    absmax[b] = finite_or_nan<T>(largest(values, length));
}

}  // namespace qfmt::inline v0::host::simd::avx2

#endif
