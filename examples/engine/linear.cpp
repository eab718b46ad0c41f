// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "linear.hpp"

#include <qfmt/host/executor.hpp>

#include <algorithm>

#include "quantized_linear.hpp"

namespace engine {

namespace {

constexpr int tile_rows = 4;  // rows of weights that share a reading of x
constexpr int lanes = 8;      // independent sums of each

/// Rows [first, first + count) of the weights times one row of x.
///     w: (tile_rows, cols)   x: (cols)   y: (count)
void multiply_tile(float const* w, std::int64_t cols, float const* x, int count, float* y) {
  float sums[tile_rows][lanes]{};
  std::int64_t const whole = cols / lanes * lanes;
  for (std::int64_t k = 0; k < whole; k += lanes)
    for (int r = 0; r < tile_rows; ++r)
      for (int i = 0; i < lanes; ++i) sums[r][i] += w[r * cols + k + i] * x[k + i];
  for (int r = 0; r < count; ++r) {
    float total = 0.f;
    for (float const sum : sums[r]) total += sum;
    for (std::int64_t k = whole; k < cols; ++k) total += w[r * cols + k] * x[k];
    y[r] = total;
  }
}

/// Weights that are not quantized, kept in the file's type. The library multiplies quantized
/// weights only, so these few lines are the engine's.
template <qfmt::Element Stored, qfmt::Element T>
class DenseLinear final : public Linear {
 public:
  DenseLinear(std::vector<Stored> weights, std::int64_t rows, std::int64_t cols)
      : weights_(std::move(weights)), rows_(rows), cols_(cols) {}

  void apply(float const* x, std::int64_t m, float* y, int threads) const override {
    std::vector<float> rounded(x, x + m * cols_);
    for (float& value : rounded) value = qfmt::to_float(qfmt::from_float<T>(value));
    std::int64_t const tiles = (rows_ + tile_rows - 1) / tile_rows;
    std::int64_t const tiles_of_a_task = 64;
    qfmt::host::Threads const executor{worthwhile(threads, m * rows_ * cols_)};
    executor((tiles + tiles_of_a_task - 1) / tiles_of_a_task, [&](std::int64_t task) {
      std::int64_t const last = std::min(tiles, (task + 1) * tiles_of_a_task);
      std::vector<float> w(static_cast<std::size_t>(tile_rows * cols_));
      for (std::int64_t tile = task * tiles_of_a_task; tile < last; ++tile)
        multiply_rows(tile * tile_rows, w, rounded.data(), m, y);
    });
  }

  std::int64_t bits() const override { return 8 * std::int64_t{sizeof(T)} * rows_ * cols_; }

 private:
  void multiply_rows(std::int64_t first, std::vector<float>& w, float const* x, std::int64_t m,
                     float* y) const {
    int const count = static_cast<int>(std::min<std::int64_t>(tile_rows, rows_ - first));
    for (std::int64_t i = 0; i < count * cols_; ++i)
      w[static_cast<std::size_t>(i)] = qfmt::to_float(qfmt::from_float<T>(
          qfmt::to_float(weights_[static_cast<std::size_t>(first * cols_ + i)])));
    for (std::int64_t r = 0; r < m; ++r) {
      float* const out = y + r * rows_ + first;
      multiply_tile(w.data(), cols_, x + r * cols_, count, out);
      for (int i = 0; i < count; ++i) out[i] = qfmt::to_float(qfmt::from_float<T>(out[i]));
    }
  }

  std::vector<Stored> weights_;  // (rows, cols)
  std::int64_t rows_, cols_;
};

}  // namespace

LinearPtr make_dense(Matrix const& matrix, Compute compute) {
  return with_values(matrix, [&]<class Stored>(std::vector<Stored> values) -> LinearPtr {
    auto const make = [&]<class T>(T) -> LinearPtr {
      return std::make_unique<DenseLinear<Stored, T>>(std::move(values), matrix.rows, matrix.cols);
    };
    switch (compute) {
      case Compute::fp16: return make(qfmt::float16(0.f));
      case Compute::bf16: return make(qfmt::bfloat16(0.f));
      default: return make(0.f);
    }
  });
}

LinearPtr make_linear(FormatChoice const& choice, Matrix const& matrix) {
  if (choice.kind == FormatChoice::Kind::dense) return make_dense(matrix, choice.compute);
  LinearPtr linear;
  qfmt::Status status{qfmt::Errc::unsupported_scheme};
  if (choice.on_device) {
#ifdef QFMT_ENGINE_CUDA
    status = make_on_device(choice, matrix, linear);
#endif
  } else {
    for (auto const make : {make_nf4, make_nf4_double, make_fp4, make_int4, make_int8})
      if (status.code == qfmt::Errc::unsupported_scheme) status = make(choice, matrix, linear);
  }
  require(status, matrix.stored.subject() + " as " + choice.text);
  return linear;
}

}  // namespace engine
