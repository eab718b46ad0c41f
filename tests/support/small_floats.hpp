// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Small floating-point numbers by their definition, in double: independent of the library.
#pragma once

#include <cmath>
#include <limits>

namespace small_floats {

struct Layout {
  int exponent_bits, fraction_bits, bias;
  int largest;  // the code of the largest finite magnitude
  bool has_infinity;
};

inline double value(Layout l, int code) {
  int const sign_bit = 1 << (l.exponent_bits + l.fraction_bits);
  int const magnitude = code % sign_bit;
  double const sign = code / sign_bit % 2 == 1 ? -1.0 : 1.0;
  if (magnitude > l.largest)
    return l.has_infinity && magnitude == l.largest + 1
               ? sign * std::numeric_limits<double>::infinity()
               : std::numeric_limits<double>::quiet_NaN();
  int const exponent = magnitude >> l.fraction_bits;
  double const fraction = magnitude % (1 << l.fraction_bits) * std::ldexp(1.0, -l.fraction_bits);
  return sign * (exponent == 0 ? std::ldexp(fraction, 1 - l.bias)
                               : std::ldexp(1.0 + fraction, exponent - l.bias));
}

/// Nearest by distance, a tie to the even code; the largest for all that is larger. NaN: the last
/// positive code.
inline int nearest(Layout l, double x) {
  int const sign_bit = 1 << (l.exponent_bits + l.fraction_bits);
  if (x != x) return sign_bit - 1;
  double const magnitude = std::fabs(x);
  int low = 0, high = l.largest;
  while (high - low > 1) {
    int const middle = (low + high) / 2;
    (value(l, middle) <= magnitude ? low : high) = middle;
  }
  double const below = magnitude - value(l, low), above = value(l, high) - magnitude;
  int const code = below < above || (below == above && low % 2 == 0) ? low : high;
  return code + (std::signbit(x) ? sign_bit : 0);
}

}  // namespace small_floats
