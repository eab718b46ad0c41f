// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// FP4, FP8 and E8M0 numbers against the CUDA Toolkit's own conversions, on every code and every
// 16-bit input; where there is no toolkit, against a table worked out in double.
#include "qfmt/format/small_floats.hpp"

#include "support/small_floats.hpp"

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <cmath>
#include <random>
#include <vector>

#if __has_include(<cuda_fp4.h>)
#include <cuda_fp4.h>
#include <cuda_fp8.h>
#define QFMT_TEST_HAS_CUDA_FP4
#endif

namespace {

using namespace qfmt;

/// Every float16 and every bfloat16, NaN and infinities included, and a million other floats.
std::vector<float> inputs() {
  std::vector<float> values;
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    values.push_back(half_bits_to_float(static_cast<std::uint16_t>(bits)));
    values.push_back(bfloat_bits_to_float(static_cast<std::uint16_t>(bits)));
  }
  std::mt19937 random(1);
  for (int i = 0; i < 1000000; ++i) values.push_back(float_from_bits(random()));
  return values;
}

template <class Number>
struct Spec;
template <>
struct Spec<E2M1> {
  static constexpr small_floats::Layout layout{2, 1, 1, 7, false};
};
template <>
struct Spec<E4M3> {
  static constexpr small_floats::Layout layout{4, 3, 7, 0x7E, false};
};
template <>
struct Spec<E5M2> {
  static constexpr small_floats::Layout layout{5, 2, 15, 0x7B, true};
};

}  // namespace

TEMPLATE_TEST_CASE("small floats: every code by the definition", "[format]", E2M1, E4M3, E5M2) {
  for (int code = 0; code < 1 << TestType::bits; ++code) {
    float const value = TestType::decode(static_cast<std::uint8_t>(code));
    double const expected = small_floats::value(Spec<TestType>::layout, code);
    INFO("code " << code << " " << value << " " << expected);
    if (std::isnan(expected)) {
      CHECK(float_bits(value) == canonical_nan_bits);
    } else {
      CHECK(double{value} == expected);
      CHECK(std::signbit(value) == std::signbit(expected));
      CHECK((std::isinf(expected) || TestType::encode(value) == code));
    }
  }
}

TEMPLATE_TEST_CASE("small floats: every 16-bit input to the nearest", "[format]", E2M1, E4M3,
                   E5M2) {
  for (float const x : inputs())
    if (int const code = TestType::encode(x);
        code != small_floats::nearest(Spec<TestType>::layout, x))
      FAIL_CHECK("x " << x << " code " << code);
}

TEST_CASE("E8M0: every code, and the power of two below", "[format]") {
  for (int code = 0; code < 255; ++code)
    CHECK(double{E8M0::decode(static_cast<std::uint8_t>(code))} == std::ldexp(1.0, code - 127));
  CHECK(float_bits(E8M0::decode(255)) == canonical_nan_bits);
  for (float const x : inputs()) {
    if (!(x >= 0.f) || std::isinf(x)) continue;
    int const code = E8M0::encode_floor(x);
    double const power = std::ldexp(1.0, code - 127);
    if (!(code == 0 ? double{x} < 2 * power : power <= x && double{x} < 2 * power))
      FAIL_CHECK("x " << x << " code " << code);
  }
}

#if defined(QFMT_TEST_HAS_CUDA_FP4)

TEST_CASE("small floats: the CUDA Toolkit's own conversions", "[format]") {
  for (float const x : inputs()) {
    bool const same =
        E2M1::encode(x) == __nv_cvt_float_to_fp4(x, __NV_E2M1, cudaRoundNearest) &&
        (x != x || E4M3::encode(x) == __nv_cvt_float_to_fp8(x, __NV_SATFINITE, __NV_E4M3)) &&
        (x != x || E5M2::encode(x) == __nv_cvt_float_to_fp8(x, __NV_SATFINITE, __NV_E5M2));
    if (!same) FAIL_CHECK("x " << x << " bits " << float_bits(x));
  }
  for (int i = 0; i < 256; ++i) {
    auto const code = static_cast<std::uint8_t>(i);
    auto const as_float = [](__half_raw h) { return half_bits_to_float(h.x); };
    auto const same = [](float a, float b) { return a == b || (a != a && b != b); };
    CHECK(same(E4M3::decode(code), as_float(__nv_cvt_fp8_to_halfraw(code, __NV_E4M3))));
    CHECK(same(E5M2::decode(code), as_float(__nv_cvt_fp8_to_halfraw(code, __NV_E5M2))));
    if (i < 16) CHECK(same(E2M1::decode(code), as_float(__nv_cvt_fp4_to_halfraw(code, __NV_E2M1))));
    CHECK(same(E8M0::decode(code), bfloat_bits_to_float(__nv_cvt_e8m0_to_bf16raw(code).x)));
  }
  for (float const x : inputs())
    if (x > 0.f && is_finite(x) &&
        E8M0::encode_floor(x) != __nv_cvt_float_to_e8m0(x, __NV_SATFINITE, cudaRoundZero))
      FAIL_CHECK("x " << x);
}

#endif
