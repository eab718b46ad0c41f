// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// A slow whole-tensor quantizer, written from the documents alone: published tables in hex, linear
// scans, every product stored to a volatile before it is used. It knows nothing of the library.
#pragma once

#include "support/published_dynamic8.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace reference {

enum class Kind { nf4, fp4, int8, dynamic8 };
enum class Type { f32, f16, bf16 };

/// length: values that share a scale, a block's or a row's.
struct Plan {
  Kind kind;
  int64_t length;
  bool nested = false;
};

struct Result {
  std::vector<uint8_t> codes;
  std::vector<float> absmax;         // plain: one per block
  std::vector<uint8_t> inner_codes;  // nested: one per block
  std::vector<float> absmax2;        // nested: one per 256 blocks
  float offset = 0.f;                // nested
};

// --- Arithmetic that nothing can fuse ------------------------------------------------------------

inline float as_float(uint32_t bits) { return std::bit_cast<float>(bits); }
inline uint32_t as_bits(float x) { return std::bit_cast<uint32_t>(x); }

inline float product(float a, float b) {
  float volatile const p = a * b;
  return p;
}
inline float quotient(float a, float b) {
  float volatile const q = a / b;
  return q;
}
inline float sum(float a, float b) {
  float volatile const s = a + b;
  return s;
}

// --- The 16-bit types ----------------------------------------------------------------------------

/// Bits of x rounded to the type, nearest even; NaN gives 7FFF in 16 bits.
inline uint32_t round_to(Type type, float x) {
  if (type == Type::f32) return as_bits(x);
  int const mantissa = type == Type::f16 ? 10 : 7;
  int const least = type == Type::f16 ? -14 : -126;  // exponent of the smallest normal
  uint32_t const infinity = type == Type::f16 ? 0x7C00u : 0x7F80u;
  uint32_t const sign = std::signbit(x) ? 0x8000u : 0u;
  if (std::isnan(x)) return 0x7FFFu;
  if (std::isinf(x)) return sign | infinity;
  if (x == 0.f) return sign;
  int exponent = 0;
  (void)std::frexp(std::fabs(x), &exponent);
  int const binade = std::max(exponent - 1, least);
  double const places = std::nearbyint(std::ldexp(double{std::fabs(x)}, mantissa - binade));
  uint32_t const bits =
      (static_cast<uint32_t>(binade - least) << mantissa) + static_cast<uint32_t>(places);
  return sign | std::min(bits, infinity);
}

/// The value of a type's bits.
inline float widen(Type type, uint32_t bits) {
  if (type == Type::f32) return as_float(bits);
  if (type == Type::bf16) return as_float(bits << 16);
  uint32_t const field = bits >> 10 & 31u;
  auto const fraction = static_cast<float>(bits & 0x3FFu);
  float magnitude = 0.f;
  if (field == 31u) {
    magnitude = fraction == 0.f ? std::numeric_limits<float>::infinity()
                                : std::numeric_limits<float>::quiet_NaN();
  } else if (field == 0u) {
    magnitude = std::ldexp(fraction, -24);
  } else {
    magnitude = std::ldexp(1024.f + fraction, static_cast<int>(field) - 25);
  }
  return (bits & 0x8000u) != 0 ? -magnitude : magnitude;
}

// --- Published tables (bitsandbytes.md 1.2, 1.3, 1.6) --------------------------------------------

inline constexpr std::array<uint32_t, 16> nf4_levels{
    0xBF800000, 0xBF3239B1, 0xBF066B30, 0xBECA32A0, 0xBE91A24D, 0xBE3D353F, 0xBDBA7871, 0x00000000,
    0x3DA2FAFF, 0x3E24CAE3, 0x3E7C04DD, 0x3EAD033A, 0x3EE1A4B8, 0x3F1007AB, 0x3F3913B3, 0x3F800000};
inline constexpr std::array<uint32_t, 15> nf4_thresholds{
    0xBF591CD9, 0xBF1C5270, 0xBEEB8480, 0xBEADEA76, 0xBE703CEC, 0xBE0D38BC, 0xBD3A7871, 0x3D22FAFF,
    0x3DF64863, 0x3E5067E0, 0x3E9582D4, 0x3EC753F9, 0x3F006D03, 0x3F248DAF, 0x3F5C89D9};

inline constexpr std::array<uint32_t, 8> fp4_levels{0x00000000, 0x3BAAAAAB, 0x3F2AAAAB, 0x3F800000,
                                                    0x3EAAAAAB, 0x3F000000, 0x3E2AAAAB, 0x3E800000};
inline constexpr std::array<uint32_t, 7> fp4_thresholds{
    0x3B2AAAB9, 0x3DB00000, 0x3E555555, 0x3E955555, 0x3ED55556, 0x3F155550, 0x3F555555};
inline constexpr std::array<uint8_t, 8> fp4_by_magnitude{0, 1, 6, 7, 4, 5, 2, 3};

inline std::array<float, 256> const dynamic8_levels = [] {
  std::array<float, 256> c{};
  for (size_t k = 0; k < 128; ++k) c[128 + k] = as_float(published_upper_half[k]);
  for (size_t k = 0; k < 127; ++k) c[126 - k] = -as_float(published_upper_half[k]);
  return c;
}();

inline std::array<float, 255> const dynamic8_midpoints = [] {
  std::array<float, 255> m{};
  for (size_t i = 0; i < 255; ++i)
    m[i] = product(sum(dynamic8_levels[i], dynamic8_levels[i + 1]), 0.5f);
  return m;
}();

// --- One value -----------------------------------------------------------------------------------

inline int bits_of(Kind kind) { return kind == Kind::nf4 || kind == Kind::fp4 ? 4 : 8; }

inline uint8_t code_of_zero(Kind kind) {
  return kind == Kind::nf4 ? 7 : kind == Kind::dynamic8 ? 127 : 0;
}

/// The code of a normalised value of a codebook format.
inline uint8_t nearest(Kind kind, float t) {
  int code = 0;
  if (kind == Kind::nf4) {
    for (uint32_t const threshold : nf4_thresholds) code += t > as_float(threshold);
    return static_cast<uint8_t>(code);
  }
  if (kind == Kind::fp4) {
    for (uint32_t const threshold : fp4_thresholds) code += std::fabs(t) > as_float(threshold);
    return static_cast<uint8_t>(fp4_by_magnitude[static_cast<size_t>(code)] + (t < 0.f ? 8 : 0));
  }
  for (size_t i = 0; i < 255; ++i) {  // a tie goes to the even one of i and i + 1
    bool const even_above = i % 2 == 1;
    code += t > dynamic8_midpoints[i] || (even_above && t == dynamic8_midpoints[i]);
  }
  return static_cast<uint8_t>(code);
}

inline uint8_t encode(Kind kind, float x, float absmax) {
  if (absmax == 0.f || !std::isfinite(absmax)) return code_of_zero(kind);
  if (kind == Kind::int8) {
    float const scale = quotient(127.f, absmax);
    float const t = std::isinf(scale) ? product(quotient(x, absmax), 127.f) : product(x, scale);
    return static_cast<uint8_t>(static_cast<int>(std::nearbyint(t)));
  }
  bool const usual = absmax >= 0x1p-126f && absmax <= 0x1p126f;
  return nearest(kind, usual ? product(x, quotient(1.f, absmax)) : quotient(x, absmax));
}

inline float decode(Kind kind, uint8_t code, float absmax) {
  if (kind == Kind::int8)
    return product(product(static_cast<float>(static_cast<int8_t>(code)), absmax),
                   as_float(0x3C010204));
  float level = 0.f;
  if (kind == Kind::nf4) level = as_float(nf4_levels[code]);
  if (kind == Kind::fp4) level = as_float(fp4_levels[code % 8] | (code >= 8 ? 0x80000000u : 0u));
  if (kind == Kind::dynamic8) level = dynamic8_levels[code];
  return product(level, absmax);
}

// --- Whole tensors -------------------------------------------------------------------------------

/// Mean of the finite scales, summed in f64 over a binary tree whose leaves are padded with zeros
/// to a power of two.
inline float mean_of_finite(std::span<float const> absmax) {
  std::vector<double> level(std::bit_ceil(std::max<size_t>(1, absmax.size())), 0.0);
  double count = 0.0;
  for (size_t i = 0; i < absmax.size(); ++i)
    if (std::isfinite(absmax[i])) {
      level[i] = double{absmax[i]};
      count += 1.0;
    }
  for (; level.size() > 1; level.resize(level.size() / 2))
    for (size_t i = 0; i < level.size() / 2; ++i) level[i] = level[2 * i] + level[2 * i + 1];
  return count == 0.0 ? 0.f : static_cast<float>(level[0] / count);
}

inline size_t blocks_of(size_t size, int64_t length) {
  auto const n = static_cast<size_t>(length);
  return size == 0 ? 0 : (size - 1) / n + 1;
}

inline Result quantize(Plan plan, std::span<float const> values) {
  Result r;
  auto const length = static_cast<size_t>(plan.length);
  std::vector<uint8_t> codes;
  codes.reserve(values.size() + 1);
  for (size_t first = 0; first < values.size(); first += length) {
    auto const block = values.subspan(first, std::min(length, values.size() - first));
    float absmax = 0.f;
    bool finite = true;
    for (float const x : block) {
      finite = finite && std::isfinite(x);
      absmax = std::max(absmax, std::fabs(x));
    }
    if (!finite) absmax = std::numeric_limits<float>::quiet_NaN();
    r.absmax.push_back(absmax);
    for (float const x : block) codes.push_back(encode(plan.kind, x, absmax));
  }
  if (bits_of(plan.kind) == 8) {
    r.codes = codes;
  } else {
    if (codes.size() % 2 != 0) codes.push_back(code_of_zero(plan.kind));
    for (size_t i = 0; i < codes.size(); i += 2)
      r.codes.push_back(static_cast<uint8_t>(codes[i] * 16 + codes[i + 1]));
  }
  if (plan.nested) {
    r.offset = mean_of_finite(r.absmax);
    std::vector<float> centred;
    for (float const a : r.absmax) centred.push_back(sum(a, -r.offset));
    Result const inner = quantize({Kind::dynamic8, 256}, centred);
    r.inner_codes = inner.codes;
    r.absmax2 = inner.absmax;
    r.absmax.clear();
  }
  return r;
}

/// f32 values; size: how many.
inline std::vector<float> dequantize(Plan plan, Result const& in, size_t size) {
  std::vector<float> absmax = in.absmax;
  if (plan.nested) {
    absmax.clear();
    for (size_t b = 0; b < in.inner_codes.size(); ++b)
      absmax.push_back(
          sum(product(dynamic8_levels[in.inner_codes[b]], in.absmax2[b / 256]), in.offset));
  }
  std::vector<float> values(size);
  for (size_t i = 0; i < size; ++i) {
    uint8_t code = 0;
    if (bits_of(plan.kind) == 8) {
      code = in.codes[i];
    } else {
      code = i % 2 == 0 ? in.codes[i / 2] / 16 : in.codes[i / 2] % 16;
    }
    values[i] = decode(plan.kind, code, absmax[i / static_cast<size_t>(plan.length)]);
  }
  return values;
}

}  // namespace reference
