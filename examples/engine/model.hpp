// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// A Llama: embeddings, layers of attention and a gated feed-forward part, and the head.
#pragma once

#include <span>

#include "linear.hpp"
#include "weights.hpp"

namespace engine {

/// Keys and values of the tokens so far, of every layer.
class Cache {
 public:
  Cache(ModelConfig const& config, std::int64_t capacity);

  std::int64_t length = 0;  // tokens
  std::int64_t capacity;    // tokens

  /// The rows of one layer and group of heads.     (capacity, head_dim)
  float* keys(std::int64_t layer, std::int64_t group) { return row(keys_, layer, group); }
  float* values(std::int64_t layer, std::int64_t group) { return row(values_, layer, group); }

 private:
  float* row(std::vector<float>& all, std::int64_t layer, std::int64_t group) {
    return all.data() + (layer * groups_ + group) * capacity * head_dim_;
  }

  std::int64_t groups_, head_dim_;
  std::vector<float> keys_, values_;  // (layers, groups, capacity, head_dim)
};

/// The linear layers of every block are in the format chosen; embeddings, norms and head are as the
/// file has them, as transformers leaves them. Between the linear layers all is f32.
class Model {
 public:
  Model(Weights const& weights, FormatChoice const& choice);

  ModelConfig const& config() const { return config_; }

  /// Throws a Failure where an id is not of the vocabulary. Ask before work is spread over threads:
  /// what is thrown on another thread ends the program.
  void check_ids(std::span<std::int32_t const> ids) const;

  /// The logits after each of these tokens, which follow those in the cache.     (ids, vocab)
  /// Throws a Failure where an id is not of the vocabulary or the cache is full. Threads share the
  /// model, each with its own cache; `threads` are those of one call.
  std::vector<float> forward(std::span<std::int32_t const> ids, Cache& cache,
                             int threads = 1) const;

  /// Of the linear layers that the format is for.
  double bits_per_weight() const;

  /// Of all weights: what is not in the format counts 16 bits, or 32 where the format is fp32.
  std::int64_t bytes() const;

 private:
  struct Block {
    std::vector<float> attention_norm, feed_forward_norm;
    LinearPtr q, k, v, o, gate, up, down;
  };

  void attend(Block const& block, std::int64_t layer, std::vector<float>& x, Cache& cache,
              std::int64_t count, int threads) const;
  void feed_forward(Block const& block, std::vector<float>& x, std::int64_t count,
                    int threads) const;

  ModelConfig config_;
  Matrix embedding_;  // in the file, which `Weights` keeps
  std::vector<Block> blocks_;
  std::vector<float> norm_;
  LinearPtr head_;
  std::int64_t linear_bits_ = 0, linear_values_ = 0;
  std::int64_t other_bits_ = 0, other_values_ = 0;  // bits of each value
};

}  // namespace engine
