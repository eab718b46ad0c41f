// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include <qfmt/checked.hpp>

#include <catch2/catch_test_macros.hpp>

#include <cstdint>
#include <limits>
#include <vector>

namespace {

/// Both ends, zero, powers of two and their neighbours, either sign.
std::vector<std::int64_t> edges() {
  std::vector<std::int64_t> all{std::numeric_limits<std::int64_t>::min()};
  for (int bit = 0; bit < 63; ++bit)
    for (std::int64_t near : {-1, 0, 1}) {
      std::int64_t const x = (std::int64_t{1} << bit) + near;
      all.push_back(x);
      all.push_back(-x);
    }
  all.push_back(std::numeric_limits<std::int64_t>::max());
  all.push_back(3037000500);  // the root of 2^63, rounded up
  all.push_back(3037000499);
  return all;
}

/// The rule in 128 bits.
bool fits(__int128 x) { return x == static_cast<std::int64_t>(x); }

}  // namespace

TEST_CASE("sums and products say whether they fit 64 bits") {
  int wrong = 0;
  for (auto const a : edges())
    for (auto const b : edges()) {
      std::int64_t sum = 0, product = 0;
      bool const sum_fits = fits(__int128{a} + b), product_fits = fits(__int128{a} * b);
      wrong += qfmt::add_overflows(a, b, &sum) == sum_fits;
      wrong += qfmt::multiply_overflows(a, b, &product) == product_fits;
      wrong += sum_fits && sum != a + b;
      wrong += product_fits && product != a * b;
    }
  CHECK(wrong == 0);
}
