// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Inner products on AVX-512 VNNI with activations as 8-bit integers, a scale for each 32 of them.
#pragma once

#include "qfmt/host/simd/avx512_matmul.hpp"
#include "qfmt/host/simd/formats.hpp"

#if defined(__x86_64__)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace qfmt::inline v0::host::simd::avx512 {

/// 128 values of one row: their bytes, those of odd and those of even places apart, as a load of
/// 4-bit codes has them in its low and high nibbles; what the weights' offset of 128 adds, and the
/// scales, for each lane of eight values.
struct Int8Unit {
  int8_t odd[64], even[64];
  int32_t offset[16];
  float scale[16];
};

/// Levels as bytes, 128 more than the nearest integer, under one scale.
struct ByteLevels {
  uint8_t level[16];
  float scale;  // of one step

  explicit ByteLevels(float const* levels) {
    float most = 0.f;
    for (int c = 0; c < 16; ++c) {
      float const m = levels[c] < 0.f ? -levels[c] : levels[c];
      most = m > most ? m : most;
    }
    scale = most / 127.f;
    for (int c = 0; c < 16; ++c) {
      float const steps = most > 0.f && is_finite(levels[c]) ? levels[c] / scale : 0.f;
      level[c] = static_cast<uint8_t>(128 + exact::round_to_int(exact::rounded(steps)));
    }
  }
};

/// 32 values of x as 8-bit integers under one scale, those of even and of odd places apart.
struct Int8Run {
  __m128i even, odd;
  __m256i sums;  // of every four
  float scale;   // NaN where a value is not finite
};

template <Element T>
[[gnu::always_inline]] QFMT_AVX512 inline Int8Run int8_run(T const* x) {
  float const absmax = finite_or_nan<T>(largest(x, 32));
  __m512 const factor = _mm512_set1_ps(absmax >= 0x1p-100f ? 127.f / absmax : 0.f);
  __m512i const a = _mm512_cvtps_epi32(_mm512_mul_ps(load16(x), factor));
  __m512i const b = _mm512_cvtps_epi32(_mm512_mul_ps(load16(x + 16), factor));
  __m256i const q = _mm256_set_m128i(_mm512_cvtsepi32_epi8(b), _mm512_cvtsepi32_epi8(a));
  return {_mm256_cvtepi16_epi8(q), _mm256_cvtepi16_epi8(_mm256_srli_epi16(q, 8)),
          _mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_set1_epi8(1), q), absmax / 127.f};
}

[[gnu::always_inline]] QFMT_AVX512 inline int32_t sum_of_dwords(__m256i v) {
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xB1)));
}

struct Int8Activations : ScaleReader {
  static constexpr int unit = 128;
  static constexpr int unit_bytes = sizeof(Int8Unit);

  template <FormatSpec F>
  static ByteLevels prepared(Levels<F> const& levels) {
    return ByteLevels(levels.level);
  }

  template <FormatSpec F, int Block, int M>
  QFMT_AVX512 static void dot(RowPart row, ByteLevels const& levels, uint8_t const* packed,
                              float* totals);

  template <Element T>
  QFMT_AVX512 static void pack(T const* x, uint8_t* to) {
    auto& out = *reinterpret_cast<Int8Unit*>(to);
    for (int run = 0; run < 4; ++run) pack32(x + 32 * run, run, out);
  }

 private:
  template <Element T>
  QFMT_AVX512 static void pack32(T const* x, int run, Int8Unit& out) {
    Int8Run const r = int8_run(x);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out.even + 16 * run), r.even);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out.odd + 16 * run), r.odd);
    __m256i const eights = _mm256_hadd_epi32(r.sums, _mm256_setzero_si256());
    __m128i const lanes =
        _mm_unpacklo_epi64(_mm256_castsi256_si128(eights), _mm256_extracti128_si256(eights, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out.offset + 4 * run),
                     _mm_mullo_epi32(lanes, _mm_set1_epi32(-128)));
    _mm_storeu_ps(out.scale + 4 * run, _mm_set1_ps(r.scale));
  }
};

/// Integer sums of one unit, one vector for each row of x.
template <int M>
struct Int8Sums {
  __m512i of[M];
};

/// One row after another, so that no sum waits for itself.
template <int M, int... I>
[[gnu::always_inline]] QFMT_AVX512 inline void add_products(Sums<M>& s, __m512i odd, __m512i even,
                                                            __m512 scale, Int8Unit const* x,
                                                            stl::integer_sequence<int, I...>) {
  Int8Sums<M> t{{_mm512_loadu_si512(x[I].offset)...}};
  ((t.of[I] = _mm512_dpbusd_epi32(t.of[I], odd, _mm512_loadu_si512(x[I].odd))), ...);
  ((t.of[I] = _mm512_dpbusd_epi32(t.of[I], even, _mm512_loadu_si512(x[I].even))), ...);
  ((s.of[I] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(t.of[I]),
                              _mm512_mul_ps(scale, _mm512_loadu_ps(x[I].scale)), s.of[I])),
   ...);
}

/// 128 weights of 4 bits. A permute reads six bits, and the table is there four times.
template <int Block, int M>
[[gnu::always_inline]] QFMT_AVX512 inline void add_unit(Sums<M>& s, __m512i levels,
                                                        uint8_t const* codes, float const* scales,
                                                        Int8Unit const* x) {
  __m512i const c = _mm512_loadu_si512(codes);
  __m512i const odd = _mm512_permutexvar_epi8(c, levels);
  __m512i const even = _mm512_permutexvar_epi8(_mm512_srli_epi16(c, 4), levels);
  add_products(s, odd, even, lane_scales<Block>(scales), x, stl::make_integer_sequence<int, M>{});
}

/// Levels as bytes in each quarter.
[[gnu::always_inline]] QFMT_AVX512 inline __m512i byte_table(ByteLevels const& levels) {
  return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<__m128i const*>(levels.level)));
}

template <FormatSpec F, int Block, int M>
QFMT_AVX512 void Int8Activations::dot(RowPart row, ByteLevels const& levels, uint8_t const* packed,
                                      float* totals) {
  auto const* x = reinterpret_cast<Int8Unit const*>(packed);
  float scaled[M]{};
  add_lanes(row_sums<unit, 1, F, Block, M>(row, byte_table(levels), x), scaled);
  for (int m = 0; m < M; ++m) totals[m] += scaled[m] * levels.scale;
}

}  // namespace qfmt::inline v0::host::simd::avx512

#pragma GCC diagnostic pop

#endif
