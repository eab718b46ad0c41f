// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "qfmt/codec/block_codec.hpp"

#include "qfmt/format/fp4.hpp"
#include "qfmt/format/int8.hpp"
#include "qfmt/format/nf4.hpp"
#include "support/oracle.hpp"

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace {

using namespace qfmt;

constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();

int code_in(std::vector<std::uint8_t> const& bytes, int bits, int i) {
  std::uint8_t const byte = bytes[static_cast<std::size_t>(bits == 4 ? i / 2 : i)];
  if (bits == 8) return byte;
  return i % 2 == 0 ? byte / 16 : byte % 16;
}

template <class F>
std::vector<std::uint8_t> encoded(std::vector<float> const& values, float absmax) {
  std::vector<std::uint8_t> bytes((values.size() * bits_of<F> + 7) / 8, 0xEE);
  encode_block<F>(values.data(), static_cast<std::int64_t>(values.size()), absmax, bytes.data());
  return bytes;
}

float largest(std::vector<float> const& values) {
  float most = 0.f;
  for (float const x : values) most = std::max(most, std::fabs(x));
  return most;
}

}  // namespace

TEMPLATE_TEST_CASE("a block's codes are those of its values one by one", "[codec]", NF4, FP4, Int8,
                   Dynamic8, UnsignedDynamic8) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  for (int const e : {-149, -140, -127, -126, -125, -121, -60, 0, 60, 120, 125, 126, 127}) {
    for (int const n : {1, 2, 3, 15, 16, 63, 64, 65, 127, 128, 129, 4095, 4096}) {
      std::vector<float> values(static_cast<std::size_t>(n));
      for (float& x : values)
        x = std::ldexp(std::fmin(std::fabs(normal(random)), 1.99f), e) *
            (random() % 2 ? 1.f : -1.f);
      float const absmax = block_absmax(values.data(), n);
      REQUIRE(absmax == largest(values));
      auto const bytes = encoded<TestType>(values, absmax);
      for (int i = 0; i < n; ++i) {
        INFO("2^" << e << " n " << n << " i " << i << " x " << values[std::size_t(i)]);
        REQUIRE(code_in(bytes, bits_of<TestType>, i) ==
                encode<TestType>(values[static_cast<std::size_t>(i)], absmax));
      }
      if (bits_of<TestType> == 4 && n % 2 != 0)
        REQUIRE(code_in(bytes, 4, n) == encode<TestType>(0.f, 1.f));
    }
  }
}

TEMPLATE_TEST_CASE("zero, NaN and infinite blocks", "[codec]", NF4, FP4, Int8, Dynamic8) {
  int const zero = encode<TestType>(0.f, 1.f);
  for (int const n : {1, 7, 64, 65}) {
    for (float const fill : {0.f, -0.f}) {
      std::vector<float> const values(static_cast<std::size_t>(n), fill);
      float const absmax = block_absmax(values.data(), n);
      CHECK(float_bits(absmax) == 0u);
      auto const bytes = encoded<TestType>(values, absmax);
      for (int i = 0; i < n; ++i) CHECK(code_in(bytes, bits_of<TestType>, i) == zero);
    }
    for (float const bad : {nan_value, -nan_value, inf, -inf}) {
      for (int const at : {0, n / 2, n - 1}) {
        std::vector<float> values(static_cast<std::size_t>(n), 1.5f);
        values[static_cast<std::size_t>(at)] = bad;
        float const absmax = block_absmax(values.data(), n);
        CHECK(float_bits(absmax) == canonical_nan_bits);
        CHECK(first_non_finite(values.data(), n) == at);
        auto const bytes = encoded<TestType>(values, absmax);
        for (int i = 0; i < n; ++i) {
          int const code = code_in(bytes, bits_of<TestType>, i);
          CHECK(code == zero);
          CHECK(std::isnan(decode<TestType>(static_cast<std::uint8_t>(code), absmax)));
        }
      }
    }
  }
}

TEST_CASE("absmax is exact in every element type", "[codec]") {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<float16> halves(1 + random() % 300);
    std::vector<bfloat16> brains(halves.size());
    float most_half = 0.f, most_brain = 0.f;
    for (std::size_t i = 0; i < halves.size(); ++i) {
      auto const bits = static_cast<std::uint16_t>(random());
      bool const finite = (bits & 0x7C00) != 0x7C00 && (bits & 0x7F80) != 0x7F80;
      halves[i] = float16::from_bits(finite ? bits : 0x8001);
      brains[i] = bfloat16::from_bits(finite ? bits : 0x8001);
      most_half = std::max(most_half, std::fabs(float(halves[i])));
      most_brain = std::max(most_brain, std::fabs(float(brains[i])));
    }
    auto const n = static_cast<std::int64_t>(halves.size());
    REQUIRE(block_absmax(halves.data(), n) == most_half);
    REQUIRE(block_absmax(brains.data(), n) == most_brain);
    halves.back() = float16::from_bits(0xFC00);
    brains.back() = bfloat16::from_bits(0x7F81);
    REQUIRE(std::isnan(block_absmax(halves.data(), n)));
    REQUIRE(std::isnan(block_absmax(brains.data(), n)));
  }
}

TEST_CASE("the codecs work in constant expressions and give the golden vectors", "[codec]") {
  // bitsandbytes' rules for x = (i - 32) / 32, i = 0 .. 63, absmax 1.
  constexpr auto ramp = [] {
    std::array<float, 64> x{};
    for (int i = 0; i < 64; ++i) x[std::size_t(i)] = static_cast<float>(i - 32) / 32.f;
    return x;
  }();
  constexpr auto nf4 = [ramp] {
    std::array<std::uint8_t, 32> bytes{};
    encode_block<NF4>(ramp.data(), 64, block_absmax(ramp.data(), 64), bytes.data());
    return bytes;
  }();
  constexpr auto fp4 = [ramp] {
    std::array<std::uint8_t, 32> bytes{};
    encode_block<FP4>(ramp.data(), 64, block_absmax(ramp.data(), 64), bytes.data());
    return bytes;
  }();
  auto const hex = [](auto const& bytes) {
    std::string text;
    for (auto const byte : bytes) {
      text += "0123456789ABCDEF"[byte / 16];
      text += "0123456789ABCDEF"[byte % 16];
    }
    return text;
  };
  CHECK(hex(nf4) == "000001111111122222333344455566677788999AAABBBCCCCDDDDEEEEEEEFFFF");
  CHECK(hex(fp4) == "BBBBBBAAAAAAAADDDDDCCCCFFFEEEE9901166667774444555552222222233333");
}
