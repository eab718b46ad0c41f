// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The rules of the formats once more, written from their description and by other means than the
// library's: in double, by linear scans over published bit patterns, with the C library's rounding.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace oracle {

inline float from_bits(std::uint32_t bits) { return std::bit_cast<float>(bits); }

// --- Published bit patterns
// ------------------------------------------------------------------------

inline constexpr std::array<std::uint32_t, 16> nf4_levels{
    0xBF800000, 0xBF3239B1, 0xBF066B30, 0xBECA32A0, 0xBE91A24D, 0xBE3D353F, 0xBDBA7871, 0x00000000,
    0x3DA2FAFF, 0x3E24CAE3, 0x3E7C04DD, 0x3EAD033A, 0x3EE1A4B8, 0x3F1007AB, 0x3F3913B3, 0x3F800000};

inline constexpr std::array<std::uint32_t, 15> nf4_thresholds{
    0xBF591CD9, 0xBF1C5270, 0xBEEB8480, 0xBEADEA76, 0xBE703CEC, 0xBE0D38BC, 0xBD3A7871, 0x3D22FAFF,
    0x3DF64863, 0x3E5067E0, 0x3E9582D4, 0x3EC753F9, 0x3F006D03, 0x3F248DAF, 0x3F5C89D9};

/// Magnitudes by the low three bits of the code.
inline constexpr std::array<std::uint32_t, 8> fp4_magnitudes{
    0x00000000, 0x3BAAAAAB, 0x3F2AAAAB, 0x3F800000, 0x3EAAAAAB, 0x3F000000, 0x3E2AAAAB, 0x3E800000};

struct Fp4Step {
  std::uint32_t above;  // |x| > this ...
  int code;             // ... takes at least this magnitude
};
inline constexpr std::array<Fp4Step, 7> fp4_steps{{{0x3B2AAAB9, 1},
                                                   {0x3DB00000, 6},
                                                   {0x3E555555, 7},
                                                   {0x3E955555, 4},
                                                   {0x3ED55556, 5},
                                                   {0x3F155550, 2},
                                                   {0x3F555555, 3}}};

// --- One value
// -------------------------------------------------------------------------------------

inline int nf4_code(float x) {
  int code = 0;
  for (auto const t : nf4_thresholds)
    if (static_cast<double>(x) > static_cast<double>(from_bits(t))) ++code;
  return code;
}

inline int fp4_code(float x) {
  if (std::isnan(x)) return 0;
  int code = 0;
  for (auto const& step : fp4_steps)
    if (std::fabs(static_cast<double>(x)) > static_cast<double>(from_bits(step.above)))
      code = step.code;
  return x < 0.f ? code + 8 : code;
}

/// Nearest entry of an ascending map: f32 midpoints, a tie to the even code; NaN takes code 0.
class MapEncoder {
 public:
  explicit MapEncoder(std::array<float, 256> const& map) {
    for (std::size_t i = 0; i < 255; ++i) {
      float volatile const sum = map[i] + map[i + 1];
      midpoint_[i] = sum / 2.f;
    }
  }
  int operator()(float x) const {
    if (std::isnan(x)) return 0;
    auto const at = std::lower_bound(midpoint_.begin(), midpoint_.end(), x);  // first m >= x
    int const code = static_cast<int>(at - midpoint_.begin());
    bool const tie = at != midpoint_.end() && *at == x;
    return tie && code % 2 != 0 ? code + 1 : code;
  }

 private:
  std::array<float, 255> midpoint_{};
};

/// rint(x * (127 / absmax)), ties to even; rint((x / absmax) * 127) where that scale overflows.
inline int int8_code(float x, float absmax) {
  if (absmax == 0.f) return 0;
  float volatile const scale = 127.f / absmax;
  float volatile t = x * scale;
  if (std::isinf(scale)) {
    float volatile const ratio = x / absmax;
    t = ratio * 127.f;
  }
  if (std::isnan(t)) return 0;
  double const rounded = std::nearbyint(static_cast<double>(t));
  return static_cast<int>(std::clamp(rounded, -127.0, 127.0)) & 0xFF;
}

// --- Element types
// ---------------------------------------------------------------------------------

struct Layout {
  int exponent_bits;
  int fraction_bits;
};
inline constexpr Layout binary16{5, 10};
inline constexpr Layout brain16{8, 7};

/// The value of 16 bits, by the definition of the format.
inline double value_of(std::uint16_t bits, Layout layout) {
  int const bias = (1 << (layout.exponent_bits - 1)) - 1;
  int const exponent = (bits & 0x7FFF) >> layout.fraction_bits;
  int const fraction = bits & ((1 << layout.fraction_bits) - 1);
  double const sign = bits & 0x8000 ? -1.0 : 1.0;
  if (exponent == (1 << layout.exponent_bits) - 1)
    return fraction != 0 ? std::numeric_limits<double>::quiet_NaN()
                         : sign * std::numeric_limits<double>::infinity();
  int const places = bias + layout.fraction_bits;
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - places);
  return sign * std::ldexp(fraction + (1 << layout.fraction_bits), exponent - places);
}

/// The 16 bits nearest to x, ties to even; NaN is 7FFF.
inline std::uint16_t nearest_bits(float x, Layout layout) {
  if (std::isnan(x)) return 0x7FFF;
  int const bias = (1 << (layout.exponent_bits - 1)) - 1;
  std::uint16_t const sign = std::signbit(x) ? 0x8000 : 0;
  auto const infinity =
      static_cast<std::uint16_t>(((1 << layout.exponent_bits) - 1) << layout.fraction_bits);
  if (std::isinf(x)) return static_cast<std::uint16_t>(sign | infinity);
  double const magnitude = std::fabs(static_cast<double>(x));
  if (magnitude == 0.0) return sign;
  int const exponent = std::max(std::ilogb(magnitude), 1 - bias);
  // Counted in units of the last place of that exponent; a carry moves to the next one by itself.
  double const units = std::nearbyint(std::ldexp(magnitude, layout.fraction_bits - exponent));
  auto const above_subnormal = static_cast<std::int64_t>(exponent + bias - 1)
                               << layout.fraction_bits;
  std::int64_t const bits = above_subnormal + static_cast<std::int64_t>(units);
  return static_cast<std::uint16_t>(sign | std::min<std::int64_t>(bits, infinity));
}

/// a * b rounded once: the product of two floats is exact in double.
inline float rounded_product(float a, float b) {
  return static_cast<float>(static_cast<double>(a) * static_cast<double>(b));
}

/// Equal bits, or both NaN.
inline bool same(float a, float b) {
  return (std::isnan(a) && std::isnan(b)) ||
         std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

}  // namespace oracle
