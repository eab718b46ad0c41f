// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Encoding a 4-bit codebook with one lookup and one comparison: [-1, 1] is cut into equal steps so
// short that a decision point falls into each at most once; the step names the point to compare
// with and the codes on either side of it.
#pragma once

#include "qfmt/codec/encode.hpp"

namespace qfmt::inline v0 {

/// One step: x takes `below`, or `above` where x > threshold.
struct alignas(8) Step {
  float threshold;  ///< the decision point of the step; 2 where there is none
  uint8_t below;    ///< the code up to the point
  uint8_t above;    ///< the code above it
  uint16_t unused;  ///< fills the step to 8 bytes
};

/// Step floor(x * per_unit) + per_unit answers for x, which is then exact: -0 is in the step that
/// begins at 0, the smallest negative number in the one before. per_unit == 0: the format's points
/// lie too close, or its encoder is not made of points.
struct StepTable {
  static constexpr int capacity = 129;  ///< steps at most
  int per_unit = 0;                     ///< steps from 0 to 1; 0: no table
  int count = 0;                        ///< steps in use
  Step step[capacity]{};                ///< from -1 on
};

namespace detail {

/// Decision points over the whole line and the codes between them, ascending.
struct LinePoints {
  float point[15]{};
  uint8_t code[16]{};
  int count = 0;
};

/// The float above x; x is finite and not +0.
QFMT_HD constexpr float next_float(float x) {
  uint32_t const bits = float_bits(x);
  if (bits == 0x80000001u) return 0.f;
  return float_from_bits(x < 0.f ? bits - 1 : bits + 1);
}

/// A sign bit over magnitudes m: negative values stay below -m, so their points lie one float
/// lower; the code of -0 ends at the largest negative number.
template <SignMagnitudeFormat F>
QFMT_HD consteval LinePoints line_points() {
  constexpr int half = static_cast<int>(sizeof(F::magnitude_thresholds) / sizeof(float));
  LinePoints line{{}, {}, 2 * half + 1};
  for (int i = 0; i < half; ++i) {
    float const m = F::magnitude_thresholds[half - 1 - i];
    line.point[i] = float_from_bits(float_bits(-m) + 1);
    line.point[half + 1 + i] = F::magnitude_thresholds[i];
  }
  line.point[half] = -0x1p-149f;
  for (int i = 0; i <= half; ++i) {
    line.code[i] = F::magnitude_codes[half - i] | F::sign_bit;
    line.code[half + 1 + i] = F::magnitude_codes[i];
  }
  return line;
}

template <CodebookFormat F>
QFMT_HD consteval LinePoints line_points() {
  LinePoints line{{}, {}, host_points<F>.count - 1};
  for (int i = 0; i < line.count; ++i) line.point[i] = host_points<F>.below[i];
  for (int i = 0; i <= line.count; ++i) line.code[i] = host_points<F>.code[i];
  return line;
}

/// Steps of 1 / per_unit, or none where two points share one. A point counts where the step holds
/// floats on both sides of it.
QFMT_HD consteval StepTable cut_steps(LinePoints const& line, int per_unit) {
  StepTable t{per_unit, 2 * per_unit + 1};
  for (int i = 0; i < t.count; ++i) {
    float const low = static_cast<float>(i - per_unit) / static_cast<float>(per_unit);
    float const high = static_cast<float>(i + 1 - per_unit) / static_cast<float>(per_unit);
    int rank = 0;
    while (rank < line.count && line.point[rank] < low) ++rank;
    int last = rank;
    while (last < line.count && next_float(line.point[last]) < high) ++last;
    if (last > rank + 1) return {};
    t.step[i] = {last > rank ? line.point[rank] : 2.f, line.code[rank], line.code[last], 0};
  }
  return t;
}

template <FormatSpec F>
QFMT_HD consteval StepTable make_step_table() {
  StepTable t{};
  if constexpr (CodebookFormat<F> && bits_of<F> == 4) {
    if constexpr (SignMagnitudeFormat<F> || !requires { F::encode(0.f); })
      for (int per_unit = 8; per_unit <= 64 && t.per_unit == 0; per_unit *= 2)
        t = cut_steps(line_points<F>(), per_unit);
  }
  return t;
}

}  // namespace detail

/// The steps of F, worked out at compile time.
template <FormatSpec F>
inline constexpr StepTable step_table = detail::make_step_table<F>();

}  // namespace qfmt::inline v0
