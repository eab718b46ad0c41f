// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// LLM.int8() written down a second time, from bitsandbytes' documents: no table, bitmap, integer
// comparison or tile of the library's. Operands of the tests, and errors against the product in
// f64.
#pragma once

#include <cmath>

#include "host/reference.hpp"
#include "host/simd_cases.hpp"

namespace int8_cases {

using namespace qfmt;

template <class T>
constexpr reference::Type type_of = std::same_as<T, float> ? reference::Type::f32
                                    : Float16Like<T>       ? reference::Type::f16
                                                           : reference::Type::bf16;

template <class T>
T rounded_to(float x) {
  if constexpr (std::same_as<T, float>)
    return x;
  else
    return T::from_bits(static_cast<std::uint16_t>(reference::round_to(type_of<T>, x)));
}

/// Of std::vector: the tests' sizes are int64.
template <class V>
auto& at(V& v, std::int64_t i) {
  return v[static_cast<std::size_t>(i)];
}

/// bitsandbytes' int8_vectorwise_quant, with NaN taken for an outlier under a threshold.
struct Quantized {
  std::int64_t rows, cols;
  std::vector<int> codes;
  std::vector<float> absmax;
  std::vector<bool> is_outlier_column;
};

template <class T>
Quantized quantize(T const* x, std::int64_t rows, std::int64_t cols, float threshold) {
  auto const n = static_cast<std::size_t>(rows * cols);
  Quantized q{
      rows, cols, std::vector<int>(n), {}, std::vector<bool>(static_cast<std::size_t>(cols))};
  auto const regular = [&](float v) { return threshold == 0.f || std::fabs(v) < threshold; };
  for (std::int64_t r = 0; r < rows; ++r) {
    float most = 0.f;
    for (std::int64_t k = 0; k < cols; ++k) {
      float const v = to_float(x[r * cols + k]);
      if (!regular(v))
        q.is_outlier_column[static_cast<std::size_t>(k)] = true;
      else if (!std::isfinite(v))
        most = std::numeric_limits<float>::quiet_NaN();
      else if (std::fabs(v) > most)
        most = std::fabs(v);
    }
    q.absmax.push_back(most);
  }
  for (std::int64_t r = 0; r < rows; ++r) {
    float const most = at(q.absmax, r);
    if (!(most > 0.f)) continue;
    float const scale = reference::quotient(127.f, most);
    for (std::int64_t k = 0; k < cols; ++k)
      if (!q.is_outlier_column[static_cast<std::size_t>(k)])
        at(q.codes, r * cols + k) =
            static_cast<int>(std::nearbyint(reference::product(to_float(x[r * cols + k]), scale)));
  }
  return q;
}

/// Where the weights of outlier columns come from.
enum class Outliers { from_int8, kept };

/// A product's operands. 16-bit weights, their int8 form, activations, bias.
template <class T>
struct Case {
  std::int64_t m, n, k;
  std::vector<T> weights, x, bias;
  QuantizedTensor<LlmInt8> int8;

  Case(std::int64_t m_, std::int64_t n_, std::int64_t k_, unsigned seed)
      : m(m_),
        n(n_),
        k(k_),
        weights(simd_test::normal_values<T>(static_cast<std::size_t>(n * k), seed)),
        x(simd_test::normal_values<T>(static_cast<std::size_t>(m * k), seed + 1)),
        bias(simd_test::normal_values<T>(static_cast<std::size_t>(n), seed + 2)),
        int8(n, k) {
    REQUIRE(int8.status());
    REQUIRE(host::quantize(weights, int8.span()));
  }

  std::int64_t workspace_bytes() const { return int8_matmul_workspace_bytes(m, k, n); }

  std::vector<T> multiply(float threshold, Outliers outliers, SimdLevel level = SimdLevel::best,
                          bool with_bias = false) const {
    std::vector<float> memory(static_cast<std::size_t>((workspace_bytes() + 3) / 4));
    Workspace const workspace{memory.data(), workspace_bytes()};
    std::vector<T> y(static_cast<std::size_t>(m * n), from_float<T>(12345.f));
    host::Int8Options options;
    options.simd = level;
    OutlierWeights<T> kept;
    if (outliers == Outliers::kept) kept = {weights.data(), nullptr, k};
    REQUIRE(host::int8_matmul(int8.matrix(), kept, x.data(), m, y.data(),
                              with_bias ? bias.data() : nullptr, threshold, workspace, options));
    return y;
  }

  /// The product in f64 of activations and the weights as they were before quantization.
  std::vector<double> exact(std::vector<T> const& activations) const {
    std::vector<double> y;
    for (std::int64_t r = 0; r < m; ++r)
      for (std::int64_t j = 0; j < n; ++j) {
        double sum = 0.0;
        for (std::int64_t i = 0; i < k; ++i)
          sum += double{to_float(at(activations, r * k + i))} *
                 double{to_float(at(weights, j * k + i))};
        y.push_back(sum);
      }
    return y;
  }
};

/// What int8_matmul must return, bit for bit: integer sums, and f32 operations in the documented
/// order, none of them fused.
template <class T>
std::vector<T> expected(Case<T> const& c, float threshold, Outliers outliers, bool with_bias) {
  using reference::product;
  Quantized const x = quantize(c.x.data(), c.m, c.k, threshold);
  Quantized const w = quantize(c.weights.data(), c.n, c.k, 0.f);
  auto const unit = static_cast<float>(1.0 / (127.0 * 127.0));
  std::vector<T> y;
  for (std::int64_t r = 0; r < c.m; ++r)
    for (std::int64_t j = 0; j < c.n; ++j) {
      std::int64_t sum = 0;
      float tail = 0.f;
      for (std::int64_t i = 0; i < c.k; ++i) {
        int const code = at(w.codes, j * c.k + i);
        sum += at(x.codes, r * c.k + i) * code;
        if (!x.is_outlier_column[static_cast<std::size_t>(i)]) continue;
        float const decoded =
            product(product(static_cast<float>(code), at(w.absmax, j)), 0x1.020408p-7f);
        float const weight = outliers == Outliers::kept ? to_float(at(c.weights, j * c.k + i))
                                                        : to_float(rounded_to<T>(decoded));
        tail = reference::sum(product(to_float(at(c.x, r * c.k + i)), weight), tail);
      }
      float const factor = product(at(w.absmax, j), unit);
      float const whole = product(product(static_cast<float>(sum), factor), at(x.absmax, r));
      float const bias = with_bias ? to_float(at(c.bias, j)) : 0.f;
      y.push_back(rounded_to<T>(reference::sum(reference::sum(whole, tail), bias)));
    }
  return y;
}

/// Root of the mean square of a - b, over that of `scale`.
template <class A>
double relative_error(std::vector<A> const& a, std::vector<double> const& b,
                      std::vector<double> const& scale) {
  double error = 0.0, size = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    double const d = double{static_cast<float>(a[i])} - b[i];
    error += d * d;
    size += scale[i] * scale[i];
  }
  return std::sqrt(error / size);
}

}  // namespace int8_cases
