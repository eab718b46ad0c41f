// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Inner products on AVX-512 VNNI of two rows of weights with several rows of 8-bit activations, by
// runs: scales are applied once for eight products of four, in place of once for two as in
// avx512_matmul_int8.hpp, which is as fast where one row of x makes memory the limit.
#pragma once

#include "qfmt/host/simd/avx512_matmul_int8.hpp"
#include "qfmt/host/simd/avx512_matmul_runs.hpp"

#if defined(__x86_64__)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace qfmt::inline v0::host::simd::avx512 {

/// 512 values of one row in runs. Vector j holds values 8 j to 8 j + 7 of every run, odd and even
/// apart.
struct Int8Runs {
  int8_t odd[4][64], even[4][64];
  int32_t offset[16];  // what the weights' offset of 128 adds
  float scale[16];
};

struct Int8Wide : ScaleReader {
  static constexpr int unit = values_in_runs;
  static constexpr int unit_bytes = sizeof(Int8Runs);
  static constexpr int max_rows = 4;  // of x
  static constexpr bool takes_two_rows = true;

  template <FormatSpec F>
  static ByteLevels prepared(Levels<F> const& levels) {
    return ByteLevels(levels.level);
  }

  template <Element T>
  QFMT_AVX512 static void pack(T const* x, uint8_t* to) {
    auto& out = *reinterpret_cast<Int8Runs*>(to);
    alignas(64) uint8_t even[256], odd[256];
    for (int run = 0; run < 16; ++run) {
      Int8Run const r = int8_run(x + 32 * run);
      _mm_store_si128(reinterpret_cast<__m128i*>(even + 16 * run), r.even);
      _mm_store_si128(reinterpret_cast<__m128i*>(odd + 16 * run), r.odd);
      out.offset[lane_of_run(run)] = -128 * sum_of_dwords(r.sums);
      out.scale[lane_of_run(run)] = r.scale;
    }
    Transposed const o = transposed4(odd), e = transposed4(even);
    for (int j = 0; j < 4; ++j) {
      _mm512_storeu_si512(out.odd[j], o.of[j]);
      _mm512_storeu_si512(out.even[j], e.of[j]);
    }
  }

  /// totals[m] += part of a row of weights * packed row m.
  template <FormatSpec F, int Block, int M>
  QFMT_AVX512 static void dot(RowPart row, ByteLevels const& levels, uint8_t const* packed,
                              float* totals) {
    float both[2 * M]{};
    dot_two<F, Block, M>(row, row, levels, packed, both);
    for (int m = 0; m < M; ++m) totals[m] += both[m];
  }

  /// The same of two rows of weights; totals: (2, M).
  template <FormatSpec F, int Block, int M>
  QFMT_AVX512 static void dot_two(RowPart a, RowPart b, ByteLevels const& levels,
                                  uint8_t const* packed, float* totals);
};

/// One row of x: its products with four weights a lane of two rows.
[[gnu::always_inline]] QFMT_AVX512 inline void add_fours(__m512i& s, __m512i& t, __m512i a,
                                                         __m512i b, int8_t const* x) {
  __m512i const v = _mm512_loadu_si512(x);
  s = _mm512_dpbusd_epi32(s, a, v);
  t = _mm512_dpbusd_epi32(t, b, v);
}

/// Part J of 512 weights of two rows. A permute reads six bits, and the table is there four times.
template <int J, int M, int... I>
[[gnu::always_inline]] QFMT_AVX512 inline void add_part(Int8Sums<M>& s, Int8Sums<M>& t,
                                                        __m512i levels, Transposed const& a,
                                                        Transposed const& b, Int8Runs const* x,
                                                        stl::integer_sequence<int, I...>) {
  __m512i const odd = _mm512_permutexvar_epi8(a.of[J], levels);
  __m512i const odd2 = _mm512_permutexvar_epi8(b.of[J], levels);
  (add_fours(s.of[I], t.of[I], odd, odd2, x[I].odd[J]), ...);
  __m512i const even = _mm512_permutexvar_epi8(_mm512_srli_epi16(a.of[J], 4), levels);
  __m512i const even2 = _mm512_permutexvar_epi8(_mm512_srli_epi16(b.of[J], 4), levels);
  (add_fours(s.of[I], t.of[I], even, even2, x[I].even[J]), ...);
}

template <int M, int... I>
[[gnu::always_inline]] QFMT_AVX512 inline void add_scaled(Sums<M>& s, Int8Sums<M> const& t,
                                                          __m512 scale, Int8Runs const* x,
                                                          stl::integer_sequence<int, I...>) {
  ((s.of[I] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(t.of[I]),
                              _mm512_mul_ps(scale, _mm512_loadu_ps(x[I].scale)), s.of[I])),
   ...);
}

/// 512 weights of two rows.
template <int Block, int M, int... I>
[[gnu::always_inline]] QFMT_AVX512 inline void add_runs(Sums<M>& s, Sums<M>& t, __m512i levels,
                                                        uint8_t const* a, float const* a_scales,
                                                        uint8_t const* b, float const* b_scales,
                                                        Int8Runs const* x,
                                                        stl::integer_sequence<int, I...> rows) {
  Transposed const codes_a = transposed4(a), codes_b = transposed4(b);
  Int8Sums<M> u{{_mm512_loadu_si512(x[I].offset)...}}, v = u;
  add_part<0>(u, v, levels, codes_a, codes_b, x, rows);
  add_part<1>(u, v, levels, codes_a, codes_b, x, rows);
  add_part<2>(u, v, levels, codes_a, codes_b, x, rows);
  add_part<3>(u, v, levels, codes_a, codes_b, x, rows);
  add_scaled(s, u, run_scales<Block>(a_scales), x, rows);
  add_scaled(t, v, run_scales<Block>(b_scales), x, rows);
}

template <FormatSpec F, int Block, int M>
QFMT_AVX512 void Int8Wide::dot_two(RowPart a, RowPart b, ByteLevels const& levels,
                                   uint8_t const* packed, float* totals) {
  auto const* x = reinterpret_cast<Int8Runs const*>(packed);
  constexpr auto rows = stl::make_integer_sequence<int, M>{};
  __m512i const l = byte_table(levels);
  Sums<M> s = no_sums<M>(), t = no_sums<M>();
  int64_t i = 0;
  for (; i + unit <= a.count; i += unit, x += M) {
    prefetch_run(a.codes + i / 2);
    prefetch_run(b.codes + i / 2);
    add_runs<Block>(s, t, l, a.codes + i / 2, a.scales + i / Block, b.codes + i / 2,
                    b.scales + i / Block, x, rows);
  }
  if (i < a.count) {
    PaddedPart<F, Block, unit> const p(a, i), q(b, i);
    add_runs<Block>(s, t, l, p.codes, p.scales, q.codes, q.scales, x, rows);
  }
  float scaled[2 * M]{};
  add_lanes(s, scaled);
  add_lanes(t, scaled + M);
  for (int m = 0; m < 2 * M; ++m) totals[m] += scaled[m] * levels.scale;
}

}  // namespace qfmt::inline v0::host::simd::avx512

#pragma GCC diagnostic pop

#endif
