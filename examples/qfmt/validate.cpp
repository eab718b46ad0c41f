// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "validate.hpp"

#include <qfmt/io/bitsandbytes.hpp>
#include <qfmt/io/checkpoint.hpp>
#include <qfmt/io/quantization_config.hpp>

#include <set>

namespace app {
namespace {

using qfmt::Errc, qfmt::io::Error;
namespace fs = std::filesystem;

/// A rule, and by which errors a reader says that it is broken. Where several rules have one error
/// the words of its detail tell.
struct Rule {
  int stage;  // rules of one stage are checked together, as a file is read
  char const* text;
  std::vector<Errc> codes;
  std::vector<char const*> words = {};

  bool is_broken_by(Error const& error) const {
    if (std::find(codes.begin(), codes.end(), error.status.code) == codes.end()) return false;
    if (words.empty()) return true;
    return std::any_of(words.begin(), words.end(), [&](char const* word) {
      return error.detail.find(word) != std::string::npos;
    });
  }
};

std::vector<Rule> const& file_rules() {
  static std::vector<Rule> const rules{
      {0, "it can be opened and read", {Errc::file_error}},
      {1, "it holds the 8 bytes of a header's length", {Errc::file_truncated}, {"8 bytes"}},
      {2,
       "the header is no longer than 100,000,000 bytes",
       {Errc::header_too_large},
       {"100 MB", "longer"}},
      {3, "the header lies within the file", {Errc::file_truncated}, {"within its header"}},
      {4, "the header is one JSON object in UTF-8", {Errc::invalid_json}},
      {4, "no name or field stands twice", {Errc::duplicate_name}},
      {4, "no more than a million tensors", {Errc::header_too_large}, {"million"}},
      {4, "names are short and without control characters", {Errc::invalid_header}, {"the name"}},
      {4, "element types are known", {Errc::unsupported_dtype}},
      {4, "numbers fit 63 bits", {Errc::size_overflow}, {"63 bits"}},
      {4,
       "each entry is a dtype, a shape and two offsets; metadata is text",
       {Errc::invalid_header}},
      {5, "shapes multiply to less than 2^63", {Errc::size_overflow}},
      {5,
       "the data lies without hole or overlap, each tensor as long as its shape says",
       {Errc::invalid_offsets}},
      {5, "the data lies within the file", {Errc::file_truncated}},
      {6, "nothing follows the data", {Errc::file_has_trailing_bytes}}};
  return rules;
}

std::vector<Rule> const& weight_rules() {
  static std::vector<Rule> const rules{
      {0,
       "each state is bitsandbytes' JSON",
       {Errc::invalid_json, Errc::header_too_large, Errc::duplicate_name, Errc::size_overflow}},
      {0,
       "each state's fields are known and sound",
       {Errc::invalid_header},
       {"is no", "is not", "holds", "none of", "unknown field"}},
      {0,
       "each scheme can be read, and stands under keys that are made for it",
       {Errc::unsupported_scheme}},
      {0, "no piece of a weight is missing", {Errc::not_found}},
      {0, "each piece has its element type", {Errc::unsupported_dtype}},
      {0,
       "each piece has the size that the weight's shape asks for",
       {Errc::size_mismatch, Errc::unsupported_shape}},
      {1, "no weight has a surplus piece", {Errc::invalid_header}},
      {2, "stored maps are the formats' own, or numbers", {Errc::map_mismatch}},
      {2, "scales lie at addresses for floats", {Errc::misaligned}}};
  return rules;
}

std::vector<Rule> const& index_rules() {
  static std::vector<Rule> const rules{
      {0, "the index can be read", {Errc::file_error}},
      {1,
       "the index is JSON in which no name stands twice",
       {Errc::invalid_json, Errc::duplicate_name, Errc::header_too_large}},
      {2, "the index holds tensors' names and file names without folders", {Errc::invalid_header}}};
  return rules;
}

void add(std::vector<RuleResult>& results, std::string const& file, std::vector<Rule> const& rules,
         Error const& error) {
  using Outcome = RuleResult::Outcome;
  auto const broken = std::find_if(rules.begin(), rules.end(), [&](Rule const& rule) {
    return error && rule.is_broken_by(error);
  });
  for (auto rule = rules.begin(); rule != rules.end(); ++rule)
    results.push_back({file, rule->text,
                       rule == broken && error ? Outcome::fail
                       : !error || (broken != rules.end() && rule->stage < broken->stage)
                           ? Outcome::pass
                           : Outcome::not_reached,
                       rule == broken && error ? error.text() : ""});
  if (error && broken == rules.end())
    results.push_back({file, "everything else", Outcome::fail, error.text()});
}

/// Every rule of what quantized weights hold, the maps included.
Error check_weights(qfmt::io::Checkpoint const& checkpoint) {
  auto const found = qfmt::io::find_quantized(checkpoint);
  if (!found) return found.error();
  using namespace qfmt;
  for (auto const& weight : *found) {
    Error error;
    auto const check = [&]<SchemeSpec S>() {
      auto const view = io::view_quantized<S>(checkpoint, weight);
      if (!view) error = view.error();
      return Status{};
    };
    for_each_format(Formats{}, [&]<class F>() {
      if constexpr (CodebookFormat<F> && bits_of<F> == 4) {
        // The maps do not depend on the block size: one stands for all.
        auto const plain = desc_of<Scheme<Format<F>>>;
        if (weight.desc == plain) (void)check.template operator()<Scheme<Format<F>>>();
        if (weight.desc == desc_of<Scheme<Format<F>, DoubleQuant<true>>>)
          (void)check.template operator()<Scheme<Format<F>, DoubleQuant<true>>>();
      }
    });
    if (error) return error;
  }
  return {};
}

Error open_error(fs::path const& path) {
  auto const file = qfmt::io::SafetensorsFile::open(path);
  return file ? Error{} : file.error();
}

}  // namespace

std::vector<RuleResult> validate(fs::path const& path) {
  std::vector<RuleResult> results;
  std::error_code ignored;
  std::set<fs::path> files;
  auto const index_path = path / qfmt::io::Checkpoint::index_name;
  if (!fs::is_directory(path, ignored)) {
    files.insert(path);
  } else if (!fs::exists(index_path, ignored)) {
    files.insert(path / qfmt::io::Checkpoint::file_name);
  } else {
    auto const text = qfmt::io::MappedFile::open(index_path);
    Error error = text ? Error{} : text.error();
    if (text) {
      auto const index = qfmt::io::parse_safetensors_index(text->bytes(), index_path.string());
      if (!index) error = index.error();
      if (index)
        for (auto const& [tensor, file] : index->weight_map) files.insert(path / file);
    }
    add(results, index_path.string(), index_rules(), error);
  }
  bool good = true;
  for (auto const& file : files) {
    Error const error = open_error(file);
    good = good && !error;
    add(results, file.string(), file_rules(), error);
  }
  if (!good) return results;
  auto const checkpoint = qfmt::io::Checkpoint::open(path);
  if (!checkpoint) {
    results.push_back({path.string(), "index and shards name the same tensors, each once",
                       RuleResult::Outcome::fail, checkpoint.error().text()});
    return results;
  }
  if (checkpoint->is_sharded())
    results.push_back({path.string(), "index and shards name the same tensors, each once",
                       RuleResult::Outcome::pass, ""});
  add(results, path.string(), weight_rules(), check_weights(*checkpoint));
  auto const config_path = path / "config.json";
  if (!fs::exists(config_path, ignored)) return results;
  auto const text = qfmt::io::MappedFile::open(config_path);
  Error error = text ? Error{} : text.error();
  if (text) {
    auto const config = qfmt::io::parse_model_config(text->bytes(), config_path.string());
    if (!config) error = config.error();
  }
  results.push_back({config_path.string(), "config.json and its quantization_config are sound",
                     error ? RuleResult::Outcome::fail : RuleResult::Outcome::pass,
                     error ? error.text() : ""});
  return results;
}

}  // namespace app
