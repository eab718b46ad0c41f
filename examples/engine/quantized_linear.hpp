// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// A linear layer under a scheme of the library, and the way to it from a choice at run time.
#pragma once

#include <qfmt/codec/min_error.hpp>
#include <qfmt/format/nf4.hpp>
#include <qfmt/host/matmul.hpp>
#include <qfmt/host/quantize.hpp>
#include <qfmt/host/quantized_tensor.hpp>

#include <type_traits>

#include "linear.hpp"

namespace engine {

/// Calls fn(x, y) with x rounded to T and room for y, and puts the results back as floats.
///     x: (m, cols)   y: (m, rows)
template <qfmt::Element T, class Fn>
qfmt::Status in_type(float const* x, std::int64_t x_size, float* y, std::int64_t y_size, Fn&& fn) {
  if constexpr (std::is_same_v<T, float>) {
    return fn(x, y);
  } else {
    std::vector<T> in(static_cast<std::size_t>(x_size)), out(static_cast<std::size_t>(y_size));
    for (std::size_t i = 0; i < in.size(); ++i) in[i] = qfmt::from_float<T>(x[i]);
    qfmt::Status const status = fn(static_cast<T const*>(in.data()), out.data());
    for (std::size_t i = 0; i < out.size(); ++i) y[i] = qfmt::to_float(out[i]);
    return status;
  }
}

/// Threads for a layer: starting them costs more than a small one takes.
inline int worthwhile(int threads, std::int64_t products) {
  return products < (1 << 20) ? 1 : threads;
}

template <qfmt::SchemeSpec S, qfmt::Element T>
class QuantizedLinear final : public Linear {
 public:
  explicit QuantizedLinear(qfmt::QuantizedTensor<S> weights) : weights_(std::move(weights)) {}

  void apply(float const* x, std::int64_t m, float* y, int threads) const override {
    auto const w = weights_.matrix();
    qfmt::host::Threads const executor{worthwhile(threads, m * w.rows * w.cols)};
    require(in_type<T>(x, m * w.cols, y, m * w.rows,
                       [&](T const* in, T* out) {
                         return qfmt::host::matmul_parallel(executor, w, in, m, out);
                       }),
            "matmul");
  }

  std::int64_t bits() const override { return bits_of_values(weights_); }

 private:
  static std::int64_t bits_of_values(qfmt::QuantizedTensor<S> const& tensor) {
    return 8 * qfmt::placement<S>(tensor.matrix().rows, tensor.matrix().cols).payload;
  }

  qfmt::QuantizedTensor<S> weights_;
};

/// Quantizes a matrix from the file's own type.
template <qfmt::SchemeSpec S, class Encoder>
qfmt::Status quantize(Matrix const& matrix, Encoder encoder, qfmt::QuantizedTensor<S>& out) {
  out = qfmt::QuantizedTensor<S>(matrix.rows, matrix.cols);
  if (!out.status()) return out.status();
  return with_values(matrix, [&](auto const& values) {
    return qfmt::host::quantize(values, out.span(), encoder);
  });
}

/// The layer under S, multiplying in the type that was asked for.
template <qfmt::SchemeSpec S>
qfmt::Status make_under(FormatChoice const& choice, Matrix const& matrix, LinearPtr& out) {
  // A program pays for what it instantiates: 16-bit types are built for NF4 in blocks of 64, the
  // searching encoder for blocks of 64.
  constexpr bool in_16_bits = std::is_same_v<typename S::format, qfmt::NF4> && S::block_size == 64;
  constexpr bool with_search = S::block_size == 64;
  qfmt::QuantizedTensor<S> tensor;
  qfmt::Status status{qfmt::Errc::unsupported_scheme};
  if (!choice.min_error) status = quantize(matrix, qfmt::Nearest{}, tensor);
  if constexpr (with_search)
    if (choice.min_error) status = quantize(matrix, qfmt::MinError{}, tensor);
  if (!status) return status;
  auto const make = [&]<class T>(T) {
    out = std::make_unique<QuantizedLinear<S, T>>(std::move(tensor));
    return qfmt::Status{};
  };
  if (choice.compute == Compute::fp32) return make(0.f);
  if constexpr (in_16_bits) {
    if (choice.compute == Compute::fp16) return make(qfmt::float16(0.f));
    return make(qfmt::bfloat16(0.f));
  }
  return {qfmt::Errc::unsupported_scheme};
}

/// F in blocks of 32 to 256.
template <class F, bool Double>
using BlockSizes = qfmt::SchemeList<
    qfmt::Scheme<qfmt::Format<F>, qfmt::BlockSize<32>, qfmt::DoubleQuant<Double>>,
    qfmt::Scheme<qfmt::Format<F>, qfmt::BlockSize<64>, qfmt::DoubleQuant<Double>>,
    qfmt::Scheme<qfmt::Format<F>, qfmt::BlockSize<128>, qfmt::DoubleQuant<Double>>,
    qfmt::Scheme<qfmt::Format<F>, qfmt::BlockSize<256>, qfmt::DoubleQuant<Double>>>;

/// From the choice at run time to the layer's type.
template <class Schemes>
qfmt::Status make_from(Schemes schemes, FormatChoice const& choice, Matrix const& matrix,
                       LinearPtr& out) {
  return qfmt::dispatch(schemes, choice.scheme,
                        [&]<class S>() { return make_under<S>(choice, matrix, out); });
}

}  // namespace engine
