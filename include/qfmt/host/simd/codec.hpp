// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The codec over runs of blocks at a level: chooses the kernel. What no kernel does, the scalar
// codec does.
#pragma once

#include "qfmt/host/simd/avx2_decode.hpp"
#include "qfmt/host/simd/avx2_encode.hpp"
#include "qfmt/host/simd/avx512_decode.hpp"
#include "qfmt/host/simd/avx512_encode.hpp"
#include "qfmt/host/simd/level.hpp"
#include "qfmt/host/simd/neon_decode.hpp"
#include "qfmt/host/simd/neon_encode.hpp"

namespace qfmt::inline v0::host::simd {

template <SchemeSpec S, Element T>
void decode_blocks_scalar(QuantizedSpan<S> const& in, T* out, BlockRange range) {
  for (int64_t b = range.first; b < range.last; ++b) {
    auto const [first, n] = host::detail::values_of(in, b);
    decode_block(in, b, first, n, out + first);
  }
}

/// Decodes the blocks of `range` of a valid view; out: the whole tensor's.
template <SchemeSpec S, Element T>
void decode_blocks(QuantizedSpan<S> const& in, T* out, BlockRange range,
                   DequantizeOptions options) {
  using F = typename S::format;
  if constexpr (decodes<F>) {
    [[maybe_unused]] SimdLevel const level = simd_level(options.simd);
    Levels<F> const levels(in.scales);
    [[maybe_unused]] bool const stream =
        options.non_temporal && reinterpret_cast<uintptr_t>(out) % 16 == 0;
#if defined(__x86_64__)
    if (level >= SimdLevel::avx512 && levels.usable())
      return stream ? avx512::decode_blocks<S, T, true>(in, out, range, levels)
                    : avx512::decode_blocks<S, T, false>(in, out, range, levels);
    if (level >= SimdLevel::avx2 && levels.usable())
      return stream ? avx2::decode_blocks<S, T, true>(in, out, range, levels)
                    : avx2::decode_blocks<S, T, false>(in, out, range, levels);
#elif defined(__aarch64__)
    if (level == SimdLevel::neon && levels.usable())
      return neon::decode_blocks(in, out, range, levels);
#endif
  }
  decode_blocks_scalar(in, out, range);
}

/// block_absmax of n values.
template <Element T>
float block_absmax([[maybe_unused]] SimdLevel level, T const* values, int64_t n) {
#if defined(__x86_64__)
  if (level >= SimdLevel::avx2) {
    float absmax = 0.f;
    if (level >= SimdLevel::avx512) {
      avx512::absmax_blocks<T, 0>(values, n, n, &absmax);
    } else {
      avx2::absmax_blocks<T, 0>(values, n, n, &absmax);
    }
    return absmax;
  }
#elif defined(__aarch64__)
  if (level == SimdLevel::neon) return finite_or_nan<T>(neon::largest(values, n));
#endif
  return qfmt::block_absmax(values, n);
}

/// block_absmax of runs of `length` values (Length, where that is not 0); the last may be short.
template <int Length, Element T>
void absmax_blocks([[maybe_unused]] SimdLevel level, T const* values, int64_t n, int64_t length,
                   float* absmax) {
#if defined(__x86_64__)
  if (level >= SimdLevel::avx512)
    return avx512::absmax_blocks<T, Length>(values, n, length, absmax);
  if (level >= SimdLevel::avx2) return avx2::absmax_blocks<T, Length>(values, n, length, absmax);
#elif defined(__aarch64__)
  if (level == SimdLevel::neon) return neon::absmax_blocks(values, n, length, absmax);
#endif
  for (int64_t i = 0; i < n; i += length)
    *absmax++ = qfmt::block_absmax(values + i, i + length <= n ? length : n - i);
}

/// encode_block of the same runs with their absmax.
template <FormatSpec F, int Length, Element T>
void encode_blocks([[maybe_unused]] SimdLevel level, T const* values, int64_t n, int64_t length,
                   float const* absmax, uint8_t* codes) {
  if constexpr (encodes<F>) {
#if defined(__x86_64__)
    if (level >= SimdLevel::avx512)
      return avx512::encode_blocks<F, T, Length>(values, n, length, absmax, codes);
    if (level >= SimdLevel::avx2)
      return avx2::encode_blocks<F, T, Length>(values, n, length, absmax, codes);
#elif defined(__aarch64__)
    if (level == SimdLevel::neon) return neon::encode_blocks<F>(values, n, length, absmax, codes);
#endif
  }
  for (int64_t i = 0; i < n; i += length)
    encode_block<F>(values + i, i + length <= n ? length : n - i, *absmax++,
                    codes + i * bits_of<F> / 8);
}

}  // namespace qfmt::inline v0::host::simd
