// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Encoding on NEON, of whole blocks whose absmax is known. 4 bit: a value's bin by arithmetic, its
// code and decision point by table instructions, one exact comparison. 8-bit maps: the same with
// loads in place of tables. Int8: arithmetic.
#pragma once

#include "qfmt/host/simd/formats.hpp"
#include "qfmt/host/simd/neon.hpp"

#if defined(__aarch64__)

namespace qfmt::inline v0::host::simd::neon {

/// block_absmax of `count` blocks of `length` values (Length, where that is not 0).
template <int Length, Element T>
void absmax_blocks(T const* values, int64_t count, int64_t length, float* absmax) {
  if constexpr (Length != 0) length = Length;
  for (int64_t b = 0; b < count; ++b, values += length)
    absmax[b] = finite_or_nan<T>(largest(values, length));
}

/// The bytes of the decision points of 32 bins, in planes.
struct PointPlanes {
  uint8_t plane[4][32];

  constexpr explicit PointPlanes(float const* points) : plane{} {
    for (int b = 0; b < 32; ++b)
      for (int p = 0; p < 4; ++p)
        plane[p][b] = static_cast<uint8_t>(float_bits(points[b]) >> (8 * p));
  }
};
template <PointFormat F>
inline constexpr PointPlanes bin_points{uniform_bins_of<F>.point};

inline uint8x16_t look_up32(uint8_t const* table, uint8x16_t at) {
  return vqtbl2q_u8({{vld1q_u8(table), vld1q_u8(table + 16)}}, at);
}

inline uint8x16_t above(Four const& x, Four const& point) {  // 255 where x > point
  return low_bytes(vcgtq_f32(x.v[0], point.v[0]), vcgtq_f32(x.v[1], point.v[1]),
                   vcgtq_f32(x.v[2], point.v[2]), vcgtq_f32(x.v[3], point.v[3]));
}

inline Four magnitudes(Four const& x) {
  return {{vabsq_f32(x.v[0]), vabsq_f32(x.v[1]), vabsq_f32(x.v[2]), vabsq_f32(x.v[3])}};
}

inline uint8x16_t below_zero(Four const& x) {
  float32x4_t const zero = vdupq_n_f32(0.f);
  return low_bytes(vcltq_f32(x.v[0], zero), vcltq_f32(x.v[1], zero), vcltq_f32(x.v[2], zero),
                   vcltq_f32(x.v[3], zero));
}

inline uint32x4_t uniform_bin(float32x4_t x) {
  return vreinterpretq_u32_f32(vfmaq_n_f32(vdupq_n_f32(UniformBins::shift), x, UniformBins::scale));
}

/// Codes of 16 values, one to a byte, of a format with 16 levels.
template <PointFormat F, Element T>
  requires(bits_of<F> == 4)
inline uint8x16_t codes16(T const* values, float factor) {
  constexpr UniformBins const& bins = uniform_bins_of<F>;
  constexpr PointPlanes const& points = bin_points<F>;
  Four x = scaled(load16(values), factor);
  uint8x16_t sign = vdupq_n_u8(0);
  if constexpr (decides_on_magnitude<F>) {
    sign = vandq_u8(below_zero(x), vdupq_n_u8(8));
    x = magnitudes(x);
  }
  uint8x16_t const at =
      low_bytes(uniform_bin(x.v[0]), uniform_bin(x.v[1]), uniform_bin(x.v[2]), uniform_bin(x.v[3]));
  Four const point = joined(look_up32(points.plane[0], at), look_up32(points.plane[1], at),
                            look_up32(points.plane[2], at), look_up32(points.plane[3], at));
  uint8x16_t const step = vandq_u8(above(x, point), look_up32(bins.step, at));
  return vorrq_u8(vaddq_u8(look_up32(bins.base, at), step), sign);
}

/// The same of an 8-bit map.
template <PointFormat F, Element T>
  requires(bits_of<F> == 8)
inline uint8x16_t codes16(T const* values, float factor) {
  constexpr WideBins const& bins = wide_bins_of<F>;
  Four const x = scaled(load16(values), factor);
  uint8_t below[16];
  float point[16];
  for (int i = 0; i < 4; ++i) {
    uint32x4_t const bits = vreinterpretq_u32_f32(x.v[i]);
    uint32x4_t const magnitude =
        vmaxq_u32(vandq_u32(bits, vdupq_n_u32(0x7FFFFFFF)), vdupq_n_u32(FloatBins::least));
    uint32x4_t const bin = vsubq_u32(vshrq_n_u32(magnitude, WideBins::shift),
                                     vdupq_n_u32(FloatBins::least >> WideBins::shift));
    uint32x4_t const sign = vshlq_n_u32(vshrq_n_u32(bits, 31), WideBins::sign_bit);
    uint32_t at[4];
    vst1q_u32(at, vorrq_u32(vminq_u32(bin, vdupq_n_u32((1u << WideBins::sign_bit) - 1)), sign));
    for (int lane = 0; lane < 4; ++lane) {
      below[4 * i + lane] = bins.base[at[lane]];
      point[4 * i + lane] = qfmt::detail::host_points<F>.below[bins.base[at[lane]]];
    }
  }
  return vsubq_u8(vld1q_u8(below), above(x, load16(point)));
}

/// The same of Int8.
template <stl::same_as<Int8> F, Element T>
inline uint8x16_t codes16(T const* values, float factor) {
  Four const x = scaled(load16(values), factor);
  auto const nearest = [](float32x4_t v) { return vreinterpretq_u32_s32(vcvtnq_s32_f32(v)); };
  return low_bytes(nearest(x.v[0]), nearest(x.v[1]), nearest(x.v[2]), nearest(x.v[3]));
}

template <FormatSpec F, Element T>
inline void encode32(T const* values, float factor, uint8_t* codes) {
  uint8x16_t const a = codes16<F>(values, factor), b = codes16<F>(values + 16, factor);
  if constexpr (bits_of<F> == 8) {
    vst1q_u8(codes, a);
    vst1q_u8(codes + 16, b);
  } else {
    vst1q_u8(codes, vorrq_u8(vshlq_n_u8(vuzp1q_u8(a, b), 4), vuzp2q_u8(a, b)));
  }
}

/// n values of one block.
template <FormatSpec F, Element T>
inline void encode_run(T const* values, int64_t n, float factor, uint8_t* codes) {
  int64_t i = 0;
  for (; i + 32 <= n; i += 32) encode32<F>(values + i, factor, codes + i * bits_of<F> / 8);
  if (i == n) return;
  PaddedValues<32, T> last(values + i, n - i);
  encode32<F>(last.data(), factor, last.codes());
  last.template copy_codes<F>(codes + i * bits_of<F> / 8);
}

/// Codes of `count` ordinary blocks of `length` values (Length, where that is not 0).
template <FormatSpec F, int Length, Element T>
void encode_blocks(T const* values, int64_t count, int64_t length, float const* factors,
                   uint8_t* codes) {
  if constexpr (Length != 0) length = Length;
  for (int64_t b = 0; b < count; ++b, values += length, codes += length * bits_of<F> / 8)
    encode_run<F>(values, length, factors[b], codes);
}

}  // namespace qfmt::inline v0::host::simd::neon

#endif
