// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Double of the library's header of this name: what the instructions compute, in C++. The two
// approximate ones give the correctly rounded result of flushed operands, which is one of those
// that the hardware may give; tests/data/ptx_sm90.json says how often it does.
#pragma once

#include "qfmt/config.hpp"
#include "qfmt/dtype.hpp"

#include <bit>
#include <cmath>

namespace qfmt::inline v0::ptx {

inline uint32_t max_s16x2(uint32_t a, uint32_t b) {
  auto const larger = [](uint32_t x, uint32_t y) -> uint32_t {
    auto const p = static_cast<int16_t>(x & 0xFFFFu), q = static_cast<int16_t>(y & 0xFFFFu);
    return static_cast<uint16_t>(p > q ? p : q);
  };
  return larger(a, b) | larger(a >> 16, b >> 16) << 16;
}

inline float flushed(float a) {
  return std::fpclassify(a) == FP_SUBNORMAL ? std::copysign(0.f, a) : a;
}

inline float reciprocal_rn(float a) { return 1.f / a; }
inline float reciprocal_approx_ftz(float a) { return flushed(1.f / flushed(a)); }
inline float divide_approx_ftz(float a, float b) { return flushed(flushed(a) / flushed(b)); }
inline float mul_ftz(float a, float b) { return flushed(flushed(a) * flushed(b)); }

inline uint32_t to_half2(float low, float high) {
  return float_to_half_bits(low) | static_cast<uint32_t>(float_to_half_bits(high)) << 16;
}
inline uint32_t to_bfloat2(float low, float high) {
  return float_to_bfloat_bits(low) | static_cast<uint32_t>(float_to_bfloat_bits(high)) << 16;
}

}  // namespace qfmt::inline v0::ptx
