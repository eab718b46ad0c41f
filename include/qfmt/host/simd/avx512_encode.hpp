// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Encoding on AVX-512, of whole blocks whose absmax is known. A value's bin is found by arithmetic,
// the bin's code and decision point by permutes, and one comparison decides exactly.
#pragma once

#include "qfmt/host/simd/avx512.hpp"
#include "qfmt/host/simd/formats.hpp"

#if defined(__x86_64__)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace qfmt::inline v0::host::simd::avx512 {

/// block_absmax of `count` blocks of `length` values (Length, where that is not 0).
template <int Length, Element T>
QFMT_AVX512 void absmax_blocks(T const* values, int64_t count, int64_t length, float* absmax) {
  if constexpr (Length != 0) length = Length;
  for (int64_t b = 0; b < count; ++b, values += length)
    absmax[b] = finite_or_nan<T>(largest(values, length));
}

/// Sixteen values of a 16-level format: their bins, and which are above their bin's point.
struct Binned {
  __m512i bin;
  __mmask16 above, negative;  // negative: of formats that decide on the magnitude
};

template <PointFormat F, Element T>
[[gnu::always_inline]] QFMT_AVX512 inline Binned binned16(T const* values, __m512 factor) {
  constexpr UniformBins const& bins = uniform_bins_of<F>;
  __m512 x = _mm512_mul_ps(load16(values), factor);
  Binned b{};
  if constexpr (decides_on_magnitude<F>) {
    __m512i const bits = _mm512_castps_si512(x);
    __m512i const magnitude = _mm512_and_si512(bits, _mm512_set1_epi32(0x7FFFFFFF));
    b.negative = _mm512_mask_test_epi32_mask(_mm512_movepi32_mask(bits), magnitude, magnitude);
    x = _mm512_castsi512_ps(magnitude);
  }
  b.bin = _mm512_castps_si512(
      _mm512_fmadd_ps(x, _mm512_set1_ps(UniformBins::scale), _mm512_set1_ps(UniformBins::shift)));
  __m512 const point =
      _mm512_permutex2var_ps(_mm512_loadu_ps(bins.point), b.bin, _mm512_loadu_ps(bins.point + 16));
  b.above = _mm512_cmp_ps_mask(x, point, _CMP_GT_OQ);
  return b;
}

/// Codes of 64 values, one to a byte, of a format with 16 levels.
template <PointFormat F, Element T>
  requires(bits_of<F> == 4)
[[gnu::always_inline]] QFMT_AVX512 inline __m512i codes64(T const* values, __m512 factor) {
  constexpr UniformBins const& bins = uniform_bins_of<F>;
  Binned const a = binned16<F>(values, factor), b = binned16<F>(values + 16, factor);
  Binned const c = binned16<F>(values + 32, factor), d = binned16<F>(values + 48, factor);
  __m512i const at = low_bytes(a.bin, b.bin, c.bin, d.bin);
  __mmask64 const above = joined(a.above, b.above, c.above, d.above);
  __m512i code = _mm512_permutexvar_epi8(at, _mm512_broadcast_i64x4(load32(bins.base)));
  if constexpr (points_of<F>.in_order) {
    code = _mm512_mask_add_epi8(code, above, code, _mm512_set1_epi8(1));
  } else {
    __m512i const step = _mm512_broadcast_i64x4(load32(bins.step));
    code = _mm512_mask_add_epi8(code, above, code, _mm512_permutexvar_epi8(at, step));
  }
  if constexpr (decides_on_magnitude<F>) {
    __mmask64 const negative = joined(a.negative, b.negative, c.negative, d.negative);
    code = _mm512_or_si512(code, _mm512_maskz_set1_epi8(negative, 8));
  }
  return code;
}

/// The bins of sixteen values of an 8-bit map, by the bits of their magnitudes.
template <PointFormat F>
[[gnu::always_inline]] QFMT_AVX512 inline __m512i float_bins(__m512 x) {
  constexpr FloatBins const& bins = float_bins_of<F>;
  __m512i const bits = _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7FFFFFFF));
  __m512i const m = _mm512_max_epi32(bits, _mm512_set1_epi32(int{FloatBins::least}));
  __m512i const e = _mm512_srli_epi32(m, 23);  // the permutes read its low five bits
  __m512i const shift = _mm512_permutex2var_epi32(_mm512_loadu_si512(bins.shift), e,
                                                  _mm512_loadu_si512(bins.shift + 16));
  __m512i const offset = _mm512_permutex2var_epi32(_mm512_loadu_si512(bins.offset), e,
                                                   _mm512_loadu_si512(bins.offset + 16));
  return _mm512_add_epi32(_mm512_srlv_epi32(m, shift), offset);
}

[[gnu::always_inline]] QFMT_AVX512 inline __mmask64 signs(Four const& x) {
  return joined(_mm512_movepi32_mask(_mm512_castps_si512(x.a)),
                _mm512_movepi32_mask(_mm512_castps_si512(x.b)),
                _mm512_movepi32_mask(_mm512_castps_si512(x.c)),
                _mm512_movepi32_mask(_mm512_castps_si512(x.d)));
}

[[gnu::always_inline]] QFMT_AVX512 inline __mmask64 greater(Four const& x, Four const& y) {
  return joined(_mm512_cmp_ps_mask(x.a, y.a, _CMP_GT_OQ), _mm512_cmp_ps_mask(x.b, y.b, _CMP_GT_OQ),
                _mm512_cmp_ps_mask(x.c, y.c, _CMP_GT_OQ), _mm512_cmp_ps_mask(x.d, y.d, _CMP_GT_OQ));
}

template <Element T>
[[gnu::always_inline]] QFMT_AVX512 inline Four scaled64(T const* values, __m512 factor) {
  return {_mm512_mul_ps(load16(values), factor), _mm512_mul_ps(load16(values + 16), factor),
          _mm512_mul_ps(load16(values + 32), factor), _mm512_mul_ps(load16(values + 48), factor)};
}

/// The same of an 8-bit map.
template <PointFormat F, Element T>
  requires(bits_of<F> == 8)
[[gnu::always_inline]] QFMT_AVX512 inline __m512i codes64(T const* values, __m512 factor) {
  constexpr FloatBins const& bins = float_bins_of<F>;
  Four const x = scaled64(values, factor);
  __m512i const at =
      low_bytes(float_bins<F>(x.a), float_bins<F>(x.b), float_bins<F>(x.c), float_bins<F>(x.d));
  __mmask64 const top = _mm512_movepi8_mask(at);
  __m512i const below =
      _mm512_mask_blend_epi8(signs(x), lookup256(load_table(bins.base[0]), at, top),
                             lookup256(load_table(bins.base[1]), at, top));
  Four const point = lookup_floats(load_planes(point_planes<F>), below);
  return _mm512_mask_add_epi8(below, greater(x, point), below, _mm512_set1_epi8(1));
}

/// The same of Int8.
template <stl::same_as<Int8> F, Element T>
[[gnu::always_inline]] QFMT_AVX512 inline __m512i codes64(T const* values, __m512 factor) {
  constexpr int nearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  Four const x = scaled64(values, factor);
  return low_bytes(_mm512_cvt_roundps_epi32(x.a, nearest), _mm512_cvt_roundps_epi32(x.b, nearest),
                   _mm512_cvt_roundps_epi32(x.c, nearest), _mm512_cvt_roundps_epi32(x.d, nearest));
}

template <FormatSpec F, Element T>
[[gnu::always_inline]] QFMT_AVX512 inline void encode64(T const* values, __m512 factor,
                                                        uint8_t* codes) {
  __m512i const code = codes64<F>(values, factor);
  if constexpr (bits_of<F> == 8) {
    _mm512_storeu_si512(codes, code);
  } else {  // 16 * first + second
    __m512i const pairs = _mm512_maddubs_epi16(code, _mm512_set1_epi16(0x0110));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes), _mm512_cvtepi16_epi8(pairs));
  }
}

/// n values of one block.
template <FormatSpec F, Element T>
[[gnu::always_inline]] QFMT_AVX512 inline void encode_run(T const* values, int64_t n, float scale,
                                                          uint8_t* codes) {
  __m512 const factor = _mm512_set1_ps(scale);
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) {
    prefetch_values<64>(values + i);
    encode64<F>(values + i, factor, codes + i * bits_of<F> / 8);
  }
  if (i == n) return;
  PaddedValues<64, T> last(values + i, n - i);
  encode64<F>(last.data(), factor, last.codes());
  last.template copy_codes<F>(codes + i * bits_of<F> / 8);
}

/// Codes of `count` ordinary blocks of `length` values (Length, where that is not 0).
template <FormatSpec F, int Length, Element T>
QFMT_AVX512 void encode_blocks(T const* values, int64_t count, int64_t length, float const* factors,
                               uint8_t* codes) {
  if constexpr (Length != 0) length = Length;
  for (int64_t b = 0; b < count; ++b, values += length, codes += length * bits_of<F> / 8)
    encode_run<F>(values, length, factors[b], codes);
}

}  // namespace qfmt::inline v0::host::simd::avx512

#pragma GCC diagnostic pop

#endif
