// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// How far decoded values lie from the originals.
#pragma once

#include <qfmt/dtype.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>

namespace app {

/// Sums in double, so that differences of several tensors can be added up.
struct Differences {
  std::int64_t count = 0;
  double squared_error = 0.;
  double squared_value = 0.;  // of the originals
  double largest = 0.;        // error; NaN once there is one

  double rmse() const {
    return count == 0 ? 0. : std::sqrt(squared_error / static_cast<double>(count));
  }
  double relative_rmse() const {
    return squared_error == 0. ? 0. : std::sqrt(squared_error / squared_value);
  }
  double snr_db() const {  // infinite where nothing was lost, of zeros too
    return squared_error == 0. ? std::numeric_limits<double>::infinity()
                               : 10. * std::log10(squared_value / squared_error);
  }

  void add(Differences const& other) {
    count += other.count;
    squared_error += other.squared_error;
    squared_value += other.squared_value;
    if (!(other.largest <= largest)) largest = other.largest;
  }
};

template <qfmt::Element T>
Differences differences_of(std::span<T const> original, std::span<float const> decoded) {
  constexpr std::size_t run = 4096;  // short sums first: less rounding, and the order is fixed
  Differences total;
  for (std::size_t first = 0; first < original.size(); first += run) {
    Differences part;
    for (std::size_t i = first; i < std::min(original.size(), first + run); ++i) {
      double const value = qfmt::to_float(original[i]);
      double const error = std::abs(static_cast<double>(decoded[i]) - value);
      part.add({1, error * error, value * value, error});
    }
    total.add(part);
  }
  return total;
}

}  // namespace app
