// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Decoding on NEON. 4 bit: byte planes of the sixteen scaled and rounded levels, looked up by one
// table instruction each. 8-bit maps: one load a value. Int8: arithmetic.
#pragma once

#include "qfmt/host/simd/levels.hpp"
#include "qfmt/host/simd/neon.hpp"

#if defined(__aarch64__)

namespace qfmt::inline v0::host::simd::neon {

/// The byte planes of sixteen values of T.
template <Element T>
struct Planes16 {
  uint8x16_t plane[sizeof(T)];
};

/// The levels under a scale, rounded to T.
template <FormatSpec F, Element T>
inline Planes16<T> planes16(Levels<F> const& levels, float scale) {
  uint8_t bytes[16 * sizeof(T)];
  put16<T, Levels<F>::may_be_nan>(reinterpret_cast<T*>(bytes), scaled(load16(levels.level), scale));
  if constexpr (sizeof(T) == 4) {
    uint8x16x4_t const p = vld4q_u8(bytes);
    return {{p.val[0], p.val[1], p.val[2], p.val[3]}};
  } else {
    uint8x16x2_t const p = vld2q_u8(bytes);
    return {{p.val[0], p.val[1]}};
  }
}

/// 16 codes, one to a byte.
template <Element T>
inline void decode16(uint8x16_t codes, Planes16<T> const& t, T* out) {
  auto* const to = reinterpret_cast<uint8_t*>(out);
  if constexpr (sizeof(T) == 4) {
    uint8x16x4_t const r{{vqtbl1q_u8(t.plane[0], codes), vqtbl1q_u8(t.plane[1], codes),
                          vqtbl1q_u8(t.plane[2], codes), vqtbl1q_u8(t.plane[3], codes)}};
    vst4q_u8(to, r);
  } else {
    uint8x16x2_t const r{{vqtbl1q_u8(t.plane[0], codes), vqtbl1q_u8(t.plane[1], codes)}};
    vst2q_u8(to, r);
  }
}

/// 32 codes of 4 bits.
template <Element T>
inline void decode32(uint8_t const* codes, Planes16<T> const& t, T* out) {
  uint8x16_t const c = vld1q_u8(codes);
  uint8x16_t const first = vshrq_n_u8(c, 4), second = vandq_u8(c, vdupq_n_u8(15));
  decode16<T>(vzip1q_u8(first, second), t, out);
  decode16<T>(vzip2q_u8(first, second), t, out + 16);
}

/// 16 codes of 8 bits.
template <FormatSpec F, Element T>
inline void decode16(uint8_t const* codes, Levels<F> const& levels, float scale, T* out) {
  if constexpr (FormulaFormat<F>) {
    put16<T, false>(out, scaled(scaled(int8_values(codes), scale), 0x1.020408p-7f));
  } else {
    float values[16];
    for (int i = 0; i < 16; ++i) values[i] = levels.level[codes[i]];
    put16<T, Levels<F>::may_be_nan>(out, scaled(load16(values), scale));
  }
}

/// n values of one block, whose scale is finite.
template <FormatSpec F, Element T>
inline void decode_run(uint8_t const* codes, int64_t n, Levels<F> const& levels, float scale,
                       T* out) {
  int64_t i = 0;
  if constexpr (bits_of<F> == 4) {
    auto const planes = planes16<F, T>(levels, scale);
    for (; i + 32 <= n; i += 32) decode32<T>(codes + i / 2, planes, out + i);
    if (i == n) return;
    PaddedCodes<F, 32, T> last(codes + i / 2, n - i);
    decode32<T>(last.data(), planes, last.values());
    last.copy_values(out + i);
  } else {
    for (; i + 16 <= n; i += 16) decode16(codes + i, levels, scale, out + i);
    if (i == n) return;
    PaddedCodes<F, 16, T> last(codes + i, n - i);
    decode16(last.data(), levels, scale, last.values());
    last.copy_values(out + i);
  }
}

/// `count` blocks of `length` values (Length, where that is not 0), whose scales are finite.
template <FormatSpec F, int Length, Element T>
void decode_blocks(uint8_t const* codes, int64_t count, int64_t length, Levels<F> const& levels,
                   float const* scales, T* out) {
  if constexpr (Length != 0) length = Length;
  for (int64_t b = 0; b < count; ++b, codes += length * bits_of<F> / 8, out += length)
    decode_run(codes, length, levels, scales[b], out);
}

}  // namespace qfmt::inline v0::host::simd::neon

#endif
