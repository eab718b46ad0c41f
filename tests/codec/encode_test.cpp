// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "qfmt/codec/encode.hpp"

#include "qfmt/format/fp4.hpp"
#include "qfmt/format/int8.hpp"
#include "qfmt/format/nf4.hpp"
#include "support/oracle.hpp"
#include "support/sweep.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <bit>

namespace {

using namespace qfmt;

template <class F>
oracle::MapEncoder map_encoder() {
  std::array<float, 256> levels{};
  std::copy_n(F::codebook.level, 256, levels.begin());
  return oracle::MapEncoder(levels);
}

auto const signed_map = map_encoder<Dynamic8>();
auto const unsigned_map = map_encoder<UnsignedDynamic8>();

template <class F>
int expected(float x);
template <>
int expected<NF4>(float x) {
  return oracle::nf4_code(x);
}
template <>
int expected<FP4>(float x) {
  return oracle::fp4_code(x);
}
template <>
int expected<Dynamic8>(float x) {
  return signed_map(x);
}
template <>
int expected<UnsignedDynamic8>(float x) {
  return unsigned_map(x);
}

template <class F>
bool agrees(float x) {
  return encode<F>(x) == expected<F>(x);
}

template <class... Fs>
void sweep_all(std::uint64_t stride) {
  auto const outcome = sweep::floats(stride, [](float x) { return (agrees<Fs>(x) && ...); });
  CHECK(outcome.visited == (std::uint64_t{1} << 32) / stride);
  INFO("bits " << std::hex << outcome.first_failure.value_or(0));
  CHECK_FALSE(outcome.first_failure);
}

template <class F, Element T>
int differences_over_all_halves() {
  int differences = 0;
  for (int bits = 0; bits < 65536; ++bits)
    differences += !agrees<F>(to_float(T::from_bits(static_cast<std::uint16_t>(bits))));
  return differences;
}

/// Scales from the smallest subnormal to the largest float.
std::vector<float> absmax_grid() {
  std::vector<float> grid{0x1p-149f,        0x3p-149f,   0x1.fffffcp-127f, 0x1p-126f,
                          0x1.000002p-126f, 0x1.8p-122f, 0x1.fcp-122f,     0x1.fc0002p-122f,
                          0x1p-121f,        0x1p126f,    0x1.000002p126f,  0x1.fffffep127f};
  for (int e = -148; e < 128; e += 3) grid.push_back(std::ldexp(1.f + 0.37f, e));
  return grid;
}

}  // namespace

TEST_CASE("encode of every half and bfloat16 is the oracle's", "[codec]") {
  CHECK(differences_over_all_halves<NF4, float16>() == 0);
  CHECK(differences_over_all_halves<FP4, float16>() == 0);
  CHECK(differences_over_all_halves<Dynamic8, float16>() == 0);
  CHECK(differences_over_all_halves<UnsignedDynamic8, float16>() == 0);
  CHECK(differences_over_all_halves<NF4, bfloat16>() == 0);
  CHECK(differences_over_all_halves<FP4, bfloat16>() == 0);
  CHECK(differences_over_all_halves<Dynamic8, bfloat16>() == 0);
  CHECK(differences_over_all_halves<UnsignedDynamic8, bfloat16>() == 0);
}

TEST_CASE("encode of 2^26 floats is the oracle's", "[codec]") {
  sweep_all<NF4, FP4, Dynamic8, UnsignedDynamic8>(sweep::ordinary_stride);
}

TEST_CASE("encode of every float is the oracle's", "[.][long]") {
  sweep_all<NF4, FP4, Dynamic8, UnsignedDynamic8>(1);
}

TEST_CASE("the sweep notices one wrong pattern in 2^26", "[codec]") {
  auto const outcome = sweep::floats(sweep::ordinary_stride, [](float x) {
    return std::bit_cast<std::uint32_t>(x) >> 16 != 0x3F12u;
  });
  REQUIRE(outcome.first_failure);
  CHECK(*outcome.first_failure >> 16 == 0x3F12u);
}

TEST_CASE("encode at each decision point and one float to either side", "[codec]") {
  auto const around = [](float t) {
    float const inf = std::numeric_limits<float>::infinity();
    return std::array{std::nextafter(t, -inf), t, std::nextafter(t, inf)};
  };
  for (auto const bits : oracle::nf4_thresholds)
    for (float const x : around(oracle::from_bits(bits))) CHECK(agrees<NF4>(x));
  for (auto const& step : oracle::fp4_steps)
    for (float const sign : {1.f, -1.f})
      for (float const x : around(sign * oracle::from_bits(step.above))) CHECK(agrees<FP4>(x));
  for (int c = 0; c < 255; ++c) {
    float const t = (Dynamic8::codebook.level[c] + Dynamic8::codebook.level[c + 1]) / 2.f;
    for (float const x : around(t)) CHECK(agrees<Dynamic8>(x));
    float const u =
        (UnsignedDynamic8::codebook.level[c] + UnsignedDynamic8::codebook.level[c + 1]) / 2.f;
    for (float const x : around(u)) CHECK(agrees<UnsignedDynamic8>(x));
  }
}

TEST_CASE("Int8 codes over a grid of scales", "[codec]") {
  for (float const absmax : absmax_grid()) {
    for (int i = -2000; i <= 2000; ++i) {
      float const x = absmax * (static_cast<float>(i) / 2000.f);
      INFO("x " << x << " absmax " << absmax);
      REQUIRE(encode<Int8>(x, absmax) == oracle::int8_code(x, absmax));
    }
    for (int q = -127; q <= 127; ++q) {  // halfway between codes, as near as floats come
      float const x = absmax * ((static_cast<float>(q) + 0.5f) / 127.f);
      REQUIRE(encode<Int8>(x, absmax) == oracle::int8_code(x, absmax));
    }
  }
}

TEST_CASE("encode with a scale divides where the reciprocal is no normal number", "[codec]") {
  for (float const absmax : absmax_grid()) {
    for (int i = -1000; i <= 1000; ++i) {
      float const x = absmax * (static_cast<float>(i) / 1000.f);
      float volatile const reciprocal = 1.f / absmax;
      float volatile const product = x * reciprocal;
      float volatile const quotient = x / absmax;
      float const t = absmax < 0x1p-126f || absmax > 0x1p126f ? quotient : product;
      INFO("x " << x << " absmax " << absmax);
      REQUIRE(encode<NF4>(x, absmax) == oracle::nf4_code(t));
      REQUIRE(encode<FP4>(x, absmax) == oracle::fp4_code(t));
      REQUIRE(encode<Dynamic8>(x, absmax) == signed_map(t));
    }
  }
  CHECK(encode<NF4>(0.f, 0.f) == 7);
  CHECK(encode<FP4>(-0.f, 0.f) == 0);
  CHECK(encode<Dynamic8>(0.f, 0.f) == 127);
  CHECK(encode<UnsignedDynamic8>(0.f, 0.f) == 0);
  CHECK(encode<Int8>(0.f, 0.f) == 0);
}

TEST_CASE("NaN takes code 0", "[codec]") {
  for (std::uint32_t const bits : {0x7FC00000u, 0xFFC00000u, 0x7F800001u, 0xFFFFFFFFu}) {
    float const nan = std::bit_cast<float>(bits);
    CHECK(encode<NF4>(nan) == 0);
    CHECK(encode<FP4>(nan) == 0);
    CHECK(encode<Dynamic8>(nan) == 0);
    CHECK(Int8::round(nan) == 0);
  }
}
