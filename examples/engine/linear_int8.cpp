// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include <qfmt/host/int8_matmul.hpp>

#include "quantized_linear.hpp"

namespace engine {

namespace {

/// LLM.int8(): activations in 8 bits but for outlier columns, whose weights are kept in T, or not.
template <qfmt::Element T>
class Int8Linear final : public Linear {
 public:
  Int8Linear(qfmt::QuantizedTensor<qfmt::LlmInt8> weights, std::vector<T> kept, float threshold)
      : weights_(std::move(weights)), kept_(std::move(kept)), threshold_(threshold) {}

  void apply(float const* x, std::int64_t m, float* y, int threads) const override {
    auto const w = weights_.matrix();
    std::int64_t const bytes = qfmt::int8_matmul_workspace_bytes(m, w.cols);
    std::vector<std::uint32_t> scratch(static_cast<std::size_t>((bytes + 3) / 4));
    qfmt::Workspace const workspace{scratch.data(), bytes};
    qfmt::OutlierWeights<T> const kept{kept_.empty() ? nullptr : kept_.data(), nullptr,
                                       kept_.empty() ? 0 : w.cols};
    qfmt::host::Threads const executor{worthwhile(threads, m * w.rows * w.cols)};
    require(in_type<T>(x, m * w.cols, y, m * w.rows,
                       [&](T const* in, T* out) {
                         return qfmt::host::int8_matmul_parallel(executor, w, kept, in, m, out,
                                                                 nullptr, threshold_, workspace);
                       }),
            "int8_matmul");
  }

  /// Of the int8 weights alone: which columns an engine would have to keep depends on the text.
  std::int64_t bits() const override {
    return 8 *
           qfmt::placement<qfmt::LlmInt8>(weights_.matrix().rows, weights_.matrix().cols).payload;
  }

 private:
  qfmt::QuantizedTensor<qfmt::LlmInt8> weights_;
  std::vector<T> kept_;  // (rows, cols), or empty
  float threshold_;
};

template <qfmt::Element T>
LinearPtr make_int8_linear(FormatChoice const& choice, Matrix const& matrix,
                           qfmt::QuantizedTensor<qfmt::LlmInt8> tensor) {
  std::vector<T> kept;
  if (choice.kind == FormatChoice::Kind::llm_int8)
    with_values(matrix, [&](auto const& values) {
      for (auto const value : values) kept.push_back(qfmt::from_float<T>(qfmt::to_float(value)));
    });
  float const threshold = choice.kind == FormatChoice::Kind::int8 ? 0.f : outlier_threshold;
  return std::make_unique<Int8Linear<T>>(std::move(tensor), std::move(kept), threshold);
}

}  // namespace

qfmt::Status make_int8(FormatChoice const& choice, Matrix const& matrix, LinearPtr& out) {
  if (choice.kind == FormatChoice::Kind::weights)
    return make_from(qfmt::SchemeList<qfmt::LlmInt8>{}, choice, matrix, out);
  return qfmt::dispatch(qfmt::SchemeList<qfmt::LlmInt8>{}, choice.scheme, [&]<class S>() {
    qfmt::QuantizedTensor<S> tensor;
    if (auto const status = quantize(matrix, qfmt::Nearest{}, tensor); !status) return status;
    switch (choice.compute) {
      case Compute::fp32: out = make_int8_linear<float>(choice, matrix, std::move(tensor)); break;
      case Compute::fp16:
        out = make_int8_linear<qfmt::float16>(choice, matrix, std::move(tensor));
        break;
      case Compute::bf16:
        out = make_int8_linear<qfmt::bfloat16>(choice, matrix, std::move(tensor));
        break;
    }
    return qfmt::Status{};
  });
}

}  // namespace engine
