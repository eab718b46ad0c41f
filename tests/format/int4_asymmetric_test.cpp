// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "qfmt/format/int4_asymmetric.hpp"

#include "qfmt/host/dequantize.hpp"
#include "qfmt/host/quantize.hpp"
#include "qfmt/host/quantized_tensor.hpp"

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <cmath>
#include <random>
#include <vector>

namespace {
using namespace qfmt;
}

TEMPLATE_TEST_CASE("AsymmetricInt4: groups of 32 to 256 against the rule in double", "[format]",
                   (Scheme<Format<AsymmetricInt4>, BlockSize<32>>), Scheme<Format<AsymmetricInt4>>,
                   (Scheme<Format<AsymmetricInt4>, BlockSize<256>, ScaleType<float16>>)) {
  using S = TestType;
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0.7f);
  std::vector<float> values(5000);
  for (float& x : values) x = normal(random);
  for (std::size_t i = 0; i < 256; ++i) values[i] = std::fabs(values[i]);     // zero point 0
  for (std::size_t i = 256; i < 512; ++i) values[i] = -std::fabs(values[i]);  // 15
  QuantizedTensor<S> tensor(5000);
  REQUIRE(host::quantize(values, tensor.span()));
  auto const out = tensor.span();
  for (std::size_t first = 0; first < 5000; first += S::block_size) {
    std::size_t const last = std::min<std::size_t>(5000, first + S::block_size);
    float low = 0.f, high = 0.f;
    for (std::size_t i = first; i < last; ++i) {
      low = std::min(low, values[i]);
      high = std::max(high, values[i]);
    }
    std::size_t const b = first / S::block_size;
    auto const scale = static_cast<float>(out.scales.scale[b]);
    double const range = double{high} - low;
    CHECK(std::fabs(double{scale} - range / 15) <= range / 15 * 0x1p-8);
    int const zero = out.scales.zero_point[b];
    REQUIRE(zero == static_cast<int>(std::fmin(15, std::nearbyint(-low / scale))));
    if (last <= 256) CHECK(zero == 0);
    if (first >= 256 && last <= 512) CHECK(zero == 15);
    for (std::size_t i = first; i < last; ++i) {
      double const t = std::nearbyint(values[i] / scale) + zero;
      int const q = static_cast<int>(std::fmin(15, std::fmax(0, t)));
      INFO(i << " " << values[i] << " scale " << scale << " zero " << zero);
      REQUIRE(code_at<4>(out.codes, static_cast<std::int64_t>(i)) == q);
      REQUIRE(decode_at(out, static_cast<std::int64_t>(i)) == static_cast<float>(q - zero) * scale);
    }
  }
}

TEST_CASE("AsymmetricInt4: every zero point, code and 16-bit scale", "[format]") {
  using S = Scheme<Format<AsymmetricInt4>, ScaleType<float16>>;
  for (std::uint32_t bits = 0; bits < 0x7C00; bits += 7)
    for (int zero = 0; zero < 16; ++zero)
      for (int code = 0; code < 16; ++code) {
        auto byte = static_cast<std::uint8_t>(code << 4);
        auto zero_point = static_cast<std::uint8_t>(zero);
        auto scale = float16::from_bits(static_cast<std::uint16_t>(bits));
        float const value =
            decode_at(QuantizedSpan<S>{&byte, {&scale, nullptr, &zero_point}, 1}, 0);
        if (value != static_cast<float>(code - zero) * static_cast<float>(scale))
          FAIL("scale " << bits << " zero " << zero << " code " << code);
      }
}

TEST_CASE("AsymmetricInt4: a scheme has zero points where its format takes them", "[format]") {
  using S = Scheme<Format<AsymmetricInt4>>;
  STATIC_CHECK(S::has_zero_point);
  STATIC_CHECK(
      std::same_as<
          S, Scheme<ZeroPoint<true>, BlockSize<128>, ScaleType<bfloat16>, Format<AsymmetricInt4>>>);
  CHECK(storage_bytes<S>(1, 256) == 128 + 128 + 2);
}
