// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "qfmt/format/int4.hpp"

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

TEMPLATE_TEST_CASE("SymmetricInt4: groups of 32 to 256 against the rule in double", "[format]",
                   (Scheme<Format<SymmetricInt4>, BlockSize<32>>), Scheme<Format<SymmetricInt4>>,
                   (Scheme<Format<SymmetricInt4>, BlockSize<256>, ScaleType<float16>>),
                   (Scheme<Format<SymmetricInt4>, BlockSize<64>, ScaleType<float>>)) {
  using S = TestType;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(5000);
  for (float& x : values) x = normal(random);
  QuantizedTensor<S> tensor(5000);
  REQUIRE(host::quantize(values, tensor.span()));
  auto const out = tensor.span();
  for (std::size_t first = 0; first < 5000; first += S::block_size) {
    std::size_t const last = std::min<std::size_t>(5000, first + S::block_size);
    float absmax = 0.f;
    for (std::size_t i = first; i < last; ++i) absmax = std::max(absmax, std::fabs(values[i]));
    float const scale = scale_at(out.scales, static_cast<std::int64_t>(first / S::block_size));
    double const steps = std::is_same_v<typename S::scale, DoubleQuant<false>> ? 0x1p-24 : 0x1p-8;
    CHECK(std::fabs(double{scale} - absmax / 7.0) <= absmax / 7.0 * steps);
    for (std::size_t i = first; i < last; ++i) {
      double const t = std::nearbyint(values[i] / scale);
      int const q = static_cast<int>(std::fmin(7, std::fmax(-8, t)));
      INFO(i << " " << values[i] << " scale " << scale);
      REQUIRE(code_at<4>(out.codes, static_cast<std::int64_t>(i)) == (q & 15));
      REQUIRE(decode_at(out, static_cast<std::int64_t>(i)) == static_cast<float>(q) * scale);
    }
  }
}

TEST_CASE("SymmetricInt4: two's complement", "[format]") {
  for (int q = -8; q < 8; ++q) {
    auto const code = static_cast<std::uint8_t>(q & 15);
    CHECK(decode<SymmetricInt4>(code, 0.5f) == static_cast<float>(q) * 0.5f);
    CHECK(SymmetricInt4::encode(static_cast<float>(q) * 0.5f, 0.5f) == code);
  }
  CHECK(SymmetricInt4::encode(2.5f, 1.f) == 2);
  CHECK(SymmetricInt4::encode(-3.5f, 1.f) == (-4 & 15));
  CHECK(SymmetricInt4::encode(100.f, 1.f) == 7);
  CHECK(SymmetricInt4::encode(-100.f, 1.f) == 8);
}
