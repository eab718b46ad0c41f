// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// How a matmul is cut for every instruction set. Rows of x are packed, a piece of K at a time, into
// a buffer on the stack that many rows of weights then read; a row of weights is read once for up
// to eight rows of x, in the file's own layout.
#pragma once

#include "qfmt/host/matmul_options.hpp"
#include "qfmt/host/simd/compiler.hpp"
#include "qfmt/host/simd/levels.hpp"
#include "qfmt/layout/quantized_matrix.hpp"

namespace qfmt::inline v0::host::simd {

inline constexpr int rows_of_x = 8;          ///< that one read of the weights serves
inline constexpr int rows_of_weights = 256;  ///< that one packed piece of x serves
inline constexpr int64_t packed_bytes = 1 << 15;

/// Codes ahead of the loop that are fetched, in bytes: into the second cache from far, which keeps
/// more lines under way than the first, then into the first. It is worth as much as the arithmetic
/// where weights stream from memory: 43 GMAC/s in place of 20 (4096 x 4096, one core of a Zen 4).
inline constexpr int64_t prefetch_far = 8192;
inline constexpr int64_t prefetch_near = 512;

/// Weights that the kernels multiply: every row begins with a block, or lies within one.
template <SchemeSpec S>
bool has_whole_rows(QuantizedMatrix<S> const& w) {
  if constexpr (S::is_row_wise) {
    return w.row_stride % w.values.scales.row_length == 0 &&
           w.origin % w.values.scales.row_length + w.cols <= w.values.scales.row_length;
  } else {
    return w.origin % S::block_size == 0 && w.row_stride % S::block_size == 0;
  }
}

/// Values of K in a piece for `rows` rows of x, of which `unit` values pack into `unit_bytes`: a
/// power of two, so that pieces and blocks of weights lie within each other.
constexpr int64_t piece_of(int64_t rows, int64_t unit, int64_t unit_bytes) {
  int64_t piece = 4096;
  while (piece / unit * unit_bytes * rows > packed_bytes) piece /= 2;
  return piece;
}

/// Fetches what lies ahead of p, which need not be memory of the operands.
[[gnu::always_inline]] inline void prefetch_codes(uint8_t const* p) {
  prefetch<2>(p + prefetch_far);
  prefetch(p + prefetch_near);
}

/// The same for the scales that go with those 4-bit codes.
template <int Block>
[[gnu::always_inline]] inline void prefetch_scales(float const* p) {
  prefetch<2>(p + 2 * prefetch_far / Block);
}

/// Few rows of x need more sums than rows, to have enough of them under way.
template <int M>
inline constexpr int sets = M == 1   ? 4
                            : M == 2 ? 2
                                     : 1;

/// A part of one row of weights.
struct RowPart {
  uint8_t const* codes;
  float const* scales;  // (blocks of the part); row-wise: (1)
  int64_t count;        // values
};

/// Values [i, .) of a part, of which a kernel reads a whole unit: zeros behind them.
template <FormatSpec F, int Block, int Unit>
struct PaddedPart {
  uint8_t codes[Unit * bits_of<F> / 8]{};
  float scales[Block == 0 ? 1 : (Unit + Block - 1) / Block]{};

  PaddedPart(RowPart const& row, int64_t i) {
    int64_t const n = row.count - i;
    std::memcpy(codes, row.codes + i * bits_of<F> / 8,
                static_cast<size_t>(bits_of<F> == 8 ? n : (n + 1) / 2));
    int64_t first = 0, count = 1;
    if constexpr (Block != 0) first = i / Block, count = ceil_div(n, Block);
    std::memcpy(scales, row.scales + first, static_cast<size_t>(count) * sizeof(float));
  }
};

/// What the kernels that look levels up as they are share.
struct PlainLevels {
  template <FormatSpec F>
  static Levels<F> const& prepared(Levels<F> const& levels) {
    return levels;
  }
};

}  // namespace qfmt::inline v0::host::simd
