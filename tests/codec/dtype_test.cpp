// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "qfmt/dtype.hpp"

#include "support/oracle.hpp"
#include "support/sweep.hpp"

#include <catch2/catch_test_macros.hpp>

#include <bit>
#include <cmath>

namespace {

using namespace qfmt;

bool widens(std::uint16_t bits) {
  auto const equal = [](float ours, double theirs) {
    return std::isnan(theirs) ? std::isnan(ours) : oracle::same(ours, static_cast<float>(theirs));
  };
  return equal(to_float(float16::from_bits(bits)), oracle::value_of(bits, oracle::binary16)) &&
         equal(to_float(bfloat16::from_bits(bits)), oracle::value_of(bits, oracle::brain16));
}

bool narrows(float x) {
  return float16(x).bits == oracle::nearest_bits(x, oracle::binary16) &&
         bfloat16(x).bits == oracle::nearest_bits(x, oracle::brain16);
}

void sweep_narrowing(std::uint64_t stride) {
  auto const outcome = sweep::floats(stride, narrows);
  CHECK(outcome.visited == (std::uint64_t{1} << 32) / stride);
  INFO("bits " << std::hex << outcome.first_failure.value_or(0));
  CHECK_FALSE(outcome.first_failure);
}

}  // namespace

TEST_CASE("every half and bfloat16 widens to its value", "[codec]") {
  for (int bits = 0; bits < 65536; ++bits) {
    INFO("bits " << std::hex << bits);
    REQUIRE(widens(static_cast<std::uint16_t>(bits)));
  }
}

TEST_CASE("2^26 floats narrow to the nearest half and bfloat16", "[codec]") {
  sweep_narrowing(sweep::ordinary_stride);
}

TEST_CASE("every float narrows to the nearest half and bfloat16", "[.][long]") {
  sweep_narrowing(1);
}

TEST_CASE("narrowing at halfway points, subnormals and the edges of the range", "[codec]") {
  for (int bits = 0; bits < 65536; ++bits) {
    for (auto const layout : {oracle::binary16, oracle::brain16}) {
      double const a = oracle::value_of(static_cast<std::uint16_t>(bits), layout);
      double const b = oracle::value_of(static_cast<std::uint16_t>(bits + 1), layout);
      if (!std::isfinite(a) || !std::isfinite(b)) continue;
      float const halfway = static_cast<float>((a + b) / 2.0);
      float const inf = std::numeric_limits<float>::infinity();
      for (float const x : {halfway, std::nextafter(halfway, inf), std::nextafter(halfway, -inf)}) {
        INFO("x " << x);
        REQUIRE(narrows(x));
      }
    }
  }
  CHECK(float16(65519.996f).bits == 0x7BFF);
  CHECK(float16(65520.f).bits == 0x7C00);
}

TEST_CASE("magnitude bits order as magnitudes do, with NaN on top", "[codec]") {
  CHECK(magnitude_bits(-2.f) > magnitude_bits(1.f));
  CHECK(magnitude_bits(-0.f) == magnitude_bits(0.f));
  CHECK(magnitude_bits(std::bit_cast<float>(0xFF800001u)) > infinity_bits<float>());
  CHECK(magnitude_bits(float16(-65504.f)) < infinity_bits<float16>());
  CHECK(magnitude_bits(float16::from_bits(0xFC01)) > infinity_bits<float16>());
  CHECK(magnitude_bits(bfloat16(-0x1.fep127f)) < infinity_bits<bfloat16>());
  CHECK(magnitude_bits(bfloat16::from_bits(0xFF81)) > infinity_bits<bfloat16>());
}
