// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "model.hpp"

#include <algorithm>
#include <cmath>

namespace engine {

namespace {

std::vector<float> floats(std::int64_t rows, std::int64_t cols) {
  return std::vector<float>(static_cast<std::size_t>(rows * cols));
}

/// Each row divided by its root mean square, times the gain.     x: (rows, gain)
std::vector<float> normalized(std::vector<float> const& x, std::vector<float> const& gain,
                              float eps) {
  std::vector<float> out(x.size());
  std::size_t const cols = gain.size();
  for (std::size_t at = 0; at < x.size(); at += cols) {
    double squares = 0.0;
    for (std::size_t i = 0; i < cols; ++i) squares += double{x[at + i]} * double{x[at + i]};
    double const mean = squares / static_cast<double>(cols);
    auto const scale = static_cast<float>(1.0 / std::sqrt(mean + double{eps}));
    for (std::size_t i = 0; i < cols; ++i) out[at + i] = x[at + i] * scale * gain[i];
  }
  return out;
}

/// Turns the pairs (i, i + head_dim / 2) of every head by the token's angles.
///     x: (count, heads, head_dim), of tokens first, first + 1, ...
void rotate(std::vector<float>& x, std::int64_t count, std::int64_t heads, std::int64_t head_dim,
            std::int64_t first, double theta) {
  std::int64_t const half = head_dim / 2;
  for (std::int64_t i = 0; i < half; ++i) {
    double const step =
        std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
    for (std::int64_t t = 0; t < count; ++t) {
      double const angle = static_cast<double>(first + t) * step;
      auto const c = static_cast<float>(std::cos(angle)), s = static_cast<float>(std::sin(angle));
      for (std::int64_t h = 0; h < heads; ++h) {
        float* const at = x.data() + (t * heads + h) * head_dim + i;
        float const a = at[0], b = at[half];
        at[0] = a * c - b * s;
        at[half] = b * c + a * s;
      }
    }
  }
}

float dot(float const* a, float const* b, std::int64_t n) {
  float sums[8]{};
  std::int64_t k = 0;
  for (; k + 8 <= n; k += 8)
    for (int i = 0; i < 8; ++i) sums[i] += a[k + i] * b[k + i];
  float total = 0.f;
  for (float const sum : sums) total += sum;
  for (; k < n; ++k) total += a[k] * b[k];
  return total;
}

/// Makes weights of scores: positive, and 1 in sum.
void softmax(float* scores, std::int64_t n) {
  float const highest = *std::max_element(scores, scores + n);
  float sum = 0.f;
  for (std::int64_t i = 0; i < n; ++i) sum += scores[i] = std::exp(scores[i] - highest);
  for (std::int64_t i = 0; i < n; ++i) scores[i] /= sum;
}

/// One head of one token over all tokens up to it.     q, out: (n); keys, values: (length, n)
void attend_head(float const* q, float const* keys, float const* values, std::int64_t length,
                 std::int64_t n, float* scores, float* out) {
  float const scale = 1.f / std::sqrt(static_cast<float>(n));
  for (std::int64_t s = 0; s < length; ++s) scores[s] = dot(q, keys + s * n, n) * scale;
  softmax(scores, length);
  std::fill(out, out + n, 0.f);
  for (std::int64_t s = 0; s < length; ++s)
    for (std::int64_t i = 0; i < n; ++i) out[i] += scores[s] * values[s * n + i];
}

void add(std::vector<float>& x, std::vector<float> const& y) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
}

/// Copies (count, groups, n) into the rows from `first` on of each group's (capacity, n).
template <class Rows>
void append(std::vector<float> const& from, std::int64_t count, std::int64_t groups, std::int64_t n,
            std::int64_t first, Rows const& rows) {
  for (std::int64_t t = 0; t < count; ++t)
    for (std::int64_t g = 0; g < groups; ++g)
      std::copy_n(from.data() + (t * groups + g) * n, n, rows(g) + (first + t) * n);
}

}  // namespace

Cache::Cache(ModelConfig const& config, std::int64_t tokens)
    : capacity(tokens), groups_(config.kv_heads), head_dim_(config.head_dim) {
  keys_ = floats(config.layers * groups_, capacity * head_dim_);
  values_ = keys_;
}

Model::Model(Weights const& weights, FormatChoice const& choice) : config_(weights.config()) {
  auto const& c = config_;
  embedding_ = weights.matrix("model.embed_tokens.weight", c.vocab, c.hidden);
  for (std::int64_t i = 0; i < c.layers; ++i) {
    auto const prefix = "model.layers." + std::to_string(i) + ".";
    auto const linear = [&](char const* name, std::int64_t rows, std::int64_t cols) {
      auto made = make_linear(choice, weights.matrix(prefix + name + ".weight", rows, cols));
      linear_bits_ += made->bits();
      linear_values_ += rows * cols;
      return made;
    };
    Block block;
    block.attention_norm = weights.vector(prefix + "input_layernorm.weight", c.hidden);
    block.feed_forward_norm = weights.vector(prefix + "post_attention_layernorm.weight", c.hidden);
    block.q = linear("self_attn.q_proj", c.heads * c.head_dim, c.hidden);
    block.k = linear("self_attn.k_proj", c.kv_heads * c.head_dim, c.hidden);
    block.v = linear("self_attn.v_proj", c.kv_heads * c.head_dim, c.hidden);
    block.o = linear("self_attn.o_proj", c.hidden, c.heads * c.head_dim);
    block.gate = linear("mlp.gate_proj", c.intermediate, c.hidden);
    block.up = linear("mlp.up_proj", c.intermediate, c.hidden);
    block.down = linear("mlp.down_proj", c.hidden, c.intermediate);
    blocks_.push_back(std::move(block));
  }
  norm_ = weights.vector("model.norm.weight", c.hidden);
  head_ = make_dense(c.tied ? embedding_ : weights.matrix("lm_head.weight", c.vocab, c.hidden),
                     choice.compute);
  other_values_ = c.hidden * ((c.tied ? 1 : 2) * c.vocab + 2 * c.layers + 1);
  other_bits_ =
      choice.kind == FormatChoice::Kind::dense && choice.compute == Compute::fp32 ? 32 : 16;
}

void Model::attend(Block const& block, std::int64_t layer, std::vector<float>& x, Cache& cache,
                   std::int64_t count, int threads) const {
  auto const& c = config_;
  std::int64_t const n = c.head_dim;
  auto const in = normalized(x, block.attention_norm, c.norm_eps);
  auto q = floats(count, c.heads * n), k = floats(count, c.kv_heads * n), v = k;
  block.q->apply(in.data(), count, q.data(), threads);
  block.k->apply(in.data(), count, k.data(), threads);
  block.v->apply(in.data(), count, v.data(), threads);
  rotate(q, count, c.heads, n, cache.length, c.rope_theta);
  rotate(k, count, c.kv_heads, n, cache.length, c.rope_theta);
  append(k, count, c.kv_heads, n, cache.length, [&](auto g) { return cache.keys(layer, g); });
  append(v, count, c.kv_heads, n, cache.length, [&](auto g) { return cache.values(layer, g); });

  auto mixed = floats(count, c.heads * n), scores = floats(1, cache.length + count);
  for (std::int64_t t = 0; t < count; ++t)
    for (std::int64_t h = 0; h < c.heads; ++h) {
      std::int64_t const at = (t * c.heads + h) * n, group = h / (c.heads / c.kv_heads);
      attend_head(q.data() + at, cache.keys(layer, group), cache.values(layer, group),
                  cache.length + t + 1, n, scores.data(), mixed.data() + at);
    }
  auto out = floats(count, c.hidden);
  block.o->apply(mixed.data(), count, out.data(), threads);
  add(x, out);
}

void Model::feed_forward(Block const& block, std::vector<float>& x, std::int64_t count,
                         int threads) const {
  auto const& c = config_;
  auto const in = normalized(x, block.feed_forward_norm, c.norm_eps);
  auto gate = floats(count, c.intermediate), up = gate;
  block.gate->apply(in.data(), count, gate.data(), threads);
  block.up->apply(in.data(), count, up.data(), threads);
  for (std::size_t i = 0; i < gate.size(); ++i) up[i] *= gate[i] / (1.f + std::exp(-gate[i]));
  auto out = floats(count, c.hidden);
  block.down->apply(up.data(), count, out.data(), threads);
  add(x, out);
}

void Model::check_ids(std::span<std::int32_t const> ids) const {
  for (std::int64_t const id : ids)
    require(id >= 0 && id < config_.vocab,
            "token id " + std::to_string(id) + " is not of the vocabulary");
}

std::vector<float> Model::forward(std::span<std::int32_t const> ids, Cache& cache,
                                  int threads) const {
  auto const count = static_cast<std::int64_t>(ids.size());
  check_ids(ids);
  require(count <= cache.capacity - cache.length, "more tokens than the cache has room for");
  auto x = floats(count, config_.hidden);
  for (std::int64_t t = 0; t < count; ++t) {
    std::int64_t const id = ids[static_cast<std::size_t>(t)];
    read_floats(embedding_, id * config_.hidden, config_.hidden, x.data() + t * config_.hidden);
  }
  for (std::size_t layer = 0; layer < blocks_.size(); ++layer) {
    attend(blocks_[layer], static_cast<std::int64_t>(layer), x, cache, count, threads);
    feed_forward(blocks_[layer], x, count, threads);
  }
  cache.length += count;
  auto logits = floats(count, config_.vocab);
  head_->apply(normalized(x, norm_, config_.norm_eps).data(), count, logits.data(), threads);
  return logits;
}

double Model::bits_per_weight() const {
  return static_cast<double>(linear_bits_) / static_cast<double>(linear_values_);
}

std::int64_t Model::bytes() const { return (linear_bits_ + other_bits_ * other_values_) / 8; }

}  // namespace engine
