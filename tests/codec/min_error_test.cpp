// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// MinError against the true optimum, which a sweep in f64 over every scale at which a value crosses
// a decision point finds, and against Nearest, which it must never do worse than.
#include "qfmt/codec/min_error.hpp"

#include "qfmt/format/fp4.hpp"
#include "qfmt/format/fp8.hpp"
#include "qfmt/format/int8.hpp"
#include "qfmt/format/nf4.hpp"
#include "qfmt/host/dequantize.hpp"
#include "qfmt/host/quantize.hpp"
#include "qfmt/host/quantize_range.hpp"
#include "qfmt/host/quantized_tensor.hpp"
#include "support/best_scale.hpp"
#include "support/oracle.hpp"

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace {

using namespace qfmt;
using std::size_t;

/// Two's complement in eighths: one more level below zero than above.
struct Int4 {
  static constexpr auto name = "int4";
  static constexpr Codebook codebook{-1.f, -.875f, -.75f, -.625f, -.5f, -.375f, -.25f, -.125f,
                                     0.f,  .125f,  .25f,  .375f,  .5f,  .625f,  .75f,  .875f};
};

/// Seven levels, none of them zero or as large as one.
struct Seven {
  static constexpr auto name = "seven";
  static constexpr Codebook codebook{-.75f, -.375f, -.125f, .0625f, .25f, .5f, .625f};
};

template <class F>
std::vector<double> levels_of() {
  std::vector<double> levels;
  if constexpr (std::same_as<F, NF4>) {
    for (auto const bits : oracle::nf4_levels)
      levels.push_back(static_cast<double>(oracle::from_bits(bits)));
  } else if constexpr (std::same_as<F, FP4>) {
    for (auto const bits : oracle::fp4_magnitudes)
      for (double const sign : {-1., 1.})
        levels.push_back(sign * static_cast<double>(oracle::from_bits(bits)));
  } else {
    for (int c = 0; c < F::codebook.count; ++c)
      levels.push_back(static_cast<double>(F::codebook.level[c]));
  }
  return oracle::ascending(levels);
}

template <Element T>
std::vector<T> converted(std::vector<float> const& values) {
  std::vector<T> out(values.size());
  std::transform(values.begin(), values.end(), out.begin(),
                 [](float x) { return from_float<T>(x); });
  return out;
}

std::vector<float> normal_values(size_t n, unsigned seed = 5) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& x : values) x = normal(random);
  return values;
}

/// Error of each block of `length` decoded values, in f64.
template <Element T>
std::vector<double> errors(std::vector<T> const& values, std::vector<float> const& decoded,
                           size_t length, std::vector<float> const& weights = {}) {
  std::vector<double> sums((values.size() + length - 1) / length);
  for (size_t i = 0; i < values.size(); ++i) {
    double const d = static_cast<double>(to_float(values[i])) - static_cast<double>(decoded[i]);
    double const w = weights.empty() ? 1. : static_cast<double>(weights[i % weights.size()]);
    sums[i / length] += w * d * d;
  }
  return sums;
}

double sum(std::vector<double> const& terms) {
  double total = 0.;
  for (double const t : terms) total += t;
  return total;
}

template <SchemeSpec S>
QuantizedTensor<S> tensor_for(std::int64_t n) {
  if constexpr (S::is_row_wise) {
    return QuantizedTensor<S>(n / 100, 100);
  } else {
    return QuantizedTensor<S>(n);
  }
}

template <SchemeSpec S, Element T, class Encoder>
std::vector<float> decoded(std::vector<T> const& values, Encoder encoder) {
  auto tensor = tensor_for<S>(std::ssize(values));
  REQUIRE(host::quantize(values, tensor.span(), encoder));
  std::vector<float> out(values.size());
  REQUIRE(host::dequantize(tensor.span(), out));
  return out;
}

template <SchemeSpec S>
std::vector<std::uint8_t> bytes_of(QuantizedTensor<S> const& tensor) {
  auto const* const first = static_cast<QuantizedTensor<S> const&>(tensor).span().codes;
  return {first, first + tensor.bytes()};
}

/// Blocks of many kinds, 64 values each: what a search could stumble over.
std::vector<float> awkward_values() {
  std::mt19937 random(9);
  std::normal_distribution<float> normal;
  std::vector<float> values;
  auto const add = [&](auto const& value) {
    for (int i = 0; i < 64; ++i) values.push_back(value(i));
  };
  for (int e = -149; e <= 127; e += 3)  // every size, near the ends of the range too
    add([&](int) { return std::ldexp(std::clamp(normal(random) / 4.f, -1.f, 1.f), e); });
  for (int outliers = 1; outliers < 5; ++outliers)
    add([&](int i) { return normal(random) * (i < outliers ? 100.f : 1.f); });
  for (float const x : {0.f, -0.f, 1.f, -1.f, 3e38f, -3.4e38f, 1e-45f, -1e-45f})
    add([&](int) { return x; });
  for (float const x : {1.f, -1.f, 1e-45f, -3.4e38f})  // one value in a block of zeros
    add([&](int i) { return i == 17 ? x : 0.f; });
  add([&](int i) { return NF4::codebook.level[i % 16] * 0.7f; });  // nothing to gain
  add([&](int i) { return NF4::codebook.level[i % 16] * -0.7f; });
  add([&](int i) { return FP4::codebook.level[i % 16] * 3.f; });
  add([&](int) { return std::fabs(normal(random)); });
  add([&](int) { return -std::fabs(normal(random)); });
  add([&](int i) { return static_cast<float>(i % 2) - 0.5f; });
  for (int i = 0; i < 37; ++i) values.push_back(normal(random));  // a short last block
  return values;
}

}  // namespace

// Worked out by the compiler: the core is one for every target.
static_assert([] {
  float const values[16]{.9f, -.5f, .3f, .1f, -.2f, .7f, -.6f, .05f, .4f, -.3f, .2f, .8f};
  MinError const encoder;
  float const scale = encoder.scale<NF4>(values, 16);
  return encoder.error<NF4>(values, 16, scale) < encoder.error<NF4>(values, 16, .9f);
}());
static_assert(EncoderFor<MinError, NF4, float> && EncoderFor<MinError, Int8, bfloat16>);

TEMPLATE_TEST_CASE("nearly all of what the best scale would gain", "[codec]", NF4, FP4, Int4,
                   Seven) {
  auto const levels = levels_of<TestType>();
  auto const share = [&]<int N>(std::integral_constant<int, N>) {
    using S = Scheme<Format<TestType>, BlockSize<N>>;
    auto const values = normal_values(N == 1024 ? 1 << 16 : 1 << 14);
    double const nearest = sum(errors(values, decoded<S>(values, Nearest{}), N));
    double const found = sum(errors(values, decoded<S>(values, MinError{}), N));
    double best = 0.;
    for (size_t i = 0; i < values.size(); i += N) {
      auto const at = values.begin() + static_cast<std::ptrdiff_t>(i);
      std::vector<float> const block(at, at + N);
      best += oracle::least_error(levels, block);
    }
    INFO("blocks of " << N << ": " << nearest << " -> " << found << ", at best " << best);
    CHECK(found >= best * (1. - 1e-6));
    CHECK(nearest - found >= 0.98 * (nearest - best));
    if (std::same_as<TestType, NF4> && N == 64) CHECK(std::sqrt(found / nearest) <= 0.93);
  };
  share(std::integral_constant<int, 16>{});
  share(std::integral_constant<int, 64>{});
  share(std::integral_constant<int, 1024>{});
}

TEMPLATE_TEST_CASE("no block is worse than Nearest's", "[codec]", NF4, FP4, Int4, Seven, Int8,
                   Dynamic8, UnsignedDynamic8, FP8E4M3, FP8E5M2) {
  using S = Scheme<Format<TestType>, BlockSize<64>>;
  auto const values = awkward_values();
  auto const by_search = errors(values, decoded<S>(values, MinError{}), 64);
  auto const by_absmax = errors(values, decoded<S>(values, Nearest{}), 64);
  int better = 0;
  for (size_t b = 0; b < by_search.size(); ++b) {
    INFO("block " << b << ": " << by_search[b] << " after " << by_absmax[b]);
    // Beyond f32 there is nothing to compare: such codebooks decode what they cannot hold.
    if (std::isfinite(by_absmax[b])) REQUIRE(by_search[b] <= by_absmax[b] * (1. + 1e-12));
    better += by_search[b] < by_absmax[b] ? 1 : 0;
  }
  CHECK(better > std::ssize(by_search) / 2);
}

TEST_CASE("halves, bfloats and rows are searched as floats are", "[codec]") {
  using S = Scheme<Format<NF4>, BlockSize<64>>;
  using Rows = Scheme<Format<Int8>, RowWise>;
  auto const check = [](auto const& values) {
    auto const search = errors(values, decoded<S>(values, MinError{}), 64);
    auto const absmax = errors(values, decoded<S>(values, Nearest{}), 64);
    CHECK(std::sqrt(sum(search) / sum(absmax)) < 0.93);
    for (size_t b = 0; b < search.size(); ++b) REQUIRE(search[b] <= absmax[b] * (1. + 1e-12));
    auto const rows = errors(values, decoded<Rows>(values, MinError{}), 100);
    auto const rows_absmax = errors(values, decoded<Rows>(values, Nearest{}), 100);
    CHECK(sum(rows) < sum(rows_absmax));
    for (size_t r = 0; r < rows.size(); ++r) REQUIRE(rows[r] <= rows_absmax[r] * (1. + 1e-12));
  };
  check(converted<float16>(normal_values(10000)));
  check(converted<bfloat16>(normal_values(10000)));
}

TEMPLATE_TEST_CASE("the same bytes at every SIMD level and over threads", "[codec]",
                   (Scheme<Format<NF4>, BlockSize<64>>),
                   (Scheme<Format<NF4>, BlockSize<32>, DoubleQuant<true>>),
                   (Scheme<Format<FP4>, BlockSize<256>, DoubleQuant<true>>),
                   (Scheme<Format<Int8>, RowWise>)) {
  std::int64_t const n = 50000;  // two groups of nested scales and more
  auto values = normal_values(static_cast<size_t>(n));
  std::fill(values.begin() + 640, values.begin() + 1920, 0.f);
  auto const weights = normal_values(100, 3);
  for (auto const& encoder : {MinError{}, MinError{weights.data(), 100}}) {
    auto scalar = tensor_for<TestType>(n);
    REQUIRE(host::quantize(values, scalar.span(), encoder, {.simd = SimdLevel::scalar}));
    auto const expected = bytes_of(scalar);
    for (auto const level : {SimdLevel::avx2, SimdLevel::best}) {
      auto other = tensor_for<TestType>(n);
      REQUIRE(host::quantize(values, other.span(), encoder, {.simd = level}));
      CHECK(bytes_of(other) == expected);
    }
    auto threaded = tensor_for<TestType>(n);
    REQUIRE(host::quantize_parallel(host::Threads{3}, values, threaded.span(), encoder));
    CHECK(bytes_of(threaded) == expected);
    std::vector<float> room(static_cast<size_t>(n));
    auto with_room = tensor_for<TestType>(n);
    REQUIRE(host::quantize(values, with_room.span(), encoder, {.propagate_non_finite = true},
                           {room.data(), n * 4}));
    CHECK(bytes_of(with_room) == expected);
    if constexpr (TestType::is_nested) {  // the three public steps
      auto steps = tensor_for<TestType>(n);
      std::vector<float> absmax(static_cast<size_t>(block_count<TestType>(n)));
      std::int64_t const blocks = std::ssize(absmax);
      for (host::BlockRange const range : {host::BlockRange{256, blocks}, {0, 256}})
        if (range.first < range.last && range.last <= blocks)
          REQUIRE(host::absmax_range(values, std::span(absmax), steps.span(), range, encoder));
      if (blocks < 256)
        REQUIRE(host::absmax_range(values, std::span(absmax), steps.span(), {0, blocks}, encoder));
      std::span<float const> const scales = absmax;
      REQUIRE(host::nested_offset(scales, steps.span()));
      REQUIRE(host::encode_range(values, scales, steps.span(), {0, blocks}, encoder));
      CHECK(bytes_of(steps) == expected);
    }
  }
}

TEST_CASE("weights decide which errors count", "[codec]") {
  using S = Scheme<Format<NF4>, BlockSize<64>>;
  constexpr size_t columns = 96;  // blocks begin within rows
  auto const values = normal_values(columns * 160);
  std::vector<float> weights(columns);
  std::mt19937 random(2);
  for (float& w : weights) w = std::exp(2.f * std::normal_distribution<float>()(random));
  auto const levels = levels_of<NF4>();
  MinError const weighted{weights.data(), columns};
  double const nearest = sum(errors(values, decoded<S>(values, Nearest{}), 64, weights));
  double const plain = sum(errors(values, decoded<S>(values, MinError{}), 64, weights));
  double const found = sum(errors(values, decoded<S>(values, weighted), 64, weights));
  double best = 0.;
  for (size_t i = 0; i < values.size(); i += 64) {
    std::vector<float> block, w;
    for (size_t k = i; k < i + 64; ++k) {
      block.push_back(values[k]);
      w.push_back(weights[k % columns]);
    }
    best += oracle::least_error(levels, block, w);
  }
  INFO(nearest << " -> " << found << ", at best " << best << ", unweighted " << plain);
  CHECK(found < 0.95 * plain);
  CHECK(found >= best * (1. - 1e-6));
  CHECK(nearest - found >= 0.98 * (nearest - best));

  // A part of a matrix says where it begins.
  auto whole = tensor_for<S>(std::ssize(values));
  REQUIRE(host::quantize(values, whole.span(), weighted));
  std::vector<float> const part(values.begin() + 64 * 7, values.begin() + 64 * 9);
  auto own = tensor_for<S>(128);
  REQUIRE(host::quantize(part, own.span(), MinError{weights.data(), columns, 64 * 7}));
  CHECK(std::memcmp(own.span().codes, whole.span().codes + 32 * 7, 64) == 0);
  CHECK(own.span().scales.absmax[1] == whole.span().scales.absmax[8]);
}

TEST_CASE("weights that say nothing change nothing", "[codec]") {
  using S = Scheme<Format<NF4>, BlockSize<64>>;
  auto const values = normal_values(64 * 40);
  auto const bytes = [&](MinError const& encoder) {
    auto tensor = tensor_for<S>(std::ssize(values));
    REQUIRE(host::quantize(values, tensor.span(), encoder));
    return bytes_of(tensor);
  };
  std::vector<float> weights(10, 1.f);
  CHECK(bytes({weights.data(), 10}) == bytes({}));
  std::fill(weights.begin(), weights.end(), 0.f);
  CHECK(bytes({weights.data(), 10}) == bytes({}));
  std::vector<float> some(10, 1.f), odd(10, 1.f);
  some[3] = 0.f;
  for (float const w : {-1.f, -0.f, std::numeric_limits<float>::quiet_NaN(),
                        std::numeric_limits<float>::infinity()}) {
    odd[3] = w;
    CHECK(bytes({odd.data(), 10}) == bytes({some.data(), 10}));
  }
  CHECK(bytes({some.data(), 10}) != bytes({}));
  auto tensor = tensor_for<S>(std::ssize(values));
  for (MinError const& bad : {MinError{weights.data(), 0}, MinError{weights.data(), 10, -1}})
    CHECK(host::quantize(values, tensor.span(), bad).code == Errc::unsupported_shape);
}

TEMPLATE_TEST_CASE("nested scales: chosen among those that can be stored", "[codec]", NF4, FP4) {
  using S = Scheme<Format<TestType>, BlockSize<64>, DoubleQuant<true>>;
  auto const values = normal_values(64 * 600);
  double const nearest = sum(errors(values, decoded<S>(values, Nearest{}), 64));
  double const found = sum(errors(values, decoded<S>(values, MinError{}), 64));
  INFO(nearest << " -> " << found);
  CHECK(std::sqrt(found / nearest) < 0.94);

  auto tensor = tensor_for<S>(std::ssize(values));
  REQUIRE(host::quantize(values, tensor.span(), MinError{}));
  auto const view = tensor.span();
  std::vector<float> absmax(600);
  REQUIRE(host::absmax_range(values, std::span(absmax), view, {0, 600}, MinError{}));
  for (std::int64_t b = 0; b < 600; ++b) {
    float const* const block = values.data() + 64 * b;
    float const stored = scale_at(view.scales, b);
    std::uint8_t codes[32];
    encode_block<TestType>(block, 64, stored, codes);
    REQUIRE(std::memcmp(codes, view.codes + 32 * b, 32) == 0);  // nearest under what is stored
    double const error = MinError{}.error<TestType>(block, 64, stored);
    float const absmax2 = view.scales.absmax.scales.absmax[b / 256], offset = *view.scales.offset;
    int const rounded = encode<Dynamic8>(absmax[static_cast<size_t>(b)] - offset, absmax2);
    for (int code = std::max(0, rounded - 1); code <= std::min(255, rounded + 1); ++code) {
      float volatile const product = Dynamic8::codebook.level[code] * absmax2;
      REQUIRE(error <= MinError{}.error<TestType>(block, 64, product + offset));
    }
  }
}

TEMPLATE_TEST_CASE("positive scales alone, where that is asked for", "[codec]", NF4, Int4, Seven,
                   Dynamic8) {
  using S = Scheme<Format<TestType>, BlockSize<16>>;
  auto values = awkward_values();
  auto const more = normal_values(64 * 40);
  values.insert(values.end(), more.begin(), more.end());
  QuantizedTensor<S> both(std::ssize(values)), positive(std::ssize(values));
  REQUIRE(host::quantize(values, both.span(), MinError{}));
  REQUIRE(host::quantize(values, positive.span(), MinError{.positive_scales = true}));
  int negative = 0;
  for (std::int64_t b = 0; b < block_count<S>(std::ssize(values)); ++b) {
    negative += std::signbit(both.span().scales.absmax[b]) ? 1 : 0;
    REQUIRE(!std::signbit(positive.span().scales.absmax[b]));
  }
  CHECK(negative > 20);
}

TEST_CASE("zeros, NaN and infinity are as with Nearest", "[codec]") {
  using Plain = Scheme<Format<NF4>, BlockSize<64>>;
  using Nested = Scheme<Format<NF4>, BlockSize<16>, DoubleQuant<true>>;
  auto values = normal_values(16 * 600);
  std::fill(values.begin(), values.begin() + 128, 0.f);
  values[1000] = std::numeric_limits<float>::infinity();
  values[1001] = std::numeric_limits<float>::quiet_NaN();
  auto const check = [&]<class S>(std::type_identity<S>) {
    auto tensor = tensor_for<S>(std::ssize(values));
    Status const refused = host::quantize(values, tensor.span(), MinError{});
    CHECK(refused.code == Errc::non_finite);
    CHECK(refused.index == 1000);
    unsigned long long count = 0;
    QuantizeOptions const options{.propagate_non_finite = true, .non_finite_count = &count};
    REQUIRE(host::quantize(values, tensor.span(), MinError{}, options));
    CHECK(count == 2);
    std::vector<float> out(values.size()), nearest(values.size());
    REQUIRE(host::dequantize(tensor.span(), out));
    auto by_absmax = tensor_for<S>(std::ssize(values));
    REQUIRE(host::quantize(values, by_absmax.span(), Nearest{}, options));
    REQUIRE(host::dequantize(by_absmax.span(), nearest));
    for (size_t i = 0; i < values.size(); ++i)
      REQUIRE(std::isnan(out[i]) == std::isnan(nearest[i]));
    for (size_t i = 0; i < 128; ++i) REQUIRE((out[i] == 0.f || std::isnan(nearest[i])));
  };
  check(std::type_identity<Plain>());
  check(std::type_identity<Nested>());
  auto zeros = tensor_for<Plain>(64);
  REQUIRE(host::quantize(std::vector<float>(64), zeros.span(), MinError{}));
  CHECK(std::bit_cast<std::uint32_t>(zeros.span().scales.absmax[0]) == 0u);
  CHECK(zeros.span().codes[5] == 0x77);
}
