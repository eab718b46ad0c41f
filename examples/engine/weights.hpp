// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// A Llama on disk: config.json and safetensors, whole or in shards.
#pragma once

#include "tensors.hpp"

namespace engine {

struct ModelConfig {
  std::int64_t vocab = 0, hidden = 0, intermediate = 0, layers = 0;
  std::int64_t heads = 0, kv_heads = 0, head_dim = 0;
  std::int64_t context = 0;  // tokens that it was trained for
  float norm_eps = 1e-5f;
  double rope_theta = 10000.0;
  bool tied = false;  // the head is the embedding
};

/// Throws a Failure that names the field where the file is no Llama's, or asks for what this engine
/// lacks.
ModelConfig read_config(std::filesystem::path const& file);

/// The model's tensors and what config.json says of it.
class Weights : public Tensors {
 public:
  explicit Weights(std::filesystem::path const& folder);

  ModelConfig const& config() const { return config_; }

 private:
  Weights(ModelConfig const& config, std::filesystem::path const& folder)
      : Tensors(folder), config_(config) {}

  ModelConfig config_;
};

}  // namespace engine
