// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Normal values of any element type, the same for a seed everywhere.
#pragma once

#include "qfmt/dtype.hpp"

#include <cstddef>
#include <random>
#include <vector>

namespace test_support {

/// n values, mean 0 and standard deviation 1 before rounding to T.
template <qfmt::Element T = float, class Count>
std::vector<T> normal_values(Count n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<T> values(static_cast<std::size_t>(n));
  for (T& v : values) v = qfmt::from_float<T>(normal(random));
  return values;
}

}  // namespace test_support
