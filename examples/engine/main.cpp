// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// qfmt_engine: runs a Llama whose linear layers are in any of the library's formats, and measures
// what the format costs.

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <cmath>
#include <cstdio>
#include <fstream>

#include "report.hpp"
#include "tasks.hpp"

namespace {

using engine::Failure, engine::FormatChoice, engine::Model, engine::require;

struct Options {
  std::filesystem::path folder, tokens, text, choices, logits, json, svg;
  std::vector<std::string> formats;
  std::string prompt;
  std::int64_t window = 0, piece = 0, limit = 0, text_bytes = 0;
  bool perplexity = false;
  int threads = 0;
  engine::Sampling sampling;
};

constexpr char const* formats_help =
    "fp32, fp16, bf16; nf4, fp4, int4 (uniform), each with /32, /64 (if not given), /128 or /256 "
    "and, at 64, /min-error (scales searched for the least error); nf4 with /double; int8 (weights "
    "and activations), llm.int8 (outlier columns with their 16-bit weights), llm.int8-bnb (with "
    "the int8 weights, as bitsandbytes), int8-weights. @fp32, @fp16 or @bf16 after any of the int8 "
    "and dense ones and nf4/64 is the type that is multiplied in; nf4/device@bf16 and "
    "nf4/double/device@bf16 run on a GPU in programs built with QFMT_ENGINE_CUDA. May be repeated; "
    "--perplexity "
    "takes the full table where none is given";

void write(std::filesystem::path const& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  file.close();
  require(!file.fail(), path.string() + ": cannot be written");
}

std::vector<std::int32_t> input_ids(Options const& o, Model const& model) {
  require(o.tokens.empty() != o.text.empty(), "give either --tokens or --text");
  if (!o.text.empty())
    require(model.config().vocab == 256, "--text is for a vocabulary of the 256 bytes");
  auto ids = o.text.empty() ? engine::read_tokens(o.tokens) : engine::read_bytes(o.text);
  if (o.limit > 0 && o.limit < std::ssize(ids)) ids.resize(static_cast<std::size_t>(o.limit));
  require(!ids.empty(), "there are no tokens");
  model.check_ids(ids);
  return ids;
}

void measure(Options const& o, engine::Weights const& weights) {
  std::vector<FormatChoice> choices;
  for (auto const& name : o.formats) choices.push_back(engine::format_named(name));
  if (choices.empty()) choices = engine::every_format();
  auto const fp32 = engine::format_named("fp32");
  Model const base(weights, fp32);
  require(o.window >= 0, "--window is negative");
  engine::Text text{input_ids(o, base), o.window > 0 ? o.window : base.config().context};
  engine::Report report{o.folder.filename().string(),
                        (o.text.empty() ? o.tokens : o.text).filename().string(),
                        text.window,
                        1.0,
                        {}};
  if (o.text_bytes > 0)
    report.bytes_per_token =
        static_cast<double>(o.text_bytes) / static_cast<double>(std::ssize(text.ids));
  engine::Reference const reference(base, text, o.threads);
  for (FormatChoice const& choice : choices) {
    Model const model(weights, choice);
    report.rows.push_back({choice, model.bits_per_weight(), model.bytes(),
                           engine::score(model, reference, text, o.threads)});
    fmt::print(stderr, "{}: {:.1f} s\n", choice.text, report.rows.back().score.seconds);
  }
  fmt::print("{}", engine::as_table(report));
  if (!o.json.empty()) write(o.json, engine::as_json(report));
  if (!o.svg.empty()) write(o.svg, engine::as_svg(report));
}

void answer(Options const& o, engine::Weights const& weights, FormatChoice const& choice) {
  Model const model(weights, choice);
  auto const choices = engine::read_choices(o.choices);
  auto const scores = engine::score_choices(model, choices, o.threads);
  double right = 0.0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    auto const best = std::ranges::max_element(scores[i]) - scores[i].begin();
    right += best == choices.items[i].answer ? 1.0 : 0.0;
    fmt::print("{} {}", i, best);
    for (double const s : scores[i]) fmt::print(" {:.6f}", s);
    fmt::print("\n");
  }
  double const n = static_cast<double>(scores.size()), share = n > 0.0 ? right / n : 0.0;
  fmt::print("{}: {} of {} right, {:.2f} % ± {:.2f}\n", choice.text, right, n, 100.0 * share,
             n > 0.0 ? 100.0 * std::sqrt(share * (1.0 - share) / n) : 0.0);
}

void write_logits(Options const& o, engine::Weights const& weights, FormatChoice const& choice) {
  Model const model(weights, choice);
  auto const logits = engine::logits_of(model, input_ids(o, model), o.piece, o.threads);
  write(o.logits, {reinterpret_cast<char const*>(logits.data()), logits.size() * sizeof(float)});
}

void go_on(Options const& o, engine::Weights const& weights, FormatChoice const& choice) {
  Model const model(weights, choice);
  require(model.config().vocab == 256 || !o.tokens.empty(),
          "--prompt is for a vocabulary of the 256 bytes; give --tokens");
  std::vector<std::int32_t> prompt;
  for (char const c : o.prompt) prompt.push_back(static_cast<unsigned char>(c));
  if (!o.tokens.empty()) prompt = engine::read_tokens(o.tokens);
  require(!prompt.empty(), "the prompt is empty");
  bool const bytes = model.config().vocab == 256;
  if (bytes) fmt::print("{}", o.prompt);
  engine::generate(
      model, prompt, o.sampling, o.threads,
      bytes ? +[](std::int32_t id) { std::putchar(static_cast<char>(id)); }
            : +[](std::int32_t id) { fmt::print("{} ", id); });
  fmt::print("\n");
}

void run(Options const& o) {
  engine::Weights const weights(o.folder);
  if (o.perplexity) return measure(o, weights);
  require(o.formats.size() <= 1, "only --perplexity takes several formats");
  auto const choice = engine::format_named(o.formats.empty() ? "fp32" : o.formats[0]);
  if (!o.choices.empty()) return answer(o, weights, choice);
  if (!o.logits.empty()) return write_logits(o, weights, choice);
  require(o.sampling.count > 0, "give --perplexity, --choices, --logits or --generate");
  go_on(o, weights, choice);
}

void add_options(CLI::App& program, Options& o) {
  program.add_option("MODEL", o.folder, "A folder with config.json and safetensors")->required();
  program.add_option("--format", o.formats, formats_help)->allow_extra_args(false);
  program.add_flag("--perplexity", o.perplexity, "Score a text in each format");
  program.add_option("--choices", o.choices,
                     "Score options after prompts: JSON, {\"items\": [{\"prompt\": [ids], "
                     "\"options\": [[ids], ...], \"answer\": index}, ...]}");
  program.add_option("--logits", o.logits, "Write the logits of every token there, as f32");
  program.add_option("--generate", o.sampling.count, "Go on for so many tokens");
  program.add_option("--tokens", o.tokens, "A file of little-endian int32 token ids");
  program.add_option("--text", o.text, "A file whose bytes are the tokens");
  program.add_option("--text-bytes", o.text_bytes, "Bytes of the text that the tokens stand for");
  program.add_option("--limit", o.limit, "Read only so many tokens");
  program.add_option("--window", o.window, "Tokens of a window; if not given, the model's context");
  program.add_option("--piece", o.piece, "--logits: tokens of one call");
  program.add_option("--prompt", o.prompt, "What --generate goes on from");
  program.add_option("--temperature", o.sampling.temperature, "0: always the likeliest token");
  program.add_option("--seed", o.sampling.seed, "Of the sampling");
  program.add_option("--threads", o.threads, "0: one for each core")->check(CLI::Range(0, 1024));
  program.add_option("--json", o.json, "--perplexity: write the table there as JSON");
  program.add_option("--svg", o.svg, "--perplexity: write a chart there");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App program("Runs a Llama under a quantization format and measures what it costs",
                   "qfmt_engine");
  Options options;
  add_options(program, options);
  CLI11_PARSE(program, argc, argv);
  return engine::exit_code_of("qfmt_engine", [&] { run(options); });
}
