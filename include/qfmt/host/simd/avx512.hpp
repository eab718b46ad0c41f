// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Loads, stores and roundings that the AVX-512 kernels share. A vector here is 64 bytes.
#pragma once

#include "qfmt/host/simd/compiler.hpp"
#include "qfmt/host/simd/tables.hpp"

#if defined(__x86_64__)

#include <cstring>
#include <immintrin.h>

// g++ 12 finds its own _mm512_undefined_* uninitialized wherever they are inlined.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace qfmt::inline v0::host::simd::avx512 {

template <Element T>
[[gnu::always_inline]] QFMT_AVX512 inline __m512 load16(T const* p) {
  if constexpr (stl::same_as<T, float>) {
    return _mm512_loadu_ps(p);
  } else {
    __m256i const words = _mm256_loadu_si256(reinterpret_cast<__m256i const*>(p));
    if constexpr (Float16Like<T>) return _mm512_cvtph_ps(words);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(words), 16));
  }
}

[[gnu::always_inline]] QFMT_AVX512 inline __m256i load32(uint8_t const* p) {
  return _mm256_loadu_si256(reinterpret_cast<__m256i const*>(p));
}

/// 64 or 32 bytes to p; Stream: past the caches, where p is aligned to 16 bytes.
template <bool Stream>
[[gnu::always_inline]] QFMT_AVX512 inline void store(void* p, __m256i v) {
  if constexpr (!Stream) {
    _mm256_storeu_si256(static_cast<__m256i*>(p), v);
  } else if (reinterpret_cast<uintptr_t>(p) % 32 == 0) {
    _mm256_stream_si256(static_cast<__m256i*>(p), v);
  } else {
    auto* const q = static_cast<__m128i*>(p);
    _mm_stream_si128(q, _mm256_castsi256_si128(v));
    _mm_stream_si128(q + 1, _mm256_extracti128_si256(v, 1));
  }
}

template <bool Stream>
[[gnu::always_inline]] QFMT_AVX512 inline void store(void* p, __m512i v) {
  if constexpr (!Stream) {
    _mm512_storeu_si512(p, v);
  } else if (reinterpret_cast<uintptr_t>(p) % 64 == 0) {
    _mm512_stream_si512(static_cast<__m512i*>(p), v);
  } else {
    store<true>(p, _mm512_castsi512_si256(v));
    store<true>(static_cast<uint8_t*>(p) + 32, _mm512_extracti64x4_epi64(v, 1));
  }
}

template <bool Stream>
[[gnu::always_inline]] QFMT_AVX512 inline void store(void* p, __m512 v) {
  store<Stream>(p, _mm512_castps_si512(v));
}

/// x, rounded before it is added to: no compiler fuses what passes here.
[[gnu::always_inline]] QFMT_AVX512 inline __m512 rounded(__m512 x) {
  asm("" : "+v"(x));
  return x;
}

/// The bfloat16 nearest to x in the upper half of each lane, ties to even. Not vcvtneps2bf16, which
/// flushes subnormals.
template <bool MayBeNan>
[[gnu::always_inline]] QFMT_AVX512 inline __m512i round_to_bfloat(__m512 x) {
  // bits + 7FFF + bit 16, as a sum of products of words: (bit 16) * 1 + 1 * 7FFF.
  __m512i const bits = _mm512_castps_si512(x);
  __m512i const words = _mm512_ternarylogic_epi32(bits, _mm512_set1_epi32(0x10000),
                                                  _mm512_set1_epi32(1), 0xEA);  // (a & b) | c
  __m512i const rounded = _mm512_dpwssd_epi32(bits, words, _mm512_set1_epi32(0x17FFF));
  if constexpr (!MayBeNan) return rounded;
  return _mm512_mask_mov_epi32(rounded, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q),
                               _mm512_set1_epi32(0x7FFFFFFF));
}

[[gnu::always_inline]] QFMT_AVX512 inline __m512i odd_words() {  // of two vectors
  __m512i const lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  __m512i const twice = _mm512_slli_epi32(lane, 2);  // words 4k + 1 and 4k + 3
  return _mm512_or_si512(_mm512_add_epi32(twice, _mm512_set1_epi32(1)),
                         _mm512_slli_epi32(_mm512_add_epi32(twice, _mm512_set1_epi32(3)), 16));
}

/// 32 values to p as T.
template <Element T, bool Stream, bool MayBeNan>
[[gnu::always_inline]] QFMT_AVX512 inline void put32(T* p, __m512 a, __m512 b) {
  if constexpr (stl::same_as<T, float>) {
    store<Stream>(p, a);
    store<Stream>(p + 16, b);
  } else if constexpr (Float16Like<T>) {  // a NaN is 7FFFFFFF here, and gives 7FFF
    constexpr int nearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    __m512i const low = _mm512_castsi256_si512(_mm512_cvtps_ph(a, nearest));
    store<Stream>(p, _mm512_inserti64x4(low, _mm512_cvtps_ph(b, nearest), 1));
  } else {
    store<Stream>(p, _mm512_permutex2var_epi16(round_to_bfloat<MayBeNan>(a), odd_words(),
                                               round_to_bfloat<MayBeNan>(b)));
  }
}

/// magnitude_bits of the largest of n values.
template <Element T>
[[gnu::always_inline]] QFMT_AVX512 inline auto largest(T const* values, int64_t n) {
  constexpr int lanes = 64 / sizeof(T);
  int64_t i = 0;
  __m512i most = _mm512_setzero_si512();
  if constexpr (stl::same_as<T, float>) {
    __m512i const magnitude = _mm512_set1_epi32(0x7FFFFFFF);
    for (; i + lanes <= n; i += lanes)
      most = _mm512_max_epi32(most, _mm512_and_si512(_mm512_loadu_si512(values + i), magnitude));
    if (i < n) {
      auto const mask = static_cast<__mmask16>((1u << (n - i)) - 1);
      __m512i const rest = _mm512_maskz_loadu_epi32(mask, values + i);
      most = _mm512_max_epi32(most, _mm512_and_si512(rest, magnitude));
    }
    return static_cast<int32_t>(_mm512_reduce_max_epi32(most));
  } else {
    __m512i const magnitude = _mm512_set1_epi16(0x7FFF);
    for (; i + lanes <= n; i += lanes)
      most = _mm512_max_epi16(most, _mm512_and_si512(_mm512_loadu_si512(values + i), magnitude));
    if (i < n) {
      auto const mask = static_cast<__mmask32>((uint64_t{1} << (n - i)) - 1);
      __m512i const rest = _mm512_maskz_loadu_epi16(mask, values + i);
      most = _mm512_max_epi16(most, _mm512_and_si512(rest, magnitude));
    }
    __m256i const half =
        _mm256_max_epi16(_mm512_castsi512_si256(most), _mm512_extracti64x4_epi64(most, 1));
    __m128i const quarter =
        _mm_max_epi16(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    __m128i const complement = _mm_xor_si128(quarter, _mm_set1_epi16(0x7FFF));
    int const least = _mm_extract_epi16(_mm_minpos_epu16(complement), 0);
    return static_cast<int16_t>(least ^ 0x7FFF);
  }
}

/// The low bytes of 64 lanes, in order.
[[gnu::always_inline]] QFMT_AVX512 inline __m512i low_bytes(__m512i a, __m512i b, __m512i c,
                                                            __m512i d) {
  // Byte p of a half comes from byte 4 p of two vectors.
  __m512i const at = _mm512_broadcast_i64x4(
      _mm256_set_epi8(124, 120, 116, 112, 108, 104, 100, 96, 92, 88, 84, 80, 76, 72, 68, 64, 60, 56,
                      52, 48, 44, 40, 36, 32, 28, 24, 20, 16, 12, 8, 4, 0));
  return _mm512_mask_blend_epi8(0xFFFFFFFF00000000u, _mm512_permutex2var_epi8(a, at, b),
                                _mm512_permutex2var_epi8(c, at, d));
}

[[gnu::always_inline]] QFMT_AVX512 inline __mmask64 joined(__mmask16 a, __mmask16 b, __mmask16 c,
                                                           __mmask16 d) {
  return _mm512_kunpackd(_mm512_kunpackw(d, c), _mm512_kunpackw(b, a));
}

/// 256 bytes.
struct Table {
  __m512i part[4];
};

[[gnu::always_inline]] QFMT_AVX512 inline Table load_table(uint8_t const* p) {
  return {{_mm512_loadu_si512(p), _mm512_loadu_si512(p + 64), _mm512_loadu_si512(p + 128),
           _mm512_loadu_si512(p + 192)}};
}

/// Entries at 64 bytes; top: their bits 7.
[[gnu::always_inline]] QFMT_AVX512 inline __m512i lookup256(Table const& t, __m512i at,
                                                            __mmask64 top) {
  return _mm512_mask_blend_epi8(top, _mm512_permutex2var_epi8(t.part[0], at, t.part[1]),
                                _mm512_permutex2var_epi8(t.part[2], at, t.part[3]));
}

/// The byte planes of 256 floats, in registers.
struct Planes {
  Table plane[4];
};

[[gnu::always_inline]] QFMT_AVX512 inline Planes load_planes(BytePlanes const& p) {
  return {{load_table(p.plane[0]), load_table(p.plane[1]), load_table(p.plane[2]),
           load_table(p.plane[3])}};
}

struct Four {
  __m512 a, b, c, d;
};

/// Four byte planes of 256 floats looked up by 64 bytes: lane i of part j is the entry at byte
/// 16 j + i of `at`.
[[gnu::always_inline]] QFMT_AVX512 inline Four lookup_floats(Planes const& planes, __m512i at) {
  // A 4x4 transpose of dwords makes the unpacks below, which work in lanes, end in order.
  __m512i const order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
  __m512i const i = _mm512_permutexvar_epi32(order, at);
  __mmask64 const top = _mm512_movepi8_mask(i);
  __m512i const b0 = lookup256(planes.plane[0], i, top), b1 = lookup256(planes.plane[1], i, top);
  __m512i const b2 = lookup256(planes.plane[2], i, top), b3 = lookup256(planes.plane[3], i, top);
  __m512i const low0 = _mm512_unpacklo_epi8(b0, b1), low1 = _mm512_unpackhi_epi8(b0, b1);
  __m512i const high0 = _mm512_unpacklo_epi8(b2, b3), high1 = _mm512_unpackhi_epi8(b2, b3);
  return {_mm512_castsi512_ps(_mm512_unpacklo_epi16(low0, high0)),
          _mm512_castsi512_ps(_mm512_unpackhi_epi16(low0, high0)),
          _mm512_castsi512_ps(_mm512_unpacklo_epi16(low1, high1)),
          _mm512_castsi512_ps(_mm512_unpackhi_epi16(low1, high1))};
}

}  // namespace qfmt::inline v0::host::simd::avx512

#pragma GCC diagnostic pop

#endif
