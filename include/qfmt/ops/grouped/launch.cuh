// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// From operands to a launch of the grouped matmul.
#pragma once

#include "qfmt/device/arguments.cuh"
#include "qfmt/device/launch.cuh"
#include "qfmt/ops/grouped/divide.hpp"
#include "qfmt/ops/grouped/kernel.cuh"
#include "qfmt/ops/stream/launch.cuh"

namespace qfmt::inline v0::grouped {

/// The division of a launch that takes x_rows rows of x at a time; `row_warps` is 0 where the
/// kernel does not fit the device.
template <SchemeSpec S, Element T, class Tuning>
constexpr Shape plan(Problem const& problem, int64_t k, int x_rows, DeviceLimits const& device,
                     MatmulTuning const& tuning) {
  using Decoder = stream::PairDecoder<S, T>;
  constexpr int barrier_bytes = 256;
  constexpr int scratch_bytes = Tuning::warps * 8 * 128;
  constexpr int most_x = 8;  // (2 * most_x + 1) barriers
  int const x_bytes = (x_rows * ActivationRings<S, T, Tuning>::pitch + 127) / 128 * 128;
  Shape shape;
  shape.x_rows = x_rows;
  shape.visits = static_cast<int>(ceil_div(k, Tuning::stages * stream::stage_values<S>));
  shape.groups = static_cast<int>(ceil_div(k, stream::group_values<S>));

  gemm::Arranger arranger;
  arranger.table_bytes = Decoder::table_bytes;
  if (arranger.table_bytes > 0) arranger.table_at = 0x10000 - device.reserved_shared_bytes;
  shape.table_at = arranger.table_at;
  shape.barriers_at = arranger.at;
  arranger.at += barrier_bytes;
  shape.levels_at = arranger.at;
  arranger.at += S::is_nested ? 1024 : 0;
  if (Decoder::table_bytes > 0) {
    shape.scratch_at = shape.table_at + Decoder::spare_at;
  } else {
    shape.scratch_at = arranger.at;
    arranger.at += scratch_bytes;
  }
  shape.queues = arranger.places(Tuning::warps, Tuning::queue_bytes);
  for (int count = most_x; count >= 2; --count) {
    gemm::Arranger tried = arranger;
    gemm::Places const x = tried.places(count, x_bytes);
    int const table_end = shape.table_at + arranger.table_bytes;
    shape.shared_bytes = tried.at > table_end ? tried.at : table_end;
    if (shape.shared_bytes > device.shared_bytes) continue;
    shape.x = x;
    divide(shape, problem, Tuning::warps, device.multiprocessors, tuning.splits);
    if (tuning.blocks != 0 && tuning.blocks < shape.grid) shape.grid = tuning.blocks;
    break;
  }
  return shape;
}

/// Launches the streaming kernel, x_rows rows of x at a time. unsupported_shape where it was not
/// compiled for this device or does not fit it.
template <class Tuning, SchemeSpec S, Element T, class Offset>
Status launch_streaming(Operands<S, T, Offset> const& operands, int64_t m, int x_rows,
                        DeviceLimits device, MatmulOptions const& options, cudaStream_t stream) {
  auto* const kernel = matmul_kernel<S, T, Offset, Tuning>;
  if (Status const s = stream::limit_to_code(kernel, device); !s) return s;
  if (device.sm < 90 || !stream::aligns_table(device)) return {Errc::unsupported_shape};
  Shape const shape = plan<S, T, Tuning>({operands.groups, m, operands.n}, operands.k, x_rows,
                                         device, options.tuning);
  if (shape.row_warps == 0) return {Errc::unsupported_shape};
  return device::launch(kernel,
                        {.blocks = shape.grid,
                         .threads = (shape.row_warps * shape.splits + 1) * 32,
                         .shared_bytes = shape.shared_bytes,
                         .begins_early = options.begins_early},
                        stream, operands, shape);
}

/// True where the streaming kernel takes what the host can see of the operands.
template <SchemeSpec S, Element T, class Offset>
bool may_stream(Operands<S, T, Offset> const& operands) {
  if constexpr (sizeof(T) == 2 && stream::serves_scheme<S>) {
    constexpr int64_t group = stream::group_values<S>;
    constexpr int64_t aligned = 128 / S::bits > group ? 128 / S::bits : group;
    return operands.k > 0 && operands.k % aligned == 0 && operands.k <= int64_t{1} << 22 &&
           operands.n < int64_t{1} << 31 && device::is_aligned(operands.x, 16);
  } else {
    return false;
  }
}

/// Launches the kernel that takes everything. Errors: those of device::launch.
template <SchemeSpec S, Element T, class Offset>
Status launch_generic(Operands<S, T, Offset> const& operands, int64_t m, DeviceLimits const& device,
                      cudaStream_t stream) {
  Piece const piece{static_cast<int>(ceil_div(operands.n, generic_rows)), generic_rows,
                    generic::columns};
  int64_t const at_once = int64_t{device.multiprocessors} * 8;
  int64_t const touched = operands.groups < m ? operands.groups : m;
  int64_t const passes = touched + m / generic::columns;
  int64_t const most = passes > at_once / piece.row_tiles ? at_once : passes * piece.row_tiles;
  return device::launch(generic_kernel<S, T, Offset>,
                        {.blocks = most, .threads = generic::warps * 32}, stream, operands, piece);
}

}  // namespace qfmt::inline v0::grouped
