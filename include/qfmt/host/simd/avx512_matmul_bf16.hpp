// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Inner products on AVX-512 BF16: activations and levels rounded to bfloat16, scales and sums f32.
#pragma once

#include "qfmt/host/simd/avx512_matmul.hpp"

#if defined(__x86_64__)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace qfmt::inline v0::host::simd::avx512 {

/// 32 values as bfloat16.
template <Element T>
[[gnu::always_inline]] QFMT_AVX512 inline __m512i bf16_words32(T const* x) {
  if constexpr (Bfloat16Like<T>) {
    return _mm512_loadu_si512(x);
  } else {
    return _mm512_permutex2var_epi16(round_to_bfloat<true>(load16(x)), odd_words(),
                                     round_to_bfloat<true>(load16(x + 16)));
  }
}

/// Packed: of each 128 values of a row, those at places 1, 0, 3 and 2 of every four, as the four
/// nibbles of a 16-bit word of codes have them.
struct Bf16Activations : ScaleReader, PlainLevels {
  static constexpr int unit = 128;
  static constexpr int unit_bytes = 2 * unit;

  template <FormatSpec F, int Block, int M>
  QFMT_AVX512_BF16 static void dot(RowPart row, Levels<F> const& levels, uint8_t const* packed,
                                   float* totals);

  template <Element T>
  QFMT_AVX512 static void pack(T const* x, uint8_t* to) {
    __m512i const a = bf16_words32(x), b = bf16_words32(x + 32), c = bf16_words32(x + 64),
                  d = bf16_words32(x + 96);
    _mm512_storeu_si512(to, every_fourth<1>(a, b, c, d));
    _mm512_storeu_si512(to + 64, every_fourth<0>(a, b, c, d));
    _mm512_storeu_si512(to + 128, every_fourth<3>(a, b, c, d));
    _mm512_storeu_si512(to + 192, every_fourth<2>(a, b, c, d));
  }

 private:
  template <int First>
  [[gnu::always_inline]] QFMT_AVX512 static __m512i every_fourth(__m512i a, __m512i b, __m512i c,
                                                                 __m512i d) {
    __m512i const lane = _mm512_set_epi32(7, 6, 5, 4, 3, 2, 1, 0, 7, 6, 5, 4, 3, 2, 1, 0);
    __m512i const at = _mm512_add_epi32(_mm512_mullo_epi32(lane, _mm512_set1_epi32(0x00080008)),
                                        _mm512_set1_epi32(First | (First + 4) << 16));
    return _mm512_mask_blend_epi64(0xF0, _mm512_permutex2var_epi16(a, at, b),
                                   _mm512_permutex2var_epi16(c, at, d));
  }
};

/// sums[m] += pairs of 32 weights * as many values of row m: one row after another, so that no sum
/// waits for itself.
template <int M, int... I>
[[gnu::always_inline]] QFMT_AVX512_BF16 inline void add_pairs(Sums<M>& s, __m512i w,
                                                              uint8_t const* x,
                                                              stl::integer_sequence<int, I...>) {
  ((s.of[I] = _mm512_dpbf16_ps(s.of[I], (__m512bh)w, (__m512bh)_mm512_loadu_si512(x + 256 * I))),
   ...);
}

template <int Nibble, int M>
[[gnu::always_inline]] QFMT_AVX512_BF16 inline void add_pairs(Sums<M>& s, __m512i levels,
                                                              __m512i codes, uint8_t const* x) {
  __m512i const at = Nibble == 0 ? codes : _mm512_srli_epi16(codes, 4 * Nibble);
  add_pairs(s, _mm512_permutexvar_epi16(at, levels), x + 64 * Nibble,
            stl::make_integer_sequence<int, M>{});
}

/// 128 weights of 4 bits. A permute reads five bits, and the table is there twice.
template <int Block, int M>
[[gnu::always_inline]] QFMT_AVX512_BF16 inline void add_unit(Sums<M>& s, __m512i levels,
                                                             uint8_t const* codes,
                                                             float const* scales,
                                                             uint8_t const* x) {
  __m512i const c = _mm512_loadu_si512(codes);
  Sums<M> block = no_sums<M>();
  add_pairs<0>(block, levels, c, x);
  add_pairs<1>(block, levels, c, x);
  add_pairs<2>(block, levels, c, x);
  add_pairs<3>(block, levels, c, x);
  add_scaled(s, block, lane_scales<Block>(scales), stl::make_integer_sequence<int, M>{});
}

/// The levels as bfloat16, twice.
[[gnu::always_inline]] QFMT_AVX512 inline __m512i bf16_table(float const* levels) {
  return _mm512_broadcast_i64x4(table16<bfloat16, true>(_mm512_loadu_ps(levels)));
}

/// What is left of a row behind its whole units.
template <FormatSpec F, int Block, int M>
[[gnu::always_inline]] QFMT_AVX512_BF16 inline void add_rest(Sums<M>& s, __m512i levels,
                                                             RowPart const& row, int64_t i,
                                                             uint8_t const* x) {
  if (i >= row.count) return;
  PaddedPart<F, Block, Bf16Activations::unit> const last(row, i);
  add_unit<Block>(s, levels, last.codes, last.scales, x);
}

template <FormatSpec F, int Block, int M>
QFMT_AVX512_BF16 void Bf16Activations::dot(RowPart row, Levels<F> const& levels, uint8_t const* x,
                                           float* totals) {
  __m512i const l = bf16_table(levels.level);
  Sums<M> s = no_sums<M>();
  int64_t i = 0;
  for (; i + unit <= row.count; i += unit, x += M * unit_bytes) {
    prefetch_codes(row.codes + i / 2);
    prefetch_scales<Block>(row.scales + i / Block);
    add_unit<Block>(s, l, row.codes + i / 2, row.scales + i / Block, x);
  }
  add_rest<F, Block>(s, l, row, i, x);
  add_lanes(s, totals);
}

}  // namespace qfmt::inline v0::host::simd::avx512

#pragma GCC diagnostic pop

#endif
