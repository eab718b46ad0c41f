// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Decoding on AVX2. 4 bit: the sixteen levels are scaled, and rounded, once a block, and looked up
// by permutes of eight floats or by two planes of bytes. 8-bit maps: one load a value. Int8:
// arithmetic.
#pragma once

#include "qfmt/host/simd/avx2.hpp"
#include "qfmt/host/simd/levels.hpp"

#if defined(__x86_64__)

namespace qfmt::inline v0::host::simd::avx2 {

/// Sixteen scaled levels: as floats two halves, as words the planes of their low and high bytes,
/// each in both lanes.
struct Table16 {
  __m256i low, high;
};

template <Element T, bool MayBeNan>
[[gnu::always_inline]] QFMT_AVX2 inline Table16 table16(float const* levels, float scale) {
  __m256 const s = _mm256_set1_ps(scale);
  __m256 const a = _mm256_mul_ps(_mm256_loadu_ps(levels), s);
  __m256 const b = _mm256_mul_ps(_mm256_loadu_ps(levels + 8), s);
  if constexpr (stl::same_as<T, float>) {
    return {_mm256_castps_si256(a), _mm256_castps_si256(b)};
  } else {
    __m256i const words = words16<T, MayBeNan>(a, b);
    __m256i const bytes = _mm256_packus_epi16(_mm256_and_si256(words, _mm256_set1_epi16(255)),
                                              _mm256_srli_epi16(words, 8));
    // The quarters are low bytes 0-7, high 0-7, low 8-15, high 8-15.
    return {_mm256_permute4x64_epi64(bytes, 0x88), _mm256_permute4x64_epi64(bytes, 0xDD)};
  }
}

/// 8 codes of 4 bits, 4 bytes.
[[gnu::always_inline]] QFMT_AVX2 inline __m256i decode8(uint8_t const* codes, Table16 const& t) {
  int32_t c;
  std::memcpy(&c, codes, sizeof c);
  __m256i const shift = _mm256_set_epi32(24, 28, 16, 20, 8, 12, 0, 4);
  __m256i const at = _mm256_srlv_epi32(_mm256_set1_epi32(c), shift);
  __m256 const low = _mm256_permutevar8x32_ps(_mm256_castsi256_ps(t.low), at);
  __m256 const high = _mm256_permutevar8x32_ps(_mm256_castsi256_ps(t.high), at);
  __m256 const bit3 = _mm256_castsi256_ps(_mm256_slli_epi32(at, 28));
  return _mm256_castps_si256(_mm256_blendv_ps(low, high, bit3));
}

/// 32 codes of 4 bits.
template <bool Stream, Element T>
[[gnu::always_inline]] QFMT_AVX2 inline void decode32(uint8_t const* codes, Table16 const& t,
                                                      T* out) {
  if constexpr (stl::same_as<T, float>) {
    store<Stream>(out, decode8(codes, t));
    store<Stream>(out + 8, decode8(codes + 4, t));
    store<Stream>(out + 16, decode8(codes + 8, t));
    store<Stream>(out + 24, decode8(codes + 12, t));
  } else {
    // Bytes to words, with the middle quarters exchanged, so that the unpacks end in order.
    __m256i const c = _mm256_permute4x64_epi64(
        _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<__m128i const*>(codes))), 0xD8);
    __m256i const at =  // the high nibble, then the low one
        _mm256_and_si256(_mm256_or_si256(_mm256_srli_epi16(c, 4), _mm256_slli_epi16(c, 8)),
                         _mm256_set1_epi8(15));
    __m256i const low = _mm256_shuffle_epi8(t.low, at), high = _mm256_shuffle_epi8(t.high, at);
    store<Stream>(out, _mm256_unpacklo_epi8(low, high));
    store<Stream>(out + 16, _mm256_unpackhi_epi8(low, high));
  }
}

template <FormatSpec F, bool Stream, Element T>
[[gnu::always_inline]] QFMT_AVX2 inline void decode_4bit(uint8_t const* codes, int64_t n,
                                                         Table16 const& t, T* out) {
  int64_t i = 0;
  for (; i + 32 <= n; i += 32) decode32<Stream>(codes + i / 2, t, out + i);
  if (i == n) return;
  PaddedCodes<F, 32, T> last(codes + i / 2, n - i);
  decode32<false>(last.data(), t, last.values());
  last.copy_values(out + i);
}

/// 8 codes of 8 bits, before they are rounded to T.
template <FormatSpec F>
[[gnu::always_inline]] QFMT_AVX2 inline __m256 decode8(uint8_t const* codes,
                                                       Levels<F> const& levels, __m256 scale) {
  if constexpr (FormulaFormat<F>) {
    __m128i const c = _mm_loadl_epi64(reinterpret_cast<__m128i const*>(codes));
    __m256 const q = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(c));
    return _mm256_mul_ps(_mm256_mul_ps(q, scale), _mm256_set1_ps(0x1.020408p-7f));
  } else {
    float const* const l = levels.level;  // eight loads: quicker than a gather
    return _mm256_mul_ps(_mm256_setr_ps(l[codes[0]], l[codes[1]], l[codes[2]], l[codes[3]],
                                        l[codes[4]], l[codes[5]], l[codes[6]], l[codes[7]]),
                         scale);
  }
}

template <FormatSpec F, Element T, bool Stream>
[[gnu::always_inline]] QFMT_AVX2 inline void decode_8bit(uint8_t const* codes, int64_t n,
                                                         Levels<F> const& levels, float scale,
                                                         T* out) {
  constexpr bool may_be_nan = Levels<F>::may_be_nan;
  __m256 const s = _mm256_set1_ps(scale);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    put16<T, Stream, may_be_nan>(out + i, decode8(codes + i, levels, s),
                                 decode8(codes + i + 8, levels, s));
  if (i == n) return;
  PaddedCodes<F, 16, T> last(codes + i, n - i);
  put16<T, false, may_be_nan>(last.values(), decode8(last.data(), levels, s),
                              decode8(last.data() + 8, levels, s));
  last.copy_values(out + i);
}

/// n values of one block, whose scale is finite.
template <FormatSpec F, Element T, bool Stream>
[[gnu::always_inline]] QFMT_AVX2 inline void decode_run(uint8_t const* codes, int64_t n,
                                                        Levels<F> const& levels, float scale,
                                                        T* out) {
  if constexpr (bits_of<F> == 8) {
    decode_8bit<F, T, Stream>(codes, n, levels, scale, out);
  } else {
    decode_4bit<F, Stream>(codes, n, table16<T, Levels<F>::may_be_nan>(levels.level, scale), out);
  }
}

/// `count` blocks of `length` values (Length, where that is not 0), whose scales are finite.
template <FormatSpec F, int Length, bool Stream, Element T>
QFMT_AVX2 void decode_blocks(uint8_t const* codes, int64_t count, int64_t length,
                             Levels<F> const& levels, float const* scales, T* out) {
  if constexpr (Length != 0) length = Length;
  for (int64_t b = 0; b < count; ++b, codes += length * bits_of<F> / 8, out += length)
    decode_run<F, T, Stream>(codes, length, levels, scales[b], out);
}

}  // namespace qfmt::inline v0::host::simd::avx2

#endif
