// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What the matmul tests share: random weights on the emulated device, and y in float64 from the
// decoded weights.
#pragma once

#include "qfmt/format/fp4.hpp"
#include "qfmt/format/int8.hpp"
#include "qfmt/format/nf4.hpp"
#include "qfmt/host/dequantize.hpp"
#include "qfmt/host/quantize.hpp"
#include "qfmt/host/quantized_tensor.hpp"
#include "qfmt/ops/matmul.cuh"

#include <catch2/catch_test_macros.hpp>

#include <cmath>
#include <random>
#include <vector>

#include "gpu_free/device_buffer.hpp"

namespace matmul_cases {

using gpu_free::DeviceBuffer;
using namespace qfmt;

/// A quantized matrix of normal values in device memory, and what it decodes to.
template <SchemeSpec S>
class Weights {
 public:
  Weights(int64_t rows, int64_t cols, unsigned seed, std::size_t misalignment = 0)
      : rows_(rows), cols_(cols), storage_(storage_bytes<S>(rows, cols), misalignment) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0.f, 0.02f);
    std::vector<float> values(static_cast<std::size_t>(rows * cols));
    for (float& v : values) v = normal(random);
    QuantizedTensor<S> tensor(rows, cols);
    REQUIRE(host::quantize(values, tensor.span()));
    decoded_.resize(values.size());
    REQUIRE(host::dequantize(tensor.span(), decoded_));
    storage_.write({tensor.matrix().values.codes, static_cast<std::size_t>(storage_.size())});
  }

  QuantizedMatrix<S> matrix() const { return place<S>(storage_.data(), rows_, cols_); }
  double at(int64_t flat) const { return decoded_[static_cast<std::size_t>(flat)]; }

 private:
  int64_t rows_, cols_;
  DeviceBuffer<uint8_t> storage_;
  std::vector<float> decoded_;
};

template <class T>
std::vector<T> random_values(int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<T> values(static_cast<std::size_t>(count));
  for (T& v : values) v = from_float<T>(normal(random));
  return values;
}

/// sum over k of x[m, k] * w[n, k], for a matrix that is a slice of `weights`.
template <SchemeSpec S, class T>
double product(Weights<S> const& weights, QuantizedMatrix<S> const& w, int64_t n,
               std::vector<T> const& x, int64_t m) {
  double sum = 0;
  for (int64_t k = 0; k < w.cols; ++k)
    sum += weights.at(w.origin + n * w.row_stride + k) *
           double{to_float(x[static_cast<std::size_t>(m * w.cols + k)])};
  return sum;
}

/// Root mean square of a - b relative to that of b.
inline double relative_error(std::vector<double> const& a, std::vector<double> const& b) {
  double error = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    error += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  return std::sqrt(error / size);
}

/// The call that is tested, unless a test names another.
struct Dispatched {
  template <SchemeSpec S, class T>
  Status operator()(QuantizedMatrix<S> const& w, T const* x, int64_t m, T* y, T const* bias,
                    MatmulOptions options) const {
    return device::matmul(w, x, m, y, bias, {}, nullptr, options);
  }
};

/// What a product errs by before its result is rounded to T: the bias takes the rounded result
/// away, so that what is left is small and keeps its digits. Every row of x is the same.
template <SchemeSpec S, class T, class Call = Dispatched>
double error_before_rounding(Weights<S> const& weights, QuantizedMatrix<S> const& w, int64_t m,
                             MatmulOptions options = {}, Call call = {}) {
  auto const row = random_values<T>(w.cols, 7);
  std::vector<T> x;
  for (int64_t i = 0; i < m; ++i) x.insert(x.end(), row.begin(), row.end());
  std::vector<double> exact;
  std::vector<T> bias;
  for (int64_t n = 0; n < w.rows; ++n) {
    exact.push_back(product(weights, w, n, row, 0));
    bias.push_back(from_float<T>(static_cast<float>(-exact.back())));
  }
  DeviceBuffer<T> const from(x), add(bias), to(m * w.rows);
  REQUIRE(call(w, from.data(), m, to.data(), add.data(), options));
  REQUIRE(to.is_written());
  auto const y = to.host();
  std::vector<double> got, expected;
  for (int64_t i = 0; i < m * w.rows; ++i) {
    auto const n = static_cast<std::size_t>(i % w.rows);
    got.push_back(double{to_float(y[static_cast<std::size_t>(i)])} - double{to_float(bias[n])});
    expected.push_back(exact[n]);
  }
  return relative_error(got, expected);
}

/// y of random x and bias against float64, with the rounding to T in it.
template <SchemeSpec S, class T, class Call = Dispatched>
double error_of(Weights<S> const& weights, QuantizedMatrix<S> const& w, int64_t m, bool with_bias,
                MatmulOptions options = {}, Call call = {}) {
  auto const x = random_values<T>(m * w.cols, 11);
  auto const bias = random_values<T>(w.rows, 13);
  DeviceBuffer<T> const from(x), add(bias), to(m * w.rows);
  T const* const no_bias = nullptr;
  REQUIRE(call(w, from.data(), m, to.data(), with_bias ? add.data() : no_bias, options));
  REQUIRE(to.is_written());
  auto const y = to.host();
  std::vector<double> got, expected;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t n = 0; n < w.rows; ++n) {
      got.push_back(double{to_float(y[static_cast<std::size_t>(i * w.rows + n)])});
      expected.push_back(product(weights, w, n, x, i) +
                         (with_bias ? double{to_float(bias[static_cast<std::size_t>(n)])} : 0.));
    }
  return relative_error(got, expected);
}

}  // namespace matmul_cases
