// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "model_shapes.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <optional>

#include "failure.hpp"

namespace app {
namespace {

using Split = TensorShape::Split;

/// Sizes out of config.json, each below 2^31: products of two fit.
class Sizes {
 public:
  Sizes(qfmt::io::Json const& config, std::string const& subject)
      : config_(config), subject_(subject) {}

  std::optional<std::int64_t> find(char const* name) const {
    auto const at = config_.find(name);
    if (at == config_.end() || at->is_null()) return std::nullopt;
    if (!at->is_number_unsigned() || at->get<std::uint64_t>() == 0 ||
        at->get<std::uint64_t>() >= (std::uint64_t{1} << 31))
      throw Failure(exit_bad_input, subject_ + ": " + name + " is no size");
    return at->get<std::int64_t>();
  }
  std::int64_t operator()(char const* name) const {
    auto const size = find(name);
    if (!size) throw Failure(exit_bad_input, subject_ + ": it has no " + name);
    return *size;
  }
  /// The size of a head: `hidden` over num_attention_heads.
  std::int64_t head(std::int64_t hidden) const {
    std::int64_t const heads = (*this)("num_attention_heads");
    if (heads > hidden)
      throw Failure(exit_bad_input,
                    subject_ + ": it has more num_attention_heads than hidden_size");
    return hidden / heads;
  }
  std::string const& subject() const { return subject_; }
  bool flag(char const* name, bool otherwise) const {
    auto const at = config_.find(name);
    return at != config_.end() && at->is_boolean() ? at->get<bool>() : otherwise;
  }

 private:
  qfmt::io::Json const& config_;
  std::string const& subject_;
};

/// Collects the tensors of a model, layer by layer.
class Shapes {
 public:
  Shapes(std::int64_t layers, std::string const& subject) : layers_(layers), subject_(subject) {}

  std::vector<TensorShape> list;

  void linear(char const* name, std::int64_t rows, std::int64_t cols, Split split,
              std::int64_t multiple = 1, std::int64_t times = 1) {
    add({name, rows, cols, in_layers(times), true, split, multiple});
  }
  /// A bias or norm of each layer.
  void vector(char const* name, std::int64_t size, Split split = Split::none,
              std::int64_t multiple = 1, std::int64_t times = 1) {
    add({name, size, 1, in_layers(times), false, split, multiple});
  }
  void once(char const* name, std::int64_t rows, std::int64_t cols, Split split = Split::none,
            bool linear = false) {
    add({name, rows, cols, 1, linear, split, 1});
  }

 private:
  /// `times` in each layer.
  std::int64_t in_layers(std::int64_t times) const {
    std::int64_t count = 0;
    if (__builtin_mul_overflow(layers_, times, &count)) too_large("its layers");
    return count;
  }

  /// Tensors of less than 2^50 values each, in all: sums of their bytes stay far below 2^63.
  void add(TensorShape const& shape) {
    std::int64_t values = 0;
    if (__builtin_mul_overflow(shape.rows, shape.cols, &values) ||
        __builtin_mul_overflow(values, shape.count, &values) || values >= (std::int64_t{1} << 50))
      too_large(shape.name);
    list.push_back(shape);
  }

  [[noreturn]] void too_large(std::string const& what) const {
    throw Failure(exit_bad_input, subject_ + ": " + what + " would hold more than 2^50 values");
  }

  std::int64_t layers_;
  std::string const& subject_;
};

/// Llama and what followed it: RMSNorm, grouped-query attention, gated feed-forward.
std::vector<TensorShape> llama_shapes(Sizes const& sizes, std::string const& type) {
  std::int64_t const hidden = sizes("hidden_size"), inner = sizes("intermediate_size");
  std::int64_t const heads = sizes("num_attention_heads");
  std::int64_t const kv_heads = sizes.find("num_key_value_heads").value_or(heads);
  bool const gemma = type.starts_with("gemma"), gemma1 = type == "gemma";
  std::int64_t const head = sizes.find("head_dim") ? sizes("head_dim")
                            : gemma                ? 256
                            : type == "qwen3"      ? 128
                                                   : sizes.head(hidden);
  std::int64_t const q = heads * head, kv = kv_heads * head;
  bool const fixed = type == "mistral" || type == "mixtral" || type == "qwen2";
  bool const o_bias = !fixed && sizes.flag("attention_bias", false);
  bool const qkv_bias = type == "qwen2" || o_bias;
  Shapes shapes(sizes("num_hidden_layers"), sizes.subject());
  shapes.linear("self_attn.q_proj.weight", q, hidden, Split::rows, head);
  shapes.linear("self_attn.k_proj.weight", kv, hidden, Split::rows, head);
  shapes.linear("self_attn.v_proj.weight", kv, hidden, Split::rows, head);
  shapes.linear("self_attn.o_proj.weight", hidden, q, Split::cols, head);
  if (qkv_bias) {
    shapes.vector("self_attn.q_proj.bias", q, Split::rows, head);
    shapes.vector("self_attn.k_proj.bias", kv, Split::rows, head);
    shapes.vector("self_attn.v_proj.bias", kv, Split::rows, head);
  }
  if (o_bias) shapes.vector("self_attn.o_proj.bias", hidden);
  if (type == "qwen3" || type == "gemma3_text")
    shapes.vector("self_attn.{q,k}_norm.weight", head, Split::none, 1, 2);
  if (type == "mixtral") {
    std::int64_t const experts = sizes("num_local_experts");
    shapes.vector("block_sparse_moe.gate.weight", experts * hidden);
    shapes.linear("block_sparse_moe.experts.{w1,w3}.weight", inner, hidden, Split::rows, 1,
                  2 * experts);
    shapes.linear("block_sparse_moe.experts.w2.weight", hidden, inner, Split::cols, 1, experts);
  } else {
    shapes.linear("mlp.gate_proj.weight", inner, hidden, Split::rows);
    shapes.linear("mlp.up_proj.weight", inner, hidden, Split::rows);
    shapes.linear("mlp.down_proj.weight", hidden, inner, Split::cols);
    if ((type == "llama" || type == "granite") && sizes.flag("mlp_bias", false)) {
      shapes.vector("mlp.{gate,up}_proj.bias", inner, Split::rows, 1, 2);
      shapes.vector("mlp.down_proj.bias", hidden);
    }
  }
  shapes.vector("{input,post_attention}_layernorm.weight", hidden, Split::none, 1, 2);
  if (gemma && !gemma1)
    shapes.vector("{pre,post}_feedforward_layernorm.weight", hidden, Split::none, 1, 2);
  shapes.once("model.norm.weight", hidden, 1);
  shapes.once("model.embed_tokens.weight", sizes("vocab_size"), hidden, Split::rows);
  if (!sizes.flag("tie_word_embeddings", gemma))
    shapes.once("lm_head.weight", sizes("vocab_size"), hidden, Split::rows);
  return shapes.list;
}

std::vector<TensorShape> gpt2_shapes(Sizes const& sizes) {
  std::int64_t const hidden = sizes("n_embd");
  std::int64_t const inner = sizes.find("n_inner").value_or(4 * hidden);
  Shapes shapes(sizes("n_layer"), sizes.subject());
  shapes.linear("attn.c_attn.weight", 3 * hidden, hidden, Split::none);  // q, k and v in one
  shapes.linear("attn.c_proj.weight", hidden, hidden, Split::none);
  shapes.linear("mlp.c_fc.weight", inner, hidden, Split::rows);
  shapes.linear("mlp.c_proj.weight", hidden, inner, Split::cols);
  shapes.vector("attn.c_attn.bias", 3 * hidden);
  shapes.vector("mlp.c_fc.bias", inner, Split::rows);
  shapes.vector("{attn,mlp}.c_proj.bias", hidden, Split::none, 1, 2);
  shapes.vector("{ln_1,ln_2}.{weight,bias}", hidden, Split::none, 1, 4);
  shapes.once("ln_f.{weight,bias}", 2 * hidden, 1);
  shapes.once("wte.weight", sizes("vocab_size"), hidden, Split::rows);
  shapes.once("wpe.weight", sizes("n_positions"), hidden);
  if (!sizes.flag("tie_word_embeddings", true))
    shapes.once("lm_head.weight", sizes("vocab_size"), hidden, Split::rows);
  return shapes.list;
}

std::vector<TensorShape> bert_shapes(Sizes const& sizes) {
  std::int64_t const hidden = sizes("hidden_size"), inner = sizes("intermediate_size");
  std::int64_t const head = sizes.head(hidden);
  Shapes shapes(sizes("num_hidden_layers"), sizes.subject());
  shapes.linear("attention.self.{query,key,value}.weight", hidden, hidden, Split::rows, head, 3);
  shapes.linear("attention.output.dense.weight", hidden, hidden, Split::cols, head);
  shapes.linear("intermediate.dense.weight", inner, hidden, Split::rows);
  shapes.linear("output.dense.weight", hidden, inner, Split::cols);
  shapes.vector("attention.self.{query,key,value}.bias", hidden, Split::rows, head, 3);
  shapes.vector("intermediate.dense.bias", inner, Split::rows);
  shapes.vector("{attention.output,output}.dense.bias", hidden, Split::none, 1, 2);
  shapes.vector("{attention.output,output}.LayerNorm.{weight,bias}", hidden, Split::none, 1, 4);
  shapes.once("embeddings.word_embeddings.weight", sizes("vocab_size"), hidden, Split::rows);
  shapes.once("embeddings.position_embeddings.weight", sizes("max_position_embeddings"), hidden);
  shapes.once("embeddings.token_type_embeddings.weight", sizes("type_vocab_size"), hidden);
  shapes.once("embeddings.LayerNorm.{weight,bias}", 2 * hidden, 1);
  shapes.once("pooler.dense.weight", hidden, hidden, Split::none, true);
  shapes.once("pooler.dense.bias", hidden, 1);
  return shapes.list;
}

}  // namespace

std::vector<TensorShape> model_shapes(qfmt::io::Json const& config, std::string const& subject) {
  auto const at = config.find("model_type");
  std::string const type = at != config.end() && at->is_string() ? at->get<std::string>() : "";
  Sizes const sizes(config, subject);
  constexpr std::array<std::string_view, 9> like_llama{
      "llama", "mistral", "mixtral", "qwen2", "qwen3", "granite", "gemma", "gemma2", "gemma3_text"};
  if (std::ranges::find(like_llama, type) != like_llama.end()) return llama_shapes(sizes, type);
  if (type == "gpt2") return gpt2_shapes(sizes);
  if (type == "bert") return bert_shapes(sizes);
  if (type.empty()) throw Failure(exit_bad_input, subject + ": it has no model_type");
  throw Failure(exit_bad_input,
                fmt::format("{}: model_type '{}' is none of llama, mistral, mixtral, qwen2, qwen3, "
                            "granite, gemma, gemma2, gemma3_text, gpt2, bert",
                            subject, type));
}

}  // namespace app
