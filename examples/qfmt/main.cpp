// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// qfmt: what a checkpoint holds, quantized and back, in parts, and how far the two lie apart.

#include <qfmt/version.hpp>

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <cstdio>
#include <new>

#include "codec.hpp"
#include "commands.hpp"
#include "failure.hpp"
#include "text.hpp"

namespace {

constexpr char const* description =
    "Quantizes models to bitsandbytes' formats (NF4, FP4, LLM.int8()), to MXFP4 and NVFP4 as "
    "existing checkpoints hold them, or to formats of qfmt's own, and back; cuts those of "
    "bitsandbytes for several GPUs, and counts the memory they take.";

constexpr char const* exit_codes = R"(
Exit codes:
  0    fine
  1    compare: an unquantized tensor differs, is missing or was added; plan: too little memory;
       doctor: a format does not work
  2    usage
  3    an input file cannot be read or breaks a rule of its format
  4    the output cannot be written, or exists and --force is not given
  5    the input holds NaN or infinity, or cannot be quantized as asked
  130  interrupted
Data goes to stdout, messages and progress to stderr. After a failure there is no output file; of a
folder, finished shards stay, and --resume goes on from there.)";

constexpr char const* quantize_description =
    R"(Quantizes a file or a folder. Of a file: every F32, F16 or BF16 tensor of two or more dimensions
(int8: exactly two; mxfp4, nvfp4: with whole blocks in the last). Of a folder: linear layers. All
others pass through byte for byte. Of nf4, fp4 and int8 the output holds bitsandbytes' keys, and
transformers loads such a folder as it is. Of all other formats config.json stays unchanged.)";

constexpr char const* skip_description =
    "Modules that pass through: a name matches a tensor if it is a run of whole components of the "
    "tensor's dot-separated name (\"embeddings\", \"layer.0.attention\", \"lm_head\")";

template <class Action>
void on_parse(CLI::App* command, int& result, Action action) {
  command->callback([&result, action] { result = action(); });
}

CLI::Option* add_threads(CLI::App* command, int& threads) {
  return command
      ->add_option("--threads", threads,
                   "Threads; 0: one for each core. The bytes do not depend on it")
      ->check(CLI::Range(0, 1024));
}

void add_output(CLI::App* command, app::OutputOptions& options) {
  command->add_flag("--force", options.force, "Replace OUT if it exists");
  command->add_flag("--dry-run", options.dry_run, "Say what would be done, and its sizes");
  command->add_flag("--quiet", options.quiet, "No progress, no notes");
  command->add_flag("--json", options.json, "Print JSON");
}

void add_info(CLI::App& program, app::InfoOptions& options, int& result) {
  auto* const command = program.add_subcommand("info", "Lists a model's tensors");
  command->add_option("MODEL", options.file, "A safetensors file or a folder")->required();
  command->add_flag("--validate", options.validate,
                    "Show every rule of the formats, and which the model breaks");
  command->add_flag("--json", options.json, "Print JSON");
  on_parse(command, result, [&options] { return app::info(options); });
}

CLI::Option* add_schemes(CLI::App* command, app::SchemeOptions& options) {
  command
      ->add_option("--format", options.format,
                   "nf4, fp4, int8 (row-wise, LLM.int8()); mxfp4 and nvfp4 in the layout of "
                   "existing checkpoints; with --native the others of qfmt's own")
      ->check(CLI::IsMember(app::format_names()));
  command->add_option("--preset", options.preset,
                      "In place of --format: production-accuracy (LLM.int8()), production-memory "
                      "(NF4, double quantization), qlora (the same), fsdp-qlora (the same stored "
                      "as bfloat16), or a config.json with a quantization_config");
  auto* const block_size =
      command
          ->add_option(
              "--block-size", options.block_size,
              "Values per scale: a power of two from 16 to 4096; if not given 64, or what the "
              "format asks for")
          ->check(CLI::IsMember({16, 32, 64, 128, 256, 512, 1024, 2048, 4096}));
  command->add_flag("--double-quant", options.double_quant, "Quantize the scales, too");
  command->add_option("--skip-modules", options.skip_modules, skip_description)
      ->delimiter(',')
      ->allow_extra_args(false);
  command
      ->add_option("--rule", options.rules,
                   "REGEX=SCHEME: tensors whose names the expression finds get the scheme (nf4, "
                   "fp4/128, nf4/64/double, int8) or keep; the first rule that fits counts")
      ->allow_extra_args(false);
  command
      ->add_option("--transpose-modules", options.transpose_modules,
                   "Modules whose weights are stored (in, out), as GPT-2's Conv1D; those of a "
                   "GPT-2 folder are known")
      ->delimiter(',')
      ->allow_extra_args(false);
  command
      ->add_option("--quant-storage", options.quant_storage,
                   "The type that codes are declared as: uint8, int8, float16, bfloat16, float32, "
                   "float64")
      ->check(CLI::IsMember({"uint8", "int8", "float16", "bfloat16", "float32", "float64"}));
  command->add_flag("--native", options.native, "Allow schemes that bitsandbytes cannot load");
  return block_size;
}

void add_quantize(CLI::App& program, app::QuantizeOptions& options, int& result) {
  auto* const command = program.add_subcommand("quantize", quantize_description);
  command->add_option("IN", options.input, "A safetensors file or a folder")->required();
  command->add_option("OUT", options.output, "The file or folder to write")->required();
  auto* const block_size = add_schemes(command, options.scheme);
  command->add_flag(
      "--min-error", options.min_error,
      "Search each block's scale for the least squared error: better than absmax, and "
      "as readable, but slow");
  command->add_flag("--resume", options.write.resume, "Finish a folder that was interrupted");
  add_threads(command, options.write.threads);
  add_output(command, options.write);
  on_parse(command, result, [&options, block_size] {
    options.scheme.block_size_given = block_size->count() > 0;
    return app::quantize(options);
  });
}

void add_dequantize(CLI::App& program, app::DequantizeOptions& options, int& result) {
  auto* const command = program.add_subcommand(
      "dequantize", "Decodes every quantized weight of a file or folder; all others stay");
  command->add_option("IN", options.input, "A safetensors file or a folder")->required();
  command->add_option("OUT", options.output, "The file or folder to write")->required();
  command
      ->add_option("--dtype", options.dtype,
                   "float32, float16 or bfloat16; if not given, what the weights were (int8: what "
                   "config.json says, or float16)")
      ->check(CLI::IsMember({"float32", "float16", "bfloat16"}));
  command->add_flag("--resume", options.write.resume, "Finish a folder that was interrupted");
  add_threads(command, options.write.threads);
  add_output(command, options.write);
  on_parse(command, result, [&options] { return app::dequantize(options); });
}

void add_compare(CLI::App& program, app::CompareOptions& options, int& result) {
  auto* const command = program.add_subcommand(
      "compare", "Decodes OUT's quantized tensors and shows how far they lie from IN's");
  command->add_option("IN", options.before, "The original")->required();
  command->add_option("OUT", options.after, "What `qfmt quantize` made of it")->required();
  command->add_option("--plot", options.plot,
                      "An SVG file to draw: errors, use of codes and scales of each scheme");
  command->add_flag("--force", options.force, "Replace the file of --plot if it exists");
  add_threads(command, options.threads);
  command->add_flag("--json", options.json, "Print JSON");
  on_parse(command, result, [&options] { return app::compare(options); });
}

void add_doctor(CLI::App& program, app::DoctorOptions& options, int& result) {
  auto* const command = program.add_subcommand(
      "doctor", "Says what this program and machine are, and tests every format on it");
  command->add_flag("--json", options.json, "Print JSON");
  on_parse(command, result, [&options] { return app::doctor(options); });
}

void add_table(CLI::App& program, app::TableOptions& options, int& result) {
  auto* const command = program.add_subcommand(
      "table", "Prints the relative RMSE of every format on random values and real weights");
  command->add_option("MODEL", options.model,
                      "A safetensors file or a folder whose matrices are the real weights");
  command->add_option("--name", options.model_name, "What the column of the weights is called");
  command->add_flag("--json", options.json, "Print JSON");
  on_parse(command, result, [&options] { return app::table(options); });
}

void add_shard(CLI::App& program, app::ShardOptions& options, int& result) {
  auto* const command = program.add_subcommand(
      "shard", "Cuts a quantized model for several GPUs, one file for each: no value changes");
  command->add_option("IN", options.input, "A safetensors file or a folder")->required();
  command->add_option("OUT", options.output, "The folder to write")->required();
  command
      ->add_option("--tensor-parallel", options.tensor_parallel,
                   "Ranks: each gets rows or columns of every weight, with their scales")
      ->check(CLI::Range(1, 1 << 16));
  command
      ->add_option("--fsdp", options.fsdp,
                   "Ranks: each gets an equal part of all bytes, scales included")
      ->check(CLI::Range(1, 1 << 16));
  command->add_flag("--gather", options.gather, "Put the shards of --fsdp in IN together again");
  command
      ->add_option("--rows", options.split_rows,
                   "Expressions of the names that are cut by rows; with --cols in place of the "
                   "usual names of transformer layers")
      ->allow_extra_args(false);
  command->add_option("--cols", options.split_cols, "The same by columns")->allow_extra_args(false);
  add_output(command, options.write);
  on_parse(command, result, [&options] { return app::shard(options); });
}

void add_plan(CLI::App& program, app::MemoryOptions& options, int& result) {
  auto* const command = program.add_subcommand(
      "plan", "Counts the memory that a model takes, from its config.json alone");
  command->add_option("CONFIG", options.config, "A config.json or its folder")->required();
  command
      ->add_option("--scheme", options.schemes,
                   "nf4, fp4/128, nf4/64/double, int8, or keep (nothing quantized)")
      ->allow_extra_args(false);
  command->add_option("--dtype", options.dtype, "Of what is not quantized")
      ->check(CLI::IsMember({"float32", "float16", "bfloat16"}));
  command->add_option("--gpu-memory", options.gpu_memory, "Of one GPU: 24GiB, 80GB");
  command->add_option("--ranks", options.ranks, "Tensor-parallel GPUs")
      ->check(CLI::Range(1, 1 << 16));
  command->add_flag("--json", options.json, "Print JSON");
  on_parse(command, result, [&options] { return app::plan_memory(options); });
}

int run(int argc, char** argv) {
  CLI::App program(description, "qfmt");
  program.footer(exit_codes);
  program.set_version_flag("--version", fmt::format("qfmt {}.{}.{}", QFMT_VERSION_MAJOR,
                                                    QFMT_VERSION_MINOR, QFMT_VERSION_PATCH));
  program.require_subcommand(1);
  int result = app::exit_ok;
  app::InfoOptions info;
  app::QuantizeOptions quantize;
  app::DequantizeOptions dequantize;
  app::CompareOptions compare;
  app::ShardOptions shard;
  app::MemoryOptions plan;
  app::DoctorOptions doctor;
  app::TableOptions table;
  add_info(program, info, result);
  add_quantize(program, quantize, result);
  add_dequantize(program, dequantize, result);
  add_compare(program, compare, result);
  add_shard(program, shard, result);
  add_plan(program, plan, result);
  add_doctor(program, doctor, result);
  add_table(program, table, result);
  try {
    program.parse(argc, argv);
  } catch (CLI::ParseError const& error) {
    return program.exit(error) == 0 ? app::exit_ok : app::exit_usage;
  }
  return result;
}

int fail(int code, std::string const& text) {
  fmt::print(stderr, "qfmt: {}\n", app::printable(text));
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    int const code = run(argc, argv);
    if (std::fflush(stdout) != 0)
      return fail(app::exit_cannot_write, "stdout cannot be written to");
    return code;
  } catch (app::Failure const& failure) {
    return fail(failure.code(), failure.what());
  } catch (std::bad_alloc const&) {
    return fail(app::exit_cannot_quantize, "out of memory");
  } catch (std::exception const& error) {
    return fail(app::exit_cannot_write, error.what());
  }
}
