// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Lesson 5: LLM.int8(), a product in 8-bit integers that survives outliers. A few columns of a
// language model's activations are far larger than the rest: quantized with them, all else would
// become zero. So columns with a value of at least the threshold are multiplied as they are.
//
//     g++ -std=c++20 -O2 -I include examples/lessons/05_llm_int8.cpp
#include <qfmt/qfmt.hpp>

#include <cmath>
#include <cstdio>
#include <vector>

using T = qfmt::bfloat16;

constexpr std::int64_t out_features = 64, in_features = 256, tokens = 4;
constexpr float threshold = 6.f;  // as in the paper

/// Root mean square error of y against the product of the unquantized operands, relative to it.
double error_of(std::vector<T> const& y, std::vector<T> const& x, std::vector<T> const& w) {
  double error = 0, power = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    double exact = 0;
    for (std::size_t k = 0; k < in_features; ++k)
      exact += static_cast<double>(float(x[i / out_features * in_features + k])) *
               static_cast<double>(float(w[i % out_features * in_features + k]));
    double const difference = static_cast<double>(float(y[i])) - exact;
    error += difference * difference;
    power += exact * exact;
  }
  return std::sqrt(error / power);
}

int main() {
  std::vector<T> w(out_features * in_features), x(tokens * in_features);
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = std::sin(0.7f * static_cast<float>(i));
  for (std::size_t i = 0; i < x.size(); ++i) {
    std::size_t const column = i % in_features;
    x[i] = (column == 7 || column == 200 ? 60.f : 0.5f) * std::cos(static_cast<float>(i));
  }

  // Weights have one scale for each row. That is also how a bitsandbytes checkpoint holds them.
  qfmt::QuantizedTensor<qfmt::LlmInt8> tensor(out_features, in_features);
  if (!tensor.status() || !qfmt::host::quantize(w, tensor.span())) return 1;
  qfmt::QuantizedMatrix<qfmt::LlmInt8 const> const weights = tensor.matrix();

  // Activations are quantized in each call, into memory that the caller brings.
  auto const bytes = qfmt::int8_matmul_workspace_bytes(tokens, in_features);
  std::vector<float> memory(static_cast<std::size_t>(bytes) / sizeof(float) + 1);
  qfmt::Workspace const workspace{memory.data(), bytes};

  // Which columns are outliers? The same step by itself gives codes, scales and a bit for each.
  auto const seen = qfmt::place_activations(memory.data(), tokens, in_features);
  if (!qfmt::host::quantize_activations(x.data(), threshold, seen)) return 1;
  std::printf("outlier columns:");
  int outliers = 0;
  for (std::uint32_t c = 0; c < in_features; ++c)
    if (seen.outliers[c / 32] >> c % 32 & 1) std::printf(" %u", c), ++outliers;
  std::printf("\n");

  std::vector<T> y(tokens * out_features);
  auto const multiply = [&](char const* what, qfmt::OutlierWeights<T> kept, float limit) {
    auto const s = qfmt::host::int8_matmul(weights, kept, x.data(), tokens, y.data(), nullptr,
                                           limit, workspace);
    double const error = s ? error_of(y, x, w) : 1e9;
    std::printf("%-46s relative error %.5f\n", what, error);
    return error;
  };
  double const plain = multiply("threshold 0, all in 8 bit:", {}, 0.f);
  double const decoded = multiply("outliers meet int8 weights (bitsandbytes):", {}, threshold);
  double const kept = multiply(
      "outliers meet the 16-bit weights (the paper):", {w.data(), nullptr, in_features}, threshold);
  return outliers == 2 && kept < decoded && decoded < plain && kept < 0.01 ? 0 : 1;
}
