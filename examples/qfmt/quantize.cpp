// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <unistd.h>

#include "output.hpp"
#include "progress.hpp"
#include "schemes.hpp"
#include "text.hpp"

namespace app {
namespace {

using qfmt::io::SafetensorsFile, qfmt::io::SafetensorsWriter;

/// Memory for the scales of one file's nested weights between their two readings.
constexpr std::int64_t kept_scale_bytes = 64 << 20;

class Job {
 public:
  Job(QuantizeOptions const& options, Schemes const& schemes, Model const& model,
      std::vector<Step> const& steps)
      : options_(options), schemes_(schemes), model_(model), steps_(steps) {}

  /// The output's files; the states of nested weights may be some bytes longer or shorter.
  std::vector<OutputFile> layout() const {
    std::vector<OutputFile> files;
    for (auto const& file : model_.checkpoint.files()) files.push_back(layout_of(file, {}));
    return files;
  }

  /// Quantizes the whole model; returns the bytes written.
  std::int64_t run(std::vector<OutputFile>& files, Progress& progress) {
    Output output(model_, options_.output, options_.write, job_text(), data_bytes(files));
    std::int64_t bytes = 0;
    std::size_t at = 0;
    for (auto const& file : model_.checkpoint.files()) {
      bytes += output.has(files[at].name) ? take_finished(output, files[at], progress)
                                          : write(output, file, files[at], progress);
      ++at;
    }
    auto config = model_.config;
    if (config.is_object() && schemes_.writes_config())
      config["quantization_config"] = qfmt::io::to_json(schemes_.config(steps_, model_));
    output.finish(config, files);
    return bytes;
  }

 private:
  template <class Fn>
  void for_steps(SafetensorsFile const& file, Fn const& fn) const {
    for (std::size_t i = 0; i < steps_.size(); ++i)
      if (steps_[i].file == &file) fn(i, steps_[i]);
  }

  OutputFile layout_of(SafetensorsFile const& file, std::vector<Scales> const& scales) const {
    OutputFile out{model_.is_folder ? std::filesystem::path(file.path()).filename().string() : "",
                   {},
                   with_format(file.metadata())};
    for_steps(file, [&](std::size_t i, Step const& step) {
      if (step.codec == nullptr) {
        out.tensors.push_back(*step.tensor);
        return;
      }
      auto weight = schemes_.describe(step);
      if (!scales.empty()) weight.offset = scales[i].offset;
      auto pieces = value_or_fail(qfmt::io::pieces_of(weight), exit_cannot_quantize);
      std::move(pieces.begin(), pieces.end(), std::back_inserter(out.tensors));
    });
    return out;
  }

  /// Two readings, for a blob spells its weight's offset: a file can be laid out only when all are
  /// known.
  std::int64_t write(Output& output, SafetensorsFile const& file, OutputFile& out,
                     Progress& progress) const {
    file.expect_reading_in_order();
    std::vector<Scales> scales(steps_.size());
    std::int64_t keep = kept_scale_bytes;
    for_steps(file, [&](std::size_t i, Step const& step) {
      if (step.codec == nullptr || step.codec->scan == nullptr) return;
      with_tensor(step, [&](Tensor const& tensor) {
        scales[i] = value_or_fail(step.codec->scan(tensor, keep, how()), exit_cannot_quantize);
      });
      keep -= static_cast<std::int64_t>(scales[i].absmax.size()) * 4;
      progress.read(step.tensor->bytes());
    });
    out = layout_of(file, scales);
    return output.write(out, [&](SafetensorsWriter& writer) {
      for_steps(file, [&](std::size_t i, Step const& step) {
        write(writer, step, scales[i]);
        scales[i] = {};
        progress.tensor_done();
        progress.read(step.tensor->bytes());
      });
    });
  }

  void write(SafetensorsWriter& writer, Step const& step, Scales const& scales) const {
    with_tensor(step, [&](Tensor const& tensor) {
      qfmt::io::Error error;
      if (step.codec == nullptr) {
        error = writer.write(step.tensor->name, tensor.bytes);
        tensor.read(tensor.bytes);
      } else {
        auto weight = schemes_.describe(step);
        weight.offset = scales.offset;
        error = step.codec->write(writer, weight, tensor, scales, how());
      }
      fail_on(error, code_of(error));
    });
  }

  /// fn(the tensor, turned where the step says so).
  template <class Fn>
  void with_tensor(Step const& step, Fn const& fn) const {
    check_input(*step.file);
    auto const bytes = step.file->bytes(*step.tensor);
    if (!step.transpose) return fn(Tensor{*step.tensor, bytes, step.file});
    auto info = *step.tensor;
    auto const copy =
        transposed(bytes, info.shape[0], info.shape[1], qfmt::io::traits_of(info.dtype).bits / 8);
    std::swap(info.shape[0], info.shape[1]);
    fn(Tensor{info, copy});
  }

  /// A file that an earlier run finished: its tensors are those of the index.
  std::int64_t take_finished(Output const& output, OutputFile& out, Progress& progress) const {
    auto const file = value_or_fail(SafetensorsFile::open(output.place(out.name)), exit_bad_input);
    out.tensors = file.tensors();
    progress.tensor_done();
    return file.file_bytes();
  }

  Encoding how() const { return {{options_.write.threads}, options_.min_error}; }

  /// What must be equal for --resume: every tensor's scheme, and the input's files.
  std::string job_text() const {
    Json job{{"config", qfmt::io::to_json(schemes_.config(steps_, model_))},
             {"input", inputs_of(model_)},
             {"schemes", Json::object()}};
    if (options_.min_error) job["encoder"] = "min-error";
    for (Step const& step : steps_)
      if (step.codec != nullptr)
        job["schemes"][step.tensor->name] =
            scheme_text(step.codec->desc) + (step.transpose ? " transposed" : "");
    return job.dump(1) + "\n";
  }

  QuantizeOptions const& options_;
  Schemes const& schemes_;
  Model const& model_;
  std::vector<Step> const& steps_;
};

struct Summary {
  std::int64_t quantized = 0, values = 0, bits = 0;  // bits of codes and scales
  std::string scheme;                                // "mixed schemes" where there are several
  Codec const* codec = nullptr;                      // of the last

  explicit Summary(std::vector<Step> const& steps) {
    for (Step const& step : steps) {
      if (step.codec == nullptr) continue;
      ++quantized;
      values += count_of(step.tensor->shape);
      bits += step.codec->bits(step.tensor->shape);
      codec = step.codec;
      auto const text = scheme_text(step.codec->desc);
      scheme = scheme.empty() || scheme == text ? text : "mixed schemes";
    }
  }
  double bits_per_value() const {
    return values == 0 ? 0. : static_cast<double>(bits) / static_cast<double>(values);
  }
};

void report(QuantizeOptions const& options, std::vector<Step> const& steps,
            std::int64_t input_bytes, std::int64_t output_bytes) {
  Summary const sum(steps);
  auto const untouched = static_cast<std::int64_t>(steps.size()) - sum.quantized;
  if (options.write.json) {
    Json json{{"schema_version", json_schema_version},
              {"input", options.input.string()},
              {"output", options.output.string()},
              {"dry_run", options.write.dry_run},
              {"quantized", sum.quantized},
              {"untouched", untouched},
              {"bits_per_quantized_value", sum.bits_per_value()},
              {"input_bytes", input_bytes},
              {"output_bytes", output_bytes},
              {"tensors", Json::array()}};
    if (sum.codec != nullptr && sum.scheme == scheme_text(sum.codec->desc))
      json["scheme"] = scheme_json(sum.codec->desc);
    for (Step const& step : steps)
      if (step.codec != nullptr)
        json["tensors"].push_back(
            {{"name", step.tensor->name}, {"scheme", scheme_json(step.codec->desc)}});
    return print_json(json);
  }
  fmt::print("{}: {} tensors as {} ({:.3f} bits per value), {} untouched, {} -> {}{}\n",
             printable(options.output.string()), sum.quantized,
             sum.scheme.empty() ? "-" : sum.scheme, sum.bits_per_value(), untouched,
             megabytes(input_bytes), megabytes(output_bytes),
             options.write.dry_run ? "; nothing was written" : "");
}

void print_steps(std::vector<Step> const& steps) {
  Table table({"tensor", "dtype", "shape", "as", "bits/value"});
  for (Step const& step : steps) {
    auto const& tensor = *step.tensor;
    bool const quantized = step.codec != nullptr;
    double const bits = quantized ? static_cast<double>(step.codec->bits(tensor.shape)) /
                                        static_cast<double>(count_of(tensor.shape))
                                  : qfmt::io::traits_of(tensor.dtype).bits;
    table.add({printable(tensor.name), std::string(qfmt::io::traits_of(tensor.dtype).name),
               shape_text(tensor.shape), quantized ? scheme_text(step.codec->desc) : "-",
               fmt::format("{:.3f}", bits)});
  }
  table.print();
}

}  // namespace

int quantize(QuantizeOptions const& options) {
  Schemes const schemes(options.scheme);
  auto const model = open_model(options.input);
  std::vector<std::string> notes;
  auto const steps = schemes.steps(model, notes);
  if (!options.write.quiet)
    for (auto const& note : notes) fmt::print(stderr, "qfmt: {}\n", printable(note));
  for (Step const& step : steps)
    if (options.min_error && step.codec != nullptr && !step.codec->searches_scales)
      throw Failure(exit_usage, "--min-error does not go with " + scheme_text(step.codec->desc));

  Job job(options, schemes, model, steps);
  auto files = job.layout();
  if (options.write.dry_run) {
    if (!options.write.json) print_steps(steps);
    report(options, steps, model.bytes(), data_bytes(files));
    return exit_ok;
  }
  std::int64_t bytes = 0;
  for (Step const& step : steps)
    bytes += step.tensor->bytes() * (step.codec != nullptr && step.codec->scan != nullptr ? 2 : 1);
  Progress progress(options.write.quiet, steps.size(), bytes);
  std::int64_t const output_bytes = job.run(files, progress);
  progress.clear();
  if (!options.write.quiet)
    fmt::print(stderr, "qfmt: {:.2f} s, {:.0f} MB/s\n", progress.seconds(),
               progress.megabytes_per_second());
  report(options, steps, model.bytes(), output_bytes);
  return exit_ok;
}

}  // namespace app
