// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// x * (1 / absmax) and x / absmax fall on different sides of a decision point now and then. Which
// of the two the rule asks for, and where it changes over, shows only in values right there.
#include "qfmt/codec/block_codec.hpp"
#include "qfmt/format/fp4.hpp"
#include "qfmt/format/int8.hpp"
#include "qfmt/format/nf4.hpp"
#include "support/oracle.hpp"
#include "support/sweep.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace {

using namespace qfmt;

float product(float x, float absmax) {
  float volatile const reciprocal = 1.f / absmax;
  float volatile const t = x * reciprocal;
  return t;
}
float quotient(float x, float absmax) {
  float volatile const t = x / absmax;
  return t;
}

/// Scales [first, last] by their bits, both ends included.
struct Band {
  char const* name;
  std::uint32_t first, last;
  bool divides;
};
constexpr std::array bands{Band{"subnormal", 0x00000001, 0x003FFFFF, true},
                           Band{"the largest subnormals", 0x00400000, 0x007FFFFF, true},
                           Band{"from 2^-126", 0x00800000, 0x00FFFFFF, false},
                           Band{"around 1", 0x3F000000, 0x3FFFFFFF, false},
                           Band{"up to 2^126", 0x7E000000, 0x7E800000, false},
                           Band{"just above 2^126", 0x7E800001, 0x7EFFFFFF, true},
                           Band{"the largest", 0x7F000000, 0x7F7FFFFF, true}};

std::vector<float> scales_of(Band const& band) {
  constexpr std::uint64_t count = sweep::sanitized ? 200 : 2000;
  std::vector<float> scales;
  for (std::uint64_t i = 0; i <= count; ++i) {
    std::uint64_t const step = std::uint64_t{band.last - band.first} * i / count;
    scales.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(band.first + step)));
  }
  return scales;
}

/// The values at point * absmax and one float to either side, as far as absmax goes.
std::vector<float> values_at(float point, float absmax) {
  float const inf = std::numeric_limits<float>::infinity();
  auto const x = static_cast<float>(static_cast<double>(point) * static_cast<double>(absmax));
  std::vector<float> values{x, std::nextafter(x, inf), std::nextafter(x, -inf)};
  std::erase_if(values, [=](float y) { return std::fabs(y) > absmax; });
  return values;
}

/// Codes of values right at the decision points, one by one and as a block; how often the other
/// way to scale would have given another code.
template <class F, class Expected>
int check_band(Band const& band, std::vector<float> const& points, Expected const& expected) {
  int other_way_differs = 0;
  for (float const absmax : scales_of(band)) {
    std::vector<float> block;
    for (float const point : points)
      for (float const x : values_at(point, absmax)) block.push_back(x);
    std::vector<std::uint8_t> bytes(block.size());
    auto const n = static_cast<std::int64_t>(block.size());
    encode_block<F>(block.data(), n, absmax, bytes.data());
    for (std::size_t i = 0; i < block.size(); ++i) {
      float const x = block[i];
      int const divided = expected(quotient(x, absmax)), multiplied = expected(product(x, absmax));
      int const wanted = band.divides ? divided : multiplied;
      int const stored = code_at<bits_of<F>>(bytes.data(), static_cast<std::int64_t>(i));
      if (encode<F>(x, absmax) != wanted || stored != wanted)
        FAIL(band.name << ": absmax " << absmax << " x " << x << " stored " << stored
                       << ", expected " << wanted);
      other_way_differs += divided != multiplied;
    }
  }
  return other_way_differs;
}

std::vector<float> map_points() {
  std::vector<float> points;
  for (int c = 0; c < 255; ++c)
    points.push_back((Dynamic8::codebook.level[c] + Dynamic8::codebook.level[c + 1]) / 2.f);
  return points;
}

}  // namespace

TEST_CASE("NF4 multiplies or divides at its decision points as the rule says", "[codec]") {
  std::vector<float> points;
  for (auto const bits : oracle::nf4_thresholds) points.push_back(oracle::from_bits(bits));
  for (Band const& band : bands)
    CHECK(check_band<NF4>(band, points, [](float t) { return oracle::nf4_code(t); }) > 0);
}

TEST_CASE("FP4 multiplies or divides at its decision points as the rule says", "[codec]") {
  std::vector<float> points;
  for (auto const& step : oracle::fp4_steps)
    for (float const sign : {1.f, -1.f}) points.push_back(sign * oracle::from_bits(step.above));
  for (Band const& band : bands)
    CHECK(check_band<FP4>(band, points, [](float t) { return oracle::fp4_code(t); }) > 0);
}

TEST_CASE("Dynamic8 multiplies or divides at its decision points as the rule says", "[codec]") {
  std::array<float, 256> levels{};
  std::copy_n(Dynamic8::codebook.level, 256, levels.begin());
  oracle::MapEncoder const nearest(levels);
  auto const points = map_points();
  for (Band const& band : bands) CHECK(check_band<Dynamic8>(band, points, nearest) > 0);
}

TEST_CASE("Int8 scales by 127/absmax while that is finite, and divides below", "[codec]") {
  std::vector<float> halves;
  for (int k = -127; k < 127; ++k) halves.push_back((static_cast<float>(k) + .5f) / 127.f);
  // 127/absmax overflows where absmax < 127 * 2^-128, about: 0x1.fcp-122.
  float const edge = 0x1.fcp-122f;
  std::vector<float> scales{edge, 0x1p-126f, 0x1p-149f, 0x1p-121f, 1.f, 3.4e38f};
  float below = edge, above = edge;
  for (int i = 0; i < 200; ++i) {
    scales.push_back(below = std::nextafter(below, 0.f));
    scales.push_back(above = std::nextafter(above, 1.f));
  }
  bool overflows = false, fits = false;
  for (float const absmax : scales) {
    float volatile const scale = 127.f / absmax;
    overflows |= std::isinf(scale);
    fits |= !std::isinf(scale);
    std::vector<float> block;
    for (float const point : halves)
      for (float const x : values_at(point, absmax)) block.push_back(x);
    std::vector<std::uint8_t> bytes(block.size());
    encode_block<Int8>(block.data(), static_cast<std::int64_t>(block.size()), absmax, bytes.data());
    for (std::size_t i = 0; i < block.size(); ++i) {
      INFO("absmax " << absmax << " x " << block[i]);
      REQUIRE(bytes[i] == oracle::int8_code(block[i], absmax));
      REQUIRE(encode<Int8>(block[i], absmax) == bytes[i]);
    }
  }
  CHECK(overflows);
  CHECK(fits);
}
