// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The least error that any scale and any codes leave in a block: exact, slow, in f64.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace oracle {

inline std::vector<double> ascending(std::vector<double> levels) {
  std::sort(levels.begin(), levels.end());
  levels.erase(std::unique(levels.begin(), levels.end()), levels.end());
  return levels;
}

/// The least of sum w (x - s l)^2 over all scales s of one sign and all codes. Between two
/// breakpoints codes stay, and sum w x^2 - (sum w x l)^2 / sum w l^2 is the least there.
inline double least_error(std::vector<double> const& levels, std::vector<float> const& values,
                          std::vector<float> const& weights, double sign) {
  struct Crossing {
    double scale, cross, square;
  };
  std::vector<Crossing> crossings;
  double power = 0., cross = 0., square = 0.;
  for (std::size_t i = 0; i < values.size(); ++i) {
    double const x = sign * static_cast<double>(values[i]);
    double const w = weights.empty() ? 1. : static_cast<double>(weights[i]);
    power += w * x * x;
    if (x == 0. || w == 0.) continue;
    auto at = static_cast<std::ptrdiff_t>(0);  // the level nearest to zero, of equals x's side
    for (std::ptrdiff_t l = 0; l < std::ssize(levels); ++l) {
      double const a = std::fabs(levels[static_cast<std::size_t>(l)]);
      double const b = std::fabs(levels[static_cast<std::size_t>(at)]);
      if (a < b || (a == b && levels[static_cast<std::size_t>(l)] * x > 0.)) at = l;
    }
    auto const level = [&](std::ptrdiff_t l) { return levels[static_cast<std::size_t>(l)]; };
    cross += w * x * level(at);
    square += w * level(at) * level(at);
    std::ptrdiff_t const step = x > 0. ? 1 : -1;
    for (auto l = at + step; l >= 0 && l < std::ssize(levels); l += step) {
      double const a = level(l - step), b = level(l), point = (a + b) / 2.;
      crossings.push_back({x / point, w * x * (b - a), w * (b * b - a * a)});
    }
  }
  std::sort(crossings.begin(), crossings.end(),
            [](Crossing const& a, Crossing const& b) { return a.scale > b.scale; });
  double least = power;
  for (Crossing const& c : crossings) {
    cross += c.cross;
    square += c.square;
    if (cross > 0. && square > 0.) least = std::min(least, power - cross * cross / square);
  }
  return least;
}

/// The same over scales of both signs. levels: ascending, all different; weights: 1 where empty.
inline double least_error(std::vector<double> const& levels, std::vector<float> const& values,
                          std::vector<float> const& weights = {}) {
  return std::min(least_error(levels, values, weights, 1.),
                  least_error(levels, values, weights, -1.));
}

}  // namespace oracle
