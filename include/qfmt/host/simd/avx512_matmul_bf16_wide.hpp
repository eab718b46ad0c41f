// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Inner products on AVX-512 BF16 of two rows of weights with several rows of x, by runs.
#pragma once

#include "qfmt/host/simd/avx512_matmul_bf16.hpp"
#include "qfmt/host/simd/avx512_matmul_runs.hpp"

#if defined(__x86_64__)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace qfmt::inline v0::host::simd::avx512 {

/// 512 values of one row in runs. A shift by 4 n of a dword of codes leaves values (n ^ 1) and
/// (n ^ 1) + 4 of its eight in the low bits of its words: vector (j, n) holds these values of part
/// j of every run.
struct Bf16Runs {
  uint16_t pair[4][4][32];
};

struct Bf16Wide : ScaleReader, PlainLevels {
  static constexpr int unit = values_in_runs;
  static constexpr int unit_bytes = sizeof(Bf16Runs);
  static constexpr int max_rows = 4;  // of x
  static constexpr bool takes_two_rows = true;

  template <Element T>
  QFMT_AVX512 static void pack(T const* x, uint8_t* to) {
    // Word 8 j + v of a run is value v of its part j: to word 2 (v ^ 1) % 8 + v / 4, so that dword
    // n of a part is what shift n needs, and a transposition of dwords makes the vectors.
    __m512i const word =
        _mm512_set_epi16(30, 26, 31, 27, 28, 24, 29, 25, 22, 18, 23, 19, 20, 16, 21, 17, 14, 10, 15,
                         11, 12, 8, 13, 9, 6, 2, 7, 3, 4, 0, 5, 1);
    alignas(64) uint8_t part[4][256];
    for (int run = 0; run < 16; ++run) {
      __m512i const v = _mm512_permutexvar_epi16(word, bf16_words32(x + 32 * run));
      _mm_store_si128(reinterpret_cast<__m128i*>(part[0] + 16 * run), _mm512_castsi512_si128(v));
      _mm_store_si128(reinterpret_cast<__m128i*>(part[1] + 16 * run),
                      _mm512_extracti32x4_epi32(v, 1));
      _mm_store_si128(reinterpret_cast<__m128i*>(part[2] + 16 * run),
                      _mm512_extracti32x4_epi32(v, 2));
      _mm_store_si128(reinterpret_cast<__m128i*>(part[3] + 16 * run),
                      _mm512_extracti32x4_epi32(v, 3));
    }
    auto& out = *reinterpret_cast<Bf16Runs*>(to);
    for (int j = 0; j < 4; ++j) {
      Transposed const t = transposed4(part[j]);
      for (int n = 0; n < 4; ++n) _mm512_storeu_si512(out.pair[j][n], t.of[n]);
    }
  }

  /// totals[m] += part of a row of weights * packed row m.
  template <FormatSpec F, int Block, int M>
  QFMT_AVX512_BF16 static void dot(RowPart row, Levels<F> const& levels, uint8_t const* packed,
                                   float* totals) {
    float both[2 * M]{};
    dot_two<F, Block, M>(row, row, levels, packed, both);
    for (int m = 0; m < M; ++m) totals[m] += both[m];
  }

  /// The same of two rows of weights; totals: (2, M).
  template <FormatSpec F, int Block, int M>
  QFMT_AVX512_BF16 static void dot_two(RowPart a, RowPart b, Levels<F> const& levels,
                                       uint8_t const* packed, float* totals);
};

/// One row of x: its products with two weights a lane of two rows.
[[gnu::always_inline]] QFMT_AVX512_BF16 inline void add_pair(__m512& s, __m512& t, __m512i a,
                                                             __m512i b, uint16_t const* x) {
  __m512i const v = _mm512_loadu_si512(x);
  s = _mm512_dpbf16_ps(s, (__m512bh)a, (__m512bh)v);
  t = _mm512_dpbf16_ps(t, (__m512bh)b, (__m512bh)v);
}

/// Weights (J, N) of two rows. A permute reads five bits, and the table is there twice.
template <int J, int N, int M, int... I>
[[gnu::always_inline]] QFMT_AVX512_BF16 inline void add_nibble(Sums<M>& s, Sums<M>& t,
                                                               __m512i levels, Transposed const& a,
                                                               Transposed const& b,
                                                               Bf16Runs const* x,
                                                               stl::integer_sequence<int, I...>) {
  __m512i const at = N == 0 ? a.of[J] : _mm512_srli_epi16(a.of[J], 4 * N);
  __m512i const bt = N == 0 ? b.of[J] : _mm512_srli_epi16(b.of[J], 4 * N);
  __m512i const v = _mm512_permutexvar_epi16(at, levels), w = _mm512_permutexvar_epi16(bt, levels);
  (add_pair(s.of[I], t.of[I], v, w, x[I].pair[J][N]), ...);
}

template <int J, int M, class Rows>
[[gnu::always_inline]] QFMT_AVX512_BF16 inline void add_part(Sums<M>& s, Sums<M>& t, __m512i levels,
                                                             Transposed const& a,
                                                             Transposed const& b, Bf16Runs const* x,
                                                             Rows rows) {
  add_nibble<J, 0>(s, t, levels, a, b, x, rows);
  add_nibble<J, 1>(s, t, levels, a, b, x, rows);
  add_nibble<J, 2>(s, t, levels, a, b, x, rows);
  add_nibble<J, 3>(s, t, levels, a, b, x, rows);
}

/// 512 weights of two rows.
template <int Block, int M>
[[gnu::always_inline]] QFMT_AVX512_BF16 inline void add_runs(
    Sums<M>& s, Sums<M>& t, __m512i levels, uint8_t const* a, float const* a_scales,
    uint8_t const* b, float const* b_scales, Bf16Runs const* x) {
  constexpr auto rows = stl::make_integer_sequence<int, M>{};
  Transposed const codes_a = transposed4(a), codes_b = transposed4(b);
  Sums<M> u = no_sums<M>(), v = no_sums<M>();
  add_part<0>(u, v, levels, codes_a, codes_b, x, rows);
  add_part<1>(u, v, levels, codes_a, codes_b, x, rows);
  add_part<2>(u, v, levels, codes_a, codes_b, x, rows);
  add_part<3>(u, v, levels, codes_a, codes_b, x, rows);
  add_scaled(s, u, run_scales<Block>(a_scales), rows);
  add_scaled(t, v, run_scales<Block>(b_scales), rows);
}

template <FormatSpec F, int Block, int M>
QFMT_AVX512_BF16 void Bf16Wide::dot_two(RowPart a, RowPart b, Levels<F> const& levels,
                                        uint8_t const* packed, float* totals) {
  auto const* x = reinterpret_cast<Bf16Runs const*>(packed);
  __m512i const l = bf16_table(levels.level);
  Sums<M> s = no_sums<M>(), t = no_sums<M>();
  int64_t i = 0;
  for (; i + unit <= a.count; i += unit, x += M) {
    prefetch_run(a.codes + i / 2);
    prefetch_run(b.codes + i / 2);
    add_runs<Block>(s, t, l, a.codes + i / 2, a.scales + i / Block, b.codes + i / 2,
                    b.scales + i / Block, x);
  }
  if (i < a.count) {
    PaddedPart<F, Block, unit> const p(a, i), q(b, i);
    add_runs<Block>(s, t, l, p.codes, p.scales, q.codes, q.scales, x);
  }
  add_lanes(s, totals);
  add_lanes(t, totals + M);
}

}  // namespace qfmt::inline v0::host::simd::avx512

#pragma GCC diagnostic pop

#endif
