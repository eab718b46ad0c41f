// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/codec/decode.hpp"

namespace qfmt::inline v0::block {

/// Which scale belongs to the values of a tile of at most Values flat values that begins at
/// `first`: block_of without a 64-bit division for each of them.
template <SchemeSpec S, int Values>
class BlockLocator {
 public:
  /// For values from `first` on.
  __device__ BlockLocator(QuantizedSpan<S> const&, int64_t first) : first_(first) {}

  /// The block of value first + i.
  __device__ int64_t operator()(int i) const { return (first_ + i) / S::block_size; }

 private:
  int64_t first_;
};

/// For row-wise schemes, whose rows may have any length.
template <SchemeSpec S, int Values>
  requires(S::is_row_wise)
class BlockLocator<S, Values> {
 public:
  /// For values from `first` on.
  __device__ BlockLocator(QuantizedSpan<S> const& in, int64_t first)
      : length_(in.scales.row_length), row_(first / length_), start_(first % length_) {}

  /// The row of value first + i; i is below Values.
  __device__ int64_t operator()(int i) const {
    // A row that is longer than a tile ends in it once at most; shorter ones fit 32 bits.
    if (length_ >= Values) return row_ + (start_ + i >= length_);
    return row_ + static_cast<unsigned>(start_ + i) / static_cast<unsigned>(length_);
  }

 private:
  int64_t length_;
  int64_t row_;    // of the first value
  int64_t start_;  // where in it the tile begins
};

}  // namespace qfmt::inline v0::block
