// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What a matmul may be told, and how the streaming kernel divides a shape over a GPU when it is
// not. Every choice is arithmetic on the shape and the device; nothing is measured at run time.
#pragma once

#include "qfmt/layout/packing.hpp"
#include "qfmt/ops/stream/shape.hpp"

namespace qfmt::inline v0 {

/// Overrides of the streaming matmul's division; 0: chosen. A kernel that they do not fit is not
/// used: more than 12 warps fit none for more than 16 rows of x. options.batch_invariant takes
/// none.
struct MatmulTuning {
  int row_warps = 0;  ///< warps of a block that take different rows
  int splits = 0;     ///< warps that share the k of a row within a block
  int cluster = 0;    ///< blocks that share the k of a tile: 1, 2, 4 or 8; 1 below sm_90
  int blocks = 0;     ///< at most so many blocks along the rows; more tiles than that: several each
  int columns = 0;    ///< Hopper's tiled kernel: rows of x in a tile, 16, 32, 64, 128 or 256
                      ///< (grouped_matmul: 8, 16 or 64)
};

/// What a matmul on a device may be told.
struct MatmulOptions {
  /// The same bits for a row of y whatever m is: k is divided by the weights' shape alone.
  bool batch_invariant = false;

  /// The kernel may begin before the previous one on the stream has ended, and reads weights before
  /// it waits for it; x and bias after. For weights that no kernel still under way writes. sm_90.
  bool begins_early = true;

  MatmulTuning tuning{};  ///< all chosen, if not named
};

/// What the division depends on of a GPU.
struct DeviceLimits {
  int sm = 0;                        ///< 10 * major + minor of the compute capability
  int multiprocessors = 0;           ///< of the device
  int shared_bytes = 0;              ///< of one block at most, with the opt-in
  int reserved_shared_bytes = 1024;  ///< of each block's shared memory, before its own
};

namespace stream {

/// How many tiles can be worked on at a time. Pairs of blocks always find room; larger clusters do
/// not come out even with a Hopper GPU's groups of multiprocessors, some of which are short.
constexpr int concurrent_tiles(DeviceLimits const& device, int cluster) {
  int const usable = cluster <= 2 ? device.multiprocessors : device.multiprocessors * 10 / 11;
  return usable / cluster > 0 ? usable / cluster : 1;
}

/// What a kernel keeps in shared memory besides the activations, and how its warps divide.
struct Pieces {
  int rows_per_warp = 0;
  int max_warps = 0;
  int depth = 0;          ///< visits in the queue of a warp
  int queue_bytes = 0;    ///< of a warp
  int stage_x_bytes = 0;  ///< of a row of activations in a stage
  int table_bytes = 0;
  int spare_at = 0;     ///< in the table, room for the partial sums
  int spare_bytes = 0;  ///< 0: none
  int level_bytes = 0;
};

/// True where the kernel's table begins at a multiple of 65536 of shared memory.
constexpr bool aligns_table(DeviceLimits const& device) {
  return device.sm >= 90 && device.sm < 120;
}

/// Time of a division in clocks of a multiprocessor, roughly: of the tiles of the busiest one. A
/// visit takes a warp a chain of loads and products, and all warps together what they issue;
/// measured on an H200 with 7 and with 14 warps, and 8 to 32 rows of x.
constexpr int64_t division_cost(Shape const& shape, Pieces const& pieces,
                                DeviceLimits const& device) {
  int64_t const tiles = ceil_div(shape.tiles, concurrent_tiles(device, shape.cluster));
  int const warps = shape.row_warps * shape.splits;
  int64_t const visits = ceil_div(shape.visits, pieces.depth) * pieces.depth;
  int64_t const columns = ceil_div(shape.x_rows, 8);
  int64_t const rows = pieces.rows_per_warp / 16;
  int64_t const alone = 1000 * rows;
  int64_t const shared = 450 + 120 * rows * warps;
  int64_t const visit = (shared < alone ? alone : shared) * (2 + 3 * columns) / 5;
  int64_t const runs = ceil_div(shape.visits, shape.x_visits);
  int64_t const reload =
      runs == 1 ? 0 : runs * (1500 + int64_t{4} * shape.x_rows * shape.x_visits * shape.splits);
  int64_t const sum =
      (400 + shape.splits * 8 + (shape.cluster > 1 ? 2000 : 0)) / shape.round_tiles * columns;
  return tiles * (visits * visit + reload + sum + 250);
}

/// Lays the pieces out in shared memory, and around them the activations of as many visits as fit.
/// False where not even those of one queue do.
constexpr bool place(Shape& shape, Pieces const& pieces, DeviceLimits const& device) {
  constexpr int most_round_tiles = 8;
  auto const align = [](int at) { return (at + 127) / 128 * 128; };
  int const rows = shape.row_warps * pieces.rows_per_warp;
  int const columns = shape.x_rows < 8 ? (shape.x_rows + 1) / 2 * 2 : 8;
  int const tile_bytes = 2 * shape.splits * columns * rows * 4;
  bool const spare = tile_bytes <= pieces.spare_bytes;
  if (!spare && pieces.spare_bytes > 0) return false;  // behind the table they would lie closer
  int const fit = spare && shape.x_rows <= 8 ? pieces.spare_bytes / tile_bytes : 1;
  shape.round_tiles = fit < most_round_tiles ? fit : most_round_tiles;
  bool const aligned = pieces.table_bytes > 0 && aligns_table(device);
  shape.table_at = aligned ? 0x10000 - device.reserved_shared_bytes : 0;
  int const table_end = shape.table_at + pieces.table_bytes;
  shape.partials_at = spare ? shape.table_at + pieces.spare_at : table_end;
  shape.levels_at = table_end + (spare ? 0 : tile_bytes);
  shape.queues_at = align(shape.levels_at + pieces.level_bytes);
  int const rest_at = shape.queues_at + shape.row_warps * shape.splits * pieces.queue_bytes;
  // Where not all fit, runs of whole queues.
  int64_t const room = shape.table_at + int64_t{device.shared_bytes} - rest_at;
  int64_t const fit_visits = room / shape.x_rows / shape.splits / pieces.stage_x_bytes;
  int visits = shape.visits;
  if (fit_visits < visits)
    visits = fit_visits > 0 ? static_cast<int>(fit_visits) / pieces.depth * pieces.depth : 0;
  for (; visits > 0; visits = (visits - 1) / pieces.depth * pieces.depth) {
    int64_t const pitch = int64_t{visits} * shape.splits * pieces.stage_x_bytes + 16;
    int64_t const first =
        shape.table_at / pitch < shape.x_rows ? shape.table_at / pitch : shape.x_rows;
    // Rows keep their banks across the gap.
    int64_t const at = rest_at + first * pitch % 128;
    if (at + (shape.x_rows - first) * pitch > device.shared_bytes) continue;
    shape.x_visits = visits;
    shape.x_first = static_cast<int>(first);
    shape.x_rest_at = static_cast<int>(at);
    shape.shared_bytes = static_cast<int>(at + (shape.x_rows - first) * pitch);
    return true;
  }
  return false;
}

/// The cheapest division that fits, among those that `tuning` admits; row_warps == 0 where none
/// does. shape: stages, groups and x_rows are set.   rows: (parts), of each part
constexpr Shape divide(Shape const& shape, int64_t const* rows, int parts, Pieces const& pieces,
                       DeviceLimits const& device, MatmulTuning const& tuning) {
  Shape best = shape;
  int64_t least = -1;
  int const most = device.sm < 90 ? 1 : tuning.cluster > 4 ? tuning.cluster : 4;
  int largest = 1;
  while (2 * largest <= most && 2 * largest <= shape.stages) largest *= 2;
  int const asked = tuning.cluster < largest ? tuning.cluster : largest;
  auto const admits = [](int wanted, int value) { return wanted == 0 || wanted == value; };
  for (int row_warps = pieces.max_warps; row_warps >= 1; --row_warps) {
    if (!admits(tuning.row_warps, row_warps)) continue;
    int64_t tiles = 0;
    for (int p = 0; p < parts; ++p)
      tiles += ceil_div(rows[p], int64_t{row_warps} * pieces.rows_per_warp);
    for (int cluster = 1; cluster <= largest; cluster *= 2) {
      if (!admits(asked, cluster)) continue;
      for (int splits = 1; splits * row_warps <= pieces.max_warps; ++splits) {
        if (!admits(tuning.splits, splits) || splits > ceil_div(shape.stages, cluster)) continue;
        Shape tried = shape;
        tried.row_warps = row_warps;
        tried.splits = splits;
        tried.cluster = cluster;
        tried.tiles = tiles;
        tried.visits = static_cast<int>(ceil_div(ceil_div(shape.stages, cluster), splits));
        if (!place(tried, pieces, device)) continue;
        int64_t const cost = division_cost(tried, pieces, device);
        if (least >= 0 && cost >= least) continue;
        least = cost;
        best = tried;
      }
    }
  }
  int64_t at_once = concurrent_tiles(device, best.cluster);
  if (tuning.blocks != 0) at_once = ceil_div(tuning.blocks, best.cluster);
  best.grid = (best.tiles < at_once ? best.tiles : at_once) * best.cluster;
  return best;
}

/// Cluster and splits of the batch-invariant division: those of the kernel for most rows of x,
/// whose `pieces` take the most shared memory, so that every other kernel has room for them, too.
constexpr MatmulTuning invariant_tuning(Shape const& shape, int64_t const* rows, int parts,
                                        Pieces const& pieces, int most_x_rows,
                                        DeviceLimits const& device) {
  Shape widest = shape;
  widest.x_rows = most_x_rows;
  Shape const s = divide(widest, rows, parts, pieces, device, {});
  if (s.row_warps == 0) return {.row_warps = -1};  // then no kernel may serve
  return {.splits = s.splits, .cluster = s.cluster};
}

}  // namespace stream
}  // namespace qfmt::inline v0
