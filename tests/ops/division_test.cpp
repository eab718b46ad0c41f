// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// How the streaming matmul divides a shape: whatever the shape and the GPU, everything is covered
// once, and no two pieces of shared memory overlap.
#include "qfmt/ops/tuning.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <utility>
#include <vector>

namespace {

using namespace qfmt;

DeviceLimits const h200{.sm = 90, .multiprocessors = 132, .shared_bytes = 232448};
DeviceLimits const a100{.sm = 80, .multiprocessors = 108, .shared_bytes = 166912};
DeviceLimits const l40{.sm = 89, .multiprocessors = 142, .shared_bytes = 101376};
DeviceLimits const small_blackwell{.sm = 120, .multiprocessors = 170, .shared_bytes = 101376};

stream::Pieces pieces(int row_tiles, int warps, bool table) {
  stream::Pieces p{.rows_per_warp = 16 * row_tiles,
                   .max_warps = warps,
                   .depth = 2,
                   .queue_bytes = 2 * 16 * row_tiles * 128,
                   .stage_x_bytes = 512,
                   .level_bytes = 1024};
  if (table) p.table_bytes = 65536, p.spare_at = 128, p.spare_bytes = 32768;
  return p;
}

/// Of a stretch of shared memory: begin, end.
using Stretch = std::pair<std::int64_t, std::int64_t>;

void check_memory(stream::Shape const& s, stream::Pieces const& p, DeviceLimits const& device) {
  int const warps = s.row_warps * s.splits;
  std::int64_t const x_pitch = std::int64_t{s.x_visits} * s.splits * p.stage_x_bytes + 16;
  std::vector<Stretch> all{
      {s.queues_at, s.queues_at + warps * p.queue_bytes},
      {s.levels_at, s.levels_at + p.level_bytes},
      {0, s.x_first * x_pitch},
      {s.x_rest_at, s.x_rest_at + (s.x_rows - s.x_first) * x_pitch},
  };
  int const columns = std::min(8, (s.x_rows + 1) / 2 * 2);
  std::int64_t const partials =
      std::int64_t{2} * s.round_tiles * s.splits * columns * s.row_warps * p.rows_per_warp * 4;
  bool const in_table = p.table_bytes > 0 && s.partials_at == s.table_at + p.spare_at;
  if (in_table)
    CHECK(partials <= p.spare_bytes);
  else
    all.push_back({s.partials_at, s.partials_at + partials});
  if (p.table_bytes > 0) all.push_back({s.table_at, s.table_at + p.table_bytes});
  std::sort(all.begin(), all.end());
  for (std::size_t i = 0; i < all.size(); ++i) {
    CHECK(all[i].first >= 0);
    CHECK(all[i].second <= s.shared_bytes);
    if (i > 0 && all[i - 1].first != all[i - 1].second) CHECK(all[i - 1].second <= all[i].first);
  }
  CHECK(s.shared_bytes <= device.shared_bytes);
  CHECK(s.queues_at % 16 == 0);
  CHECK(s.levels_at % 4 == 0);
  // Rows of x lie 16 bytes apart in the banks, across the gap too.
  CHECK((s.x_rest_at - s.x_first * x_pitch) % 128 == 0);
  if (p.table_bytes > 0 && device.sm == 90)
    CHECK((s.table_at + device.reserved_shared_bytes) % 65536 == 0);
}

}  // namespace

TEST_CASE("every shape is covered once, within the device", "[ops][division]") {
  int served = 0;
  for (auto const& device : {h200, a100, l40, small_blackwell})
    for (bool const table : {true, false})
      for (auto const& [row_tiles, warps] : {std::pair{1, 16}, {2, 8}, {1, 12}})
        for (std::int64_t const n : {1, 15, 40, 1000, 4096, 28672, 262144})
          for (std::int64_t const k : {64, 256, 320, 4096, 11008, 28672, 65536})
            for (int const m : {1, 3, 8, 16, 32}) {
              auto const p = pieces(row_tiles, warps, table);
              stream::Shape shape;
              shape.stages = static_cast<int>(ceil_div(k, 256));
              shape.groups = static_cast<int>(k / 64);
              shape.x_rows = m;
              stream::Shape const s = stream::divide(shape, &n, 1, p, device, {});
              CAPTURE(device.sm, table, row_tiles, n, k, m);
              if (s.row_warps == 0) continue;  // does not fit: another kernel serves
              ++served;
              CHECK(s.row_warps * s.splits <= warps);
              CHECK(s.tiles * s.row_warps * p.rows_per_warp >= n);
              CHECK((s.tiles - 1) * s.row_warps * p.rows_per_warp < n);
              // Each block of a cluster has at most this many stages, each split of them every
              // splits-th.
              std::int64_t const of_block = ceil_div(s.stages, s.cluster);
              CHECK(std::int64_t{s.visits} * s.splits >= of_block);
              CHECK(s.splits <= of_block);
              CHECK((s.x_visits == s.visits || s.x_visits % p.depth == 0));
              CHECK(s.x_visits >= 1);
              CHECK(s.grid % s.cluster == 0);
              CHECK(s.grid / s.cluster <= s.tiles);
              if (device.sm < 90) CHECK(s.cluster == 1);
              check_memory(s, p, device);
            }
  CHECK(served > 2000);
}

TEST_CASE("the batch-invariant division does not depend on m", "[ops][division]") {
  for (std::int64_t const n : {64, 4096, 28672, 38144})
    for (std::int64_t const k : {256, 512, 1024, 1792, 4096, 28672}) {
      auto const widest = pieces(2, 8, true);
      stream::Shape shape;
      shape.stages = static_cast<int>(ceil_div(k, 256));
      shape.groups = static_cast<int>(k / 64);
      auto const tuning = stream::invariant_tuning(shape, &n, 1, widest, 32, h200);
      CAPTURE(n, k);
      REQUIRE(tuning.splits > 0);
      for (auto const& [row_tiles, warps] : {std::pair{1, 16}, {2, 8}, {1, 12}})
        for (int const m : {1, 4, 16, 32}) {
          shape.x_rows = m;
          auto const s = stream::divide(shape, &n, 1, pieces(row_tiles, warps, true), h200, tuning);
          CAPTURE(row_tiles, m);
          CHECK(s.row_warps > 0);
          CHECK(s.splits == tuning.splits);
          CHECK(s.cluster == tuning.cluster);
        }
    }
}
