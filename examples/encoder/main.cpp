// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// qfmt_encoder: makes vectors of sentences with a BERT whose linear layers are in any of the
// library's formats, and measures how far they are from the vectors in full precision.

#include <qfmt/host/executor.hpp>

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <chrono>
#include <cstdio>
#include <fstream>

#include "bert.hpp"
#include "report.hpp"
#include "wordpiece.hpp"

namespace {

using encoder::Bert, engine::FormatChoice, engine::require;
using Sentences = std::vector<std::vector<std::int32_t>>;

struct Options {
  std::filesystem::path folder, text, ids, embeddings, json;
  std::vector<std::string> formats;
  std::int64_t limit = 256, batch = 32;
  int threads = 0;
};

void write(std::filesystem::path const& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  file.close();
  require(!file.fail(), path.string() + ": cannot be written");
}

/// Ids of each line of a file.
Sentences read_sentences(Options const& o) {
  encoder::WordPiece const tokenizer(o.folder / "vocab.txt");
  std::ifstream file(o.text, std::ios::binary);
  require(file.is_open(), o.text.string() + ": cannot be opened");
  Sentences sentences;
  for (std::string line; std::getline(file, line);)
    sentences.push_back(tokenizer.ids(line, o.limit));
  require(!file.bad(), o.text.string() + ": cannot be read");
  require(!sentences.empty(), o.text.string() + ": there are no sentences");
  return sentences;
}

/// Batches run side by side. What a batch is does not depend on the threads: LLM.int8() takes the
/// columns for outliers that are it for some token of the batch.
encoder::Vectors embed(Options const& o, Bert const& model, Sentences const& sentences) {
  model.check_ids(sentences);
  encoder::Vectors all{{}, std::ssize(sentences), model.config().hidden};
  all.values.resize(static_cast<std::size_t>(all.count * all.n));
  qfmt::host::Threads{o.threads}((all.count + o.batch - 1) / o.batch, [&](std::int64_t b) {
    std::int64_t const first = b * o.batch, count = std::min(o.batch, all.count - first);
    auto const some = model.embed(std::span(sentences).subspan(static_cast<std::size_t>(first),
                                                               static_cast<std::size_t>(count)));
    std::ranges::copy(some, all.values.begin() + first * all.n);
  });
  return all;
}

void write_ids(Options const& o) {
  std::string text;
  for (auto const& ids : read_sentences(o)) {
    for (std::size_t i = 0; i < ids.size(); ++i)
      text += (i > 0 ? " " : "") + std::to_string(ids[i]);
    text += "\n";
  }
  write(o.ids, text);
}

void write_embeddings(Options const& o) {
  require(o.formats.size() <= 1, "only the table takes several formats");
  Bert const model(o.folder, engine::format_named(o.formats.empty() ? "fp32" : o.formats[0]));
  auto const made = embed(o, model, read_sentences(o));
  write(o.embeddings,
        {reinterpret_cast<char const*>(made.values.data()), made.values.size() * sizeof(float)});
}

void measure(Options const& o) {
  std::vector<FormatChoice> choices;
  for (auto const& name : o.formats) choices.push_back(engine::format_named(name));
  if (choices.empty()) choices = engine::every_format();
  auto const sentences = read_sentences(o);
  require(sentences.size() > 1, "one sentence has no neighbours");
  encoder::Report report{o.folder.filename().string(),
                         o.text.filename().string(),
                         std::ssize(sentences),
                         0,
                         o.batch,
                         {}};
  for (auto const& ids : sentences) report.tokens += std::ssize(ids);
  auto const base_choice = engine::format_named("fp32");
  Bert const base(o.folder, base_choice);
  encoder::Reference const reference(embed(o, base, sentences));
  fmt::print("{}", encoder::heading(report));
  for (FormatChoice const& choice : choices) {
    auto const start = std::chrono::steady_clock::now();
    Bert const model(o.folder, choice);
    bool const is_base = choice.kind == base_choice.kind && choice.compute == base_choice.compute;
    auto const made = is_base ? reference.vectors() : embed(o, model, sentences);
    std::chrono::duration<double> const time = std::chrono::steady_clock::now() - start;
    report.rows.push_back(
        {choice, model.bits_per_weight(), model.bytes(), reference.compare(made), time.count()});
    fmt::print("{}", encoder::as_line(report.rows.back()));
    std::fflush(stdout);  // a row takes a minute
    if (!o.json.empty()) write(o.json, encoder::as_json(report));
  }
}

void run(Options const& o) {
  if (!o.ids.empty()) return write_ids(o);
  if (!o.embeddings.empty()) return write_embeddings(o);
  measure(o);
}

void add_options(CLI::App& program, Options& o) {
  program.add_option("MODEL", o.folder, "A folder with config.json, vocab.txt and safetensors")
      ->required();
  program.add_option("TEXT", o.text, "Sentences, one a line")->required();
  program
      .add_option("--format", o.formats,
                  "As qfmt_engine's; may be repeated. All of its table where none is given")
      ->allow_extra_args(false);
  program.add_option("--limit", o.limit, "Tokens of a sentence; what is beyond is cut off")
      ->check(CLI::Range(2, 1 << 20));
  program.add_option("--batch", o.batch, "Sentences that are multiplied together")
      ->check(CLI::Range(1, 1 << 20));
  program.add_option("--ids", o.ids, "Write each sentence's token ids there instead");
  program.add_option("--embeddings", o.embeddings, "Write the vectors there instead, as f32");
  program.add_option("--threads", o.threads, "0: one for each core")->check(CLI::Range(0, 1024));
  program.add_option("--json", o.json, "Write the table there as JSON");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App program("Makes vectors of sentences under a quantization format and measures its cost",
                   "qfmt_encoder");
  Options options;
  add_options(program, options);
  CLI11_PARSE(program, argc, argv);
  return engine::exit_code_of("qfmt_encoder", [&] { run(options); });
}
