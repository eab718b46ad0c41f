// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Encoding a 4-bit codebook with one lookup and one comparison: the range of x is cut into equal
// steps so short that a decision point falls into each at most once; the step names the point to
// compare with and the codes on either side of it.
#pragma once

#include "qfmt/codec/encode.hpp"

namespace qfmt::inline v0 {

/// One step: x takes `above` where x > threshold, else `below`.
struct Step {
  float threshold;
  uint16_t below;
  uint16_t above;
};

/// The steps of a format, over [-1, 1], or over magnitudes [0, 1] where a sign bit tells the halves
/// apart. per_unit == 0: the format's points lie too close, or are not its own to cut.
struct StepTable {
  static constexpr int capacity = 129;
  int per_unit = 0;  ///< steps in an interval of length 1
  int origin = 0;    ///< the step that begins at 0
  int count = 0;
  Step step[capacity]{};
};

namespace detail {

/// Steps of 1 / per_unit between `points`, or per_unit 0 where two of them share one. A step also
/// answers for what lies just outside: finding it may round by a 64th of a step.
template <class Points, class Codes>
QFMT_HD consteval StepTable cut_steps(Points const& points, Codes const& codes, int count,
                                      int per_unit, bool from_zero) {
  StepTable t{per_unit, from_zero ? 0 : per_unit, from_zero ? per_unit + 1 : 2 * per_unit + 1, {}};
  for (int i = 0; i < t.count; ++i) {
    double const low = (i - t.origin - 1.0 / 64) / per_unit;
    double const high = (i - t.origin + 1 + 1.0 / 64) / per_unit;
    int rank = 0;
    while (rank < count && static_cast<double>(points[rank]) < low) ++rank;
    bool const cut = rank < count && static_cast<double>(points[rank]) <= high;
    if (cut && rank + 1 < count && static_cast<double>(points[rank + 1]) <= high) return {};
    t.step[i] = {cut ? points[rank] : float_from_bits(0x7F800000u), codes[rank],
                 codes[cut ? rank + 1 : rank]};
  }
  return t;
}

template <FormatSpec F>
QFMT_HD consteval StepTable make_step_table() {
  StepTable t{};
  if constexpr (CodebookFormat<F> && bits_of<F> == 4) {
    for (int per_unit = 8; per_unit <= 64 && t.per_unit == 0; per_unit *= 2) {
      if constexpr (SignMagnitudeFormat<F>) {
        t = cut_steps(F::magnitude_thresholds, F::magnitude_codes,
                      static_cast<int>(sizeof(F::magnitude_thresholds) / sizeof(float)), per_unit,
                      true);
      } else if constexpr (!requires { F::encode(0.f); }) {
        t = cut_steps(host_points<F>.below, host_points<F>.code, host_points<F>.count - 1, per_unit,
                      false);
      }
    }
  }
  return t;
}

}  // namespace detail

/// The steps of F, worked out at compile time.
template <FormatSpec F>
inline constexpr StepTable step_table = detail::make_step_table<F>();

}  // namespace qfmt::inline v0
