// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// From the operands of an LLM.int8() product to a launch of the tiled kernel, or a plain no.
#pragma once

#include "qfmt/device/arguments.cuh"
#include "qfmt/device/launch.cuh"
#include "qfmt/ops/int8/tiled_kernel.cuh"
#include "qfmt/ops/tuning.hpp"

namespace qfmt::inline v0 {
namespace int8 QFMT_HIDDEN {

/// Lays the pieces out, the ring as deep as there is room; false where not even two stages fit.
constexpr bool arrange(TiledShape& shape, int columns, DeviceLimits const& device) {
  constexpr int most_stages = 12;
  auto const align = [](int at) { return (at + 1023) / 1024 * 1024; };
  int const stage_bytes = (tile_rows + columns) * stage_cols;
  shape.barriers_at = 0;
  shape.lists_at = 256;
  shape.marks_at = shape.lists_at + gather_warps * most_listed * int{sizeof(OutlierColumn)};
  shape.scratch_at = align(shape.marks_at + shape.mark_words * 4);
  shape.values_at = shape.scratch_at + scratch_bytes;
  int const ring_at = shape.values_at + (shape.mark_words > 0 ? stage_bytes : 0);
  int const fit = (device.shared_bytes - ring_at) / stage_bytes;
  int const count = fit < most_stages ? fit : most_stages;
  if (count < 2) return false;
  shape.stage = {.at = ring_at, .bytes = stage_bytes, .count = count, .jump_from = count};
  shape.shared_bytes = ring_at + count * stage_bytes;
  return true;
}

/// Overrides of the division; 0: chosen.
struct Division {
  int columns = 0;  ///< rows of x in a tile: 16, 32, 64, 128, or 256 where x is not f32
  int cluster = 0;  ///< blocks that share the k of a tile: 1, 2 or 4
  int blocks = 0;   ///< at most so many where they share none
};

/// Rows of x in a tile: the narrowest that takes all of them; beyond 128 rows the wider tile,
/// unless multiprocessors would idle for longer than it saves.
constexpr int tile_columns(int64_t rows, int64_t m, bool wide, DeviceLimits const& device) {
  int narrowest = 16;
  while (narrowest < 128 && narrowest < m) narrowest *= 2;
  if (m <= 128 || !wide) return narrowest;
  int64_t const row_tiles = ceil_div(rows, tile_rows);
  auto const rounds = [&](int columns) {
    return ceil_div(row_tiles * ceil_div(m, columns), device.multiprocessors);
  };
  return rounds(256) * 9 <= rounds(128) * 5 ? 256 : 128;  // a wide tile costs 1.8 narrow ones
}

/// The division of a product of `rows` rows of weights and m rows of x over cols columns; `grid` is
/// 0 where none fits the device.
constexpr TiledShape divide(int64_t rows, int64_t cols, int64_t m, bool outliers, int columns,
                            Division const& division, DeviceLimits const& device) {
  TiledShape shape;
  shape.stages = static_cast<int>(ceil_div(cols, stage_cols));
  shape.mark_words = outliers ? shape.stages * 4 : 0;
  int64_t const row_tiles = ceil_div(rows, tile_rows);
  int64_t const column_tiles = ceil_div(m, columns);
  if (row_tiles > 0x3FFFFFFF / column_tiles) return shape;
  shape.row_tiles = static_cast<int>(row_tiles);
  shape.column_tiles = static_cast<int>(column_tiles);
  shape.tiles = shape.row_tiles * shape.column_tiles;
  shape.band = shape.row_tiles < 16 ? shape.row_tiles : 16;
  if (!arrange(shape, columns, device)) return shape;
  int cluster = division.cluster;
  if (cluster == 0) {  // as many blocks a tile as keep all multiprocessors busy
    cluster = 1;
    while (cluster < 4 && shape.tiles * cluster * 2 <= device.multiprocessors) cluster *= 2;
  }
  while (cluster > shape.stages) cluster /= 2;
  if (columns > most_shared_columns) cluster = 1;
  shape.cluster = cluster;
  int const most = division.blocks != 0 ? division.blocks : device.multiprocessors;
  shape.grid = cluster > 1 ? shape.tiles * cluster : shape.tiles < most ? shape.tiles : most;
  return shape;
}

/// True where the tiled kernel computes this product: rows of codes begin on 16 bytes, 32-bit sums
/// are exact, and coordinates have 32 bits.
template <Element T>
bool serves(Product<T> const& p, DeviceLimits const& device) {
  auto const fits = [](QuantizedMatrix<LlmInt8 const> const& v) {
    return device::is_aligned(v.values.codes + v.origin, 16) && v.row_stride % 16 == 0 &&
           v.rows <= 0x7FFFFF00 && v.row_stride < int64_t{1} << 39;
  };
  return device.sm == 90 && p.w.cols > 0 && p.w.cols <= int8_sum_cols && fits(p.w) &&
         fits(p.a.values);
}

/// Launches the kernel with tiles of so many rows of x. unsupported_shape where it was not compiled
/// for this device or does not fit it. `serves` holds; neither operand is empty.
template <int Columns, Element T>
Status launch_tiled(Product<T> const& p, Division const& division, DeviceLimits const& device,
                    cudaStream_t stream) {
  cudaFuncAttributes attributes{};
  cudaError_t e = cudaFuncGetAttributes(&attributes, tiled_kernel<T, Columns>);
  if (e != cudaSuccess) return device::to_status(e);
  if (attributes.maxThreadsPerBlock < tile_threads) return {Errc::unsupported_shape};
  QuantizedMatrix<LlmInt8 const> const& a = p.a.values;
  TiledShape shape =
      divide(p.w.rows, p.w.cols, a.rows, p.a.outliers != nullptr, Columns, division, device);
  if (shape.grid == 0) return {Errc::unsupported_shape};
  shape.first_scale = p.w.origin / p.w.values.scales.row_length;
  shape.scale_step = p.w.row_stride / p.w.values.scales.row_length;

  TiledMaps maps{};
  auto const map = [&](ptx::TensorMap& to, QuantizedMatrix<LlmInt8 const> const& v, int rows) {
    ptx::TensorMapShape const tile{.rows = v.rows,
                                   .cols = p.w.cols,
                                   .row_bytes = v.row_stride,
                                   .element_bytes = 1,
                                   .tile_rows = rows};
    return ptx::make_tensor_map(to, v.values.codes + v.origin, tile);
  };
  if (e = map(maps.w, p.w, tile_rows); e != cudaSuccess) return device::to_status(e);
  if (e = map(maps.x, a, Columns); e != cudaSuccess) return device::to_status(e);
  return device::launch(tiled_kernel<T, Columns>,
                        {.blocks = shape.grid,
                         .threads = tile_threads,
                         .shared_bytes = shape.shared_bytes,
                         .cluster = shape.cluster,
                         .begins_early = true},
                        stream, p, maps, shape);
}

/// The same with the tile that suits the product, or the one that `division` names.
template <Element T>
Status launch_tiled(Product<T> const& p, Division const& division, DeviceLimits const& device,
                    cudaStream_t stream) {
  constexpr bool wide = sizeof(T) == 2;  // else there are not registers enough
  int const columns = division.columns != 0 ? division.columns
                                            : tile_columns(p.w.rows, p.a.values.rows, wide, device);
  switch (columns) {
    case 16: return launch_tiled<16>(p, division, device, stream);
    case 32: return launch_tiled<32>(p, division, device, stream);
    case 64: return launch_tiled<64>(p, division, device, stream);
    case 128: return launch_tiled<128>(p, division, device, stream);
    default: break;
  }
  if constexpr (wide)
    if (columns == 256) return launch_tiled<256>(p, division, device, stream);
  return {Errc::unsupported_shape};
}

}  // namespace int8
}  // namespace qfmt::inline v0
