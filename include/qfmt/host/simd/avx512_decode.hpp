// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Decoding on AVX-512. 4 bit: the sixteen levels are scaled, and rounded, once a block, and looked
// up by one permute. 8-bit maps: byte permutes. Int8: arithmetic.
#pragma once

#include "qfmt/host/simd/avx512.hpp"
#include "qfmt/host/simd/levels.hpp"

#if defined(__x86_64__)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace qfmt::inline v0::host::simd::avx512 {

/// Sixteen scaled levels as T.
template <Element T, bool MayBeNan>
[[gnu::always_inline]] QFMT_AVX512 inline auto table16(__m512 scaled) {
  if constexpr (stl::same_as<T, float>) {
    return scaled;
  } else if constexpr (Float16Like<T>) {
    return _mm512_cvtps_ph(scaled, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  } else {
    __m512i const rounded = round_to_bfloat<MayBeNan>(scaled);
    return _mm512_castsi512_si256(_mm512_permutexvar_epi16(odd_words(), rounded));
  }
}

/// Sixteen codes of 4 bits, 8 bytes: each lane gets the eight bits that its code ends, and the
/// table is looked up by the lowest four. Broadcasting the load leaves two operations.
[[gnu::always_inline]] QFMT_AVX512 inline __m512 decode16(int64_t codes, __m512 table) {
  __m512i const end = _mm512_set_epi32(56, 60, 48, 52, 40, 44, 32, 36, 24, 28, 16, 20, 8, 12, 0, 4);
  __m512i const at = _mm512_multishift_epi64_epi8(end, _mm512_set1_epi64(codes));
  return _mm512_permutexvar_ps(at, table);
}

[[gnu::always_inline]] QFMT_AVX512 inline __m256i decode16(int64_t codes, __m256i table) {
  __m256i const end = _mm256_set_epi16(56, 60, 48, 52, 40, 44, 32, 36, 24, 28, 16, 20, 8, 12, 0, 4);
  __m256i const at = _mm256_multishift_epi64_epi8(end, _mm256_set1_epi64x(codes));
  return _mm256_permutexvar_epi16(at, table);
}

template <bool Stream, Element T, class Table>
[[gnu::always_inline]] QFMT_AVX512 inline void decode16(uint8_t const* codes, Table table, T* out) {
  int64_t c;
  std::memcpy(&c, codes, sizeof c);
  store<Stream>(out, decode16(c, table));
}

template <FormatSpec F, bool Stream, Element T, class Table>
[[gnu::always_inline]] QFMT_AVX512 inline void decode_4bit(uint8_t const* codes, int64_t n,
                                                           Table table, T* out) {
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) {
    decode16<Stream>(codes + i / 2, table, out + i);
    decode16<Stream>(codes + i / 2 + 8, table, out + i + 16);
    decode16<Stream>(codes + i / 2 + 16, table, out + i + 32);
    decode16<Stream>(codes + i / 2 + 24, table, out + i + 48);
  }
  for (; i + 16 <= n; i += 16) decode16<Stream>(codes + i / 2, table, out + i);
  if (i == n) return;
  PaddedCodes<F, 16, T> last(codes + i / 2, n - i);
  decode16<false>(last.data(), table, last.values());
  last.copy_values(out + i);
}

/// 16 codes of Int8.
[[gnu::always_inline]] QFMT_AVX512 inline __m512 decode_int8(uint8_t const* codes, __m512 scale) {
  __m128i const c = _mm_loadu_si128(reinterpret_cast<__m128i const*>(codes));
  __m512 const q = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(c));
  return _mm512_mul_ps(_mm512_mul_ps(q, scale), _mm512_set1_ps(0x1.020408p-7f));
}

/// 64 codes of 8 bits.
template <FormatSpec F, Element T, bool Stream>
[[gnu::always_inline]] QFMT_AVX512 inline void decode64(uint8_t const* codes, Planes const& planes,
                                                        float scale, T* out) {
  constexpr bool may_be_nan = Levels<F>::may_be_nan;
  __m512 const s = _mm512_set1_ps(scale);
  if constexpr (FormulaFormat<F>) {
    put32<T, Stream, may_be_nan>(out, decode_int8(codes, s), decode_int8(codes + 16, s));
    put32<T, Stream, may_be_nan>(out + 32, decode_int8(codes + 32, s), decode_int8(codes + 48, s));
  } else {
    Four const v = lookup_floats(planes, _mm512_loadu_si512(codes));
    put32<T, Stream, may_be_nan>(out, _mm512_mul_ps(v.a, s), _mm512_mul_ps(v.b, s));
    put32<T, Stream, may_be_nan>(out + 32, _mm512_mul_ps(v.c, s), _mm512_mul_ps(v.d, s));
  }
}

template <FormatSpec F, Element T, bool Stream>
[[gnu::always_inline]] QFMT_AVX512 inline void decode_8bit(uint8_t const* codes, int64_t n,
                                                           Planes const& planes, float scale,
                                                           T* out) {
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) decode64<F, T, Stream>(codes + i, planes, scale, out + i);
  if (i == n) return;
  PaddedCodes<F, 64, T> last(codes + i, n - i);
  decode64<F, T, false>(last.data(), planes, scale, last.values());
  last.copy_values(out + i);
}

/// What a decoder keeps in registers: sixteen levels, the planes of 256, nothing.
template <FormatSpec F>
[[gnu::always_inline]] QFMT_AVX512 inline auto registers(Levels<F> const& levels) {
  if constexpr (!CodebookFormat<F>) {
    return Planes{};
  } else if constexpr (bits_of<F> == 8) {
    return load_planes(*levels.planes);
  } else {
    return _mm512_loadu_ps(levels.level);
  }
}

/// n values of one block, whose scale is finite.
template <FormatSpec F, Element T, bool Stream, class Registers>
[[gnu::always_inline]] QFMT_AVX512 inline void decode_run(uint8_t const* codes, int64_t n,
                                                          Registers const& levels, float scale,
                                                          T* out) {
  if constexpr (bits_of<F> == 8) {
    decode_8bit<F, T, Stream>(codes, n, levels, scale, out);
  } else {
    __m512 const scaled = _mm512_mul_ps(levels, _mm512_set1_ps(scale));
    decode_4bit<F, Stream>(codes, n, table16<T, Levels<F>::may_be_nan>(scaled), out);
  }
}

/// simd::scales_of with nested scales in vectors: f32(level * absmax2) + offset, two roundings.
template <class Scales, class Inner>
QFMT_AVX512 inline float const* scales_of(Scales const& scales, Inner const& inner, int64_t first,
                                          int64_t last, float* own) {
  if constexpr (requires { scales.offset; }) {
    auto const some = static_cast<__mmask64>(~uint64_t{0} >> (scales_ahead - (last - first)));
    __m512i const codes = _mm512_maskz_loadu_epi8(some, scales.absmax.codes + first);
    Four const level = lookup_floats(load_planes(*inner.planes), codes);
    float const absmax2 = scale_at(scales.absmax.scales, first / AbsmaxScheme::block_size);
    __m512 const s = _mm512_set1_ps(absmax2), o = _mm512_set1_ps(*scales.offset);
    _mm512_storeu_ps(own, _mm512_add_ps(rounded(_mm512_mul_ps(level.a, s)), o));
    _mm512_storeu_ps(own + 16, _mm512_add_ps(rounded(_mm512_mul_ps(level.b, s)), o));
    _mm512_storeu_ps(own + 32, _mm512_add_ps(rounded(_mm512_mul_ps(level.c, s)), o));
    _mm512_storeu_ps(own + 48, _mm512_add_ps(rounded(_mm512_mul_ps(level.d, s)), o));
    return own;
  } else {
    return simd::scales_of(scales, first, last, own);
  }
}

/// `count` blocks of `length` values (Length, where that is not 0), whose scales are finite.
template <FormatSpec F, int Length, bool Stream, Element T>
QFMT_AVX512 void decode_blocks(uint8_t const* codes, int64_t count, int64_t length,
                               Levels<F> const& levels, float const* scales, T* out) {
  if constexpr (Length != 0) length = Length;
  auto const kept = registers(levels);
  for (int64_t b = 0; b < count; ++b, codes += length * bits_of<F> / 8, out += length)
    decode_run<F, T, Stream>(codes, length, kept, scales[b], out);
}

}  // namespace qfmt::inline v0::host::simd::avx512

#pragma GCC diagnostic pop

#endif
