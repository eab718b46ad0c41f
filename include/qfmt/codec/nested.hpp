// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Double quantization: the scheme applied to its own scales. Stored are the Dynamic8 codes of
// (absmax - offset) in groups of 256, where offset is the mean absmax.
#pragma once

#include "qfmt/codec/block_codec.hpp"

namespace qfmt::inline v0 {

/// The sum of a range of scales, and how many of them were finite.
struct ScaleSum {
  double sum = 0.0;   ///< of the finite scales
  int64_t count = 0;  ///< how many were finite

  /// The sum of one scale: nothing where it is not finite.
  QFMT_HD static constexpr ScaleSum of(float absmax) {
    return is_finite(absmax) ? ScaleSum{exact::to_double(absmax), 1} : ScaleSum{};
  }
  /// Both together; one f64 addition.
  QFMT_HD friend constexpr ScaleSum operator+(ScaleSum a, ScaleSum b) {
    return {a.sum + b.sum, a.count + b.count};
  }

  /// The offset of nested scales: divided in f64, rounded once to f32; 0 where none was finite.
  QFMT_HD constexpr float mean() const {
    return count == 0 ? 0.f : exact::to_float(sum / static_cast<double>(count));
  }
};

/// Adds scales in the order that is part of the format: a binary tree over the block index, pairs
/// (2i, 2i + 1), then pairs of pairs, in f64, absent or non-finite scales counting as 0. As 256 is
/// a power of two this is also "groups of 256 by a tree, then groups of group sums, and so on", so
/// SIMD, any split into threads and a GPU grid give the same bits.
class ScaleSumTree {
 public:
  /// Appends the next 2^height scales, already summed by this same tree; sums of smaller height may
  /// follow only at the end of the tensor.
  QFMT_HD constexpr void append(ScaleSum next, int height = 0) {
    while (depth_ > 0 && height_[depth_ - 1] == height) {
      next = node_[--depth_] + next;
      ++height;
    }
    node_[depth_] = next;
    height_[depth_++] = height;
  }

  /// The sum of all that was appended, missing right neighbours counting as 0.
  QFMT_HD constexpr ScaleSum total() const {
    ScaleSum sum{};
    for (int i = depth_; i > 0; --i) sum = node_[i - 1] + sum;
    return sum;
  }

 private:
  ScaleSum node_[64]{};  // subtrees still without a right neighbour, highest first
  int height_[64]{};
  int depth_ = 0;
};

/// Quantizes `count` scales that begin at a multiple of 256 blocks: `absmax` are the plain scales,
/// `out` the inner view of the whole tensor, `first` the index of absmax[0] in it. A group with a
/// non-finite scale gets absmax2 NaN.
QFMT_HD constexpr void encode_scales(float const* absmax, int64_t first, int64_t count,
                                     float offset, QuantizedSpan<AbsmaxScheme> const& out) {
  constexpr int group = AbsmaxScheme::block_size;
  for (int64_t begin = 0; begin < count; begin += group) {
    int const n = count - begin < group ? static_cast<int>(count - begin) : group;
    float centred[group];
    for (int i = 0; i < n; ++i) centred[i] = exact::sub(absmax[begin + i], offset);
    float const absmax2 = block_absmax(centred, n);
    out.scales.absmax[(first + begin) / group] = absmax2;
    encode_block<Dynamic8>(centred, n, absmax2, out.codes + first + begin);
  }
}

}  // namespace qfmt::inline v0
