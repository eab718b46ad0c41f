// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What a matmul may be told, and how the streaming kernel divides a shape over a GPU when it is
// not. Every choice is arithmetic on the shape and the device; nothing is measured at run time.
#pragma once

#include "qfmt/layout/packing.hpp"
#include "qfmt/ops/stream/shape.hpp"

namespace qfmt::inline v0 {

/// Overrides of the streaming matmul's division; 0: chosen.
struct MatmulTuning {
  int warps = 0;    ///< of a block, 1 to 8
  int cluster = 0;  ///< blocks that share the k of a tile: 1, 2, 4 or 8; 1 below sm_90
  int blocks = 0;   ///< at most so many blocks along the rows; more tiles than that: several each
};

struct MatmulOptions {
  /// The same bits for a row of y whatever m is: k is divided by the weights' shape alone.
  bool batch_invariant = false;

  /// The kernel may begin before the previous one on the stream has ended, and reads weights before
  /// it waits for it; x and bias after. For weights that no kernel still under way writes. sm_90.
  bool begins_early = true;

  MatmulTuning tuning{};
};

/// What the division depends on of a GPU.
struct DeviceLimits {
  int sm = 0;  ///< 10 * major + minor of the compute capability
  int multiprocessors = 0;
  int shared_bytes = 0;  ///< of one block at most, with the opt-in
};

namespace stream {

/// How many tiles can be worked on at a time: clusters of four and eight blocks do not come out
/// even with a Hopper GPU's groups of 16 or 18 multiprocessors.
constexpr int concurrent_tiles(DeviceLimits const& device, int cluster) {
  int const usable = cluster < 4 ? device.multiprocessors : device.multiprocessors / 16 * 16;
  return usable / cluster > 0 ? usable / cluster : 1;
}

/// Time of a division in stages of one warp's rows: rounds, each as long as its longest run, plus
/// what a round costs before its first and after its last stage.
constexpr int64_t division_cost(int64_t tiles, int stages, int warps, int cluster,
                                DeviceLimits const& device) {
  int64_t const rounds = ceil_div(tiles, concurrent_tiles(device, cluster));
  int64_t const run = ceil_div(stages, cluster);
  int const busy = warps < 6 ? 6 : warps;  // fewer warps do not fill a multiprocessor
  return rounds * (run * busy + 4 + 2 * (cluster > 1)) + 16;
}

/// Chooses warps and cluster for matrices of `rows` rows (of each part) and `stages` stages.
///     rows: (parts)
constexpr void divide(Shape& shape, int64_t const* rows, int parts, int rows_per_warp,
                      DeviceLimits const& device, MatmulTuning const& tuning) {
  int64_t least = -1;
  int const max_cluster = device.sm >= 90 ? 8 : 1;
  for (int warps = 8; warps >= 1; --warps) {
    if (tuning.warps != 0 && warps != tuning.warps) continue;
    int64_t tiles = 0;
    for (int p = 0; p < parts; ++p) tiles += ceil_div(rows[p], warps * rows_per_warp);
    for (int cluster = 1; cluster <= max_cluster && cluster <= shape.stages; cluster *= 2) {
      if (tuning.cluster != 0 && cluster != tuning.cluster && 2 * cluster <= shape.stages)
        if (cluster > tuning.cluster || 2 * cluster <= tuning.cluster) continue;
      int64_t const cost = division_cost(tiles, shape.stages, warps, cluster, device);
      if (least >= 0 && cost >= least) continue;
      least = cost;
      shape.warps = warps;
      shape.cluster = cluster;
      shape.tiles = tiles;
    }
  }
  int64_t at_once = concurrent_tiles(device, shape.cluster);
  if (tuning.blocks != 0) at_once = ceil_div(tuning.blocks, shape.cluster);
  shape.grid = (shape.tiles < at_once ? shape.tiles : at_once) * shape.cluster;
}

/// Lays the pieces out in shared memory: the ring of `ring_bytes_per_warp` behind the table, then
/// the activations of as many stages as fit. False where not even `least_stages` do, twice.
constexpr bool place(Shape& shape, int table_bytes, int ring_bytes_per_warp, int rows_per_warp,
                     int stage_values, int level_bytes, int least_stages, int limit) {
  shape.partials_at = table_bytes + shape.warps * ring_bytes_per_warp;
  shape.levels_at = shape.partials_at + 8 * partial_pitch(shape.warps * rows_per_warp) *
                                            static_cast<int>(sizeof(float));
  shape.x_at = shape.levels_at + level_bytes;
  int const room = limit - shape.x_at;
  auto const bytes = [&](int stages) { return shape.x_rows * x_pitch(stages, stage_values); };
  int const all = static_cast<int>(ceil_div(shape.stages, shape.cluster));
  shape.x_buffers = 1;
  shape.x_stages = all;
  if (int64_t{shape.x_rows} * all * stage_values * 2 + 16 * shape.x_rows > room) {
    shape.x_buffers = 2;
    shape.x_stages = least_stages;
    if (2 * bytes(least_stages) > room) return false;
    while (shape.x_stages < all && 2 * bytes(shape.x_stages + 1) <= room) ++shape.x_stages;
  }
  shape.shared_bytes = shape.x_at + shape.x_buffers * bytes(shape.x_stages);
  return true;
}

}  // namespace stream
}  // namespace qfmt::inline v0
