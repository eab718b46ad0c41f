// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include "output.hpp"
#include "progress.hpp"
#include "text.hpp"
#include "weights.hpp"

namespace app {
namespace {

using qfmt::io::Dtype, qfmt::io::QuantizedWeight, qfmt::io::SafetensorsWriter;

/// Values as a type's bytes; each is rounded once.
std::vector<std::byte> as_type(std::vector<float> const& values, Dtype dtype) {
  std::vector<std::byte> bytes;
  auto const status = qfmt::io::with_element_type(dtype, [&]<qfmt::Element T>() {
    bytes.resize(values.size() * sizeof(T));
    for (std::size_t i = 0; i < values.size(); ++i) {
      T const value = qfmt::from_float<T>(values[i]);
      std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
    }
    return qfmt::Status{};
  });
  if (!status) throw Failure(exit_usage, qfmt::message(status.code));
  return bytes;
}

class Job {
 public:
  Job(DequantizeOptions const& options, Model const& model, Weights const& weights)
      : options_(options), model_(model), weights_(weights) {}

  std::vector<OutputFile> layout() const {
    std::vector<OutputFile> files;
    for (auto const& file : model_.checkpoint.files()) {
      OutputFile out{model_.is_folder ? std::filesystem::path(file.path()).filename().string() : "",
                     {},
                     with_format(file.metadata())};
      for (auto const& tensor : file.tensors()) {
        if (weights_.is_side_piece(tensor.name)) continue;
        Weight const* const weight = weights_.find_known(tensor.name);
        out.tensors.push_back(weight == nullptr ? tensor : decoded(weight->stored));
      }
      files.push_back(std::move(out));
    }
    return files;
  }

  std::int64_t run(std::vector<OutputFile> const& files, Progress& progress) {
    Output output(model_, options_.output, options_.write, job_text(), data_bytes(files));
    std::int64_t bytes = 0;
    std::size_t at = 0;
    for (auto const& file : model_.checkpoint.files()) {
      OutputFile const& out = files[at++];
      if (output.has(out.name)) {
        bytes += take_finished(output, out, progress);
        continue;
      }
      bytes += output.write(out, [&](SafetensorsWriter& writer) {
        for (auto const& tensor : file.tensors())
          if (!weights_.is_side_piece(tensor.name)) write(writer, file, tensor, progress);
      });
    }
    auto config = model_.config;
    if (config.is_object()) config.erase("quantization_config");
    output.finish(config, files);
    return bytes;
  }

 private:
  /// What must be equal for --resume.
  std::string job_text() const {
    Json const job{
        {"dequantize", options_.dtype}, {"config", model_.config}, {"input", inputs_of(model_)}};
    return job.dump(1) + "\n";
  }

  /// A file that an earlier run finished.
  std::int64_t take_finished(Output const& output, OutputFile const& out,
                             Progress& progress) const {
    progress.tensor_done();
    return value_or_fail(qfmt::io::SafetensorsFile::open(output.place(out.name)), exit_bad_input)
        .file_bytes();
  }

  Dtype dtype_of(QuantizedWeight const& weight) const {
    if (!options_.dtype.empty()) return *qfmt::io::torch_dtype_named(options_.dtype);
    auto const model = model_.dtype();
    return weight.desc.row_wise && model && is_floating_point(*model) ? *model : weight.dtype;
  }

  /// The tensor that a weight becomes.
  qfmt::io::TensorInfo decoded(QuantizedWeight const& weight) const {
    qfmt::io::TensorInfo info{weight.name, dtype_of(weight), weight.shape};
    if (weight.slice) info.shape = {weight.slice->rows, weight.slice->cols};
    if (weight.stored.transposed && info.shape.size() == 2) std::swap(info.shape[0], info.shape[1]);
    return info;
  }

  void write(SafetensorsWriter& writer, qfmt::io::SafetensorsFile const& file,
             qfmt::io::TensorInfo const& tensor, Progress& progress) const {
    check_input(file);
    if (Weight const* const weight = weights_.find(tensor.name)) {
      write_decoded(writer, *weight);
    } else {
      auto const error = writer.write(tensor.name, file.bytes(tensor));
      fail_on(error, code_of(error));
    }
    progress.tensor_done();
    progress.read(tensor.bytes());
  }

  void write_decoded(SafetensorsWriter& writer, Weight const& weight) const {
    auto const& stored = weight.stored;
    auto const info = decoded(stored);
    std::int64_t const count = count_of(info.shape);
    bool const whole = stored.slice || (stored.stored.transposed && info.shape.size() == 2);
    std::int64_t const row = stored.desc.row_wise ? stored.shape[1] : 0;
    for (std::int64_t first = 0, n; first < count; first += n) {
      n = whole ? count : chunk_at(first, count, row);
      std::vector<float> values(static_cast<std::size_t>(n));
      fail_on(
          weight.codec->decode(model_.checkpoint, stored, first, values, {options_.write.threads}),
          exit_bad_input);
      auto bytes = as_type(values, info.dtype);
      if (stored.stored.transposed && info.shape.size() == 2)
        bytes = transposed(bytes, info.shape[1], info.shape[0],
                           qfmt::io::traits_of(info.dtype).bits / 8);
      auto const error = writer.write(stored.name, bytes);
      fail_on(error, code_of(error));
    }
  }

  DequantizeOptions const& options_;
  Model const& model_;
  Weights const& weights_;
};

}  // namespace

int dequantize(DequantizeOptions const& options) {
  auto const model = open_model(options.input);
  Weights const weights(model.checkpoint);
  if (weights.empty())
    throw Failure(exit_cannot_quantize, model.path.string() + ": no tensor of it is quantized");
  Job job(options, model, weights);
  auto const files = job.layout();
  std::int64_t bytes = data_bytes(files);
  std::size_t tensors = 0;
  for (auto const& file : files) tensors += file.tensors.size();
  if (!options.write.dry_run) {
    Progress progress(options.write.quiet, tensors, model.bytes());
    bytes = job.run(files, progress);
  }
  if (options.write.json) {
    print_json({{"schema_version", json_schema_version},
                {"input", options.input.string()},
                {"output", options.output.string()},
                {"dry_run", options.write.dry_run},
                {"dequantized", weights.size()},
                {"input_bytes", model.bytes()},
                {"output_bytes", bytes}});
  } else {
    fmt::print("{}: {} tensors dequantized, {} -> {}{}\n", printable(options.output.string()),
               weights.size(), megabytes(model.bytes()), megabytes(bytes),
               options.write.dry_run ? "; nothing was written" : "");
  }
  return exit_ok;
}

}  // namespace app
