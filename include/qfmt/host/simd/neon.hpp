// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Decoding 4-bit codebooks on NEON, the baseline of AArch64: byte planes of the sixteen scaled and
// rounded levels, looked up by one table instruction each. What is not here is the scalar codec's,
// whose loops compilers vectorize for this baseline.
#pragma once

#include "qfmt/host/arguments.hpp"
#include "qfmt/host/simd/levels.hpp"

#if defined(__aarch64__)

#include <arm_neon.h>

namespace qfmt::inline v0::host::simd::neon {

/// The byte planes of sixteen values of T.
template <Element T>
struct Planes16 {
  uint8x16_t plane[sizeof(T)];
};

/// The levels under a scale, rounded to T as the scalar codec rounds them.
template <FormatSpec F, Element T>
inline Planes16<T> planes16(Levels<F> const& levels, float scale) {
  uint8_t bytes[sizeof(T)][16];
  for (int c = 0; c < 16; ++c) {
    T const value = from_float<T>(exact::mul(levels.level[c], scale));
    uint8_t own[sizeof(T)];
    std::memcpy(own, static_cast<void const*>(&value), sizeof(T));
    for (size_t p = 0; p < sizeof(T); ++p) bytes[p][c] = own[p];
  }
  Planes16<T> planes;
  for (size_t p = 0; p < sizeof(T); ++p) planes.plane[p] = vld1q_u8(bytes[p]);
  return planes;
}

/// 16 codes, one to a byte.
template <Element T>
inline void decode16(uint8x16_t codes, Planes16<T> const& t, uint8_t* out) {
  if constexpr (sizeof(T) == 4) {
    uint8x16x4_t const r{{vqtbl1q_u8(t.plane[0], codes), vqtbl1q_u8(t.plane[1], codes),
                          vqtbl1q_u8(t.plane[2], codes), vqtbl1q_u8(t.plane[3], codes)}};
    vst4q_u8(out, r);
  } else {
    uint8x16x2_t const r{{vqtbl1q_u8(t.plane[0], codes), vqtbl1q_u8(t.plane[1], codes)}};
    vst2q_u8(out, r);
  }
}

/// 32 codes of 4 bits.
template <Element T>
inline void decode32(uint8_t const* codes, Planes16<T> const& t, uint8_t* out) {
  uint8x16_t const c = vld1q_u8(codes);
  uint8x16_t const first = vshrq_n_u8(c, 4), second = vandq_u8(c, vdupq_n_u8(15));
  decode16<T>(vzip1q_u8(first, second), t, out);
  decode16<T>(vzip2q_u8(first, second), t, out + 16 * sizeof(T));
}

/// n values of one block.
template <FormatSpec F, Element T>
inline void decode_run(uint8_t const* codes, int64_t n, Levels<F> const& levels, float scale,
                       T* out) {
  auto const planes = planes16<F, T>(levels, scale);
  auto* const to = reinterpret_cast<uint8_t*>(out);
  constexpr auto size = static_cast<int64_t>(sizeof(T));
  int64_t i = 0;
  for (; i + 32 <= n; i += 32) decode32<T>(codes + i / 2, planes, to + i * size);
  if (i == n) return;
  uint8_t last[16]{}, values[32 * sizeof(T)];
  std::memcpy(last, codes + i / 2, static_cast<size_t>((n - i + 1) / 2));
  decode32<T>(last, planes, values);
  std::memcpy(to + i * size, values, static_cast<size_t>((n - i) * size));
}

/// Blocks of `range`; out is the whole tensor's.
template <SchemeSpec S, Element T>
  requires(S::bits == 4 && CodebookFormat<typename S::format>)
void decode_blocks(QuantizedSpan<S> in, T* out, BlockRange range,
                   Levels<typename S::format> const& levels) {
  for (int64_t b = range.first; b < range.last; ++b) {
    auto const [first, n] = host::detail::values_of(in, b);
    decode_run(in.codes + first / 2, n, levels, scale_at(in.scales, b), out + first);
  }
}

}  // namespace qfmt::inline v0::host::simd::neon

#endif
