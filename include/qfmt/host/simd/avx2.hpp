// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Loads, stores and roundings that the AVX2 kernels share. A vector here is 32 bytes.
#pragma once

#include "qfmt/host/simd/compiler.hpp"
#include "qfmt/host/simd/tables.hpp"

#if defined(__x86_64__)

#include <cstring>
#include <immintrin.h>

namespace qfmt::inline v0::host::simd::avx2 {

template <Element T>
[[gnu::always_inline]] QFMT_AVX2 inline __m256 load8(T const* p) {
  if constexpr (stl::same_as<T, float>) {
    return _mm256_loadu_ps(p);
  } else {
    __m128i const words = _mm_loadu_si128(reinterpret_cast<__m128i const*>(p));
    if constexpr (Float16Like<T>) return _mm256_cvtph_ps(words);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(words), 16));
  }
}

/// 32 bytes to p; Stream: past the caches, where p is aligned to 16 bytes.
template <bool Stream>
[[gnu::always_inline]] QFMT_AVX2 inline void store(void* p, __m256i v) {
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

/// The bfloat16 nearest to x in the lower half of each lane, ties to even.
template <bool MayBeNan>
[[gnu::always_inline]] QFMT_AVX2 inline __m256i round_to_bfloat(__m256 x) {
  __m256i const bits = _mm256_castps_si256(x);
  __m256i const odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  __m256i const up = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF));
  __m256i const rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, up), 16);
  if constexpr (!MayBeNan) return rounded;
  __m256i const nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  return _mm256_blendv_epi8(rounded, _mm256_set1_epi32(0x7FFF), nan);
}

/// 16 values as words, rounded to the 16-bit type T.
template <Element T, bool MayBeNan>
[[gnu::always_inline]] QFMT_AVX2 inline __m256i words16(__m256 a, __m256 b) {
  if constexpr (Float16Like<T>) {  // a NaN is 7FFFFFFF here, and gives 7FFF
    constexpr int nearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm256_cvtps_ph(a, nearest)),
                                   _mm256_cvtps_ph(b, nearest), 1);
  } else {
    __m256i const packed =
        _mm256_packus_epi32(round_to_bfloat<MayBeNan>(a), round_to_bfloat<MayBeNan>(b));
    return _mm256_permute4x64_epi64(packed, 0xD8);
  }
}

/// 16 values to p as T.
template <Element T, bool Stream, bool MayBeNan>
[[gnu::always_inline]] QFMT_AVX2 inline void put16(T* p, __m256 a, __m256 b) {
  if constexpr (stl::same_as<T, float>) {
    store<Stream>(p, _mm256_castps_si256(a));
    store<Stream>(p + 8, _mm256_castps_si256(b));
  } else {
    store<Stream>(p, words16<T, MayBeNan>(a, b));
  }
}

/// magnitude_bits of the largest of n values.
template <Element T>
[[gnu::always_inline]] QFMT_AVX2 inline auto largest(T const* values, int64_t n) {
  using Bits = decltype(magnitude_bits(T{}));
  constexpr int lanes = 32 / sizeof(T);
  __m256i most = _mm256_setzero_si256();
  for (int64_t i = 0; i + lanes <= n; i += lanes) {
    __m256i const v = _mm256_loadu_si256(reinterpret_cast<__m256i const*>(values + i));
    if constexpr (stl::same_as<T, float>) {
      most = _mm256_max_epi32(most, _mm256_and_si256(v, _mm256_set1_epi32(0x7FFFFFFF)));
    } else {
      most = _mm256_max_epi16(most, _mm256_and_si256(v, _mm256_set1_epi16(0x7FFF)));
    }
  }
  __m128i const low = _mm256_castsi256_si128(most), high = _mm256_extracti128_si256(most, 1);
  Bits result;
  if constexpr (stl::same_as<T, float>) {
    __m128i m = _mm_max_epi32(low, high);
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4E));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xB1));
    result = _mm_cvtsi128_si32(m);
  } else {  // the unit finds the least of unsigned words
    __m128i const m = _mm_xor_si128(_mm_max_epi16(low, high), _mm_set1_epi16(0x7FFF));
    result = static_cast<Bits>(_mm_extract_epi16(_mm_minpos_epu16(m), 0) ^ 0x7FFF);
  }
  for (int64_t rest = n % lanes; rest > 0; --rest) {
    Bits const m = magnitude_bits(values[n - rest]);
    result = m > result ? m : result;
  }
  return result;
}

}  // namespace qfmt::inline v0::host::simd::avx2

#endif
