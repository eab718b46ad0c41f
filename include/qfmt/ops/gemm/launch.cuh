// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// From operands to a launch of the tiled matmul, or a plain no.
#pragma once

#include "qfmt/codec/options.hpp"
#include "qfmt/device/arguments.cuh"
#include "qfmt/device/launch.cuh"
#include "qfmt/ops/gemm/kernel.cuh"
#include "qfmt/ops/stream/launch.cuh"

namespace qfmt::inline v0::gemm {

/// Schemes: those of the streaming kernel.
template <SchemeSpec S>
inline constexpr bool serves_scheme = stream::serves_scheme<S>;

/// Rings as deep as shared memory allows; `count` of x is 0 where not even two steps fit.
template <SchemeSpec S, Element T, class Tuning, int Max>
constexpr void arrange(Shape& shape, DeviceLimits const& device) {
  using Decoder = stream::PairDecoder<S, T>;
  constexpr int scratch_bytes = Tuning::consumer_warps * Scratch<Tuning>::lines * 128;
  constexpr int level_bytes = S::is_nested ? Max * 256 * static_cast<int>(sizeof(float)) : 0;
  constexpr int barrier_bytes = 1024;
  constexpr int most_codes = 4;
  constexpr int most_x = 8;
  Arranger arranger;
  arranger.table_bytes = Decoder::table_bytes;
  if (arranger.table_bytes > 0) arranger.table_at = 0x10000 - device.reserved_shared_bytes;
  shape.table_at = arranger.table_at;
  shape.barriers_at = arranger.at;
  arranger.at += barrier_bytes;
  shape.levels_at = arranger.at;
  arranger.at += (level_bytes + 1023) / 1024 * 1024;
  if (Decoder::table_bytes > 0) {
    shape.scratch_at = shape.table_at + Decoder::spare_at;
  } else {
    shape.scratch_at = arranger.at;
    arranger.at += scratch_bytes;
  }
  shape.x.count = 0;
  for (int codes = most_codes; codes >= 2; --codes) {
    Arranger tried = arranger;
    Places const c = tried.places(codes, Tuning::codes_bytes);
    for (int steps = most_x; steps >= 3; --steps) {
      Arranger rest = tried;
      Places const x = rest.places(steps, Tuning::x_bytes);
      int const end = rest.at > shape.table_at + arranger.table_bytes
                          ? rest.at
                          : shape.table_at + arranger.table_bytes;
      if (end > device.shared_bytes) continue;
      if (shape.x.count >= steps) break;
      shape.codes = c;
      shape.x = x;
      shape.shared_bytes = end;
      break;
    }
  }
}

/// Grid and split of a shape whose tiles are known. Without `room` for the sums of split tiles, or
/// where whole tiles keep nearly all blocks busy to the end, none is split.
constexpr void divide(Shape& shape, int most_blocks, bool room) {
  int const left = shape.tiles % most_blocks;
  shape.split_tiles = 0;
  shape.grid = shape.tiles < most_blocks ? shape.tiles : most_blocks;
  if (!room || left == 0) return;
  if (shape.tiles > most_blocks) {
    if (left * 16 < most_blocks * 15) shape.split_tiles = left + most_blocks;
    return;
  }
  // A part of a tile is not worth less than two stages.
  int const parts = most_blocks / shape.tiles;
  int const most_parts = shape.stages / 2 > 0 ? shape.stages / 2 : 1;
  if (parts >= most_parts) {
    shape.grid = shape.tiles * most_parts;
  } else if (parts * shape.tiles * 16 >= most_blocks * 15) {
    shape.grid = shape.tiles * parts;
  } else {
    shape.grid = most_blocks;
  }
  if (shape.grid > shape.tiles) shape.split_tiles = shape.tiles;
}

/// The division of a launch; `grid` is 0 where none fits the device, or there are too many tiles.
template <class Tuning, SchemeSpec S, Element T, int Max>
constexpr Shape plan(MatrixParts<S const, Max> const& w, T const*, int64_t m,
                     DeviceLimits const& device, MatmulTuning const& tuning, Workspace workspace) {
  constexpr int64_t most_tiles = int64_t{1} << 30;
  Shape shape;
  int64_t row_tiles = 0;
  for (int p = 0; p < w.count; ++p) row_tiles += ceil_div(w.part[p].rows, Tuning::rows);
  int64_t const column_tiles = ceil_div(m, Tuning::columns);
  if (row_tiles > most_tiles / column_tiles || w.cols() > most_tiles) return shape;
  shape.stages = static_cast<int>(ceil_div(w.cols(), stream::stage_values<S>));
  shape.groups = static_cast<int>(ceil_div(w.cols(), stream::group_values<S>));
  shape.row_tiles = static_cast<int>(row_tiles);
  shape.column_tiles = static_cast<int>(column_tiles);
  shape.tiles = shape.row_tiles * shape.column_tiles;
  shape.band = shape.row_tiles < 16 ? shape.row_tiles : 16;
  arrange<S, T, Tuning, Max>(shape, device);
  if (shape.x.count == 0) return shape;
  int const blocks = tuning.blocks != 0 ? tuning.blocks : device.multiprocessors;
  bool const room = workspace.data != nullptr && workspace.bytes >= partial_bytes<Tuning>(blocks) &&
                    device::is_aligned(workspace.data, 16);
  divide(shape, blocks, room);
  return shape;
}

/// Launches the kernel with this tuning; in a workspace that suffices, tiles may be split.
/// unsupported_shape where it was not compiled for this
/// device or does not fit it. The weights are served, x and y are not empty, x is aligned to 16
/// bytes.
template <class Tuning, SchemeSpec S, Element T, int Max>
Status launch_matmul(MatrixParts<S const, Max> const& w, T const* x, int64_t m, T* y, T const* bias,
                     DeviceLimits const& device, MatmulOptions const& options, Workspace workspace,
                     cudaStream_t stream) {
  if (device.sm != 90 || m > 0x7FFFFFFF) return {Errc::unsupported_shape};
  cudaFuncAttributes attributes{};
  cudaError_t e = cudaFuncGetAttributes(&attributes, matmul_kernel<S, T, Tuning, Max>);
  if (e != cudaSuccess) return device::to_status(e);
  if (attributes.maxThreadsPerBlock < Tuning::threads) return {Errc::unsupported_shape};
  Shape const shape = plan<Tuning>(w, x, m, device, options.tuning, workspace);
  if (shape.grid == 0) return {Errc::unsupported_shape};

  auto const operands = stream::merge(w, Tuning::rows, x, m, y, bias);
  Maps<Max> maps{};
  for (int p = 0; p < operands.parts; ++p) {
    auto const& part = operands.part[p];
    if (part.rows > 0x7FFFFFFF) return {Errc::unsupported_shape};
    ptx::TensorMapShape const codes{.rows = part.rows,
                                    .cols = operands.k * S::bits / 8,
                                    .row_bytes = part.row_bytes,
                                    .element_bytes = 1,
                                    .tile_rows = Tuning::rows};
    e = ptx::make_tensor_map(maps.codes[p], part.codes, codes);
    if (e != cudaSuccess) return device::to_status(e);
  }
  ptx::TensorMapShape const tile_of_x{.rows = m,
                                      .cols = operands.k,
                                      .row_bytes = operands.k * static_cast<int64_t>(sizeof(T)),
                                      .element_bytes = static_cast<int>(sizeof(T)),
                                      .tile_rows = Tuning::columns};
  e = ptx::make_tensor_map(maps.x, x, tile_of_x);
  if (e != cudaSuccess) return device::to_status(e);
  return device::launch(matmul_kernel<S, T, Tuning, Max>,
                        {.blocks = shape.grid,
                         .threads = Tuning::threads,
                         .shared_bytes = shape.shared_bytes,
                         .begins_early = options.begins_early},
                        stream, operands, maps, shape, workspace.data);
}

}  // namespace qfmt::inline v0::gemm
