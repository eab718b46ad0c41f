// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "qfmt/arithmetic.hpp"

#include "support/sweep.hpp"

#include <catch2/catch_test_macros.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

namespace {

using namespace qfmt;

constexpr int samples = sweep::sanitized ? 50000 : 500000;
constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();

/// Any finite float, each exponent as likely as another.
float any_float(std::mt19937& random) {
  for (;;) {
    float const x = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (std::isfinite(x)) return x;
  }
}

}  // namespace

TEST_CASE("finite and zero are told by the bits", "[arithmetic]") {
  for (float const x : {0.f, -0.f, 1e-45f, -1.f, 3.4028235e38f, -3.4028235e38f}) {
    CHECK(is_finite(x));
    CHECK(is_zero(x) == (x == 0.f));
  }
  for (float const x : {inf, -inf, nan_value, -nan_value, std::bit_cast<float>(0x7F800001u)}) {
    CHECK_FALSE(is_finite(x));
    CHECK_FALSE(is_zero(x));
  }
  CHECK_FALSE(is_finite(float_from_bits(canonical_nan_bits)));
}

TEST_CASE("a product before a sum is rounded", "[arithmetic]") {
  std::mt19937 random(1);
  int fused_differs = 0;
  for (int i = 0; i < samples; ++i) {
    std::uniform_real_distribution<float> uniform(-2.f, 2.f);
    float const a = uniform(random), b = uniform(random), c = uniform(random);
    auto const product = static_cast<float>(static_cast<double>(a) * static_cast<double>(b));
    // The sum of two floats of like size is exact in double.
    auto const expected = static_cast<float>(static_cast<double>(product) + static_cast<double>(c));
    REQUIRE(exact::mul_then_add(a, b, c) == expected);
    fused_differs += std::fma(a, b, c) != expected;
  }
  CHECK(fused_differs > samples / 10);  // the data tells one rounding from two
}

TEST_CASE("products and quotients are rounded to nearest, subnormal results too", "[arithmetic]") {
  std::mt19937 random(2);
  for (int i = 0; i < samples; ++i) {
    float const a = any_float(random), b = any_float(random);
    auto const product = static_cast<float>(static_cast<double>(a) * static_cast<double>(b));
    REQUIRE(std::bit_cast<std::uint32_t>(exact::mul(a, b)) ==
            std::bit_cast<std::uint32_t>(product));
    if (b == 0.f) continue;
    // A quotient of floats rounds to the same float through double: 53 >= 2 * 24 + 2. Subnormal
    // results have fewer places, so the argument holds for them as well.
    auto const quotient = static_cast<float>(static_cast<double>(a) / static_cast<double>(b));
    REQUIRE(std::bit_cast<std::uint32_t>(exact::div(a, b)) ==
            std::bit_cast<std::uint32_t>(quotient));
  }
}

TEST_CASE("integers are rounded to nearest, ties to even", "[arithmetic]") {
  for (int i = -1000; i <= 1000; ++i)
    for (float const near : {-.5f, 0.f, .5f}) {
      float const x = static_cast<float>(i) + near;
      for (float const y : {x, std::nextafter(x, inf), std::nextafter(x, -inf)})
        REQUIRE(exact::round_to_int(y) == static_cast<int>(std::nearbyint(y)));
    }
  CHECK(exact::round_to_int(0x1p22f) == 1 << 22);
  CHECK(exact::round_to_int(-0x1p22f) == -(1 << 22));
  CHECK(exact::round_to_int(1e-45f) == 0);
}

TEST_CASE("constant evaluation gives the bits of run time", "[arithmetic]") {
  constexpr float a = 0x1.234568p-3f, b = 0x1.fedcbap+1f, c = -0x1.22p-1f;
  constexpr float folded[]{exact::mul(a, b), exact::div(a, b), exact::sub(a, b),
                           exact::mul_then_add(a, b, c), exact::rounded(a)};
  float volatile x = a, y = b, z = c;
  CHECK(folded[0] == exact::mul(x, y));
  CHECK(folded[1] == exact::div(x, y));
  CHECK(folded[2] == exact::sub(x, y));
  CHECK(folded[3] == exact::mul_then_add(x, y, z));
  CHECK(folded[4] == x);
  STATIC_CHECK(exact::round_to_int(2.5f) == 2);
  STATIC_CHECK(exact::greater(b, a));
  STATIC_CHECK_FALSE(exact::greater(a, a));
}

TEST_CASE("NaN is greater than nothing and nothing is greater than NaN", "[arithmetic]") {
  for (float const x : {0.f, -inf, inf, nan_value}) {
    CHECK_FALSE(exact::greater(nan_value, x));
    CHECK_FALSE(exact::greater(x, nan_value));
  }
}
