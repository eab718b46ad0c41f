// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What holds of every format in the library's list, under the scheme that it asks for.
#include "qfmt/qfmt.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace {

using namespace qfmt;

std::vector<float> normal_values(std::int64_t n, unsigned seed, float deviation = 0.02f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.f, deviation);
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& x : values) x = normal(random);
  return values;
}

template <SchemeSpec S>
std::vector<std::uint8_t> bytes_of(QuantizedTensor<S> const& tensor) {
  auto const* const begin = tensor.span().codes;
  return {begin, begin + tensor.bytes()};
}

template <SchemeSpec S>
QuantizedTensor<S> quantized(std::vector<float> const& values, QuantizeOptions options = {}) {
  QuantizedTensor<S> tensor(static_cast<std::int64_t>(values.size()));
  REQUIRE(tensor.status());
  REQUIRE(host::quantize(values, tensor.span(), Nearest{}, options));
  return tensor;
}

/// The formats' own schemes, and scales of other types under formats that do not ask for them.
template <class Body>
void for_each_scheme(Body const& body) {
  {
    INFO("other scales");
    body.template operator()<Scheme<Format<NF4>, ScaleType<bfloat16>>>();
    body.template operator()<Scheme<Format<FP4>, ScaleType<E4M3>, TensorScale<true>>>();
    body.template operator()<Scheme<Format<Dynamic8>, BlockSize<32>, ScaleType<E8M0>>>();
    body.template operator()<Scheme<Format<FP8E4M3>, BlockSize<32>, ScaleType<E8M0>>>();
  }
  for_each_format(Formats{}, [&]<class F>() {
    INFO(F::name);
    body.template operator()<Scheme<Format<F>>>();
  });
}

}  // namespace

TEST_CASE("every format: one name each", "[formats]") {
  std::vector<std::string> names;
  for_each_format(Formats{}, [&]<class F>() { names.emplace_back(F::name); });
  std::sort(names.begin(), names.end());
  CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
  CHECK(names.size() >= 4);
}

TEST_CASE("every format: the bytes do not depend on threads, ranges or SIMD", "[formats]") {
  for_each_scheme([]<class S>() {
    auto const values = normal_values(70001, 1);
    auto const serial = quantized<S>(values);
    CHECK(bytes_of(quantized<S>(values, {.simd = SimdLevel::scalar})) == bytes_of(serial));
    CHECK(bytes_of(quantized<S>(values, {.propagate_non_finite = true})) == bytes_of(serial));
    QuantizedTensor<S> threads(70001), ranges(70001);
    REQUIRE(host::quantize_parallel(host::Threads{3}, values, threads.span()));
    CHECK(bytes_of(threads) == bytes_of(serial));
    auto const out = ranges.span();
    std::int64_t const blocks = block_count<S>(70001);
    if constexpr (S::has_tensor_scale) {
      float const first = host::absmax_of_range(values, out, {0, 5});
      float const rest = host::absmax_of_range(values, out, {5, blocks});
      *out.scales.tensor_scale = tensor_scale_of<S>(std::max(first, rest));
    }
    REQUIRE(host::quantize_range(values, out, {5, blocks}));
    REQUIRE(host::quantize_range(values, out, {0, 5}));
    CHECK(bytes_of(ranges) == bytes_of(serial));
  });
}

TEST_CASE("every format: decoding in one way or another gives the same bits", "[formats]") {
  for_each_scheme([]<class S>() {
    auto const values = normal_values(3001, 2);
    auto const tensor = quantized<S>(values);
    QuantizedSpan<S const> const in = tensor.span();
    std::vector<float> whole(3001), scalar(3001), rows(3000);
    REQUIRE(host::dequantize(in, whole));
    REQUIRE(host::dequantize(in, scalar, {.simd = SimdLevel::scalar}));
    CHECK(std::memcmp(whole.data(), scalar.data(), 3001 * 4) == 0);
    double error = 0, size = 0;
    for (std::int64_t i = 0; i < 3001; ++i) {
      auto const at = static_cast<std::size_t>(i);
      REQUIRE(float_bits(decode_at(in, i)) == float_bits(whole[at]));
      error += std::pow(double{whole[at]} - values[at], 2);
      size += std::pow(double{values[at]}, 2);
    }
    CHECK(std::sqrt(error / size) < (std::string_view(S::format::name) == "nf2" ? 0.6 : 0.25));
    REQUIRE(host::dequantize(QuantizedMatrix<S const>{in, 30, 100, 100, 1}, rows));
    CHECK(std::memcmp(rows.data(), whole.data() + 1, 3000 * 4) == 0);
  });
}

TEST_CASE("every format: zeros, and nothing at all", "[formats]") {
  for_each_scheme([]<class S>() {
    auto const tensor = quantized<S>(std::vector<float>(777, 0.f));
    std::vector<float> out(777, 5.f);
    REQUIRE(host::dequantize(tensor.span(), out));
    CHECK(std::all_of(out.begin(), out.end(), [](float x) { return is_zero(x); }));
    quantized<S>({});
    CHECK(check(QuantizedSpan<S>{nullptr, {}, 1}) == Errc::null_pointer);
    std::uint8_t code = 0;
    CHECK(check(QuantizedSpan<S>{&code, {}, 1}) == Errc::null_pointer);
  });
}

TEST_CASE("every format: NaN and infinity are errors, or stay in their block", "[formats]") {
  for_each_scheme([]<class S>() {
    auto values = normal_values(2000, 3);
    auto const clean = quantized<S>(values);
    values[1111] = std::numeric_limits<float>::infinity();
    values[1115] = std::numeric_limits<float>::quiet_NaN();
    QuantizedTensor<S> tensor(2000);
    Status const refused = host::quantize(values, tensor.span());
    CHECK(refused.code == Errc::non_finite);
    CHECK(refused.index == 1111);
    CHECK(host::quantize(values, tensor.span(), Nearest{}, {.single_pass = true}).index == 1111);
    unsigned long long count = 0;
    QuantizeOptions const propagate{.propagate_non_finite = true, .non_finite_count = &count};
    REQUIRE(host::quantize(values, tensor.span(), Nearest{}, propagate));
    CHECK(count == 2);
    std::vector<float> out(2000), expected(2000);
    REQUIRE(host::dequantize(tensor.span(), out));
    REQUIRE(host::dequantize(clean.span(), expected));
    for (std::int64_t i = 0; i < 2000; ++i) {
      bool const hit = i / S::block_size == 1111 / S::block_size;
      auto const at = static_cast<std::size_t>(i);
      INFO(i);
      if (hit) {
        REQUIRE(out[at] != out[at]);
      } else if (S::has_tensor_scale) {  // the block may have held the tensor's absmax
        REQUIRE(std::fabs(out[at] - expected[at]) <= 0.1f * std::fabs(expected[at]) + 0.01f);
      } else {
        REQUIRE(out[at] == expected[at]);
      }
    }
  });
}

TEST_CASE("every format: matmul, and a rank's own copy of a slice", "[formats]") {
  for_each_scheme([]<class S>() {
    constexpr std::int64_t rows = 7, cols = 512;
    auto const values = normal_values(rows * cols, 4);
    QuantizedTensor<S> tensor(rows, cols);
    REQUIRE(host::quantize(values, tensor.span()));
    std::vector<float> decoded(values.size());
    REQUIRE(host::dequantize(tensor.span(), decoded));
    auto const x = normal_values(2 * cols, 5, 1.f);
    std::vector<float> y(2 * rows);
    REQUIRE(host::matmul(tensor.matrix(), x.data(), 2, y.data()));
    for (std::size_t i = 0; i < y.size(); ++i) {
      double sum = 0;
      for (std::size_t k = 0; k < cols; ++k)
        sum += double{decoded[i % rows * cols + k]} * x[i / rows * cols + k];
      CHECK(std::fabs(y[i] - sum) < 1e-4);
    }
    auto const part = slice(QuantizedMatrix<S const>(tensor.matrix()), Part{2, 3}, Part{256, 256});
    QuantizedTensor<S> copy(3, 256);
    auto packed = copy.matrix();
    REQUIRE(host::pack(part, packed));
    std::vector<float> own(3 * 256);
    REQUIRE(host::dequantize(packed, own));
    for (std::size_t i = 0; i < own.size(); ++i)
      REQUIRE(own[i] == decoded[(2 + i / 256) * cols + 256 + i % 256]);
  });
}
