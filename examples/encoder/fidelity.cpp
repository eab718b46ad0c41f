// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "fidelity.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace encoder {

namespace {

/// Similarities of the pairs (0, 1), (0, 2), (1, 2), (0, 3), ...
std::vector<double> similarities(Vectors const& v) {
  std::vector<double> all;
  for (std::int64_t i = 1; i < v.count; ++i)
    for (std::int64_t j = 0; j < i; ++j) all.push_back(cosine(v.row(i), v.row(j), v.n));
  return all;
}

/// The most similar other sentence of each, the first where several are.
std::vector<std::int64_t> neighbours_of(std::vector<double> const& pairs, std::int64_t count) {
  std::vector<std::int64_t> best(static_cast<std::size_t>(count), -1);
  std::vector<double> highest(best.size(), -2.0);
  auto const offer = [&](std::int64_t to, std::int64_t other, double similarity) {
    auto const i = static_cast<std::size_t>(to);
    if (similarity > highest[i]) highest[i] = similarity, best[i] = other;
  };
  std::size_t at = 0;
  for (std::int64_t i = 1; i < count; ++i)
    for (std::int64_t j = 0; j < i; ++j, ++at) offer(i, j, pairs[at]), offer(j, i, pairs[at]);
  return best;
}

/// Places in ascending order; equal values share the mean of theirs.
std::vector<double> ranks_of(std::vector<double> const& values) {
  std::vector<std::uint32_t> order(values.size());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::sort(order, {}, [&](std::uint32_t i) { return values[i]; });
  std::vector<double> ranks(values.size());
  for (std::size_t first = 0, last; first < order.size(); first = last) {
    for (last = first + 1; last < order.size() && values[order[last]] == values[order[first]];)
      ++last;
    for (std::size_t i = first; i < last; ++i)
      ranks[order[i]] = 0.5 * static_cast<double>(first + last - 1);
  }
  return ranks;
}

/// Pearson's correlation.
double correlation(std::vector<double> const& a, std::vector<double> const& b) {
  auto const mean = [](auto const& x) {
    return std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
  };
  double const a_mean = mean(a), b_mean = mean(b);
  double ab = 0.0, aa = 0.0, bb = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    double const x = a[i] - a_mean, y = b[i] - b_mean;
    ab += x * y, aa += x * x, bb += y * y;
  }
  return aa > 0.0 && bb > 0.0 ? ab / std::sqrt(aa * bb) : 1.0;
}

}  // namespace

double cosine(float const* a, float const* b, std::int64_t n) {
  double sums[4]{};
  std::int64_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (int k = 0; k < 4; ++k) sums[k] += double{a[i + k]} * double{b[i + k]};
  for (; i < n; ++i) sums[0] += double{a[i]} * double{b[i]};
  return sums[0] + sums[1] + sums[2] + sums[3];
}

Reference::Reference(Vectors vectors) : vectors_(std::move(vectors)) {
  auto const pairs = similarities(vectors_);
  ranks_ = ranks_of(pairs);
  neighbours_ = neighbours_of(pairs, vectors_.count);
}

Fidelity Reference::compare(Vectors const& other) const {
  auto const n = static_cast<double>(other.count);
  Fidelity result{0.0, 1.0, 0.0, 0.0, 0.0};
  for (std::int64_t i = 0; i < other.count; ++i) {
    double const c = cosine(vectors_.row(i), other.row(i), other.n);
    result.mean_cosine += c / n;
    result.least_cosine = std::min(result.least_cosine, c);
  }
  auto const pairs = similarities(other);
  result.rank_correlation = correlation(ranks_, ranks_of(pairs));
  auto const neighbours = neighbours_of(pairs, other.count);
  for (std::size_t i = 0; i < neighbours.size(); ++i)
    result.same_neighbour += neighbours[i] == neighbours_[i] ? 1.0 / n : 0.0;
  double const p = result.same_neighbour;
  result.same_neighbour_error = std::sqrt(std::max(0.0, p * (1.0 - p)) / n);
  return result;
}

}  // namespace encoder
