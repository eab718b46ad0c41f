// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// QLoRA's construction of a NormalFloat of k bits, in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

namespace normal_float {

/// The x below which a standard normal number lies with probability p, by bisection.
inline double quantile(double p) {
  double low = -10, high = 10;
  for (int i = 0; i < 100; ++i) {
    double const middle = (low + high) / 2;
    (std::erfc(-middle / std::sqrt(2.0)) / 2 < p ? low : high) = middle;
  }
  return low;
}

/// Ascending, divided by the largest.
inline std::vector<double> levels(int bits) {
  int const half = 1 << (bits - 1);
  double const top = 1 - (1.0 / (4 * half) + 1.0 / (4 * half - 2)) / 2;
  std::vector<double> all{0.0};
  for (int i = 0; i < half; ++i) all.push_back(quantile(top + (0.5 - top) * i / half));
  for (int i = 0; i < half - 1; ++i) all.push_back(-quantile(top + (0.5 - top) * i / (half - 1)));
  std::sort(all.begin(), all.end());
  double const largest = all.back();
  for (double& x : all) x /= largest;
  return all;
}

}  // namespace normal_float
