// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/layout/matrix_parts.hpp"
#include "qfmt/ops/stream/shape.hpp"

namespace qfmt::inline v0::stream {

/// One matrix of the merged weights, as the kernel addresses it.
template <SchemeSpec S>
struct Part {
  uint8_t const* codes = nullptr;  // of row 0, 16-byte aligned
  ScalesOf<S const> scales{};
  int64_t rows = 0;
  int64_t row_bytes = 0;    // between rows of codes, a multiple of 16
  int64_t row_groups = 0;   // between rows, in runs of group_values
  int64_t first_group = 0;  // of row 0, among the flat values
  int64_t first_row = 0;    // of row 0, among the rows of all parts
  int64_t first_scale = 0;  // row-wise: the scale of row 0
  int64_t first_tile = 0;
  int index = 0;
};

/// Everything the kernel reads and writes.
template <SchemeSpec S, Element T, int Max>
struct Operands {
  Part<S> part[Max];
  int parts = 0;
  T const* x = nullptr;     // (m, k), 16-byte aligned
  T* y = nullptr;           // (m, n)
  T const* bias = nullptr;  // (n) or null
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
};

/// One tile of rows: where it begins in which part.
template <SchemeSpec S>
struct Tile {
  Part<S> const* part;
  int64_t row;  // of the part
  int rows;     // that exist, at least 1

  template <Element T, int Max>
  __device__ static Tile of(Operands<S, T, Max> const& operands, int64_t index, int tile_rows) {
    int p = 0;
#pragma unroll
    for (int next = 1; next < Max; ++next)
      if (next < operands.parts && index >= operands.part[next].first_tile) p = next;
    Part<S> const& part = operands.part[p];
    int64_t const row = (index - part.first_tile) * tile_rows;
    int64_t const left = part.rows - row;
    return {&part, row, left < tile_rows ? static_cast<int>(left) : tile_rows};
  }
};

}  // namespace qfmt::inline v0::stream
