// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Lesson 6: one quantized weight over several ranks. A rank's part is a slice of the whole, and
// `pack` copies the bytes under it, so that no rank quantizes anew and every value keeps its bits.
// The ranks of this lesson take turns; examples/tensor_parallel runs them as processes.
//
//     g++ -std=c++20 -O2 -I include examples/lessons/06_tensor_parallel_shards.cpp
#include <qfmt/qfmt.hpp>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <vector>

using Weights = qfmt::Scheme<qfmt::Format<qfmt::NF4>, qfmt::DoubleQuant<true>>;
using Floats = std::vector<float>;

constexpr std::int64_t height = 96, width = 200;  // blocks of 64 cross the rows' ends and the cuts
constexpr int ranks = 3, tokens = 2;

/// y = x times the part's weights, from a copy that is the rank's own.     y: (tokens, part.rows)
template <qfmt::SchemeSpec P>
Floats multiply_packed(char const* what, int rank, qfmt::QuantizedMatrix<Weights const> part,
                       Floats const& x) {
  auto const layout = qfmt::packed_layout(part, P::is_nested);
  qfmt::QuantizedTensor<P> own(layout.size);
  qfmt::QuantizedMatrix<P> matrix = own.matrix();
  if (!own.status() || !qfmt::host::pack(part, matrix)) return {};
  std::printf("rank %d %s: %lld x %lld values in %lld bytes, scales %s, phase %lld\n", rank, what,
              static_cast<long long>(part.rows), static_cast<long long>(part.cols),
              static_cast<long long>(own.bytes()), P::is_nested ? "nested" : "f32",
              static_cast<long long>(layout.origin));
  Floats y(static_cast<std::size_t>(tokens * part.rows));
  return qfmt::host::matmul(matrix, x.data(), tokens, y.data()) ? y : Floats{};
}

/// Nested scales come in groups of 256, which a cut by columns seldom respects: such a copy has f32
/// scales instead, which decode to the same bits. packed_layout says which copy there can be.
Floats multiply_part(char const* what, int rank, qfmt::QuantizedMatrix<Weights const> part,
                     Floats const& x) {
  if (qfmt::packed_layout(part).nested) return multiply_packed<Weights>(what, rank, part, x);
  return multiply_packed<qfmt::PlainOf<Weights>>(what, rank, part, x);
}

int main() {
  Floats w(height * width), x(tokens * width);
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = std::sin(0.7f * static_cast<float>(i));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::cos(static_cast<float>(i));
  qfmt::QuantizedTensor<Weights> tensor(height, width);
  if (!tensor.status() || !qfmt::host::quantize(w, tensor.span())) return 1;
  qfmt::QuantizedMatrix<Weights const> const whole = tensor.matrix();
  Floats expected(tokens * height), summed(tokens * height), decoded(w.size());
  if (!qfmt::host::matmul(whole, x.data(), tokens, expected.data())) return 1;
  if (!qfmt::host::dequantize(tensor.span(), decoded)) return 1;

  bool same_bits = true;
  for (int rank = 0; rank < ranks; ++rank) {
    // Column parallel: a rank has some outputs. Its sums are the whole's, so their bits are equal.
    qfmt::Part const n = qfmt::part_of(height, ranks, rank);
    Floats const outputs = multiply_part("by rows   ", rank, qfmt::slice_rows(whole, n), x);
    if (outputs.empty()) return 1;
    for (std::int64_t t = 0; t < tokens; ++t)
      same_bits = same_bits &&
                  std::memcmp(outputs.data() + t * n.count, expected.data() + t * height + n.first,
                              static_cast<std::size_t>(n.count) * 4) == 0;

    // Row parallel: a rank has some inputs, and an all-reduce adds what the ranks have.
    qfmt::Part const k = qfmt::part_of(width, ranks, rank);
    Floats some(static_cast<std::size_t>(tokens * k.count));
    for (std::int64_t t = 0; t < tokens; ++t)
      std::memcpy(some.data() + t * k.count, x.data() + t * width + k.first,
                  static_cast<std::size_t>(k.count) * 4);
    Floats const partial = multiply_part("by columns", rank, qfmt::slice_cols(whole, k), some);
    if (partial.empty()) return 1;
    for (std::size_t i = 0; i < summed.size(); ++i) summed[i] += partial[i];
  }

  // Sums in another order round differently: judged by the sum of the products' magnitudes.
  double worst = 0;
  for (std::size_t i = 0; i < summed.size(); ++i) {
    double magnitude = 0;
    for (std::size_t c = 0; c < width; ++c)
      magnitude +=
          std::fabs(double{decoded[i % height * width + c]} * double{x[i / height * width + c]});
    worst = std::fmax(worst, std::fabs(double{summed[i]} - double{expected[i]}) / magnitude);
  }
  std::printf("by rows: %s; by columns: within %.1e of the sum of magnitudes\n",
              same_bits ? "the whole's bits" : "OTHER BITS", worst);
  return same_bits && worst < (width / 8 + 8 + ranks) * 0x1p-23 ? 0 : 1;
}
