// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// How the streaming grouped matmul divides its work, and where its pieces lie in shared memory.
// Plain numbers, computed on the host for each launch.
//
// A tile is `row_warps * 16` rows of one matrix; a visit is one or more stages, each 128 bytes, of
// each of a tile's rows. `splits` groups of warps take a tile's visits in turn. Beside them one
// warp brings x.
#pragma once

#include "qfmt/ops/gemm/shape.hpp"

namespace qfmt::inline v0::grouped {

/// What is fixed when a kernel is compiled.
template <int Columns, int Warps, int Stages, int Depth>
struct Tuning {
  static constexpr int columns = Columns;  ///< rows of x in an item at most, in eights
  static constexpr int warps = Warps;      ///< that multiply, at most
  static constexpr int stages = Stages;    ///< of a visit
  static constexpr int depth = Depth;      ///< visits that a warp asks for ahead
  static constexpr int visit_bytes = Stages * 16 * stream::stage_bytes;  ///< of a warp
  static constexpr int queue_bytes = Depth * visit_bytes;
};

// With the warp that brings x whole fours, which share a fourth of the registers.
using NarrowTuning = Tuning<2, 15, 2, 2>;
using WideTuning = Tuning<8, 11, 1, 2>;

/// The numbers of one launch.
struct Shape {
  int row_warps = 0;  ///< warps that take different rows; 0: the kernel does not fit
  int splits = 1;     ///< warps that take the same rows at different visits
  int x_rows = 0;     ///< of an item, at most
  int visits = 0;     ///< of a row
  int groups = 0;     ///< of a row: runs of stream::group_values
  int row_tiles = 0;
  int64_t grid = 0;
  gemm::Places queues;  ///< one for each warp
  gemm::Places x;       ///< a visit's values of an item's rows of x each
  int x_places = 0;     ///< of each split: x.count / splits
  int table_at = 0;     ///< at a multiple of 65536 of shared memory
  int scratch_at = 0;   ///< lines of 128 bytes
  int levels_at = 0;    ///< of nested scales
  int barriers_at = 0;
  int shared_bytes = 0;
};

}  // namespace qfmt::inline v0::grouped
