// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// host::matmul at every SIMD level against a sum in f64 over the decoded weights, between pages
// that fault when touched.
#include "qfmt/host/matmul.hpp"

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <cmath>

#include "host/simd_cases.hpp"

using namespace simd_test;
using host::Activations;

namespace {

struct Operands {
  std::int64_t rows, cols, m;
};

/// Largest difference from the f64 product, as a share of what the level may be off by: roundings
/// of T, of the activations and the levels, of f32 sums.
template <class S, class T>
double error_of(QuantizedMatrix<S> w, std::vector<float> const& weights, T const* x, std::int64_t m,
                T const* y, T const* bias, Activations activations) {
  double const output = sizeof(T) == 4 ? 0.0 : Bfloat16Like<T> ? 0x1p-8 : 0x1p-10;
  double most_w = 0.0, worst = 0.0;  // levels that no weight uses are at most 1.6 times as large
  for (float const v : weights) most_w = std::max(most_w, 1.6 * std::abs(double{v}));
  for (std::int64_t r = 0; r < m; ++r) {
    double most_x = 0.0;
    for (std::int64_t k = 0; k < w.cols; ++k)
      most_x = std::max(most_x, std::abs(double{to_float(x[r * w.cols + k])}));
    for (std::int64_t n = 0; n < w.rows; ++n) {
      double sum = bias == nullptr ? 0.0 : double{to_float(bias[n])}, size = std::abs(sum) + 1e-30;
      double steps = 0.0;  // half a step of 8-bit weights and activations
      for (std::int64_t k = 0; k < w.cols; ++k) {
        double const wk = weights[static_cast<std::size_t>(w.origin + n * w.row_stride + k)];
        double const xk = to_float(x[r * w.cols + k]);
        sum += wk * xk;
        size += std::abs(wk * xk);
        steps += (std::abs(wk) * most_x + std::abs(xk) * most_w + most_x * most_w / 254) / 254;
      }
      double allowed = (output + 1e-6) * size;
      if (activations == Activations::bfloat16) allowed += 0x1.01p-8 * size;
      if (activations == Activations::int8) allowed += steps;
      double const e = std::abs(double{to_float(y[r * w.rows + n])} - sum) / allowed;
      worst = std::isfinite(e) ? std::max(worst, e) : 1e9;
    }
  }
  return worst;
}

template <class S, class T>
void check_product(Operands o, std::int64_t origin, std::int64_t stride, bool with_bias) {
  std::int64_t const size = (o.rows + (origin != 0)) * stride;
  auto const values = normal_values<float>(static_cast<std::size_t>(size), 5);
  Tensor<S> t(size);
  if constexpr (S::is_row_wise) t.scales.resize(static_cast<std::size_t>(size / stride));
  QuantizedSpan<S> span = t.span();
  if constexpr (S::is_row_wise) span.scales.row_length = stride;
  REQUIRE(host::quantize(values, span));
  auto const weights = decoded<float>(span, SimdLevel::scalar);
  // Codes and scales end, or begin, at a page that may not be touched.
  auto const bytes = static_cast<std::size_t>(codes_bytes<S>(size));
  Fenced const codes(bytes), scales(t.scales.size() * 4), inner(t.inner.size());
  auto const fence = [&](bool at_end) {
    auto const place = [&](Fenced const& f, void const* from, std::size_t n) {
      return static_cast<unsigned char*>(std::memcpy(at_end ? f.at_end(n) : f.at_begin(), from, n));
    };
    std::size_t const groups = S::is_nested ? (t.inner.size() + 255) / 256 : t.scales.size();
    auto v = view<S>(place(codes, t.codes.data(), bytes),
                     reinterpret_cast<float*>(place(scales, t.scales.data(), groups * 4)),
                     place(inner, t.inner.data(), t.inner.size()), &t.offset, size);
    if constexpr (S::is_row_wise) v.scales.row_length = stride;
    return QuantizedMatrix<S>{v, o.rows, o.cols, stride, origin};
  };

  auto const count = [](std::int64_t n) { return static_cast<std::size_t>(n) * sizeof(T); };
  Fenced const x_memory(count(o.m * o.cols)), y_memory(count(o.m * o.rows) + 4096);
  auto* const x = reinterpret_cast<T*>(x_memory.at_end(count(o.m * o.cols)));
  auto* const y = reinterpret_cast<T*>(y_memory.at_end(count(o.m * o.rows)));
  auto const x_values = normal_values<T>(static_cast<std::size_t>(o.m * o.cols), 6);
  std::copy(x_values.begin(), x_values.end(), x);
  Fenced const x2_memory(count(o.m * o.cols));
  auto* const x2 = reinterpret_cast<T*>(x2_memory.at_begin());
  std::copy(x_values.begin(), x_values.end(), x2);
  auto const bias = normal_values<T>(static_cast<std::size_t>(o.rows), 7);
  T const* const b = with_bias ? bias.data() : nullptr;

  std::vector<SimdLevel> all = levels();
  all.push_back(SimdLevel::scalar);
  for (SimdLevel const level : all)
    for (auto const activations : {Activations::exact, Activations::bfloat16, Activations::int8}) {
      CAPTURE(S::format::name, S::block_size, S::is_nested, sizeof(T), level,
              static_cast<int>(activations), o.rows, o.cols, o.m, origin, stride);
      QuantizedMatrix<S> const w = fence(level != SimdLevel::scalar);
      std::fill(y, y + o.m * o.rows, from_float<T>(1e30f));
      REQUIRE(host::matmul(w, x, o.m, y, b, host::MatmulOptions{activations, level}));
      REQUIRE(error_of<S, T>(w, weights, x, o.m, y, b, activations) < 1.0);
      // From the beginnings of pages, and over threads.
      auto const first = fence(false);
      std::vector<T> again(static_cast<std::size_t>(o.m * o.rows));
      REQUIRE(host::matmul_parallel(host::Threads{3}, first, x2, o.m, again.data(), b,
                                    host::MatmulOptions{activations, level}));
      REQUIRE(same(again.data(), y, again.size()));
    }
}

template <class S, class T>
void check_shapes() {
  constexpr std::int64_t block = S::block_size == 0 ? 64 : S::block_size;
  auto const whole = [](std::int64_t n) { return (n + block - 1) / block * block; };
  for (std::int64_t const cols : {1, 15, 16, 64, 100, 127, 128, 129, 300, 512})
    check_product<S, T>({5, cols, 3}, 0, whole(cols), cols % 2 == 0);
  for (std::int64_t const m : {1, 2, 3, 4, 5, 8, 9, 16, 64})
    check_product<S, T>({7, 2 * block, m}, 0, 2 * block, true);
  check_product<S, T>({3, 2 * block, 2}, block, 4 * block,
                      false);                                // a slice of rows that begin blocks
  check_product<S, T>({300, 192, 1}, 0, whole(192), false);  // more than one pack of x serves
  if constexpr (!S::is_row_wise) check_product<S, T>({4, 3 * block + 6, 2}, 2, 5 * block + 2, true);
}

}  // namespace

TEMPLATE_TEST_CASE("SIMD: matmul against the product in f64", "[host][simd]", Nf4, Nf4Short,
                   Nf4Nested, Fp4, Fp4Nested, Own, Rows, Map8) {
  check_shapes<TestType, float>();
  check_shapes<TestType, float16>();
  check_shapes<TestType, bfloat16>();
}

TEST_CASE("SIMD: matmul with long rows, in several pieces of K", "[host][simd]") {
  check_product<Nf4, float>({6, 9000, 1}, 0, 9024, true);
  check_product<Nf4Nested, bfloat16>({6, 9000, 8}, 0, 9024, true);
  check_product<Rows, float>({6, 9001, 5}, 0, 9001, true);
  check_product<Nf4Short, float>({600, 4500, 4}, 0, 4512, false);  // tiles and pieces
  check_product<Nf4, bfloat16>({515, 700, 6}, 0, 704, true);
}

/// Blocks shorter and longer than what a kernel takes at a time, in their middle and at the end.
template <int Block>
using Nf4Of = Scheme<Format<NF4>, BlockSize<Block>>;
TEMPLATE_TEST_CASE("SIMD: matmul with blocks of every size", "[host][simd]", Nf4Of<32>, Nf4Of<128>,
                   Nf4Of<256>, Nf4Of<512>, Nf4Of<1024>, Nf4Of<4096>) {
  for (std::int64_t const m : {1, 2, 3, 5})
    check_product<TestType, float>({3, 4608, m}, 0, 8192, false);
}

TEST_CASE("SIMD: matmul of values that are not finite gives none that are", "[host][simd]") {
  std::int64_t const k = 256;
  auto const values = normal_values<float>(2 * 256, 8);
  Tensor<Nf4> t = quantized<Nf4>(values.data(), 2 * k, SimdLevel::scalar);
  QuantizedMatrix<Nf4> const w{t.span(), 2, k};
  auto x = normal_values<float>(256, 9);
  for (float const bad : {float_from_bits(0x7FC00000u), float_from_bits(0x7F800000u)}) {
    x[77] = bad;
    for (SimdLevel const level : levels())
      for (auto const activations :
           {Activations::exact, Activations::bfloat16, Activations::int8}) {
        float y[2]{};
        REQUIRE(host::matmul(w, x.data(), 1, y, nullptr, host::MatmulOptions{activations, level}));
        CHECK_FALSE(is_finite(y[0]));
        CHECK_FALSE(is_finite(y[1]));
      }
  }
}
