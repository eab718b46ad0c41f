// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "qfmt/codec/decode.hpp"

#include "qfmt/codec/block_codec.hpp"
#include "qfmt/format/fp4.hpp"
#include "qfmt/format/int8.hpp"
#include "qfmt/format/nf4.hpp"
#include "support/oracle.hpp"

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace {

using namespace qfmt;

std::vector<float> absmax_grid() {
  std::vector<float> grid{
      0.f, 0x1p-149f, 0x1.fffffcp-127f, 0x1p-126f,       0x1p126f, 0x1.fffffep127f,
      1.f, 0.75f,     0x1.2p-14f,       0x1.000002p-24f, 65504.f,  65520.f};
  for (int e = -149; e < 128; ++e)
    for (float const m : {1.f, 1.37f, 1.999f}) grid.push_back(std::ldexp(m, e));
  return grid;
}

struct Eight {
  static constexpr Codebook codebook{-1.f, -.5f, -.25f, 0.f, .25f, .5f, .75f, 1.f};
};

float level_of(NF4, int code) { return oracle::from_bits(oracle::nf4_levels[std::size_t(code)]); }
float level_of(FP4, int code) {
  float const m = oracle::from_bits(oracle::fp4_magnitudes[std::size_t(code % 8)]);
  return code >= 8 ? -m : m;
}
float level_of(Dynamic8, int code) { return Dynamic8::codebook.level[code]; }

template <class F>
float expected(int code, float absmax) {
  if constexpr (std::same_as<F, Int8>) {
    float const q = static_cast<float>(code < 128 ? code : code - 256);
    return oracle::rounded_product(oracle::rounded_product(q, absmax),
                                   oracle::from_bits(0x3C010204));
  } else {
    return oracle::rounded_product(level_of(F{}, code), absmax);
  }
}

template <class F, class T>
T rounded(float x) {
  if constexpr (std::same_as<T, float>) {
    return x;
  } else {
    auto const layout = std::same_as<T, float16> ? oracle::binary16 : oracle::brain16;
    return T::from_bits(oracle::nearest_bits(x, layout));
  }
}

template <class F, class T>
int differences() {
  constexpr int codes = 1 << bits_of<F>;
  int differences = 0;
  for (float const absmax : absmax_grid()) {
    for (int c = 0; c < codes; ++c) {
      float const value = decode<F>(static_cast<std::uint8_t>(c), absmax);
      differences += !oracle::same(value, expected<F>(c, absmax));
      // The block form, which rounds a table of 16 rather than every value.
      std::uint8_t const byte = static_cast<std::uint8_t>(bits_of<F> == 4 ? c * 17 : c);
      T out[2]{};
      decode_codes<bits_of<F>>(
          &byte, bits_of<F> == 4 ? 2 : 1, [=](std::uint8_t k) { return decode<F>(k, absmax); },
          out);
      if (bits_of<F> == 8) out[1] = out[0];
      T const wanted = rounded<F, T>(expected<F>(c, absmax));
      for (T const x : out) differences += std::memcmp(&x, &wanted, sizeof(T)) != 0;
    }
  }
  return differences;
}

}  // namespace

TEMPLATE_TEST_CASE("every code times a grid of scales decodes as specified", "[codec]", NF4, FP4,
                   Int8, Dynamic8) {
  CHECK(differences<TestType, float>() == 0);
  CHECK(differences<TestType, float16>() == 0);
  CHECK(differences<TestType, bfloat16>() == 0);
}

TEST_CASE("FP4 keeps the sign of its second zero", "[codec]") {
  CHECK(float_bits(decode<FP4>(8, 1.f)) == 0x80000000u);
  CHECK(float_bits(decode<FP4>(0, 1.f)) == 0u);
}

TEST_CASE("a scale of NaN decodes to NaN, whatever the code", "[codec]") {
  float const nan = std::numeric_limits<float>::quiet_NaN();
  for (int c = 0; c < 256; ++c) {
    CHECK(std::isnan(decode<Int8>(static_cast<std::uint8_t>(c), nan)));
    CHECK(std::isnan(decode<Dynamic8>(static_cast<std::uint8_t>(c), nan)));
    if (c < 16) CHECK(std::isnan(decode<NF4>(static_cast<std::uint8_t>(c), nan)));
  }
}

TEST_CASE("codes beyond a short table decode to NaN", "[codec]") {
  CHECK(Eight::codebook.count == 8);
  for (int c = 8; c < 16; ++c) CHECK(std::isnan(Eight::codebook.level[c]));
}

TEST_CASE("nested scales round twice and read the stored map", "[codec]") {
  using S = Scheme<Format<NF4>, DoubleQuant<true>>;
  std::uint8_t codes[32]{}, inner[1]{};
  std::vector<float> stored(256);
  for (float const absmax2 : {0.1f, 0x1.abcdep-9f, 3.3333f, 0x1p-130f}) {
    for (float const offset : {0.0123f, 0x1.23456p-3f, 1.f / 3.f}) {
      for (int c = 0; c < 256; ++c) {
        inner[0] = static_cast<std::uint8_t>(c);
        stored[static_cast<std::size_t>(c)] = std::sin(static_cast<float>(c));
        for (float const* map :
             {static_cast<float const*>(nullptr), const_cast<float const*>(stored.data())}) {
          QuantizedSpan<S const> view{codes, {{inner, {&absmax2, map}, 1}, &offset}, 64};
          float const level = map != nullptr ? map[c] : Dynamic8::codebook.level[c];
          double const exact_sum = static_cast<double>(oracle::rounded_product(level, absmax2)) +
                                   static_cast<double>(offset);
          REQUIRE(oracle::same(scale_at(view.scales, 0), static_cast<float>(exact_sum)));
        }
      }
    }
  }
}
