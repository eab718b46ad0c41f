// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "score.hpp"

#include <qfmt/host/executor.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace engine {

namespace {

/// Sums over one window.
struct WindowScore {
  double loss = 0.0, reference_loss = 0.0;
  std::int64_t same_top = 0;
  std::vector<double> divergence;  // by predicted token
};

double log_sum_exp(std::span<float const> logits) {
  float const highest = *std::ranges::max_element(logits);
  double sum = 0.0;
  for (float const x : logits) sum += std::exp(double{x} - double{highest});
  return double{highest} + std::log(sum);
}

double divergence_of(std::span<float const> p, std::span<float const> q) {
  double const p_norm = log_sum_exp(p), q_norm = log_sum_exp(q);
  double sum = 0.0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    double const log_p = double{p[i]} - p_norm;
    sum += std::exp(log_p) * (log_p - (double{q[i]} - q_norm));
  }
  return std::max(sum, 0.0);
}

WindowScore score_window(std::span<std::int32_t const> ids, std::vector<float> const& expected,
                         std::vector<float> const& actual) {
  WindowScore result;
  std::size_t const vocab = actual.size() / ids.size();
  for (std::size_t t = 0; t + 1 < ids.size(); ++t) {
    auto const p = std::span(expected).subspan(t * vocab, vocab);
    auto const q = std::span(actual).subspan(t * vocab, vocab);
    result.loss += negative_log_likelihood(q, ids[t + 1]);
    result.reference_loss += negative_log_likelihood(p, ids[t + 1]);
    result.same_top +=
        std::ranges::max_element(p) - p.begin() == std::ranges::max_element(q) - q.begin();
    result.divergence.push_back(divergence_of(p, q));
  }
  return result;
}

/// sums[w] is the sum over the weights[w] tokens of window w.
Estimate estimate(std::vector<double> const& sums, std::vector<double> const& weights) {
  double total = 0.0, weight = 0.0, squares = 0.0;
  for (std::size_t w = 0; w < sums.size(); ++w) total += sums[w], weight += weights[w];
  if (weight == 0.0) return {};
  double const mean = total / weight;
  for (std::size_t w = 0; w < sums.size(); ++w)
    squares += std::pow(sums[w] - mean * weights[w], 2.0);
  auto const n = static_cast<double>(sums.size());
  return {mean, n < 2.0 ? 0.0 : std::sqrt(squares * n / (n - 1.0)) / weight};
}

}  // namespace

std::int64_t Text::windows() const {
  auto const size = static_cast<std::int64_t>(ids.size());
  return (size + window - 1) / window;
}

std::span<std::int32_t const> Text::tokens(std::int64_t w) const {
  auto const first = static_cast<std::size_t>(w * window);
  return std::span(ids).subspan(first,
                                std::min(static_cast<std::size_t>(window), ids.size() - first));
}

double negative_log_likelihood(std::span<float const> logits, std::int64_t id) {
  return log_sum_exp(logits) - double{logits[static_cast<std::size_t>(id)]};
}

Reference::Reference(Model const& model, Text const& text, int threads)
    : model_(model), text_(text) {
  constexpr std::int64_t room = std::int64_t{1} << 28;  // floats
  if (static_cast<std::int64_t>(text.ids.size()) > room / model.config().vocab) return;
  std::vector<std::vector<float>> all(static_cast<std::size_t>(text.windows()));
  qfmt::host::Threads{threads}(
      text.windows(), [&](std::int64_t w) { all[static_cast<std::size_t>(w)] = logits(w); });
  kept_ = std::move(all);
}

std::vector<float> Reference::logits(std::int64_t window) const {
  if (!kept_.empty()) return kept_[static_cast<std::size_t>(window)];
  Cache cache(model_.config(), text_.window);
  return model_.forward(text_.tokens(window), cache);
}

Score score(Model const& model, Reference const& reference, Text const& text, int threads) {
  auto const start = std::chrono::steady_clock::now();
  std::vector<WindowScore> windows(static_cast<std::size_t>(text.windows()));
  qfmt::host::Threads{threads}(text.windows(), [&](std::int64_t w) {
    Cache cache(model.config(), text.window);
    auto const ids = text.tokens(w);
    windows[static_cast<std::size_t>(w)] =
        score_window(ids, reference.logits(w), model.forward(ids, cache));
  });
  std::vector<double> losses, increases, tokens, divergences;
  Score result;
  for (WindowScore const& w : windows) {
    losses.push_back(w.loss);
    increases.push_back(w.loss - w.reference_loss);
    tokens.push_back(static_cast<double>(w.divergence.size()));
    divergences.insert(divergences.end(), w.divergence.begin(), w.divergence.end());
    result.same_top += static_cast<double>(w.same_top);
    result.windows.push_back({tokens.back(), w.loss, 0.0});
    for (double const d : w.divergence) result.windows.back().divergence += d;
  }
  result.loss = estimate(losses, tokens);
  result.loss_increase = estimate(increases, tokens);
  result.tokens = static_cast<std::int64_t>(divergences.size());
  if (divergences.empty()) return result;
  std::ranges::sort(divergences);
  auto const n = static_cast<double>(divergences.size());
  for (double const d : divergences) result.divergence += d / n;
  result.divergence_999 = divergences[static_cast<std::size_t>(0.999 * (n - 1.0))];
  result.same_top /= n;
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

Estimate difference(Score const& a, Score const& b, double WindowSums::*measure) {
  std::vector<double> differences, tokens;
  for (std::size_t w = 0; w < a.windows.size(); ++w) {
    differences.push_back(a.windows[w].*measure - b.windows[w].*measure);
    tokens.push_back(a.windows[w].tokens);
  }
  return estimate(differences, tokens);
}

}  // namespace engine
