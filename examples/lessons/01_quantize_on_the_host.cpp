// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Lesson 1: quantize a tensor on the host, decode it, and see what that cost.
//
//     g++ -std=c++20 -O2 -I include examples/lessons/01_quantize_on_the_host.cpp
#include <qfmt/qfmt.hpp>

#include <cmath>
#include <cstdio>
#include <limits>
#include <vector>

// A scheme is a type. Each policy answers one question: what a code means, how many values share a
// scale, whether the scales are quantized themselves. What is not named has its default.
using Plain = qfmt::Scheme<qfmt::Format<qfmt::NF4>>;
using Nested = qfmt::Scheme<qfmt::Format<qfmt::NF4>, qfmt::BlockSize<64>, qfmt::DoubleQuant<true>>;
using Bytes = qfmt::Scheme<qfmt::Format<qfmt::Int8>, qfmt::RowWise>;

constexpr std::int64_t height = 256, width = 1024;

/// Values as weights have them: most are small, few are large.
std::vector<float> make_weights() {
  std::vector<float> values(height * width);
  for (std::size_t i = 0; i < values.size(); ++i) {
    float const s = std::sin(0.7f * static_cast<float>(i));
    values[i] = 0.04f * s * s * s;
  }
  return values;
}

/// Quantizes, decodes and prints the error; true if all went well.
template <qfmt::SchemeSpec S>
bool show(char const* name, std::vector<float> const& weights) {
  // The tensor owns its memory. It does not throw: status() says what went wrong.
  qfmt::QuantizedTensor<S> tensor(height, width);
  if (!tensor.status()) return false;

  // A call takes views and returns a Status, which the compiler does not let you ignore.
  if (qfmt::Status const s = qfmt::host::quantize(weights, tensor.span()); !s) {
    std::printf("value %lld: %s\n", static_cast<long long>(s.index), qfmt::message(s.code));
    return false;
  }
  std::vector<float> decoded(weights.size());
  if (!qfmt::host::dequantize(tensor.span(), decoded)) return false;

  double error = 0, power = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    double const difference = static_cast<double>(decoded[i]) - static_cast<double>(weights[i]);
    error += difference * difference;
    power += static_cast<double>(weights[i]) * static_cast<double>(weights[i]);
  }
  double const relative = std::sqrt(error / power);
  std::printf("%-28s %.3f bits per value, relative error %.4f\n", name, tensor.bits_per_value(),
              relative);

  // Over threads the bytes are the same, so an engine may split the work as it likes.
  qfmt::QuantizedTensor<S> again(height, width);
  if (!again.status()) return false;
  if (!qfmt::host::quantize_parallel(qfmt::host::Threads{2}, weights, again.span())) return false;
  for (std::int64_t i = 0; i < qfmt::codes_bytes<S>(height * width); ++i)
    if (again.span().codes[i] != tensor.span().codes[i]) return false;
  return relative < 0.12;
}

int main() {
  std::vector<float> weights = make_weights();
  bool fine = show<Plain>("NF4", weights);
  fine = show<Nested>("NF4, double quantization", weights) && fine;
  fine = show<Bytes>("Int8, a scale for each row", weights) && fine;

  // NaN is refused before a byte is written, and the first one is named.
  weights[4711] = std::numeric_limits<float>::quiet_NaN();
  qfmt::QuantizedTensor<Plain> tensor(height, width);
  qfmt::Status const refused = qfmt::host::quantize(weights, tensor.span());
  std::printf("with a NaN at 4711: \"%s\" at %lld\n", qfmt::message(refused.code),
              static_cast<long long>(refused.index));
  return fine && refused.code == qfmt::Errc::non_finite && refused.index == 4711 ? 0 : 1;
}
