// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What the program does with a model.
#pragma once

#include <string>

#include "score.hpp"

namespace engine {

/// Ids of a file: little-endian int32, one after another.
std::vector<std::int32_t> read_tokens(std::filesystem::path const& file);

/// The bytes of a file as ids of a byte vocabulary.
std::vector<std::int32_t> read_bytes(std::filesystem::path const& file);

/// Feeds ids in pieces of `piece` tokens (0: all at once) to a new cache.
///     returns (ids, vocab)
std::vector<float> logits_of(Model const& model, std::span<std::int32_t const> ids,
                             std::int64_t piece, int threads);

struct Sampling {
  std::int64_t count = 0;    // tokens to make
  double temperature = 0.0;  // 0: the likeliest token
  std::uint64_t seed = 1;
};

/// Ids that go on from the prompt, which holds one at least; each is handed to `show` when it is
/// known.
void generate(Model const& model, std::span<std::int32_t const> prompt, Sampling sampling,
              int threads, void (*show)(std::int32_t));

/// Questions with options, scored as MMLU is.
struct Choices {
  struct Item {
    std::vector<std::int32_t> prompt;
    std::vector<std::vector<std::int32_t>> options;
    std::int64_t answer = 0;
  };
  std::vector<Item> items;
};

/// {"items": [{"prompt": [ids], "options": [[ids], ...], "answer": index}, ...]}
Choices read_choices(std::filesystem::path const& file);

/// Sums of the log-likelihoods of each option's tokens after the prompt, by item.
std::vector<std::vector<double>> score_choices(Model const& model, Choices const& choices,
                                               int threads);

}  // namespace engine
