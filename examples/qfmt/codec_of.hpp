// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The functions of a Codec for one scheme. Included by the files that instantiate them, one for
// each format, so that they compile side by side.
#pragma once

#include <qfmt/codec/min_error.hpp>
#include <qfmt/host/dequantize.hpp>
#include <qfmt/host/quantize.hpp>
#include <qfmt/host/quantize_range.hpp>
#include <qfmt/host/quantized_tensor.hpp>
#include <qfmt/host/shards.hpp>
#include <qfmt/io/elements.hpp>

#include "codec.hpp"

namespace app {

// One function for each format, in its own file; null where the format or its variant is another.
Codec const* find_nf4(qfmt::SchemeDesc const& desc);
Codec const* find_nf4_double(qfmt::SchemeDesc const& desc);
Codec const* find_fp4(qfmt::SchemeDesc const& desc);
Codec const* find_fp4_double(qfmt::SchemeDesc const& desc);
Codec const* find_int8(qfmt::SchemeDesc const& desc);
Codec const* find_codebook(qfmt::SchemeDesc const& desc);
Codec const* find_element(qfmt::SchemeDesc const& desc);

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
  using Error = qfmt::io::Error;
  using Threads = qfmt::host::Threads;
  using Weight = qfmt::io::QuantizedWeight;

  static std::int64_t bits(std::vector<std::int64_t> const& shape) {
    if constexpr (S::is_row_wise) {
      return 8 * qfmt::placement<S>(shape.at(0), shape.at(1)).payload;
    } else {
      return 8 * qfmt::placement<S>(1, count_of(shape)).payload;
    }
  }

  static Footprint footprint(std::int64_t rows, std::int64_t cols, Cut cut) {
    qfmt::QuantizedMatrix<S> whole{{.size = rows * cols}, rows, cols};
    if constexpr (S::is_row_wise) whole.values.scales.row_length = cols;
    auto const part = qfmt::slice(whole, cut.rows, cut.cols);
    auto const layout = qfmt::packed_layout(part);
    auto const of = [&]<class P>(std::type_identity<P>) {
      auto const placed = P::is_row_wise ? qfmt::placement<P>(part.rows, part.cols)
                                         : qfmt::placement<P>(1, layout.size);
      std::int64_t const codes = qfmt::codes_bytes<P>(placed.size);
      return Footprint{codes, placed.payload - codes};
    };
    return layout.nested ? of(std::type_identity<S>()) : of(std::type_identity<qfmt::PlainOf<S>>());
  }

  static qfmt::io::Result<Scales> scan(Tensor const& tensor, std::int64_t keep, Encoding how) {
    if constexpr (S::has_tensor_scale) {
      float most = 0.f;
      Error const error = for_chunks(tensor, [&](auto values, std::int64_t, auto out) {
        std::int64_t const blocks = qfmt::block_count<S>(out.size);
        most = std::max(most, qfmt::host::absmax_of_range(values, out, {0, blocks}));
        return qfmt::Status{};
      });
      if (error) return error;
      return Scales{qfmt::tensor_scale_of<S>(most), {}};
    } else if constexpr (!S::is_nested) {
      return Scales{};
    } else {
      Scales scales;
      std::int64_t const blocks = qfmt::block_count<S>(count_of(tensor.info.shape));
      bool const kept = blocks * 4 <= keep;
      qfmt::ScaleSumTree sum;
      Error const error = for_chunks(tensor, [&](auto values, std::int64_t first, auto out) {
        std::vector<float> absmax;
        auto const status = absmax_of(values, absmax, out, how);
        if (!status) return at(status, first);
        for (float const scale : absmax) sum.append(qfmt::ScaleSum::of(scale));
        if (kept) scales.absmax.insert(scales.absmax.end(), absmax.begin(), absmax.end());
        return status;
      });
      if (error) return error;
      if (blocks > 0) scales.offset = sum.total().mean();
      return scales;
    }
  }

  static Error write(qfmt::io::SafetensorsWriter& writer, Weight const& weight,
                     Tensor const& tensor, Scales const& scales, Encoding how) {
    Error written;
    std::int64_t codes = 0;
    Error const error = for_chunks(tensor, [&](auto values, std::int64_t first, auto out) {
      auto const status = encode(values, first, out, scales, how);
      if (status) written = write_chunk(writer, weight, out);
      codes += qfmt::codes_bytes<S>(out.size);
      return written ? written.status : at(status, first);
    });
    if (written) return written;
    if (error) return error;
    if constexpr (qfmt::io::is_element_scheme<S>) {
      return qfmt::io::finish_elements<S>(writer, weight, scales.offset);
    } else {
      return finish(writer, weight, codes);
    }
  }

  static Error decode(qfmt::io::Checkpoint const& source, Weight const& weight, std::int64_t first,
                      std::span<float> out, Threads threads) {
    if constexpr (qfmt::io::is_element_scheme<S>) {
      qfmt::QuantizedTensor<S> memory(static_cast<std::int64_t>(out.size()));
      if (!memory.status()) return {memory.status(), weight.name, {}};
      if (Error e = qfmt::io::read_elements(source, weight, first, memory.span())) return e;
      return {qfmt::host::dequantize_parallel(threads, memory.span(), out), weight.name, {}};
    } else {
      return decode_view(source, weight, first, out, threads);
    }
  }

  static Error decode_view(qfmt::io::Checkpoint const& source, Weight const& weight,
                           std::int64_t first, std::span<float> out, Threads threads) {
    auto const view = qfmt::io::view_quantized<S>(source, weight);
    if (!view) return view.error();
    qfmt::Status status;
    if (weight.slice) {
      auto const matrix = qfmt::io::view_matrix<S>(source, weight);
      if (!matrix) return matrix.error();
      status = qfmt::host::dequantize(*matrix, out);
    } else {
      auto const part = part_of_view(*view, first, static_cast<std::int64_t>(out.size()));
      status = qfmt::host::dequantize_parallel(threads, part, out);
    }
    return {status, weight.name, {}};
  }

  static Error usage(qfmt::io::Checkpoint const& source, Weight const& weight, Usage& usage) {
    usage.codes.assign(std::size_t{1} << S::bits, 0);
    if constexpr (qfmt::io::is_element_scheme<S>) {
      qfmt::QuantizedTensor<S> memory(count_of(weight.shape));
      if (!memory.status()) return {memory.status(), weight.name, {}};
      if (Error e = qfmt::io::read_elements(source, weight, 0, memory.span())) return e;
      count_codes(qfmt::QuantizedSpan<S const>(memory.span()), usage);
    } else {
      auto const view = qfmt::io::view_quantized<S>(source, weight);
      if (!view) return view.error();
      count_codes(*view, usage);
    }
    return {};
  }

  static void count_codes(qfmt::QuantizedSpan<S const> const& view, Usage& usage) {
    for (std::int64_t i = 0; i < view.size; ++i)
      ++usage.codes[qfmt::code_at<S::bits>(view.codes, i)];
    std::int64_t const blocks = view.size == 0 ? 0 : qfmt::host::block_count_of(view);
    for (std::int64_t b = 0; b < blocks; ++b) {
      float const scale = qfmt::scale_at(view.scales, b);
      usage.scales.push_back(
          S::has_zero_point ? qfmt::float_from_bits(qfmt::float_bits(scale) & ~15u) : scale);
    }
  }

  static qfmt::io::Result<Weight> packed(qfmt::io::Checkpoint const& source, Weight const& weight,
                                         Cut cut) {
    if constexpr (qfmt::io::is_element_scheme<S>) {
      return not_packed(weight);
    } else {
      return packed_view(source, weight, cut);
    }
  }

  static Error not_packed(Weight const& weight) {
    return {{qfmt::Errc::unsupported_scheme}, weight.name, "such weights are not cut for ranks"};
  }

  static qfmt::io::Result<Weight> packed_view(qfmt::io::Checkpoint const& source,
                                              Weight const& weight, Cut cut) {
    auto const matrix = qfmt::io::view_matrix<S>(source, weight);
    if (!matrix) return matrix.error();
    auto const part = qfmt::slice(*matrix, cut.rows, cut.cols);
    auto const layout = qfmt::packed_layout(part);
    Weight to = weight;
    to.desc.double_quant = layout.nested;
    to.shape = {part.rows, part.cols};
    to.slice.reset();
    if (layout.size == 0) to.offset = 0.f;  // as an empty view has it
    if (!layout.bitsandbytes) {
      to.shape = {layout.size};
      to.slice = {part.rows, part.cols, layout.row_stride, layout.origin};
    }
    return to;
  }

  static Error write_packed(qfmt::io::SafetensorsWriter& writer, qfmt::io::Checkpoint const& source,
                            Weight const& weight, Weight const& to, Cut cut) {
    if constexpr (qfmt::io::is_element_scheme<S>) {
      return not_packed(weight);
    } else {
      return write_packed_view(writer, source, weight, to, cut);
    }
  }

  static Error write_packed_view(qfmt::io::SafetensorsWriter& writer,
                                 qfmt::io::Checkpoint const& source, Weight const& weight,
                                 Weight const& to, Cut cut) {
    auto const matrix = qfmt::io::view_matrix<S>(source, weight);
    if (!matrix) return matrix.error();
    auto const part = qfmt::slice(*matrix, cut.rows, cut.cols);
    return to.desc.double_quant ? pack_as<S>(writer, to, part)
                                : pack_as<qfmt::PlainOf<S>>(writer, to, part);
  }

 private:
  static qfmt::Status at(qfmt::Status status, std::int64_t first) {
    if (status.index >= 0) status.index += first;
    return status;
  }

  /// fn(values, index of the first, memory for them) for every chunk of the tensor.
  template <class Fn>
  static Error for_chunks(Tensor const& tensor, Fn const& fn) {
    std::int64_t const count = count_of(tensor.info.shape);
    std::int64_t const length = S::is_row_wise ? tensor.info.shape.at(1) : 0;
    std::int64_t const size = qfmt::io::traits_of(tensor.info.dtype).bits / 8;
    qfmt::QuantizedTensor<S> memory;
    for (std::int64_t first = 0, n; first < count; first += n) {
      n = chunk_at(first, count, length);
      if (memory.span().size != n)
        memory =
            length > 0 ? qfmt::QuantizedTensor<S>(n / length, length) : qfmt::QuantizedTensor<S>(n);
      if (!memory.status()) return {memory.status(), tensor.info.name, {}};
      auto const bytes = tensor.bytes.subspan(static_cast<std::size_t>(first * size),
                                              static_cast<std::size_t>(n * size));
      auto const status = with_values(
          tensor.info.dtype, bytes, [&](auto values) { return fn(values, first, memory.span()); });
      if (!status) return error_of(status, tensor.info);
      tensor.read(bytes);
    }
    return {};
  }

  static Error error_of(qfmt::Status status, qfmt::io::TensorInfo const& weight) {
    std::string detail;
    if (status.code == qfmt::Errc::non_finite)
      detail = "value " + std::to_string(status.index) + " is NaN or infinite";
    return {status, weight.name, detail};
  }

  /// body(range) over the blocks of a chunk, in runs whose values stay in the second cache from the
  /// search for NaN to the encoding; of nested scales they are whole groups.
  template <class Body>
  static qfmt::Status over_blocks(qfmt::QuantizedSpan<S> const& out, Threads threads,
                                  Body const& body) {
    constexpr std::int64_t values_of_a_run = 1 << 17;
    std::int64_t length = S::block_size;
    if constexpr (S::is_row_wise) length = out.scales.row_length;
    std::int64_t const blocks = qfmt::ceil_div(out.size, length);
    std::int64_t const run =
        std::max<std::int64_t>(S::is_nested ? 256 : 1, values_of_a_run / length);
    std::vector<qfmt::Status> found(static_cast<std::size_t>(qfmt::ceil_div(blocks, run)));
    threads(static_cast<std::int64_t>(found.size()), [&](std::int64_t task) {
      found[static_cast<std::size_t>(task)] =
          body(qfmt::host::BlockRange{task * run, std::min(blocks, (task + 1) * run)});
    });
    for (qfmt::Status const& status : found)
      if (!status) return status;  // the lowest index: tasks are in order
    return {};
  }

  template <class Fn>
  static qfmt::Status with_encoder(Encoding how, Fn const& fn) {
    if constexpr (!S::is_typed)
      if (how.min_error) return fn(qfmt::MinError{});
    return fn(qfmt::Nearest{});
  }

  /// The first of the three public steps of nested quantization, for one chunk.
  template <class T>
  static qfmt::Status absmax_of(std::span<T const> values, std::vector<float>& absmax,
                                qfmt::QuantizedSpan<S> out, Encoding how) {
    absmax.resize(static_cast<std::size_t>(qfmt::block_count<S>(out.size)));
    return with_encoder(how, [&](auto encoder) {
      return over_blocks(out, how.threads, [&](auto range) {
        return qfmt::host::absmax_range(values, std::span(absmax), out, range, encoder);
      });
    });
  }

  template <class T>
  static qfmt::Status encode(std::span<T const> values, std::int64_t first,
                             qfmt::QuantizedSpan<S> out, Scales const& scales, Encoding how) {
    if constexpr (S::has_tensor_scale) *out.scales.tensor_scale = scales.offset;
    if constexpr (!S::is_nested) {
      return with_encoder(how, [&](auto encoder) {
        return over_blocks(out, how.threads, [&](auto range) {
          return qfmt::host::quantize_range(values, out, range, encoder);
        });
      });
    } else {
      std::int64_t const blocks = qfmt::block_count<S>(out.size);
      std::vector<float> again;
      std::span<float const> absmax;
      if (scales.absmax.empty()) {
        if (auto const status = absmax_of(values, again, out, how); !status) return status;
        absmax = again;
      } else {
        absmax = std::span(scales.absmax)
                     .subspan(static_cast<std::size_t>(first / S::block_size),
                              static_cast<std::size_t>(blocks));
      }
      *out.scales.offset = scales.offset;
      return with_encoder(how, [&](auto encoder) {
        return over_blocks(out, how.threads, [&](auto range) {
          return qfmt::host::encode_range(values, absmax, out, range, encoder);
        });
      });
    }
  }

  static Error write_chunk(qfmt::io::SafetensorsWriter& writer, Weight const& weight,
                           qfmt::QuantizedSpan<S> out) {
    if constexpr (qfmt::io::is_element_scheme<S>) {
      return qfmt::io::append_elements(writer, weight, out);
    } else {
      return write_codes(writer, weight, out);
    }
  }

  static Error write_codes(qfmt::io::SafetensorsWriter& writer, Weight const& weight,
                           qfmt::QuantizedSpan<S> out) {
    auto const put = [&](std::string const& name, void const* data, std::int64_t bytes) {
      return writer.write(name,
                          {static_cast<std::byte const*>(data), static_cast<std::size_t>(bytes)});
    };
    if (Error e = put(weight.name, out.codes, qfmt::codes_bytes<S>(out.size))) return e;
    if constexpr (S::is_row_wise) {
      return put(qfmt::io::int8_scales_name(weight.name), out.scales.absmax,
                 out.size / out.scales.row_length * 4);
    } else if constexpr (S::is_nested) {
      auto const& inner = out.scales.absmax;
      if (Error e = put(weight.name + ".absmax", inner.codes, inner.size)) return e;
      return put(weight.name + ".nested_absmax", inner.scales.absmax,
                 qfmt::block_count<qfmt::AbsmaxScheme>(inner.size) * 4);
    } else {
      return put(weight.name + ".absmax", out.scales.absmax, qfmt::block_count<S>(out.size) * 4);
    }
  }

  /// What follows codes and scales.
  static Error finish(qfmt::io::SafetensorsWriter& writer, Weight const& weight,
                      std::int64_t codes) {
    if constexpr (S::is_row_wise) {
      constexpr std::byte row_major{0};
      return writer.write(qfmt::io::int8_format_name(weight.name), {&row_major, 1});
    } else {
      constexpr std::array<std::byte, 8> zeros{};
      auto const padding = static_cast<std::size_t>(qfmt::io::storage_padding(weight, codes));
      if (Error e = writer.write(weight.name, std::span(zeros).first(padding))) return e;
      return qfmt::io::write_maps_and_state<typename S::format>(writer, weight);
    }
  }

  /// Values [first, first + count): whole rows, or from a group of blocks on.
  static qfmt::QuantizedSpan<S const> part_of_view(qfmt::QuantizedSpan<S const> view,
                                                   std::int64_t first, std::int64_t count) {
    if (first == 0 && count == view.size) return view;
    view.codes += qfmt::codes_bytes<S>(first);
    if constexpr (S::is_row_wise) {
      view.scales.absmax += first / view.scales.row_length;
    } else if constexpr (S::is_nested) {
      std::int64_t const block = first / S::block_size;
      view.scales.absmax.codes += block;
      view.scales.absmax.scales.absmax += block / qfmt::AbsmaxScheme::block_size;
      view.scales.absmax.size = qfmt::block_count<S>(count);
    } else {
      view.scales.absmax += first / S::block_size;
    }
    view.size = count;
    return view;
  }

  template <qfmt::SchemeSpec P>
  static Error pack_as(qfmt::io::SafetensorsWriter& writer, Weight const& to,
                       qfmt::QuantizedMatrix<S const> const& part) {
    std::int64_t const size = to.slice ? to.shape[0] : part.rows * part.cols;
    auto memory = P::is_row_wise ? qfmt::QuantizedTensor<P>(part.rows, part.cols)
                                 : qfmt::QuantizedTensor<P>(size);
    if (!memory.status()) return {memory.status(), to.name, {}};
    auto matrix = memory.matrix();
    if (auto const status = qfmt::host::pack(part, matrix); !status) return {status, to.name, {}};
    return qfmt::io::write_quantized<P>(writer, to, matrix.values);
  }
};

template <qfmt::SchemeSpec S>
inline constexpr Codec codec_of{
    .desc = qfmt::desc_of<S>,
    .searches_scales = !S::is_typed,
    .bits = &CodecOf<S>::bits,
    .footprint = &CodecOf<S>::footprint,
    .scan = S::is_nested || S::has_tensor_scale ? &CodecOf<S>::scan : nullptr,
    .write = &CodecOf<S>::write,
    .decode = &CodecOf<S>::decode,
    .usage = &CodecOf<S>::usage,
    .packed = &CodecOf<S>::packed,
    .write_packed = &CodecOf<S>::write_packed,
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
