// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What must hold of any tensor, without an oracle: how the result changes when the input is scaled,
// negated, cut, appended to or reordered, and how far a decoded value may lie from its original.
#include "qfmt/codec/decode.hpp"
#include "qfmt/format/fp4.hpp"
#include "qfmt/format/int8.hpp"
#include "qfmt/format/nf4.hpp"
#include "qfmt/host/dequantize.hpp"
#include "qfmt/host/quantize.hpp"
#include "qfmt/host/quantized_tensor.hpp"
#include "support/sweep.hpp"

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <tuple>
#include <vector>

namespace {

using namespace qfmt;

using Nf4 = Scheme<Format<NF4>, BlockSize<32>>;
using Fp4 = Scheme<Format<FP4>, BlockSize<16>>;
using Bytes = Scheme<Format<Int8>, BlockSize<64>>;
using Map = Scheme<Format<Dynamic8>, BlockSize<256>>;
using Schemes = std::tuple<Nf4, Fp4, Bytes, Map>;

constexpr int rounds = sweep::sanitized ? 40 : 400;

/// Tensors of a random size, spread and sparsity; scales stay far from the ends of float.
std::vector<float> any_tensor(std::mt19937& random, std::size_t at_most = 2000) {
  std::vector<float> values(1 + random() % at_most);
  std::normal_distribution<float> normal;
  auto const spread = random() % 30;
  bool const sparse = random() % 3 == 0;
  for (float& x : values) {
    x = std::ldexp(normal(random), static_cast<int>(random() % (spread + 1)) - 10);
    if (sparse && random() % 2 == 0) x = random() % 2 == 0 ? 0.f : -0.f;
  }
  return values;
}

template <class S>
struct Quantized {
  std::vector<int> codes;
  std::vector<float> absmax, decoded;
};

template <class S>
Quantized<S> quantized(std::vector<float> const& values) {
  auto const n = static_cast<std::int64_t>(values.size());
  QuantizedTensor<S> tensor(n);
  REQUIRE(host::quantize(values, tensor.span()));
  Quantized<S> q;
  q.decoded.resize(values.size());
  REQUIRE(host::dequantize(tensor.span(), q.decoded));
  for (std::int64_t i = 0; i < n; ++i) q.codes.push_back(code_at<S::bits>(tensor.span().codes, i));
  auto const* const absmax = tensor.span().scales.absmax;
  q.absmax.assign(absmax, absmax + block_count<S>(n));
  return q;
}

/// Half the widest gap between neighbouring levels, or from the outermost level to 1.
template <class F>
double widest_error() {
  std::vector<double> levels{-1.0, 1.0};
  for (int c = 0; c < 1 << bits_of<F>; ++c) {
    if (std::same_as<F, Int8> && c == 128) continue;  // never written
    levels.push_back(static_cast<double>(decode<F>(static_cast<std::uint8_t>(c), 1.f)));
  }
  std::sort(levels.begin(), levels.end());
  double gap = 0.0;
  for (std::size_t i = 1; i < levels.size(); ++i)
    gap = std::max(gap, (levels[i] - levels[i - 1]) / 2.0);
  return gap;
}

}  // namespace

TEST_CASE("the error bounds are the formats' own", "[host][property]") {
  CHECK(std::fabs(widest_error<NF4>() - 0.30380719900131226 / 2) < 1e-9);
  CHECK(std::fabs(widest_error<FP4>() - 1.0 / 6) < 1e-7);
  CHECK(std::fabs(widest_error<Int8>() - 0.5 / 127) < 1e-7);
  CHECK(widest_error<Dynamic8>() < 0.5 / 127 * 1.8);
}

TEMPLATE_LIST_TEST_CASE("a value decodes to within half the widest gap", "[host][property]",
                        Schemes) {
  using S = TestType;
  std::mt19937 random(1);
  double const widest = widest_error<typename S::format>();
  double most = 0.0;
  for (int round = 0; round < rounds; ++round) {
    auto const values = any_tensor(random);
    auto const q = quantized<S>(values);
    for (std::size_t i = 0; i < values.size(); ++i) {
      double const absmax = static_cast<double>(q.absmax[i / S::block_size]);
      double const error =
          std::fabs(static_cast<double>(q.decoded[i]) - static_cast<double>(values[i]));
      if (absmax > 0.0) most = std::max(most, error / absmax);
      REQUIRE(error <= absmax * widest * (1.0 + 1e-5));
    }
  }
  CHECK(most > widest * 0.9);  // the bound is reached
}

TEMPLATE_LIST_TEST_CASE("a power of two scales absmax and leaves the codes", "[host][property]",
                        Schemes) {
  std::mt19937 random(2);
  for (int round = 0; round < rounds; ++round) {
    auto const values = any_tensor(random);
    float const factor = std::ldexp(1.f, static_cast<int>(random() % 80) - 40);
    auto scaled = values;
    for (float& x : scaled) x *= factor;
    auto const q = quantized<TestType>(values), r = quantized<TestType>(scaled);
    REQUIRE(q.codes == r.codes);
    for (std::size_t b = 0; b < q.absmax.size(); ++b) REQUIRE(r.absmax[b] == q.absmax[b] * factor);
    for (std::size_t i = 0; i < values.size(); ++i) REQUIRE(r.decoded[i] == q.decoded[i] * factor);
  }
}

TEMPLATE_LIST_TEST_CASE("a smaller value never decodes to a larger one of its block",
                        "[host][property]", Schemes) {
  constexpr std::size_t length = TestType::block_size;
  std::mt19937 random(3);
  for (int round = 0; round < rounds; ++round) {
    auto values = any_tensor(random);
    for (std::size_t first = 0; first < values.size(); first += length)
      std::sort(
          values.begin() + static_cast<std::ptrdiff_t>(first),
          values.begin() + static_cast<std::ptrdiff_t>(std::min(values.size(), first + length)));
    auto const q = quantized<TestType>(values);
    for (std::size_t i = 1; i < values.size(); ++i)
      if (i % length != 0) REQUIRE(q.decoded[i - 1] <= q.decoded[i]);
  }
}

TEST_CASE("negation mirrors FP4 and Int8", "[host][property]") {
  std::mt19937 random(4);
  for (int round = 0; round < rounds; ++round) {
    auto const values = any_tensor(random);
    auto negated = values;
    for (float& x : negated) x = -x;
    auto const check = [&]<class S>(Quantized<S> const& q) {
      auto const r = quantized<S>(negated);
      REQUIRE(r.absmax == q.absmax);
      for (std::size_t i = 0; i < values.size(); ++i) REQUIRE(r.decoded[i] == -q.decoded[i]);
    };
    check(quantized<Fp4>(values));
    check(quantized<Bytes>(values));
  }
}

TEMPLATE_LIST_TEST_CASE("a tensor cut at a block is its parts", "[host][property]", Schemes) {
  constexpr std::size_t length = TestType::block_size;
  std::mt19937 random(5);
  for (int round = 0; round < rounds; ++round) {
    auto const values = any_tensor(random);
    std::size_t const cut = random() % (values.size() / length + 1) * length;
    auto const middle = values.begin() + static_cast<std::ptrdiff_t>(cut);
    auto const whole = quantized<TestType>(values);
    auto left = quantized<TestType>(std::vector<float>(values.begin(), middle));
    auto const right = quantized<TestType>(std::vector<float>(middle, values.end()));
    left.codes.insert(left.codes.end(), right.codes.begin(), right.codes.end());
    left.absmax.insert(left.absmax.end(), right.absmax.begin(), right.absmax.end());
    REQUIRE(left.codes == whole.codes);
    REQUIRE(left.absmax == whole.absmax);
  }
}

TEMPLATE_LIST_TEST_CASE("reordering a block reorders its codes", "[host][property]", Schemes) {
  constexpr std::size_t length = TestType::block_size;
  std::mt19937 random(6);
  for (int round = 0; round < rounds; ++round) {
    auto const values = any_tensor(random);
    std::vector<std::size_t> order(values.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    for (std::size_t first = 0; first < order.size(); first += length)
      std::shuffle(
          order.begin() + static_cast<std::ptrdiff_t>(first),
          order.begin() + static_cast<std::ptrdiff_t>(std::min(order.size(), first + length)),
          random);
    auto reordered = values;
    for (std::size_t i = 0; i < order.size(); ++i) reordered[i] = values[order[i]];
    auto const q = quantized<TestType>(values), r = quantized<TestType>(reordered);
    REQUIRE(r.absmax == q.absmax);
    for (std::size_t i = 0; i < order.size(); ++i) REQUIRE(r.codes[i] == q.codes[order[i]]);
  }
}

TEST_CASE("NF4 that was decoded encodes to the same bytes", "[host][property]") {
  std::mt19937 random(7);
  for (int round = 0; round < rounds; ++round) {
    auto const once = quantized<Nf4>(any_tensor(random));
    auto const twice = quantized<Nf4>(once.decoded);
    REQUIRE(twice.absmax == once.absmax);
    REQUIRE(twice.codes == once.codes);
  }
}

TEMPLATE_LIST_TEST_CASE("a 16-bit tensor quantizes as its values in float do", "[host][property]",
                        Schemes) {
  using S = TestType;
  std::mt19937 random(8);
  for (int round = 0; round < rounds; ++round) {
    auto const values = any_tensor(random);
    auto const check = [&]<Element T>(T) {
      std::vector<T> narrow;
      std::vector<float> wide;
      for (float const x : values) {
        narrow.push_back(T(x / 256.f));  // within a half's range
        wide.push_back(static_cast<float>(narrow.back()));
      }
      auto const n = static_cast<std::int64_t>(values.size());
      QuantizedTensor<S> a(n), b(n);
      REQUIRE(host::quantize(narrow, a.span()));
      REQUIRE(host::quantize(wide, b.span()));
      REQUIRE(std::memcmp(a.span().codes, b.span().codes, static_cast<std::size_t>(a.bytes())) ==
              0);
    };
    check(float16{});
    check(bfloat16{});
  }
}
