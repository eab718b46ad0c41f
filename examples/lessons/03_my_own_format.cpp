// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Lesson 3: a format of your own is a struct with a name and its levels (af4.hpp). Quantize,
// decode, matmul, shards and kernels follow from it: no base class, macro or registration.
//
//     g++ -std=c++20 -O2 -I include examples/lessons/03_my_own_format.cpp
#include <qfmt/qfmt.hpp>

#include <cmath>
#include <cstdio>
#include <vector>

#include "af4.hpp"

// Every level must encode to its own code. A table with an error stops here, in the compiler.
static_assert(qfmt::round_trips<AF4>());

using Mine = qfmt::Scheme<qfmt::Format<AF4>, qfmt::BlockSize<32>>;

/// Not a codebook but a formula: 4-bit integers, excess 8. Such a format says how many bits it has
/// and gives both directions itself; QFMT_HD lets kernels call the same two functions.
struct Int4 {
  static constexpr auto name = "int4";
  static constexpr int bits = 4;

  QFMT_HD static constexpr float decode(std::uint8_t code, float absmax) {
    return static_cast<float>(code - 8) * (absmax / 7.f);
  }
  /// The code of x, where |x| <= absmax and absmax > 0.
  QFMT_HD static constexpr std::uint8_t encode(float x, float absmax) {
    return static_cast<std::uint8_t>(static_cast<int>(x / absmax * 7.f + 8.5f));
  }
};
using MineToo = qfmt::Scheme<qfmt::Format<Int4>>;

/// Quantizes w (rows, cols), multiplies by x, and compares with the decoded weights times x in f64.
template <qfmt::SchemeSpec S>
bool show(std::vector<float> const& w, std::int64_t rows, std::int64_t cols,
          std::vector<float> const& x) {
  qfmt::QuantizedTensor<S> tensor(rows, cols);
  if (!tensor.status() || !qfmt::host::quantize(w, tensor.span())) return false;
  std::vector<float> decoded(w.size()), y(static_cast<std::size_t>(rows));
  if (!qfmt::host::dequantize(tensor.span(), decoded)) return false;
  if (!qfmt::host::matmul(tensor.matrix(), x.data(), 1, y.data())) return false;

  double worst = 0;
  for (std::size_t r = 0; r < y.size(); ++r) {
    double exact = 0, magnitude = 0;
    for (std::size_t c = 0; c < x.size(); ++c) {
      double const product = static_cast<double>(decoded[r * x.size() + c]) * double{x[c]};
      exact += product;
      magnitude += std::fabs(product);
    }
    worst = std::fmax(worst, std::fabs(static_cast<double>(y[r]) - exact) / magnitude);
  }
  std::printf("%-6s %.2f bits per value; matmul within %.1e of exact\n", S::format::name,
              tensor.bits_per_value(), worst);
  return worst < 1e-5;  // sums of 512 products in f32
}

int main() {
  std::int64_t const rows = 64, cols = 512;
  std::vector<float> w(rows * cols), x(cols);
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = std::sin(0.71f * static_cast<float>(i));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::cos(static_cast<float>(i));
  bool fine = show<Mine>(w, rows, cols, x);
  fine = show<MineToo>(w, rows, cols, x) && fine;
  return fine ? 0 : 1;
}
