// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The codec's kernels of each instruction set under the same names: what the walks over blocks in
// codec.hpp call.
#pragma once

#include "qfmt/codec/options.hpp"
#include "qfmt/host/simd/avx2_decode.hpp"
#include "qfmt/host/simd/avx2_encode.hpp"
#include "qfmt/host/simd/avx512_decode.hpp"
#include "qfmt/host/simd/avx512_encode.hpp"
#include "qfmt/host/simd/neon_decode.hpp"
#include "qfmt/host/simd/neon_encode.hpp"

namespace qfmt::inline v0::host::simd {

#if defined(__x86_64__)

struct Avx2 {
  static constexpr bool streams = true;

  template <class Scales, class Inner>
  static float const* scales_of(Scales const& scales, Inner const&, int64_t first, int64_t last,
                                float* own) {
    return simd::scales_of(scales, first, last, own);
  }
  template <FormatSpec F, int Length, bool Stream, class T>
  static void decode(uint8_t const* codes, int64_t count, int64_t length, Levels<F> const& levels,
                     float const* scales, T* out) {
    avx2::decode_blocks<F, Length, Stream>(codes, count, length, levels, scales, out);
  }
  template <int Length, class T>
  static void absmax(T const* values, int64_t count, int64_t length, float* absmax) {
    avx2::absmax_blocks<Length>(values, count, length, absmax);
  }
  template <FormatSpec F, int Length, class T>
  static void encode(T const* values, int64_t count, int64_t length, float const* factors,
                     uint8_t* codes) {
    avx2::encode_blocks<F, Length>(values, count, length, factors, codes);
  }
  static void finish_streaming() { _mm_sfence(); }
};

struct Avx512 {
  static constexpr bool streams = true;

  template <class Scales, class Inner>
  static float const* scales_of(Scales const& scales, Inner const& inner, int64_t first,
                                int64_t last, float* own) {
    return avx512::scales_of(scales, inner, first, last, own);
  }
  template <FormatSpec F, int Length, bool Stream, class T>
  static void decode(uint8_t const* codes, int64_t count, int64_t length, Levels<F> const& levels,
                     float const* scales, T* out) {
    avx512::decode_blocks<F, Length, Stream>(codes, count, length, levels, scales, out);
  }
  template <int Length, class T>
  static void absmax(T const* values, int64_t count, int64_t length, float* absmax) {
    avx512::absmax_blocks<Length>(values, count, length, absmax);
  }
  template <FormatSpec F, int Length, class T>
  static void encode(T const* values, int64_t count, int64_t length, float const* factors,
                     uint8_t* codes) {
    avx512::encode_blocks<F, Length>(values, count, length, factors, codes);
  }
  static void finish_streaming() { _mm_sfence(); }
};

#elif defined(__aarch64__)

struct Neon {
  static constexpr bool streams = false;

  template <class Scales, class Inner>
  static float const* scales_of(Scales const& scales, Inner const&, int64_t first, int64_t last,
                                float* own) {
    return simd::scales_of(scales, first, last, own);
  }
  template <FormatSpec F, int Length, bool, class T>
  static void decode(uint8_t const* codes, int64_t count, int64_t length, Levels<F> const& levels,
                     float const* scales, T* out) {
    neon::decode_blocks<F, Length>(codes, count, length, levels, scales, out);
  }
  template <int Length, class T>
  static void absmax(T const* values, int64_t count, int64_t length, float* absmax) {
    neon::absmax_blocks<Length>(values, count, length, absmax);
  }
  template <FormatSpec F, int Length, class T>
  static void encode(T const* values, int64_t count, int64_t length, float const* factors,
                     uint8_t* codes) {
    neon::encode_blocks<F, Length>(values, count, length, factors, codes);
  }
};

#endif

/// Calls run with the set of a level; false where that has none.
template <class Run>
bool with_set([[maybe_unused]] SimdLevel level, [[maybe_unused]] Run const& run) {
#if defined(__x86_64__)
  if (level >= SimdLevel::avx512) return run(Avx512{}), true;
  if (level >= SimdLevel::avx2) return run(Avx2{}), true;
#elif defined(__aarch64__)
  if (level == SimdLevel::neon) return run(Neon{}), true;
#endif
  return false;
}

}  // namespace qfmt::inline v0::host::simd
