// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Sums and products that say whether they fit 64 bits, in plain C++: sizes from files pass through.
#pragma once

#include "qfmt/config.hpp"

namespace qfmt::inline v0 {

/// *sum = a + b modulo 2^64; true where that is not the sum.
QFMT_HD constexpr bool add_overflows(int64_t a, int64_t b, int64_t* sum) {
  *sum = static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  return ((a ^ *sum) & (b ^ *sum)) < 0;  // the sum's sign is neither's
}

/// *product = a * b modulo 2^64; true where that is not the product.
QFMT_HD constexpr bool multiply_overflows(int64_t a, int64_t b, int64_t* product) {
  constexpr int64_t least = -9223372036854775807 - 1;
  *product = static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  if (a == 0 || b == 0) return false;
  if ((a == -1 && b == least) || (b == -1 && a == least)) return true;  // what / cannot divide
  return *product / b != a;
}

}  // namespace qfmt::inline v0
