// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// qfmt: what a safetensors file holds, the file quantized, and how far the two lie apart.

#include <qfmt/version.hpp>

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <cstdio>
#include <new>

#include "commands.hpp"
#include "failure.hpp"
#include "text.hpp"

namespace {

constexpr char const* description =
    "Quantizes safetensors models to bitsandbytes' formats: NF4, FP4 and LLM.int8().";

constexpr char const* exit_codes = R"(
Exit codes:
  0    fine
  1    compare: an unquantized tensor differs, is missing or was added
  2    usage
  3    an input file cannot be read or breaks a rule of its format
  4    the output cannot be written, or exists and --force is not given
  5    the input holds NaN or infinity, or cannot be quantized as asked
  130  interrupted
Data goes to stdout, messages and progress to stderr. After a failure there is no output file.)";

constexpr char const* quantize_description =
    R"(Quantizes every F32, F16 or BF16 tensor of two or more dimensions (int8: exactly two).
All others pass through byte for byte. The output holds bitsandbytes' keys.)";

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

void add_info(CLI::App& program, app::InfoOptions& options, int& result) {
  auto* const command = program.add_subcommand("info", "Lists a file's tensors");
  command->add_option("FILE", options.file, "A safetensors file")->required();
  command->add_flag("--json", options.json, "Print JSON");
  on_parse(command, result, [&options] { return app::info(options); });
}

void add_quantize(CLI::App& program, app::QuantizeOptions& options, int& result) {
  auto* const command = program.add_subcommand("quantize", quantize_description);
  command->add_option("IN", options.input, "A safetensors file")->required();
  command->add_option("OUT", options.output, "The file to write")->required();
  command->add_option("--format", options.format, "nf4, fp4 or int8 (row-wise, LLM.int8())")
      ->required()
      ->check(CLI::IsMember({"nf4", "fp4", "int8"}));
  auto* const block_size =
      command
          ->add_option("--block-size", options.block_size,
                       "Values per scale: a power of two from 16 to 4096; 64 if not given")
          ->check(CLI::IsMember({16, 32, 64, 128, 256, 512, 1024, 2048, 4096}));
  command->add_flag("--double-quant", options.double_quant, "Quantize the scales, too");
  command->add_option("--skip-modules", options.skip_modules, skip_description)
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_flag("--native", options.native, "Allow schemes that bitsandbytes cannot load");
  command->add_flag("--force", options.force, "Replace OUT if it exists");
  add_threads(command, options.threads);
  command->add_flag("--quiet", options.quiet, "No progress, no notes");
  command->add_flag("--json", options.json, "Print JSON");
  on_parse(command, result, [&options, block_size] {
    options.block_size_given = block_size->count() > 0;
    return app::quantize(options);
  });
}

void add_compare(CLI::App& program, app::CompareOptions& options, int& result) {
  auto* const command = program.add_subcommand(
      "compare", "Decodes OUT's quantized tensors and shows how far they lie from IN's");
  command->add_option("IN", options.before, "The original")->required();
  command->add_option("OUT", options.after, "What `qfmt quantize` made of it")->required();
  add_threads(command, options.threads);
  command->add_flag("--json", options.json, "Print JSON");
  on_parse(command, result, [&options] { return app::compare(options); });
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
  app::CompareOptions compare;
  add_info(program, info, result);
  add_quantize(program, quantize, result);
  add_compare(program, compare, result);
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
