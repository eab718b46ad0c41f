// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Int8 weights with 16-bit activations through the streaming matmul.

#include "matmul_cases.hpp"

using namespace matmul_cases;

namespace {
using Blocks = Scheme<Format<Int8>>;
using Rows = Scheme<Format<Int8>, RowWise>;
constexpr double rounded_away = 1e-5;  // by the measure itself, in bfloat16
}  // namespace

TEST_CASE("int8: codes are exact in both 16-bit types", "[matmul][int8]") {
  Weights<Blocks> const blocks(40, 832, 1);
  CHECK(error_before_rounding<Blocks, bfloat16>(blocks, blocks.matrix(), 2) < rounded_away);
  CHECK(error_before_rounding<Blocks, float16>(blocks, blocks.matrix(), 9) < rounded_away);
  Weights<Rows> const rows(40, 832, 2);
  CHECK(error_before_rounding<Rows, bfloat16>(rows, rows.matrix(), 2) < rounded_away);
  CHECK(error_before_rounding<Rows, float16>(rows, rows.matrix(), 9) < rounded_away);
}

TEST_CASE("int8: blocks of 16, 32 and 256, nested", "[matmul][int8]") {
  auto const check = [](auto scheme) {
    using S = decltype(scheme);
    Weights<S> const w(20, 576, 3);
    CHECK(error_of<S, float16>(w, w.matrix(), 3, true) < 0.4e-3);
  };
  check(Scheme<Format<Int8>, BlockSize<16>>{});
  check(Scheme<Format<Int8>, BlockSize<32>>{});
  check(Scheme<Format<Int8>, BlockSize<256>, DoubleQuant<true>>{});
}

TEST_CASE("int8: slices of rows that have one scale each", "[matmul][int8]") {
  Weights<Rows> const w(50, 512, 4);
  auto slice = w.matrix();
  slice.rows = 30;
  slice.cols = 256;
  slice.origin = 11 * 512 + 128;
  CHECK(error_before_rounding<Rows, bfloat16>(w, slice, 2) < rounded_away);
}
