// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Decoding on AVX-512. 4 bit: the sixteen levels are scaled, and rounded, once a block, and looked
// up by one permute. 8-bit maps: byte permutes. Int8: arithmetic.
#pragma once

#include "qfmt/host/arguments.hpp"
#include "qfmt/host/simd/avx512.hpp"
#include "qfmt/host/simd/levels.hpp"

#if defined(__x86_64__)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace qfmt::inline v0::host::simd::avx512 {

/// Sixteen scaled levels as T: a vector of floats, or of 16-bit words twice over.
template <Element T, bool MayBeNan>
QFMT_AVX512 inline __m512i table16(__m512 scaled) {
  if constexpr (stl::same_as<T, float>) {
    return _mm512_castps_si512(scaled);
  } else if constexpr (Float16Like<T>) {
    return _mm512_broadcast_i64x4(
        _mm512_cvtps_ph(scaled, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  } else {
    return _mm512_permutexvar_epi16(odd_words(), round_to_bfloat<MayBeNan>(scaled));
  }
}

/// Dword lanes 0-7 from dword At of 4-bit codes and 8-15 from the next, each shifted so that its
/// lowest four bits are the code of that place.
template <int At>
QFMT_AVX512 inline __m512i codes16(__m512i codes) {
  constexpr int next = At + 1;
  __m512i const from = _mm512_set_epi32(next, next, next, next, next, next, next, next,  //
                                        At, At, At, At, At, At, At, At);
  __m512i const shift = _mm512_set_epi32(24, 28, 16, 20, 8, 12, 0, 4, 24, 28, 16, 20, 8, 12, 0, 4);
  return _mm512_srlv_epi32(_mm512_permutexvar_epi32(from, codes), shift);
}

/// 32 codes of 4 bits to as many words.
QFMT_AVX512 inline __m512i decode32(uint8_t const* codes, __m512i table) {
  // Byte k / 2 goes to word k; even words drop the low nibble.
  __m512i const pairs = _mm512_set_epi64(0x800F800F800E800E, 0x800D800D800C800C, 0x800B800B800A800A,
                                         0x8009800980088008, 0x8007800780068006, 0x8005800580048004,
                                         0x8003800380028002, 0x8001800180008000);
  __m128i const c = _mm_loadu_si128(reinterpret_cast<__m128i const*>(codes));
  __m512i const words = _mm512_shuffle_epi8(_mm512_broadcast_i32x4(c), pairs);
  return _mm512_permutexvar_epi16(_mm512_srlv_epi16(words, _mm512_set1_epi32(4)), table);
}

/// 64 codes of 4 bits.
template <Element T, bool Stream>
QFMT_AVX512 inline void decode64(uint8_t const* codes, __m512i table, T* out) {
  if constexpr (stl::same_as<T, float>) {
    __m512 const t = _mm512_castsi512_ps(table);
    __m512i const c =
        _mm512_castsi256_si512(_mm256_loadu_si256(reinterpret_cast<__m256i const*>(codes)));
    store<Stream>(out, _mm512_castps_si512(_mm512_permutexvar_ps(codes16<0>(c), t)));
    store<Stream>(out + 16, _mm512_castps_si512(_mm512_permutexvar_ps(codes16<2>(c), t)));
    store<Stream>(out + 32, _mm512_castps_si512(_mm512_permutexvar_ps(codes16<4>(c), t)));
    store<Stream>(out + 48, _mm512_castps_si512(_mm512_permutexvar_ps(codes16<6>(c), t)));
  } else {
    store<Stream>(out, decode32(codes, table));
    store<Stream>(out + 32, decode32(codes + 16, table));
  }
}

/// 16 codes of 4 bits, 8 bytes.
template <Element T>
QFMT_AVX512 inline void decode16(uint8_t const* codes, __m512i table, void* out) {
  __m512i const c =
      _mm512_castsi128_si512(_mm_loadl_epi64(reinterpret_cast<__m128i const*>(codes)));
  __m512i const lanes = codes16<0>(c);
  if constexpr (stl::same_as<T, float>) {
    _mm512_storeu_ps(out, _mm512_permutexvar_ps(lanes, _mm512_castsi512_ps(table)));
  } else {  // the word above a code is looked up, too, and dropped
    __m512i const words = _mm512_permutexvar_epi16(lanes, table);
    _mm256_storeu_si256(static_cast<__m256i*>(out), _mm512_cvtepi32_epi16(words));
  }
}

template <Element T, bool Stream>
QFMT_AVX512 inline void decode_4bit(uint8_t const* codes, int64_t n, __m512i table, T* out) {
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) decode64<T, Stream>(codes + i / 2, table, out + i);
  for (; i + 16 <= n; i += 16) decode16<T>(codes + i / 2, table, out + i);
  if (i == n) return;
  uint8_t last[8]{};
  alignas(64) uint8_t values[64];
  std::memcpy(last, codes + i / 2, static_cast<size_t>((n - i + 1) / 2));
  decode16<T>(last, table, values);
  std::memcpy(static_cast<void*>(out + i), values, static_cast<size_t>(n - i) * sizeof(T));
}

/// 16 codes of Int8.
QFMT_AVX512 inline __m512 decode_int8(uint8_t const* codes, __m512 scale) {
  __m128i const c = _mm_loadu_si128(reinterpret_cast<__m128i const*>(codes));
  __m512 const q = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(c));
  return _mm512_mul_ps(_mm512_mul_ps(q, scale), _mm512_set1_ps(0x1.020408p-7f));
}

/// 64 codes of 8 bits.
template <FormatSpec F, Element T, bool Stream>
QFMT_AVX512 inline void decode64(uint8_t const* codes, Levels<F> const& levels, float scale,
                                 T* out) {
  constexpr bool may_be_nan = Levels<F>::may_be_nan;
  __m512 const s = _mm512_set1_ps(scale);
  if constexpr (stl::same_as<F, Int8>) {
    put32<T, Stream, may_be_nan>(out, decode_int8(codes, s), decode_int8(codes + 16, s));
    put32<T, Stream, may_be_nan>(out + 32, decode_int8(codes + 32, s), decode_int8(codes + 48, s));
  } else {
    Four const v = lookup_floats(*levels.planes, _mm512_loadu_si512(codes));
    put32<T, Stream, may_be_nan>(out, _mm512_mul_ps(v.a, s), _mm512_mul_ps(v.b, s));
    put32<T, Stream, may_be_nan>(out + 32, _mm512_mul_ps(v.c, s), _mm512_mul_ps(v.d, s));
  }
}

template <FormatSpec F, Element T, bool Stream>
QFMT_AVX512 inline void decode_8bit(uint8_t const* codes, int64_t n, Levels<F> const& levels,
                                    float scale, T* out) {
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) decode64<F, T, Stream>(codes + i, levels, scale, out + i);
  if (i == n) return;
  uint8_t last[64]{};
  alignas(64) uint8_t values[64 * sizeof(T)];
  std::memcpy(last, codes + i, static_cast<size_t>(n - i));
  decode64<F, T, false>(last, levels, scale, reinterpret_cast<T*>(values));
  std::memcpy(static_cast<void*>(out + i), values, static_cast<size_t>(n - i) * sizeof(T));
}

/// n values from `first` on, of one block. One whose scale is not finite is the scalar codec's.
template <SchemeSpec S, Element T, bool Stream>
QFMT_AVX512 inline void decode_run(QuantizedSpan<S> const& in, int64_t block, int64_t first,
                                   int64_t n, Levels<typename S::format> const& levels, T* out) {
  using F = typename S::format;
  float const scale = scale_at(in.scales, block);
  uint8_t const* const codes = in.codes + first * S::bits / 8;
  if (!is_finite(scale)) {
    decode_block(in, block, first, n, out);
  } else if constexpr (S::bits == 8) {
    decode_8bit<F, T, Stream>(codes, n, levels, scale, out);
  } else {
    __m512 const scaled = _mm512_mul_ps(_mm512_loadu_ps(levels.level), _mm512_set1_ps(scale));
    decode_4bit<T, Stream>(codes, n, table16<T, Levels<F>::may_be_nan>(scaled), out);
  }
}

/// Blocks of `range`; out is the whole tensor's.
template <SchemeSpec S, Element T, bool Stream>
QFMT_AVX512 void decode_blocks(QuantizedSpan<S> const& in, T* out, BlockRange range,
                               Levels<typename S::format> const& levels) {
  int64_t b = range.first;
  if constexpr (!S::is_row_wise) {  // whole blocks have a length known at compile time
    constexpr int64_t n = S::block_size;
    int64_t const whole = range.last * n <= in.size ? range.last : range.last - 1;
    for (; b < whole; ++b) decode_run<S, T, Stream>(in, b, b * n, n, levels, out + b * n);
  }
  for (; b < range.last; ++b) {
    auto const [first, n] = host::detail::values_of(in, b);
    decode_run<S, T, Stream>(in, b, first, n, levels, out + first);
  }
  if constexpr (Stream) _mm_sfence();
}

}  // namespace qfmt::inline v0::host::simd::avx512

#pragma GCC diagnostic pop

#endif
