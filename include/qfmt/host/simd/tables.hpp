// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Tables for SIMD kernels, worked out at compile time from the scalar codec. An encoder's bins are
// cheap to find and hold at most one decision point each: the code follows from the bin and one
// exact comparison.
#pragma once

#include "qfmt/codec/block_codec.hpp"
#include "qfmt/format/fp4.hpp"
#include "qfmt/format/int8.hpp"

namespace qfmt::inline v0::host::simd {

inline constexpr float infinity = float_from_bits(0x7F800000u);

/// FP4 decides on |x|, and its sign bit is the value's.
template <class F>
inline constexpr bool decides_on_magnitude = stl::same_as<F, FP4>;

/// Formats that carry their decision in decision points alone.
template <class F>
concept PointFormat = CodebookFormat<F> &&
    (decides_on_magnitude<F> || !requires { F::encode(0.f); });

/// What a 4-bit encoder decides by: code[number of points below x], of |x| for FP4.
struct Points16 {
  float below[16];  // ascending, then infinity
  uint8_t code[16];
  bool in_order;
};

namespace detail {

/// The largest float that FP4's encoder does not give more than `rank` magnitudes.
template <class F>
constexpr float magnitude_point(int rank) {
  uint32_t low = 0, high = 0x3F800000u;  // encode(low) is not above, encode(high) is
  uint8_t steps[8]{};
  for (int r = 0; r < 8; ++r) steps[r] = static_cast<uint8_t>(0x32547610u >> (4 * r) & 7u);
  while (high - low > 1) {
    uint32_t const middle = low + (high - low) / 2;
    uint8_t const code = F::encode(float_from_bits(middle));
    int at = 0;
    while (steps[at] != code) ++at;
    (at > rank ? high : low) = middle;
  }
  return float_from_bits(low);
}

template <PointFormat F>
constexpr Points16 points16() {
  Points16 p{};
  if constexpr (decides_on_magnitude<F>) {
    for (int r = 0; r < 16; ++r) {
      p.below[r] = r < 7 ? magnitude_point<F>(r) : infinity;
      p.code[r] = r < 7 ? F::encode(p.below[r]) : F::encode(1.f);
    }
  } else {
    for (int r = 0; r < 16; ++r) {
      p.below[r] = qfmt::detail::host_points<F>.below[r];
      p.code[r] = qfmt::detail::host_points<F>.code[r];
    }
    p.in_order = qfmt::detail::host_points<F>.in_order;
  }
  return p;
}

}  // namespace detail

template <PointFormat F>
inline constexpr Points16 points_of = detail::points16<F>();

/// 32 bins of width 1/15 for values of [-1, 1] and a little beyond: bin(x) = rint(15 x) + 16, the
/// low bits of the float fma(x, 15, 2^23 + 16).
struct UniformBins {
  float point[32];   // the bin's decision point, or infinity
  uint8_t base[32];  // the code below it
  uint8_t step[32];  // what being above it adds, modulo 256
  bool separate;     // no bin holds two points

  static constexpr float scale = 15.f;
  static constexpr float shift = 8388624.f;

  /// 15 x is exact in double, and the sum rounds it once, ties to even, as the float sum does.
  static constexpr int bin(float x) {
    double const shifted = 15.0 * static_cast<double>(x) + 0x1.8p52;
    return static_cast<int>(shifted - 0x1.8p52) + 16;
  }
};

namespace detail {
template <PointFormat F>
constexpr UniformBins uniform_bins() {
  UniformBins bins{};
  bins.separate = true;
  int rank[32]{}, inside[32]{};
  for (float& p : bins.point) p = infinity;
  for (int i = 0; i < 15; ++i) {
    float const p = points_of<F>.below[i];
    if (p > 1.1f) continue;  // above every value
    int const at = p < -1.1f ? -1 : UniformBins::bin(p);
    for (int b = at + 1; b < 32; ++b) ++rank[b];
    if (at < 0) continue;  // below every value
    if (++inside[at] > 1) bins.separate = false;
    bins.point[at] = p;
  }
  for (int b = 0; b < 32; ++b) {
    uint8_t const below = points_of<F>.code[rank[b]];
    uint8_t const above = points_of<F>.code[rank[b] + 1 < 16 ? rank[b] + 1 : 15];
    bins.base[b] = below;
    bins.step[b] = static_cast<uint8_t>(above - below);
  }
  return bins;
}
}  // namespace detail

template <PointFormat F>
inline constexpr UniformBins uniform_bins_of = detail::uniform_bins<F>();

/// Bins of an 8-bit codebook by the bits of |x|: each binade takes as many bits of the fraction as
/// keep its decision points apart. bin = (max(bits, least) >> shift[e]) + offset[e] with e the low
/// five bits of the exponent, which reaches from 2^-31 to 1.
struct FloatBins {
  static constexpr uint32_t least = 96u << 23;
  uint32_t shift[32];
  uint32_t offset[32];
  uint8_t base[2][256];  // by sign: points below every value of the bin
  bool fit;              // 256 bins are enough
};

namespace detail {

/// Points below a value of these bits and sign.
template <PointFormat F>
constexpr int rank_of_bits(uint32_t bits, bool negative) {
  auto const& d = qfmt::detail::host_points<F>;
  float const x = float_from_bits(bits | (negative ? 0x80000000u : 0u));
  int rank = 0;
  for (int step = 128; step > 0; step /= 2)
    if (x > d.below[rank + step - 1]) rank += step;
  return rank;
}

template <PointFormat F>
constexpr bool separates(uint32_t first, int fraction_bits) {
  uint32_t const width = 1u << (23 - fraction_bits);
  for (uint32_t low = first; low < first + (1u << 23); low += width) {
    uint32_t const from = low == FloatBins::least ? 0 : low;  // all that is smaller falls there
    for (bool const negative : {false, true}) {
      int const a = rank_of_bits<F>(from, negative), b = rank_of_bits<F>(low + width - 1, negative);
      if (a - b > 1 || b - a > 1) return false;
    }
  }
  return true;
}

template <PointFormat F>
constexpr FloatBins make_float_bins() {
  FloatBins bins{};
  uint32_t next = 0;
  for (uint32_t e = 96; e < 128; ++e) {
    int bits = 0;
    while (bits < 8 && !separates<F>(e << 23, bits)) ++bits;
    uint32_t const shift = 23u - static_cast<uint32_t>(bits), count = 1u << bits;
    if (bits == 8 || next + count > 256) return bins;
    bins.shift[e % 32] = shift;
    bins.offset[e % 32] = next - ((e << 23) >> shift);
    for (uint32_t b = 0; b < count; ++b) {
      uint32_t const low = (e << 23) + (b << shift), high = low + (1u << shift) - 1;
      uint32_t const from = low == FloatBins::least ? 0 : low;
      bins.base[0][next + b] = static_cast<uint8_t>(rank_of_bits<F>(from, false));
      bins.base[1][next + b] = static_cast<uint8_t>(rank_of_bits<F>(high, true));
    }
    next += count;
  }
  bins.fit = qfmt::detail::host_points<F>.in_order;
  return bins;
}

}  // namespace detail

template <PointFormat F>
inline constexpr FloatBins float_bins_of = detail::make_float_bins<F>();

/// The same bins at one width, 2^-6 of a binade: more of them, found by a shift and a gather.
struct WideBins {
  static constexpr int shift = 17;
  static constexpr int sign_bit = 11;
  uint8_t base[2 * 2048 + 4];  // by sign; a gather reads four bytes
  bool fit;                    // no bin holds two points
};

namespace detail {
template <PointFormat F>
constexpr WideBins make_wide_bins() {
  constexpr FloatBins const& narrow = float_bins_of<F>;
  WideBins bins{};
  bins.fit = narrow.fit;
  for (uint32_t b = 0; b < 2048; ++b) {
    uint32_t const m = FloatBins::least + (b << WideBins::shift), e = (m >> 23) % 32;
    if (narrow.shift[e] < WideBins::shift) bins.fit = false;
    if (!narrow.fit) return bins;
    uint32_t const at = (m >> narrow.shift[e]) + narrow.offset[e];
    bins.base[b] = narrow.base[0][at];
    bins.base[2048 + b] = narrow.base[1][at];
  }
  return bins;
}
}  // namespace detail

template <PointFormat F>
inline constexpr WideBins wide_bins_of = detail::make_wide_bins<F>();

/// 256 floats as four planes of their bytes, which byte permutes look up.
struct BytePlanes {
  alignas(64) uint8_t plane[4][256];

  constexpr BytePlanes() : plane{} {}
  constexpr explicit BytePlanes(float const* values) : plane{} {
    for (int c = 0; c < 256; ++c)
      for (int p = 0; p < 4; ++p)
        plane[p][c] = static_cast<uint8_t>(float_bits(values[c]) >> (8 * p));
  }
};

template <CodebookFormat F>
inline constexpr BytePlanes level_planes = BytePlanes(F::codebook.level);
template <PointFormat F>
inline constexpr BytePlanes point_planes = BytePlanes(qfmt::detail::host_points<F>.below);

}  // namespace qfmt::inline v0::host::simd
