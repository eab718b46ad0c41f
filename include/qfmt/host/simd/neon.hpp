// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Loads, stores and roundings that the NEON kernels share. NEON is the baseline of AArch64, so no
// function needs a target. A vector is 16 bytes, and the kernels take 16 values at a time.
#pragma once

#include "qfmt/host/simd/tables.hpp"

#if defined(__aarch64__)

#include <arm_neon.h>
#include <cstring>

namespace qfmt::inline v0::host::simd::neon {

/// 16 floats, or what is compared with them.
struct Four {
  float32x4_t v[4];
};

template <class T>
inline uint8x16_t load_bytes(T const* p) {
  return vld1q_u8(reinterpret_cast<uint8_t const*>(p));
}
template <class T>
inline void store_bytes(T* p, uint8x16_t v) {
  vst1q_u8(reinterpret_cast<uint8_t*>(p), v);
}

/// 8 values of 16 bits.
template <Element T>
inline float32x4_t widened(uint16x4_t words) {
  if constexpr (Float16Like<T>) return vcvt_f32_f16(vreinterpret_f16_u16(words));
  return vreinterpretq_f32_u32(vshll_n_u16(words, 16));
}

template <Element T>
inline Four load16(T const* p) {
  if constexpr (stl::same_as<T, float>) {
    return {{vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)}};
  } else {
    uint16x8_t const a = vreinterpretq_u16_u8(load_bytes(p));
    uint16x8_t const b = vreinterpretq_u16_u8(load_bytes(p + 8));
    return {{widened<T>(vget_low_u16(a)), widened<T>(vget_high_u16(a)), widened<T>(vget_low_u16(b)),
             widened<T>(vget_high_u16(b))}};
  }
}

inline Four scaled(Four const& x, float scale) {
  return {{vmulq_n_f32(x.v[0], scale), vmulq_n_f32(x.v[1], scale), vmulq_n_f32(x.v[2], scale),
           vmulq_n_f32(x.v[3], scale)}};
}

/// Rounded to the 16-bit type T, ties to even. A NaN is 7FFFFFFF here, and gives 7FFF.
template <Element T, bool MayBeNan>
inline uint16x4_t rounded(float32x4_t x) {
  if constexpr (Float16Like<T>) {
    return vreinterpret_u16_f16(vcvt_f16_f32(x));
  } else {
    uint32x4_t const bits = vreinterpretq_u32_f32(x);
    uint32x4_t const odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    uint16x4_t const upper = vaddhn_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7FFF)));
    if constexpr (!MayBeNan) return upper;
    return vbsl_u16(vmovn_u32(vceqq_f32(x, x)), upper, vdup_n_u16(0x7FFF));
  }
}

/// 16 values to p as T.
template <Element T, bool MayBeNan>
inline void put16(T* p, Four const& x) {
  if constexpr (stl::same_as<T, float>) {
    for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, x.v[i]);
  } else {
    auto const words = [&](int i) {
      return vreinterpretq_u8_u16(
          vcombine_u16(rounded<T, MayBeNan>(x.v[i]), rounded<T, MayBeNan>(x.v[i + 1])));
    };
    store_bytes(p, words(0));
    store_bytes(p + 8, words(2));
  }
}

/// The low bytes of 16 lanes, in order.
inline uint8x16_t low_bytes(uint32x4_t a, uint32x4_t b, uint32x4_t c, uint32x4_t d) {
  uint16x8_t const ab = vuzp1q_u16(vreinterpretq_u16_u32(a), vreinterpretq_u16_u32(b));
  uint16x8_t const cd = vuzp1q_u16(vreinterpretq_u16_u32(c), vreinterpretq_u16_u32(d));
  return vuzp1q_u8(vreinterpretq_u8_u16(ab), vreinterpretq_u8_u16(cd));
}

/// Four planes of the bytes of 16 floats, put together.
inline Four joined(uint8x16_t b0, uint8x16_t b1, uint8x16_t b2, uint8x16_t b3) {
  uint16x8_t const low = vreinterpretq_u16_u8(vzip1q_u8(b0, b1));
  uint16x8_t const low2 = vreinterpretq_u16_u8(vzip2q_u8(b0, b1));
  uint16x8_t const high = vreinterpretq_u16_u8(vzip1q_u8(b2, b3));
  uint16x8_t const high2 = vreinterpretq_u16_u8(vzip2q_u8(b2, b3));
  return {{vreinterpretq_f32_u16(vzip1q_u16(low, high)),
           vreinterpretq_f32_u16(vzip2q_u16(low, high)),
           vreinterpretq_f32_u16(vzip1q_u16(low2, high2)),
           vreinterpretq_f32_u16(vzip2q_u16(low2, high2))}};
}

/// 16 bytes of Int8 as floats.
inline Four int8_values(uint8_t const* codes) {
  int8x16_t const c = vreinterpretq_s8_u8(vld1q_u8(codes));
  int16x8_t const a = vmovl_s8(vget_low_s8(c)), b = vmovl_s8(vget_high_s8(c));
  return {{vcvtq_f32_s32(vmovl_s16(vget_low_s16(a))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(a))),
           vcvtq_f32_s32(vmovl_s16(vget_low_s16(b))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(b)))}};
}

/// magnitude_bits of the largest of n values.
template <Element T>
inline auto largest(T const* values, int64_t n) {
  using Bits = decltype(magnitude_bits(T{}));
  constexpr int lanes = 16 / sizeof(T);
  uint8x16_t most = vdupq_n_u8(0);
  for (int64_t i = 0; i + lanes <= n; i += lanes) {
    uint8x16_t const v = load_bytes(values + i);
    if constexpr (stl::same_as<T, float>) {
      uint32x4_t const m = vandq_u32(vreinterpretq_u32_u8(v), vdupq_n_u32(0x7FFFFFFF));
      most = vreinterpretq_u8_u32(vmaxq_u32(vreinterpretq_u32_u8(most), m));
    } else {
      uint16x8_t const m = vandq_u16(vreinterpretq_u16_u8(v), vdupq_n_u16(0x7FFF));
      most = vreinterpretq_u8_u16(vmaxq_u16(vreinterpretq_u16_u8(most), m));
    }
  }
  Bits result;
  if constexpr (stl::same_as<T, float>) {
    result = static_cast<Bits>(vmaxvq_u32(vreinterpretq_u32_u8(most)));
  } else {
    result = static_cast<Bits>(vmaxvq_u16(vreinterpretq_u16_u8(most)));
  }
  for (int64_t rest = n % lanes; rest > 0; --rest) {
    Bits const m = magnitude_bits(values[n - rest]);
    result = m > result ? m : result;
  }
  return result;
}

}  // namespace qfmt::inline v0::host::simd::neon

#endif
