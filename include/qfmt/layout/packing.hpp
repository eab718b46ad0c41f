// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Where a code lies. bitsandbytes' order: codes of the flat, row-major tensor one after another,
// two 4-bit codes to a byte with the first value in the high nibble.
#pragma once

#include "qfmt/scheme/scheme.hpp"

namespace qfmt::inline v0 {

/// a / b rounded up; a >= 0, b > 0. Cannot overflow.
QFMT_HD constexpr int64_t ceil_div(int64_t a, int64_t b) { return a / b + (a % b != 0); }

/// Bytes that the codes of `size` values take; size >= 0.
template <SchemeSpec S>
QFMT_HD constexpr int64_t codes_bytes(int64_t size) {
  return S::bits == 4 ? ceil_div(size, 2) : size;
}

/// Scales of `size` values; size >= 0. row_length is read by row-wise schemes only and then > 0.
template <SchemeSpec S>
QFMT_HD constexpr int64_t block_count(int64_t size, int64_t row_length = 0) {
  if constexpr (S::is_row_wise) {
    return size == 0 ? 0 : ceil_div(size, row_length);
  } else {
    return ceil_div(size, S::block_size);
  }
}

/// Code i of a run that begins at `codes`.
template <int bits>
QFMT_HD constexpr uint8_t code_at(uint8_t const* codes, int64_t i) {
  if constexpr (bits == 8) {
    return codes[i];
  } else {
    return static_cast<uint8_t>(codes[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15);
  }
}

}  // namespace qfmt::inline v0
