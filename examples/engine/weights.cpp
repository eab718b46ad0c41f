// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "weights.hpp"

#include "config_file.hpp"

namespace engine {

ModelConfig read_config(std::filesystem::path const& path) {
  ConfigFile const file(path);
  file.require_text("model_type", "llama", false);
  for (char const* lacking : {"rope_scaling", "attention_bias", "mlp_bias", "quantization_config"})
    require(!file.is_set(lacking), file.file() + ": this engine has no " + lacking);
  file.require_text("hidden_act", "silu", true);

  ModelConfig c;
  c.vocab = file.size("vocab_size");
  c.hidden = file.size("hidden_size");
  c.intermediate = file.size("intermediate_size");
  c.layers = file.size("num_hidden_layers");
  c.heads = file.size("num_attention_heads");
  c.kv_heads = file.size("num_key_value_heads", c.heads);
  c.head_dim = file.size("head_dim", c.hidden / c.heads);
  c.context = file.size("max_position_embeddings", 2048);
  c.norm_eps = file.number("rms_norm_eps", 1e-6f);
  c.rope_theta = file.number("rope_theta", 10000.0);
  c.tied = file.is_set("tie_word_embeddings");
  require(c.heads % c.kv_heads == 0,
          file.file() + ": num_key_value_heads does not divide the heads");
  require(c.head_dim % 2 == 0, file.file() + ": head_dim is odd");
  return c;
}

Weights::Weights(std::filesystem::path const& folder)
    : Weights(read_config(folder / "config.json"), folder) {}

}  // namespace engine
