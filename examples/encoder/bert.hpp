// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// A BERT that makes one vector of a sentence, as all-MiniLM-L6-v2 does.
#pragma once

#include <span>

#include "linear.hpp"

namespace encoder {

struct BertConfig {
  std::int64_t vocab = 0, hidden = 0, intermediate = 0, layers = 0, heads = 0;
  std::int64_t positions = 0;  // tokens of the longest sentence
  float norm_eps = 1e-12f;
};

/// Throws a Failure that names the field where the file is no BERT's, or asks for what this program
/// lacks.
BertConfig read_config(std::filesystem::path const& file);

/// y = (x - mean) / deviation * gain + bias, of each row.
struct LayerNorm {
  std::vector<float> gain, bias;
  float eps = 0.f;

  ///     x: (rows, gain), in place
  void apply(std::vector<float>& x) const;
};

/// Every linear layer is in the format chosen; embeddings, biases and norms are as the file has
/// them. Between the linear layers all is f32.
class Bert {
 public:
  /// folder: with config.json and model.safetensors
  Bert(std::filesystem::path const& folder, engine::FormatChoice const& choice);

  BertConfig const& config() const { return config_; }

  /// Throws a Failure where an id is not of the vocabulary, or a sentence is empty or too long. Ask
  /// before work is spread over threads.
  void check_ids(std::span<std::vector<std::int32_t> const> sentences) const;

  /// The mean of the last layer's tokens, scaled to length 1. The sentences' tokens go through the
  /// linear layers together, without padding.     returns (sentences, hidden)
  std::vector<float> embed(std::span<std::vector<std::int32_t> const> sentences) const;

  /// Of the linear layers.
  double bits_per_weight() const;

  /// Of all weights that are used: what is not in the format counts 16 bits, or 32 where the format
  /// is fp32.
  std::int64_t bytes() const;

 private:
  struct Layer {
    engine::LinearPtr linear;
    std::vector<float> bias;
    std::size_t cols;

    ///     x: (count, cols)   returns (count, bias)
    std::vector<float> apply(std::vector<float> const& x) const;
  };
  struct Block {
    Layer q, k, v, o, up, down;
    LayerNorm attention_norm, norm;
  };
  using Sentences = std::span<std::vector<std::int32_t> const>;

  Layer layer(std::string const& name, std::int64_t rows, std::int64_t cols,
              engine::FormatChoice const& choice);
  LayerNorm norm(std::string const& name);
  std::vector<float> embeddings(Sentences sentences) const;
  void run_block(Block const& block, Sentences sentences, std::vector<float>& x) const;

  BertConfig config_;
  engine::Tensors tensors_;
  engine::Matrix words_, positions_;  // in the file, which tensors_ keeps
  std::vector<float> segment_;        // of the first and only segment
  LayerNorm norm_;
  std::vector<Block> blocks_;
  std::int64_t linear_bits_ = 0, linear_values_ = 0;
  std::int64_t other_bits_ = 0, other_values_ = 0;  // bits of each value
};

}  // namespace encoder
