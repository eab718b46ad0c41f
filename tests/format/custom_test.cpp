// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Formats that a user adds: each below is under ten lines, and gets every codec.
#include "qfmt/codec/encode.hpp"
#include "qfmt/host/dequantize.hpp"
#include "qfmt/host/quantize.hpp"
#include "qfmt/host/quantized_tensor.hpp"
#include "support/oracle.hpp"

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

struct AF4 {
  static constexpr auto name = "af4";
  static constexpr qfmt::Codebook codebook{-1.f, -.69f, -.51f, -.37f, -.26f, -.15f, -.05f, 0.f,
                                           .05f, .15f,  .26f,  .37f,  .51f,  .65f,  .8f,   1.f};
};

struct Eight {
  static constexpr auto name = "eight";
  static constexpr qfmt::Codebook codebook{-1.f, -.5f, -.2f, 0.f, .2f, .5f, .7f, 1.f};
};

struct Int4 {
  static constexpr auto name = "int4";
  static constexpr int bits = 4;
  static constexpr float decode(int code, float absmax) { return float(code - 8) * (absmax / 7.f); }
  static constexpr int encode(float x, float absmax) { return int(8.5f + 7.f * (x / absmax)); }
};

namespace {

using namespace qfmt;

/// Levels in no order, with a pair of equal ones.
struct Jumbled {
  static constexpr auto name = "jumbled";
  static constexpr Codebook codebook{.5f, -1.f, 1.f, 0.f, -.25f, .125f, .5f, -.75f};
};

/// 200 levels from an array: an 8-bit table that is not full.
struct TwoHundred {
  static constexpr auto name = "two_hundred";
  static constexpr Codebook codebook = [] {
    float levels[200]{};
    for (int i = 0; i < 200; ++i) levels[i] = static_cast<float>(i - 100) / 100.f;
    return Codebook(levels);
  }();
};

struct TwoLevels {
  static constexpr auto name = "signs";
  static constexpr Codebook codebook{-1.f, 1.f};
};

/// Decision points of its own: nearest would cut at +-0.25.
struct WideZero {
  static constexpr auto name = "wide_zero";
  static constexpr Codebook codebook{-1.f, -.5f, 0.f, .5f, 1.f};
  static constexpr float thresholds[4]{-.75f, -.4375f, .4375f, .75f};
};

/// Decision points on the wrong side of a level: its code never comes back.
struct Broken {
  static constexpr auto name = "broken";
  static constexpr Codebook codebook{-1.f, 0.f, 1.f};
  static constexpr float thresholds[2]{-.5f, 1.f};
};

/// The rule of a user's codebook, by linear scan: how many f32 midpoints of the sorted levels lie
/// below x; a tie goes to the lower level.
template <class F>
float nearest_level(float x) {
  std::vector<float> levels(F::codebook.level, F::codebook.level + F::codebook.count);
  std::sort(levels.begin(), levels.end());
  std::size_t rank = 0;
  for (std::size_t i = 0; i + 1 < levels.size(); ++i) {
    float volatile const sum = levels[i] + levels[i + 1];
    float const midpoint = sum / 2.f;
    if (static_cast<double>(x) > static_cast<double>(midpoint)) rank = i + 1;
  }
  return levels[rank];
}

template <class F>
std::vector<float> interesting_values() {
  std::vector<float> values{0.f, -0.f, 1e-45f, -1e-45f, 5.f, -5.f, 0x1p-130f};
  float const inf = std::numeric_limits<float>::infinity();
  for (int i = 0; i < F::codebook.count; ++i)
    for (int j = 0; j < F::codebook.count; ++j) {
      float const x = (F::codebook.level[i] + F::codebook.level[j]) / 2.f;
      for (float const y : {x, std::nextafter(x, inf), std::nextafter(x, -inf)})
        values.push_back(y);
    }
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-1.25f, 1.25f);
  for (int i = 0; i < 100000; ++i) values.push_back(uniform(random));
  return values;
}

template <class F>
std::vector<float> random_values(std::size_t n) {
  std::mt19937 random(static_cast<unsigned>(n) + 17u);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& x : values) x = normal(random);
  return values;
}

float largest(std::vector<float> const& values, std::size_t first, std::size_t last) {
  float most = 0.f;
  for (std::size_t i = first; i < last; ++i) most = std::max(most, std::fabs(values[i]));
  return most;
}

/// Quantizes, then checks each value against the format's two directions.
template <class S, class Expected>
void check_tensor(std::size_t n, Expected const& expected) {
  auto const values = random_values<typename S::format>(n);
  QuantizedTensor<S> tensor(static_cast<std::int64_t>(n));
  REQUIRE(tensor.status());
  REQUIRE(host::quantize(values, tensor.span()));
  std::vector<float> decoded(n, -7.f);
  REQUIRE(host::dequantize(tensor.span(), decoded));
  auto const block = static_cast<std::size_t>(S::block_size);
  for (std::size_t i = 0; i < n; ++i) {
    std::size_t const first = i / block * block;
    float const absmax = largest(values, first, std::min(n, first + block));
    INFO("n " << n << " value " << i << " " << values[i] << " absmax " << absmax);
    REQUIRE(tensor.span().scales.absmax[i / block] == absmax);
    REQUIRE(oracle::same(decoded[i], expected(values[i], absmax)));
  }
}

template <class F>
constexpr auto by_codebook = [](float x, float absmax) {
  float volatile const reciprocal = 1.f / absmax;
  float volatile const t = x * reciprocal;
  return oracle::rounded_product(nearest_level<F>(t), absmax);
};

/// Both zeros, -0 first: the code of zero is that of +0.
struct TwoZeros {
  static constexpr auto name = "two_zeros";
  static constexpr Codebook codebook{-1.f, -0.f, 0.f, 1.f};
};

/// Two's complement: the natural way to write it, with -1 as 0xFF.
struct SignedInt4 {
  static constexpr auto name = "signed_int4";
  static constexpr int bits = 4;
  QFMT_HD static constexpr float decode(std::uint8_t code, float absmax) {
    int const q = code < 8 ? code : code - 16;
    return static_cast<float>(q) * absmax / 7.f;
  }
  QFMT_HD static constexpr std::uint8_t encode(float x, float absmax) {
    float const t = x / absmax * 7.f;
    return static_cast<std::uint8_t>(static_cast<int>(t < 0.f ? t - 0.5f : t + 0.5f));
  }
};

}  // namespace

TEMPLATE_TEST_CASE("a user's codebook encodes to the nearest level", "[format]", AF4, Eight,
                   Jumbled, TwoHundred, TwoLevels) {
  for (float const x : interesting_values<TestType>()) {
    INFO("x " << x);
    int const code = encode<TestType>(x);
    REQUIRE(code < TestType::codebook.count);
    REQUIRE(TestType::codebook.level[code] == nearest_level<TestType>(x));
    REQUIRE(decode<TestType>(static_cast<std::uint8_t>(code), 1.f) == nearest_level<TestType>(x));
  }
}

TEST_CASE("a tie goes to the lower level", "[format]") {
  CHECK(encode<Eight>(.6f) == 5);  // (.5 + .7) / 2 in f32 is .6f
  CHECK(encode<Eight>(-.1f) == 2);
  CHECK(encode<Eight>(std::nextafter(-.1f, 1.f)) == 3);
  CHECK(Jumbled::codebook.level[encode<Jumbled>(.75f)] == .5f);
  CHECK(Jumbled::codebook.level[encode<Jumbled>(-.875f)] == -1.f);
  CHECK(encode<TwoLevels>(0.f) == 0);
}

TEST_CASE("decision points of one's own replace the midpoints", "[format]") {
  CHECK(encode<WideZero>(.4375f) == 2);
  CHECK(encode<WideZero>(.3f) == 2);
  CHECK(encode<WideZero>(std::nextafter(.4375f, 1.f)) == 3);
  CHECK(encode<WideZero>(-.4375f) == 1);
  CHECK(encode<WideZero>(.75f) == 3);
  CHECK(encode<WideZero>(.76f) == 4);
}

TEST_CASE("round_trips tells a sound table from a broken one", "[format]") {
  STATIC_CHECK(round_trips<AF4>());
  STATIC_CHECK(round_trips<Eight>());
  STATIC_CHECK(round_trips<Jumbled>());
  STATIC_CHECK(round_trips<TwoHundred>());
  STATIC_CHECK(round_trips<WideZero>());
  STATIC_CHECK_FALSE(round_trips<Broken>());
}

TEST_CASE("bits follow from the number of levels", "[format]") {
  STATIC_CHECK(bits_of<AF4> == 4);
  STATIC_CHECK(bits_of<Eight> == 4);
  STATIC_CHECK(bits_of<TwoLevels> == 4);
  STATIC_CHECK(bits_of<TwoHundred> == 8);
  STATIC_CHECK(bits_of<Int4> == 4);
  STATIC_CHECK(TwoHundred::codebook.count == 200);
  STATIC_CHECK(std::same_as<decltype(Codebook{0.f, 1.f}), Codebook<4>>);
  constexpr float seventeen[17]{};
  STATIC_CHECK(std::same_as<std::remove_const_t<decltype(Codebook(seventeen))>, Codebook<8>>);
}

TEST_CASE("levels may be written as any number", "[format]") {
  constexpr Codebook book{-1, -0.5, 0, 0.1, 1};
  STATIC_CHECK(book.count == 5);
  STATIC_CHECK(book.level[0] == -1.f);
  STATIC_CHECK(book.level[3] == 0.1f);
}

TEST_CASE("concepts sort formats into codebooks and formulas", "[format]") {
  STATIC_CHECK(CodebookFormat<AF4>);
  STATIC_CHECK_FALSE(FormulaFormat<AF4>);
  STATIC_CHECK(FormulaFormat<Int4>);
  STATIC_CHECK_FALSE(CodebookFormat<Int4>);
  STATIC_CHECK(FormatSpec<AF4>);
  STATIC_CHECK(FormatSpec<Int4>);
  struct NoName {
    int codebook = 0;
  };
  STATIC_CHECK_FALSE(FormatSpec<NoName>);
  STATIC_CHECK_FALSE(FormatSpec<int>);
  STATIC_CHECK_FALSE(FormatSpec<Scheme<Format<AF4>>>);
}

TEMPLATE_TEST_CASE("a user's codebook quantizes tensors", "[format]", AF4, Eight, Jumbled,
                   TwoHundred) {
  for (std::size_t const n : {1u, 2u, 15u, 16u, 17u, 64u, 1001u, 4096u}) {
    check_tensor<Scheme<Format<TestType>>>(n, by_codebook<TestType>);
    check_tensor<Scheme<Format<TestType>, BlockSize<16>>>(n, by_codebook<TestType>);
    check_tensor<Scheme<Format<TestType>, BlockSize<4096>>>(n, by_codebook<TestType>);
  }
}

TEST_CASE("a user's formula quantizes tensors", "[format]") {
  auto const both_ways = [](float x, float absmax) {
    return Int4::decode(Int4::encode(x, absmax), absmax);
  };
  for (std::size_t const n : {1u, 15u, 64u, 1001u}) {
    check_tensor<Scheme<Format<Int4>>>(n, both_ways);
    check_tensor<Scheme<BlockSize<16>, Format<Int4>>>(n, both_ways);
    check_tensor<Scheme<Format<Int4>, BlockSize<4096>>>(n, both_ways);
  }
}

TEMPLATE_TEST_CASE("a user's format takes double quantization", "[format]", AF4, Eight, Int4) {
  using Plain = Scheme<Format<TestType>>;
  using Nested = Scheme<Format<TestType>, DoubleQuant<true>>;
  auto const values = random_values<TestType>(64 * 300 + 7);
  auto const n = static_cast<std::int64_t>(values.size());
  QuantizedTensor<Plain> plain(n);
  QuantizedTensor<Nested> nested(n);
  REQUIRE(host::quantize(values, plain.span()));
  REQUIRE(host::quantize(values, nested.span()));
  auto const bytes = static_cast<std::size_t>(codes_bytes<Plain>(n));
  CHECK(std::memcmp(plain.span().codes, nested.span().codes, bytes) == 0);
  double worst = 0.0;
  for (std::int64_t b = 0; b < block_count<Plain>(n); ++b) {
    double const absmax = static_cast<double>(plain.span().scales.absmax[b]);
    double const kept = static_cast<double>(scale_at(nested.span().scales, b));
    worst = std::max(worst, std::fabs(kept - absmax) / absmax);
  }
  CHECK(worst > 0.0);
  CHECK(worst < 0.02);
}

TEMPLATE_TEST_CASE("an all-zero block of a user's format decodes to zero", "[format]", AF4, Eight,
                   Jumbled, Int4) {
  using S = Scheme<Format<TestType>, BlockSize<16>>;
  std::vector<float> const values(33, -0.f);
  QuantizedTensor<S> tensor(33);
  REQUIRE(host::quantize(values, tensor.span()));
  std::vector<float> decoded(33, 1.f);
  REQUIRE(host::dequantize(tensor.span(), decoded));
  for (float const x : decoded) CHECK(x == 0.f);
  for (std::int64_t i = 0; i < 34; ++i)  // value 33: the unused last nibble
    CHECK(code_at<4>(tensor.span().codes, i) == zero_code<TestType>);
}

TEST_CASE("codes without a level decode to NaN", "[format]") {
  for (int c = 0; c < 256; ++c) {
    INFO("code " << c);
    auto const code = static_cast<std::uint8_t>(c);
    CHECK(std::isnan(decode<TwoHundred>(code, 1.f)) == (c >= 200));
    if (c < 16) CHECK(std::isnan(decode<Eight>(code, 2.f)) == (c >= 8));
  }
}

TEST_CASE("an all-zero block takes the code of +0.0", "[format]") {
  STATIC_CHECK(zero_code<TwoZeros> == 2);
}

TEST_CASE("where a table holds both zeros, only negative values take -0", "[format]") {
  STATIC_CHECK(encode<TwoZeros>(0.f) == 2);
  STATIC_CHECK(encode<TwoZeros>(-0.f) == 2);
  STATIC_CHECK(encode<TwoZeros>(0x1p-149f) == 2);
  STATIC_CHECK(encode<TwoZeros>(-0x1p-149f) == 1);
  STATIC_CHECK(encode<TwoZeros>(0.5f) == 2);
  STATIC_CHECK(encode<TwoZeros>(-0.5f) == 0);
}

TEST_CASE("a formula that returns negative codes does not touch its neighbour", "[format]") {
  float const values[7]{7.f, -1.f, 7.f, -7.f, 3.f, -3.f, -1.f};
  QuantizedTensor<Scheme<Format<SignedInt4>>> tensor(7);
  REQUIRE(host::quantize(values, tensor.span()));
  float decoded[7]{};
  REQUIRE(host::dequantize(tensor.span(), decoded));
  for (int i = 0; i < 7; ++i) CHECK(decoded[i] == values[i]);
}
