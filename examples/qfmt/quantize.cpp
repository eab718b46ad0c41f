// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include "commands.hpp"
#include "failure.hpp"
#include "interrupt.hpp"
#include "plan.hpp"
#include "progress.hpp"
#include "text.hpp"

namespace app {
namespace {

namespace fs = std::filesystem;
using qfmt::io::SafetensorsFile, qfmt::io::SafetensorsWriter;

void refuse_same_file(fs::path const& input, fs::path const& output) {
  std::error_code ignored;  // what cannot be looked up is not the same
  if (fs::equivalent(input, output, ignored) ||
      fs::weakly_canonical(input, ignored) == fs::weakly_canonical(output, ignored))
    throw Failure(exit_usage, "IN and OUT are the same file: " + output.string());
}

/// Writing fails for reasons of the disk, or because the input does not fit the format.
ExitCode code_of(qfmt::io::Error const& error) {
  bool const disk =
      error.status.code == qfmt::Errc::file_error || error.status.code == qfmt::Errc::file_exists;
  return disk ? exit_cannot_write : exit_cannot_quantize;
}

qfmt::io::Metadata with_format(qfmt::io::Metadata metadata) {
  for (auto const& entry : metadata)
    if (entry.first == "format") return metadata;
  metadata.emplace_back("format", "pt");
  return metadata;
}

class Job {
 public:
  Job(QuantizeOptions const& options, Codec const& codec, SafetensorsFile const& file, Plan& plan)
      : options_(options),
        codec_(codec),
        file_(file),
        plan_(plan),
        progress_(options.quiet, plan.steps.size(), bytes_to_read()) {}

  /// Quantizes the whole file; returns the bytes written.
  std::int64_t run() {
    if (codec_.offset != nullptr) find_offsets();
    auto writer = create();
    for (Step const& step : plan_.steps) {
      write(writer, step);
      progress_.tensor_done();
      progress_.read(step.tensor->bytes());
    }
    check_interrupted();
    qfmt::io::Error const error = writer.commit();
    fail_on(error, code_of(error));
    return writer.file_bytes();
  }

  Progress& progress() { return progress_; }

 private:
  std::int64_t bytes_to_read() const {
    std::int64_t const data = file_.file_bytes() - file_.header_bytes();
    return codec_.offset != nullptr ? data + plan_.bytes_to_quantize : data;
  }

  Tensor open(qfmt::io::TensorInfo const& info) const {
    check_interrupted();
    fail_on(file_.check_unchanged(), exit_bad_input);
    return {info, file_.bytes(info)};
  }

  /// A blob spells its weight's offset: a file can be laid out only when all are known.
  void find_offsets() {
    for (Step& step : plan_.steps) {
      if (!step.quantized) continue;
      step.offset = value_or_fail(codec_.offset(open(*step.tensor), {options_.threads}),
                                  exit_cannot_quantize);
      progress_.read(step.tensor->bytes());
    }
  }

  SafetensorsWriter create() const {
    auto writer = SafetensorsWriter::create(options_.output, layout_of(plan_, codec_),
                                            with_format(file_.metadata()), options_.force);
    if (!writer) throw Failure(code_of(writer.error()), writer.error().text());
    return std::move(*writer);
  }

  void write(SafetensorsWriter& writer, Step const& step) const {
    Tensor const tensor = open(*step.tensor);
    auto const error = step.quantized ? codec_.write(writer, tensor, {options_.threads})
                                      : writer.write(step.tensor->name, tensor.bytes);
    fail_on(error, code_of(error));
  }

  QuantizeOptions const& options_;
  Codec const& codec_;
  SafetensorsFile const& file_;
  Plan& plan_;
  Progress progress_;
};

struct Summary {
  std::int64_t quantized = 0, values = 0, bits = 0;  // bits of codes and scales

  Summary(Plan const& plan, Codec const& codec) {
    for (Step const& step : plan.steps) {
      if (!step.quantized) continue;
      ++quantized;
      values += count_of(step.tensor->shape);
      bits += codec.bits(step.tensor->shape);
    }
  }
  double bits_per_value() const {
    return values == 0 ? 0. : static_cast<double>(bits) / static_cast<double>(values);
  }
};

void report(QuantizeOptions const& options, Codec const& codec, Plan const& plan,
            std::int64_t input_bytes, std::int64_t output_bytes) {
  Summary const sum(plan, codec);
  auto const untouched = static_cast<std::int64_t>(plan.steps.size()) - sum.quantized;
  if (options.json)
    return print_json({{"schema_version", json_schema_version},
                       {"input", options.input.string()},
                       {"output", options.output.string()},
                       {"scheme", scheme_json(codec.desc)},
                       {"quantized", sum.quantized},
                       {"untouched", untouched},
                       {"bits_per_quantized_value", sum.bits_per_value()},
                       {"input_bytes", input_bytes},
                       {"output_bytes", output_bytes}});
  fmt::print("{}: {} tensors as {} ({:.3f} bits per value), {} untouched, {:.1f} MB -> {:.1f} MB\n",
             printable(options.output.string()), sum.quantized, scheme_text(codec.desc),
             sum.bits_per_value(), untouched, static_cast<double>(input_bytes) / 1e6,
             static_cast<double>(output_bytes) / 1e6);
}

}  // namespace

int quantize(QuantizeOptions const& options) {
  Codec const& codec = chosen_codec(options);
  auto const file = value_or_fail(SafetensorsFile::open(options.input), exit_bad_input);
  refuse_same_file(options.input, options.output);
  std::error_code ignored;  // the writer meets what cannot be looked up
  if (!options.force && fs::exists(options.output, ignored))
    throw Failure(exit_cannot_write,
                  options.output.string() + ": it exists already; --force replaces it");

  Plan plan = plan_for(file, options, codec);
  if (!options.quiet)
    for (auto const& note : plan.notes) fmt::print(stderr, "qfmt: {}\n", printable(note));
  catch_interrupts();
  Job job(options, codec, file, plan);
  std::int64_t const output_bytes = job.run();
  job.progress().clear();
  if (!options.quiet)
    fmt::print(stderr, "qfmt: {:.2f} s, {:.0f} MB/s\n", job.progress().seconds(),
               job.progress().megabytes_per_second());
  report(options, codec, plan, file.file_bytes(), output_bytes);
  return exit_ok;
}

}  // namespace app
