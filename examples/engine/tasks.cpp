// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "tasks.hpp"

#include <qfmt/host/executor.hpp>
#include <qfmt/io/json.hpp>

#include <algorithm>
#include <cmath>

namespace engine {

namespace {

using qfmt::io::Json;

qfmt::io::MappedFile open(std::filesystem::path const& file) {
  return value_or_fail(qfmt::io::MappedFile::open(file));
}

std::vector<std::int32_t> ids_of(Json const& json, std::string const& where) {
  require(json.is_array() && !json.empty(), where + " is not a list of token ids");
  std::vector<std::int32_t> ids;
  for (Json const& id : json) {
    require(id.is_number_unsigned() && id <= 0x7FFFFFFF, where + " holds what is no token id");
    ids.push_back(id.get<std::int32_t>());
  }
  return ids;
}

/// A number from 0 to 1 (exclusive), the next of a sequence.
double next_random(std::uint64_t& state) {
  std::uint64_t z = state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

std::int32_t sample(std::span<float const> logits, double temperature, std::uint64_t& state) {
  auto const likeliest = std::ranges::max_element(logits);
  if (temperature <= 0.0) return static_cast<std::int32_t>(likeliest - logits.begin());
  std::vector<double> upto;  // sums of weights
  double sum = 0.0;
  for (float const x : logits)
    upto.push_back(sum += std::exp((double{x} - double{*likeliest}) / temperature));
  auto const at = std::ranges::upper_bound(upto, next_random(state) * sum);
  return static_cast<std::int32_t>(std::min(at - upto.begin(), std::ssize(upto) - 1));
}

/// The log-likelihood of an option's tokens after the prompt's, which are in the cache.
double score_option(Model const& model, std::span<float const> last_logits, Cache cache,
                    std::span<std::int32_t const> option) {
  std::size_t const vocab = last_logits.size();
  double sum = -negative_log_likelihood(last_logits, option[0]);
  if (option.size() == 1) return sum;
  auto const logits = model.forward(option.first(option.size() - 1), cache);
  for (std::size_t i = 1; i < option.size(); ++i)
    sum -= negative_log_likelihood(std::span(logits).subspan((i - 1) * vocab, vocab), option[i]);
  return sum;
}

}  // namespace

std::vector<std::int32_t> read_tokens(std::filesystem::path const& path) {
  auto const file = open(path);
  require(file.bytes().size() % sizeof(std::int32_t) == 0,
          path.string() + ": its size is not a multiple of 4");
  std::vector<std::int32_t> ids(file.bytes().size() / sizeof(std::int32_t));
  if (!ids.empty()) std::memcpy(ids.data(), file.bytes().data(), file.bytes().size());
  return ids;
}

std::vector<std::int32_t> read_bytes(std::filesystem::path const& path) {
  auto const file = open(path);
  std::vector<std::int32_t> ids;
  for (std::byte const b : file.bytes()) ids.push_back(std::to_integer<std::int32_t>(b));
  return ids;
}

std::vector<float> logits_of(Model const& model, std::span<std::int32_t const> ids,
                             std::int64_t piece, int threads) {
  auto const count = static_cast<std::int64_t>(ids.size());
  Cache cache(model.config(), count);
  std::vector<float> all;
  for (std::int64_t first = 0, n; first < count; first += n) {
    n = std::min(piece > 0 ? piece : count, count - first);
    auto const some = model.forward(
        ids.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(n)), cache, threads);
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

void generate(Model const& model, std::span<std::int32_t const> prompt, Sampling sampling,
              int threads, void (*show)(std::int32_t)) {
  Cache cache(model.config(), static_cast<std::int64_t>(prompt.size()) + sampling.count);
  auto logits = model.forward(prompt, cache, threads);
  auto const vocab = static_cast<std::size_t>(model.config().vocab);
  for (std::int64_t i = 0; i < sampling.count; ++i) {
    std::int32_t const id =
        sample(std::span(logits).last(vocab), sampling.temperature, sampling.seed);
    show(id);
    logits = model.forward(std::span(&id, 1), cache, threads);
  }
}

Choices read_choices(std::filesystem::path const& path) {
  auto const file = open(path);
  auto const bytes = file.bytes();
  auto const json = value_or_fail(qfmt::io::parse_json(
      {reinterpret_cast<char const*>(bytes.data()), bytes.size()}, path.string(), 64));
  auto const items = json.find("items");
  require(items != json.end() && items->is_array(), path.string() + ": \"items\" is not a list");
  Choices choices;
  for (Json const& item : *items) {
    auto const where = path.string() + ": item " + std::to_string(choices.items.size());
    require(item.is_object() && item.contains("prompt") && item.contains("options") &&
                item.contains("answer"),
            where + " lacks a prompt, options or an answer");
    Choices::Item out{ids_of(item["prompt"], where + ": prompt"), {}, 0};
    require(item["options"].is_array(), where + ": options is not a list");
    for (Json const& option : item["options"])
      out.options.push_back(ids_of(option, where + ": an option"));
    require(item["answer"].is_number_unsigned() && item["answer"] < out.options.size(),
            where + ": the answer is not the index of an option");
    out.answer = item["answer"].get<std::int64_t>();
    choices.items.push_back(std::move(out));
  }
  return choices;
}

std::vector<std::vector<double>> score_choices(Model const& model, Choices const& choices,
                                               int threads) {
  for (auto const& item : choices.items) {
    model.check_ids(item.prompt);
    for (auto const& option : item.options) model.check_ids(option);
  }
  std::vector<std::vector<double>> scores(choices.items.size());
  qfmt::host::Threads{threads}(std::ssize(choices.items), [&](std::int64_t i) {
    auto const& item = choices.items[static_cast<std::size_t>(i)];
    std::size_t longest = 0;
    for (auto const& option : item.options) longest = std::max(longest, option.size());
    Cache cache(model.config(), std::ssize(item.prompt) + static_cast<std::int64_t>(longest));
    auto const logits = model.forward(item.prompt, cache);
    auto const last = std::span(logits).last(static_cast<std::size_t>(model.config().vocab));
    for (auto const& option : item.options)
      scores[static_cast<std::size_t>(i)].push_back(score_option(model, last, cache, option));
  });
  return scores;
}

}  // namespace engine
