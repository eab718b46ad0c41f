// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Encoders are a policy of the call: any type with scale and encode serves, and what it writes is
// read by the same decoders.
#include "qfmt/codec/encoders.hpp"

#include "qfmt/format/fp4.hpp"
#include "qfmt/format/int8.hpp"
#include "qfmt/format/nf4.hpp"
#include "qfmt/host/dequantize.hpp"
#include "qfmt/host/quantize.hpp"
#include "qfmt/host/quantized_tensor.hpp"
#include "support/oracle.hpp"

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

namespace {

using namespace qfmt;

/// Half of Nearest's scale: what lies beyond takes the outermost code.
struct Clipping {
  template <FormatSpec F, Element T>
  static float scale(T const* values, std::int64_t n) {
    return Nearest::scale<F>(values, n) / 2.f;
  }
  template <FormatSpec F, Element T>
  static void encode(T const* values, std::int64_t n, float scale, std::uint8_t* codes) {
    Nearest::encode<F>(values, n, scale, codes);
  }
};

struct OnlyScale {
  template <FormatSpec F, Element T>
  static float scale(T const*, std::int64_t) {
    return 1.f;
  }
};

struct ScaleInDouble : Nearest {
  template <FormatSpec F, Element T>
  static double scale(T const*, std::int64_t) {
    return 1.0;
  }
};

std::vector<float> normal_values(std::size_t n) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& x : values) x = normal(random);
  return values;
}

}  // namespace

TEST_CASE("the concept tells an encoder from a type that lacks half of one", "[codec]") {
  STATIC_CHECK(EncoderFor<Nearest, NF4, float>);
  STATIC_CHECK(EncoderFor<Nearest, Int8, bfloat16>);
  STATIC_CHECK(EncoderFor<Clipping, Dynamic8, float16>);
  STATIC_CHECK_FALSE(EncoderFor<OnlyScale, NF4, float>);
  STATIC_CHECK_FALSE(EncoderFor<ScaleInDouble, NF4, float>);
  STATIC_CHECK_FALSE(EncoderFor<int, NF4, float>);
}

TEMPLATE_TEST_CASE("Nearest is absmax and the block's codes", "[codec]", NF4, FP4, Int8, Dynamic8,
                   UnsignedDynamic8) {
  auto const values = normal_values(77);
  float const scale = Nearest::scale<TestType>(values.data(), 77);
  float most = 0.f;
  for (float const x : values) most = std::max(most, std::fabs(x));
  CHECK(scale == most);
  std::vector<std::uint8_t> by_encoder(77, 0xEE), by_block(77, 0xEE);
  Nearest::encode<TestType>(values.data(), 77, scale, by_encoder.data());
  encode_block<TestType>(values.data(), 77, scale, by_block.data());
  CHECK(by_encoder == by_block);
}

TEST_CASE("an encoder of one's own takes Nearest's place", "[codec]") {
  using S = Scheme<Format<NF4>, BlockSize<32>>;
  auto const values = normal_values(1000);
  QuantizedTensor<S> nearest(1000), clipped(1000);
  REQUIRE(host::quantize(values, nearest.span()));
  REQUIRE(host::quantize(values, clipped.span(), Clipping{}));
  std::vector<float> decoded(1000);
  REQUIRE(host::dequantize(clipped.span(), decoded));
  for (std::int64_t b = 0; b < 32; ++b) {
    float const half = nearest.span().scales.absmax[b] / 2.f;
    REQUIRE(clipped.span().scales.absmax[b] == half);
    for (std::int64_t i = b * 32; i < std::min<std::int64_t>(1000, b * 32 + 32); ++i) {
      float const x = values[static_cast<std::size_t>(i)];
      float volatile const reciprocal = 1.f / half;
      float volatile const t = x * reciprocal;
      auto const level = oracle::nf4_levels[static_cast<std::size_t>(oracle::nf4_code(t))];
      REQUIRE(decoded[static_cast<std::size_t>(i)] ==
              oracle::rounded_product(oracle::from_bits(level), half));
    }
  }
}

TEST_CASE("beyond the scale Int8 ends at +-127", "[codec]") {
  for (float const x : {1.f, 1.002f, 1.004f, 1.005f, 1.5f, 2.f, 100.f, 1e30f, 3.4e38f})
    for (float const absmax : {1.f, 0x1p-140f, 0.3f}) {
      INFO("x " << x << " absmax " << absmax);
      CHECK(encode<Int8>(x, absmax) == 127);
      CHECK(encode<Int8>(-x, absmax) == 129);  // -127
      float const both[2]{x, -x};
      std::uint8_t codes[2]{};
      encode_block<Int8>(both, 2, absmax, codes);
      CHECK(codes[0] == 127);
      CHECK(codes[1] == 129);
    }
}

TEST_CASE("nested scales are made from the encoder's scales", "[codec]") {
  using S = Scheme<Format<FP4>, BlockSize<16>, DoubleQuant<true>>;
  auto const values = normal_values(16 * 300);
  auto const n = static_cast<std::int64_t>(values.size());
  QuantizedTensor<S> nearest(n), clipped(n), with_workspace(n);
  REQUIRE(host::quantize(values, nearest.span()));
  REQUIRE(host::quantize(values, clipped.span(), Clipping{}));
  // Halving is exact throughout: the mean, what is left of it, and absmax2 are all half.
  CHECK(*clipped.span().scales.offset == *nearest.span().scales.offset / 2.f);
  auto const bytes = static_cast<std::size_t>(block_count<S>(n));
  CHECK(std::memcmp(clipped.span().scales.absmax.codes, nearest.span().scales.absmax.codes,
                    bytes) == 0);
  for (int group = 0; group < 2; ++group)
    CHECK(clipped.span().scales.absmax.scales.absmax[group] ==
          nearest.span().scales.absmax.scales.absmax[group] / 2.f);

  std::vector<float> room(static_cast<std::size_t>(block_count<S>(n)));
  Workspace const workspace{room.data(), quantize_workspace_bytes<S>(n)};
  REQUIRE(host::quantize(values, with_workspace.span(), Clipping{}, {}, workspace));
  CHECK(std::memcmp(with_workspace.span().codes, clipped.span().codes,
                    static_cast<std::size_t>(clipped.bytes())) == 0);
}

TEST_CASE("workspace is asked for by nested schemes only", "[codec]") {
  using Plain = Scheme<Format<NF4>>;
  using Nested = Scheme<Format<NF4>, DoubleQuant<true>>;
  using Rows = Scheme<Format<Int8>, RowWise>;
  constexpr std::int64_t big = (std::int64_t{1} << 33) + 1;
  STATIC_CHECK(quantize_workspace_bytes<Plain>(big) == 0);
  STATIC_CHECK(quantize_workspace_bytes<Rows>(big) == 0);
  STATIC_CHECK(quantize_workspace_bytes<Nested>(0) == 0);
  STATIC_CHECK(quantize_workspace_bytes<Nested>(1) == 4 + 4 + 16);
  STATIC_CHECK(quantize_workspace_bytes<Nested>(64) == 4 + 4 + 16);
  STATIC_CHECK(quantize_workspace_bytes<Nested>(65) == 8 + 4 + 16);
  // A sum for 4096 values, up to 64 of them without another step.
  STATIC_CHECK(quantize_workspace_bytes<Nested>(4096 * 64) == 4 * 4096 + 4 + 16 * 64);
  STATIC_CHECK(quantize_workspace_bytes<Nested>(4096 * 64 + 1) == 4 * 4097 + 4 + 16 * (65 + 1));
  // 2^21 + 1 sums of 4096 values, 1025 sums of those, one of these.
  STATIC_CHECK(quantize_workspace_bytes<Nested>(big) ==
               4 * ((std::int64_t{1} << 27) + 1) + 4 + 16 * ((1 << 21) + 1 + 1025 + 1));
  STATIC_CHECK(quantize_workspace_bytes<Nested>(-1) == -1);
}

TEST_CASE("the unsigned map quantizes tensors", "[codec]") {
  using S = Scheme<Format<UnsignedDynamic8>, BlockSize<256>>;
  std::array<float, 256> levels{};
  std::copy_n(UnsignedDynamic8::codebook.level, 256, levels.begin());
  oracle::MapEncoder const nearest(levels);
  auto values = normal_values(1000);
  for (float& x : values) x = x * x;
  QuantizedTensor<S> tensor(1000);
  REQUIRE(host::quantize(values, tensor.span()));
  std::vector<float> decoded(1000);
  REQUIRE(host::dequantize(tensor.span(), decoded));
  for (std::size_t i = 0; i < 1000; ++i) {
    float const absmax = tensor.span().scales.absmax[i / 256];
    float volatile const reciprocal = 1.f / absmax;
    float volatile const t = values[i] * reciprocal;
    int const code = nearest(t);
    REQUIRE(tensor.span().codes[i] == code);
    REQUIRE(decoded[i] == oracle::rounded_product(levels[static_cast<std::size_t>(code)], absmax));
  }
}
