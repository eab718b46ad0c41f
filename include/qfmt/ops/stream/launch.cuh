// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// From operands to a launch of the streaming matmul, or a plain no.
#pragma once

#include "qfmt/device/launch.cuh"
#include "qfmt/layout/prepacked_matrix.hpp"
#include "qfmt/ops/stream/kernel.cuh"
#include "qfmt/ops/tuning.hpp"

namespace qfmt::inline v0::stream {

/// Schemes the kernel decodes: 16 built-in levels, or Int8; f32 or nested scales.
template <SchemeSpec S>
inline constexpr bool serves_scheme =
    (S::is_nested || stl::same_as<typename S::scale, DoubleQuant<false>>)&&(
        (CodebookFormat<typename S::format> && S::bits == 4 && !StoresLevels<typename S::format>) ||
        stl::same_as<typename S::format, Int8>);

/// True where rows begin on 16 bytes and on a group, and hold whole groups.
template <SchemeSpec S>
constexpr bool serves_matrix(QuantizedMatrix<S const> const& w) {
  constexpr int aligned = 128 / S::bits > group_values<S> ? 128 / S::bits : group_values<S>;
  if (w.cols % aligned != 0 || w.row_stride % aligned != 0 || w.origin % aligned != 0) return false;
  if (w.cols > int64_t{1} << 22 || w.row_stride > int64_t{1} << 22) return false;
  if constexpr (qfmt::detail::is_prepacked<S>)  // whole tiles
    if (w.rows % qfmt::detail::tile_rows != 0 || w.cols % qfmt::detail::tile_values != 0)
      return false;
  if constexpr (S::is_row_wise) {
    int64_t const length = w.values.scales.row_length;
    if (w.row_stride != length || w.origin % length + w.cols > length) return false;
  }
  return reinterpret_cast<uintptr_t>(w.values.codes) % 16 == 0;
}

template <SchemeSpec S>
constexpr Part<S> part_of(QuantizedMatrix<S const> const& w) {
  constexpr int group = group_values<S>;
  Part<S> part;
  part.codes = w.values.codes + w.origin * S::bits / 8;
  part.scales = w.values.scales;
  part.rows = w.rows;
  part.row_bytes = w.row_stride * S::bits / 8;
  part.row_groups = w.row_stride / group;
  part.first_group = w.origin / group;
  if constexpr (S::is_row_wise) part.first_scale = w.origin / w.values.scales.row_length;
  return part;
}

/// The operands of a launch that works on tile_rows rows of weights at a time: parts without rows
/// are left out, and every tile lies within one part.
template <SchemeSpec S, Element T, int Max>
Operands<S, T, Max> merge(MatrixParts<S const, Max> const& w, int64_t tile_rows, T const* x,
                          int64_t m, T* y, T const* bias) {
  Operands<S, T, Max> operands;
  int64_t row = 0;
  int64_t tile = 0;
  for (int p = 0; p < w.count; ++p) {
    if (w.part[p].rows == 0) continue;
    Part<S>& part = operands.part[operands.parts];
    part = part_of<S>(w.part[p]);
    part.first_row = row;
    part.first_tile = tile;
    part.index = operands.parts++;
    row += part.rows;
    tile += ceil_div(part.rows, tile_rows);
  }
  operands.x = x;
  operands.y = y;
  operands.bias = bias;
  operands.m = m;
  operands.n = row;
  operands.k = w.cols();
  return operands;
}

/// What the kernel of a tuning keeps in shared memory.
template <SchemeSpec S, Element T, class Tuning, int Max>
inline constexpr Pieces pieces_of{
    .rows_per_warp = Tuning::rows_per_warp,
    .max_warps = Tuning::max_warps,
    .depth = Tuning::depth,
    .queue_bytes =
        Tuning::depth* WeightQueue<S, T, Max, Tuning::row_tiles, Tuning::depth>::visit_bytes,
    .stage_x_bytes = stage_values<S> * 2,
    .table_bytes = PairDecoder<S, T>::table_bytes,
    .spare_at = PairDecoder<S, T>::spare_at,
    .spare_bytes = PairDecoder<S, T>::spare_bytes,
    .level_bytes = S::is_nested ? Max * 256 * static_cast<int>(sizeof(float)) : 0};

/// The division of a launch with this tuning; `row_warps` is 0 where none fits the device.
template <SchemeSpec S, Element T, class Tuning, int Max>
constexpr Shape plan(MatrixParts<S const, Max> const& w, int64_t m, DeviceLimits const& device,
                     MatmulOptions const& options) {
  Shape shape;
  int64_t rows[Max]{};
  for (int p = 0; p < w.count; ++p) rows[p] = w.part[p].rows;
  shape.stages = static_cast<int>(ceil_div(w.cols(), stage_values<S>));
  shape.groups = static_cast<int>(ceil_div(w.cols(), group_values<S>));
  shape.x_rows = static_cast<int>(m < 8 * Tuning::columns ? m : 8 * Tuning::columns);
  MatmulTuning tuning = options.tuning;
  if (options.batch_invariant)
    tuning = invariant_tuning(shape, rows, w.count, pieces_of<S, T, WidestTuning, Max>,
                              8 * WidestTuning::columns, device);
  return divide(shape, rows, w.count, pieces_of<S, T, Tuning, Max>, device, tuning);
}

/// True where B serves the launch and A does not, or takes longer by division_cost.
template <SchemeSpec S, Element T, class A, class B, int Max>
constexpr bool takes_longer(MatrixParts<S const, Max> const& w, int64_t m,
                            DeviceLimits const& device, MatmulOptions const& options) {
  Shape const a = plan<S, T, A>(w, m, device, options);
  Shape const b = plan<S, T, B>(w, m, device, options);
  if (a.row_warps == 0 || b.row_warps == 0) return b.row_warps != 0;
  return division_cost(a, pieces_of<S, T, A, Max>, device) >
         division_cost(b, pieces_of<S, T, B, Max>, device);
}

/// Limits what the division may ask of the device to what this kernel was compiled for: clusters,
/// an early start and the place of the table are decided there.
template <class Kernel>
Status limit_to_code(Kernel* kernel, DeviceLimits& device) {
  cudaFuncAttributes attributes{};
  cudaError_t const e = cudaFuncGetAttributes(&attributes, kernel);
  if (e == cudaSuccess && attributes.ptxVersion < device.sm) device.sm = attributes.ptxVersion;
  return device::to_status(e);
}

/// Launches the kernel with this tuning. unsupported_shape where it does not fit the device.
/// The weights are served, x and y are not empty, x is aligned to 16 bytes.
template <class Tuning, SchemeSpec S, Element T, int Max>
Status launch_matmul(MatrixParts<S const, Max> const& w, T const* x, int64_t m, T* y, T const* bias,
                     DeviceLimits const& device, MatmulOptions const& options,
                     cudaStream_t stream) {
  Shape const shape = plan<S, T, Tuning>(w, m, device, options);
  if (shape.row_warps == 0) return {Errc::unsupported_shape};
  Operands<S, T, Max> operands = merge(w, shape.row_warps * Tuning::rows_per_warp, x, m, y, bias);
  for (int64_t first = 0; first < m;) {  // a grid has at most 65535 blocks along y
    int64_t const passes = ceil_div(m - first, shape.x_rows);
    int64_t const now = passes < 0xFFFF ? passes : 0xFFFF;
    operands.x = x + first * operands.k;
    operands.y = y + first * operands.n;
    operands.m = m - first;
    if (Status const s = device::launch(matmul_kernel<S, T, Tuning, Max>,
                                        {.blocks = shape.grid,
                                         .threads = shape.row_warps * shape.splits * 32,
                                         .shared_bytes = shape.shared_bytes,
                                         .blocks_y = now,
                                         .cluster = shape.cluster,
                                         .begins_early = options.begins_early && device.sm >= 90},
                                        stream, operands, shape);
        !s)
      return s;
    first += now * shape.x_rows;
  }
  return {};
}

}  // namespace qfmt::inline v0::stream
