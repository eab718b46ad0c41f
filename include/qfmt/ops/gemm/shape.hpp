// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// How the tiled matmul divides its work, and where its pieces lie in shared memory. Plain numbers,
// computed on the host for each launch.
//
// A tile of y is 128 rows of the weights times `columns` rows of x. A stage is 128 bytes of each of
// the tile's rows of weights; a step is 64 values of k, one tile of x. Two warpgroups take 64 rows
// each; the warps of a third bring codes and x.
#pragma once

#include "qfmt/ops/stream/shape.hpp"

namespace qfmt::inline v0::gemm {

inline constexpr int tile_rows = 128;
inline constexpr int step_values = 64;  ///< a row of 128 bytes of x
inline constexpr int consumer_warps = 8;
inline constexpr int threads = 384;
inline constexpr int codes_bytes = tile_rows * stream::stage_bytes;  ///< of a stage

/// Steps in a stage.
template <SchemeSpec S>
inline constexpr int stage_steps = stream::stage_values<S> / step_values;

/// Equal places in shared memory; those from `jump_from` on lie `jump` bytes further.
struct Places {
  int at = 0;
  int bytes = 0;
  int count = 0;
  int jump_from = 0;
  int jump = 0;

  QFMT_HD constexpr int offset(int i) const { return at + i * bytes + (i < jump_from ? 0 : jump); }
};

/// The numbers of one launch.
struct Shape {
  int stages = 0;         ///< of a row; where the last one is not whole, zeros come
  int groups = 0;         ///< of a row: runs of stream::group_values
  int cluster = 1;        ///< blocks that share a tile's k; more than one: a cluster a tile
  int64_t row_tiles = 0;  ///< of all parts together
  int64_t column_tiles = 0;
  int64_t tiles = 0;   ///< row_tiles * column_tiles
  int band = 1;        ///< row tiles that are worked on together, for the L2's sake
  int64_t grid = 0;    ///< blocks
  Places codes;        ///< a stage each
  Places x;            ///< a step each
  int table_at = 0;    ///< at a multiple of 65536 of shared memory
  int scratch_at = 0;  ///< lines of 128 bytes, `scratch_stride` apart
  int levels_at = 0;   ///< of nested scales
  int barriers_at = 0;
  int shared_bytes = 0;
};

/// Lays pieces out one behind another, around the table.
struct Arranger {
  int table_at = 0;
  int table_bytes = 0;
  int at = 0;

  /// `count` places of `bytes`, a multiple of 1024.
  QFMT_HD constexpr Places places(int count, int bytes) {
    Places p{.at = 0, .bytes = bytes, .count = count, .jump_from = count, .jump = 0};
    if (at >= table_at + table_bytes || table_bytes == 0) {
      p.at = at;
      at += count * bytes;
      return p;
    }
    int const before = (table_at - at) / bytes;
    p.at = at;
    if (before >= count) {
      at += count * bytes;
      return p;
    }
    p.jump_from = before;
    p.jump = table_at + table_bytes - (at + before * bytes);
    at = table_at + table_bytes + (count - before) * bytes;
    return p;
  }
};

}  // namespace qfmt::inline v0::gemm
