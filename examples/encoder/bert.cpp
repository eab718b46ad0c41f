// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "bert.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "attention.hpp"
#include "config_file.hpp"

namespace encoder {

namespace {

void add(std::vector<float>& x, std::vector<float> const& y) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
}

/// x times the share of a normal distribution below x.
float gelu(float x) {
  return 0.5f * x * (1.f + std::erf(x * static_cast<float>(1.0 / std::numbers::sqrt2)));
}

/// The mean of the rows, scaled to length 1.     x: (count, n)   out: (n)
void pool(float const* x, std::int64_t count, std::int64_t n, float* out) {
  std::vector<double> sums(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < count * n; ++i)
    sums[static_cast<std::size_t>(i % n)] += double{x[i]};
  double squares = 0.0;
  for (double const sum : sums) squares += sum * sum;
  double const scale = squares > 0.0 ? 1.0 / std::sqrt(squares) : 0.0;
  for (double const sum : sums) *out++ = static_cast<float>(sum * scale);
}

}  // namespace

BertConfig read_config(std::filesystem::path const& path) {
  engine::ConfigFile const file(path);
  file.require_text("model_type", "bert", false);
  file.require_text("hidden_act", "gelu", true);
  file.require_text("position_embedding_type", "absolute", true);
  engine::require(!file.is_set("quantization_config"),
                  file.file() + ": this program has no quantization_config");
  BertConfig c;
  c.vocab = file.size("vocab_size");
  c.hidden = file.size("hidden_size");
  c.intermediate = file.size("intermediate_size");
  c.layers = file.size("num_hidden_layers");
  c.heads = file.size("num_attention_heads");
  c.positions = file.size("max_position_embeddings", 512);
  c.norm_eps = file.number("layer_norm_eps", 1e-12f);
  engine::require(c.hidden % c.heads == 0,
                  file.file() + ": num_attention_heads does not divide hidden_size");
  return c;
}

void LayerNorm::apply(std::vector<float>& x) const {
  std::size_t const n = gain.size();
  for (std::size_t at = 0; at < x.size(); at += n) {
    double sum = 0.0, squares = 0.0;
    for (std::size_t i = 0; i < n; ++i) sum += double{x[at + i]};
    double const mean = sum / static_cast<double>(n);
    for (std::size_t i = 0; i < n; ++i) {
      double const d = double{x[at + i]} - mean;
      squares += d * d;
    }
    double const scale = 1.0 / std::sqrt(squares / static_cast<double>(n) + double{eps});
    for (std::size_t i = 0; i < n; ++i)
      x[at + i] = static_cast<float>((double{x[at + i]} - mean) * scale) * gain[i] + bias[i];
  }
}

std::vector<float> Bert::Layer::apply(std::vector<float> const& x) const {
  std::size_t const rows = bias.size(), count = x.size() / cols;
  std::vector<float> y(count * rows);
  // One thread: batches of sentences run side by side.
  linear->apply(x.data(), static_cast<std::int64_t>(count), y.data(), 1);
  for (std::size_t i = 0; i < y.size(); ++i) y[i] += bias[i % rows];
  return y;
}

Bert::Layer Bert::layer(std::string const& name, std::int64_t rows, std::int64_t cols,
                        engine::FormatChoice const& choice) {
  Layer made{engine::make_linear(choice, tensors_.matrix(name + ".weight", rows, cols)),
             tensors_.vector(name + ".bias", rows), static_cast<std::size_t>(cols)};
  linear_bits_ += made.linear->bits();
  linear_values_ += rows * cols;
  other_values_ += rows;
  return made;
}

LayerNorm Bert::norm(std::string const& name) {
  other_values_ += 2 * config_.hidden;
  return {tensors_.vector(name + ".weight", config_.hidden),
          tensors_.vector(name + ".bias", config_.hidden), config_.norm_eps};
}

Bert::Bert(std::filesystem::path const& folder, engine::FormatChoice const& choice)
    : config_(read_config(folder / "config.json")), tensors_(folder) {
  auto const& c = config_;
  words_ = tensors_.matrix("embeddings.word_embeddings.weight", c.vocab, c.hidden);
  positions_ = tensors_.matrix("embeddings.position_embeddings.weight", c.positions, c.hidden);
  segment_.resize(static_cast<std::size_t>(c.hidden));
  read_floats(tensors_.matrix("embeddings.token_type_embeddings.weight", 2, c.hidden), 0, c.hidden,
              segment_.data());
  other_values_ = (c.vocab + c.positions + 1) * c.hidden;
  norm_ = norm("embeddings.LayerNorm");
  for (std::int64_t i = 0; i < c.layers; ++i) {
    auto const prefix = "encoder.layer." + std::to_string(i) + ".";
    auto const square = [&](char const* name) {
      return layer(prefix + name, c.hidden, c.hidden, choice);
    };
    blocks_.push_back({square("attention.self.query"), square("attention.self.key"),
                       square("attention.self.value"), square("attention.output.dense"),
                       layer(prefix + "intermediate.dense", c.intermediate, c.hidden, choice),
                       layer(prefix + "output.dense", c.hidden, c.intermediate, choice),
                       norm(prefix + "attention.output.LayerNorm"),
                       norm(prefix + "output.LayerNorm")});
  }
  using engine::FormatChoice, engine::Compute;
  bool const whole = choice.kind == FormatChoice::Kind::dense && choice.compute == Compute::fp32;
  other_bits_ = whole ? 32 : 16;
}

void Bert::check_ids(Sentences sentences) const {
  for (auto const& ids : sentences) {
    engine::require(!ids.empty() && std::ssize(ids) <= config_.positions,
                    "a sentence is empty or longer than the model's positions");
    for (std::int64_t const id : ids)
      engine::require(id >= 0 && id < config_.vocab,
                      "token id " + std::to_string(id) + " is not of the vocabulary");
  }
}

/// Word, place in the sentence and segment.     returns (tokens of all sentences, hidden)
std::vector<float> Bert::embeddings(Sentences sentences) const {
  std::vector<float> x, word(segment_.size()), position(segment_.size());
  for (auto const& ids : sentences)
    for (std::int64_t t = 0; t < std::ssize(ids); ++t) {
      std::int64_t const id = ids[static_cast<std::size_t>(t)];
      read_floats(words_, id * config_.hidden, config_.hidden, word.data());
      read_floats(positions_, t * config_.hidden, config_.hidden, position.data());
      for (std::size_t i = 0; i < word.size(); ++i)
        x.push_back(word[i] + segment_[i] + position[i]);
    }
  norm_.apply(x);
  return x;
}

///     x: (tokens of all sentences, hidden), in place
void Bert::run_block(Block const& block, Sentences sentences, std::vector<float>& x) const {
  auto const q = block.q.apply(x), k = block.k.apply(x), v = block.v.apply(x);
  std::vector<float> mixed(x.size());
  std::size_t at = 0;
  for (auto const& ids : sentences) {
    attend(q.data() + at, k.data() + at, v.data() + at, std::ssize(ids), config_.heads,
           config_.hidden / config_.heads, mixed.data() + at);
    at += ids.size() * segment_.size();
  }
  add(x, block.o.apply(mixed));
  block.attention_norm.apply(x);
  auto up = block.up.apply(x);
  std::ranges::transform(up, up.begin(), gelu);
  add(x, block.down.apply(up));
  block.norm.apply(x);
}

std::vector<float> Bert::embed(Sentences sentences) const {
  check_ids(sentences);
  auto x = embeddings(sentences);
  for (Block const& block : blocks_) run_block(block, sentences, x);
  std::vector<float> out(sentences.size() * segment_.size());
  float const* from = x.data();
  float* to = out.data();
  for (auto const& ids : sentences) {
    pool(from, std::ssize(ids), config_.hidden, to);
    from += std::ssize(ids) * config_.hidden;
    to += config_.hidden;
  }
  return out;
}

double Bert::bits_per_weight() const {
  return static_cast<double>(linear_bits_) / static_cast<double>(linear_values_);
}

std::int64_t Bert::bytes() const { return (linear_bits_ + other_bits_ * other_values_) / 8; }

}  // namespace encoder
