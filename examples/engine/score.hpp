// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// How well a model predicts a text, and how far it is from the model in full precision.
#pragma once

#include "model.hpp"

namespace engine {

/// What a text is cut into: windows without overlap, each with an empty cache; the last one may be
/// short. A window's first token is not predicted.
struct Text {
  std::vector<std::int32_t> ids;
  std::int64_t window = 0;  // tokens

  std::int64_t windows() const;
  std::span<std::int32_t const> tokens(std::int64_t w) const;
};

/// A mean and its standard error. Tokens of a window depend on each other, so the error is that of
/// a mean over windows.
struct Estimate {
  double mean = 0.0, error = 0.0;
};

/// Sums over the predicted tokens of one window.
struct WindowSums {
  double tokens = 0.0;
  double loss = 0.0;        // nats
  double divergence = 0.0;  // nats
};

struct Score {
  Estimate loss;                // nats a token
  Estimate loss_increase;       // over the reference, window by window (paired)
  double divergence = 0.0;      // mean KL of the reference's distribution to this one, nats
  double divergence_999 = 0.0;  // 99.9 % of the tokens lie below this
  double same_top = 0.0;        // share of tokens with the reference's likeliest token
  std::int64_t tokens = 0;      // predicted
  double seconds = 0.0;
  std::vector<WindowSums> windows;
};

/// a - b, a token, of two scores of the same text. Both have the same windows, so what a hard
/// window costs both does not count: the error is that of the differences.
Estimate difference(Score const& a, Score const& b, double WindowSums::*measure);

/// The reference's logits, kept where they take no more than a gigabyte and else worked out again
/// for each model.
class Reference {
 public:
  Reference(Model const& model, Text const& text, int threads);

  std::vector<float> logits(std::int64_t window) const;

 private:
  Model const& model_;
  Text const& text_;
  std::vector<std::vector<float>> kept_;  // by window; or empty
};

/// Scores a model; windows run side by side on up to `threads` threads, 0: one for each core.
Score score(Model const& model, Reference const& reference, Text const& text, int threads);

/// -log of the softmax at `id`, nats.     logits: (vocab)
double negative_log_likelihood(std::span<float const> logits, std::int64_t id);

}  // namespace engine
