// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The functions of a Codec for one scheme. Included by the files that instantiate them, one for
// each format, so that they compile side by side.
#pragma once

#include <qfmt/host/dequantize.hpp>
#include <qfmt/host/quantize.hpp>
#include <qfmt/host/quantize_range.hpp>
#include <qfmt/host/quantized_tensor.hpp>

#include "codec.hpp"

namespace app {

// One function for each format, in its own file; null where the format or its variant is another.
Codec const* find_nf4(qfmt::SchemeDesc const& desc);
Codec const* find_nf4_double(qfmt::SchemeDesc const& desc);
Codec const* find_fp4(qfmt::SchemeDesc const& desc);
Codec const* find_fp4_double(qfmt::SchemeDesc const& desc);
Codec const* find_int8(qfmt::SchemeDesc const& desc);

/// F in every block size of the library.
template <class F, bool Double>
using EveryBlockSize = qfmt::SchemeList<
    qfmt::Scheme<qfmt::Format<F>, qfmt::BlockSize<16>, qfmt::DoubleQuant<Double>>,
    qfmt::Scheme<qfmt::Format<F>, qfmt::BlockSize<32>, qfmt::DoubleQuant<Double>>,
    qfmt::Scheme<qfmt::Format<F>, qfmt::BlockSize<64>, qfmt::DoubleQuant<Double>>,
    qfmt::Scheme<qfmt::Format<F>, qfmt::BlockSize<128>, qfmt::DoubleQuant<Double>>,
    qfmt::Scheme<qfmt::Format<F>, qfmt::BlockSize<256>, qfmt::DoubleQuant<Double>>,
    qfmt::Scheme<qfmt::Format<F>, qfmt::BlockSize<512>, qfmt::DoubleQuant<Double>>,
    qfmt::Scheme<qfmt::Format<F>, qfmt::BlockSize<1024>, qfmt::DoubleQuant<Double>>,
    qfmt::Scheme<qfmt::Format<F>, qfmt::BlockSize<2048>, qfmt::DoubleQuant<Double>>,
    qfmt::Scheme<qfmt::Format<F>, qfmt::BlockSize<4096>, qfmt::DoubleQuant<Double>>>;

template <qfmt::SchemeSpec S>
struct CodecOf {
  static qfmt::QuantizedTensor<S> tensor_of(std::vector<std::int64_t> const& shape) {
    if constexpr (S::is_row_wise) {
      return shape.size() == 2 ? qfmt::QuantizedTensor<S>(shape[0], shape[1])
                               : qfmt::QuantizedTensor<S>(-1);
    } else {
      return qfmt::QuantizedTensor<S>(count_of(shape));
    }
  }

  static std::int64_t bits(std::vector<std::int64_t> const& shape) {
    if constexpr (S::is_row_wise) {
      return 8 * qfmt::placement<S>(shape.at(0), shape.at(1)).payload;
    } else {
      return 8 * qfmt::placement<S>(1, count_of(shape)).payload;
    }
  }

  static qfmt::io::Error error_of(qfmt::Status status, qfmt::io::TensorInfo const& weight) {
    std::string detail;
    if (status.code == qfmt::Errc::non_finite)
      detail = "value " + std::to_string(status.index) + " is NaN or infinite";
    return {status, weight.name, detail};
  }

  static qfmt::io::Result<float> offset(Tensor const& weight, qfmt::host::Threads threads) {
    if constexpr (S::is_nested) {
      auto result = tensor_of(weight.info.shape);
      if (!result.status()) return error_of(result.status(), weight.info);
      auto const status = with_values(
          weight, [&](auto values) { return find_offset(values, result.span(), threads); });
      if (!status) return error_of(status, weight.info);
      return *result.span().scales.offset;
    } else {
      return 0.f;
    }
  }

  static qfmt::io::Error write(qfmt::io::SafetensorsWriter& writer, Tensor const& weight,
                               qfmt::host::Threads threads) {
    auto result = tensor_of(weight.info.shape);
    if (!result.status()) return error_of(result.status(), weight.info);
    std::vector<float> scales(qfmt::quantize_workspace_bytes<S>(result.span().size) / 4);
    qfmt::Workspace const workspace{scales.data(), static_cast<std::int64_t>(scales.size() * 4)};
    auto const status = with_values(weight, [&](auto values) {
      return qfmt::host::quantize_parallel(threads, values, result.span(), qfmt::Nearest{}, {},
                                           workspace);
    });
    if (!status) return error_of(status, weight.info);
    return qfmt::io::write_quantized<S>(writer, weight.info, result.span());
  }

  static qfmt::io::Error decode(qfmt::io::SafetensorsFile const& file,
                                qfmt::io::QuantizedWeight const& weight, std::span<float> out,
                                qfmt::host::Threads threads) {
    auto const view = qfmt::io::view_quantized<S>(file, weight);
    if (!view) return view.error();
    auto const status = qfmt::host::dequantize_parallel(threads, *view, out);
    return {status, weight.name + " in " + file.path(), {}};
  }

 private:
  /// The first two of the three public steps of nested quantization.
  template <class T>
  static qfmt::Status find_offset(std::span<T const> values, qfmt::QuantizedSpan<S> out,
                                  qfmt::host::Threads threads) {
    constexpr std::int64_t blocks_a_task = (1 << 20) / S::block_size;
    std::int64_t const blocks = qfmt::block_count<S>(out.size);
    std::vector<float> absmax(static_cast<std::size_t>(blocks));
    std::vector<qfmt::Status> found(static_cast<std::size_t>(blocks / blocks_a_task + 1));
    threads(static_cast<std::int64_t>(found.size()), [&](std::int64_t task) {
      std::int64_t const first = task * blocks_a_task;
      qfmt::host::BlockRange const range{first, std::min(blocks, first + blocks_a_task)};
      found[static_cast<std::size_t>(task)] =
          qfmt::host::absmax_range(values, std::span(absmax), out, range);
    });
    for (qfmt::Status const& status : found)
      if (!status) return status;  // the lowest index: tasks are in order
    return qfmt::host::nested_offset(std::span<float const>(absmax), out);
  }
};

template <qfmt::SchemeSpec S>
inline constexpr Codec codec_of{
    .desc = qfmt::desc_of<S>,
    .bitsandbytes_loads = qfmt::io::bitsandbytes_loads<S>(),
    .bits = &CodecOf<S>::bits,
    .pieces = &qfmt::io::quantized_pieces<S>,
    .offset = S::is_nested ? &CodecOf<S>::offset : nullptr,
    .write = &CodecOf<S>::write,
    .decode = &CodecOf<S>::decode,
};

/// The codec of the scheme in the list that `desc` describes.
template <class List>
Codec const* find_in(List list, qfmt::SchemeDesc const& desc) {
  Codec const* found = nullptr;
  auto const status = qfmt::dispatch(list, desc, [&]<qfmt::SchemeSpec S>() {
    found = &codec_of<S>;
    return qfmt::Status{};
  });
  return status ? found : nullptr;
}

}  // namespace app
