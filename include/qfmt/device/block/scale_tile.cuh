// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The scales of a tile of values. Where a block of values shares one, each is decoded once per
// tile, nested ones too, and kept in shared memory; where a row does, it is read when asked for.
#pragma once

#include "qfmt/codec/decode.hpp"

namespace qfmt::inline v0::block {

/// Scales of the flat values [first, first + Values) of a tensor.
template <SchemeSpec S, int Values, int Threads>
class ScaleTile {
  static constexpr int count = Values / S::block_size + 1;  // a tile may begin inside a block

 public:
  struct TempStorage {
    float scale[count];
  };

  __device__ explicit ScaleTile(TempStorage& storage) : storage_(storage) {}

  /// Decodes the scales of [first, first + n), n <= Values. Called by all Threads of the block,
  /// which synchronises before the first look and before the next fill.
  __device__ void fill(QuantizedSpan<S> const& in, int64_t first, int n) {
    block_ = first / S::block_size;
    start_ = static_cast<int>(first % S::block_size);
    int const blocks = (start_ + n - 1) / S::block_size + 1;
#pragma unroll 1
    for (int b = static_cast<int>(threadIdx.x); b < blocks; b += Threads)
      storage_.scale[b] = scale_at(in.scales, block_ + b);
  }

  /// The scale of value first + i.
  __device__ float operator()(QuantizedSpan<S> const&, int i) const {
    return storage_.scale[(start_ + i) / S::block_size];
  }

 private:
  TempStorage& storage_;
  int64_t block_ = 0;
  int start_ = 0;
};

template <SchemeSpec S, int Values, int Threads>
  requires(S::is_row_wise)
class ScaleTile<S, Values, Threads> {
 public:
  struct TempStorage {
    float unused;
  };

  __device__ explicit ScaleTile(TempStorage&) {}

  __device__ void fill(QuantizedSpan<S> const& in, int64_t first, int) {
    row_ = first / in.scales.row_length;
    start_ = first % in.scales.row_length;
  }

  __device__ float operator()(QuantizedSpan<S> const& in, int i) const {
    // A row that is longer than a tile ends in it once at most; shorter ones fit 32 bits.
    int64_t const length = in.scales.row_length;
    unsigned const rows = length >= Values
                              ? static_cast<unsigned>(start_ + i >= length)
                              : static_cast<unsigned>(start_ + i) / static_cast<unsigned>(length);
    return scale_at(in.scales, row_ + rows);
  }

 private:
  int64_t row_ = 0;
  int64_t start_ = 0;  // of the tile, in its first row
};

}  // namespace qfmt::inline v0::block
