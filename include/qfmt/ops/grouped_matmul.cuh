// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Products of groups of rows of x with a matrix each, in one launch: a mixture of experts, whose
// rows were sorted by expert on the device.
#pragma once

#include "qfmt/ops/grouped/launch.cuh"
#include "qfmt/ops/matmul.cuh"

namespace qfmt::inline v0::device {

/// Rows [offsets[g], offsets[g + 1]) of y = the same rows of x * dequantize(w.matrix[g])^T +
/// bias[g], for every group g, in one launch.
///     x: (m, w.cols)   y: (m, w.rows)   offsets: (w.count + 1)   bias: (w.count, w.rows) or null
///
/// The views in w.matrix, the offsets and all else lie in device memory; the host knows m, w.count,
/// rows and cols alone. offsets ascend from 0 or more to m at most; groups may be empty; rows of y
/// in no group stay as they are. Every view is valid, of w.rows rows and w.cols columns. Offset: a
/// signed integer of 32 or 64 bits. Stream-ordered: returns before the work is done, allocates
/// nothing, may be captured into a graph, whose offsets may then change.
///
/// Fastest: float16 or bfloat16 on Hopper and the Blackwell of data centres; 16-level formats and
/// Int8, f32 or nested scales; w.cols a multiple of 64 (of 32 where blocks are shorter), x aligned
/// to 16 bytes; codes aligned to 16 bytes, row_stride and origin multiples of 64. There the weights
/// of a group that has rows are read once for up to 64 of them, others not at all. Else a kernel
/// that is right everywhere, and far slower; a single view that does not fit is done the slow way.
/// Of options `begins_early` and of its tuning `splits`, `blocks` and `columns` (8, 16 or 64) are
/// used.
///
/// Determinism: run_to_run, and gpu_to_gpu between GPUs that divide the work alike; no atomics.
/// Numerics: those of device::matmul. Errors: those of check_grouped_matmul; unsupported_shape for
/// more than 2^31 - 65 groups or rows of a matrix; device_error with the cudaError_t.
template <SchemeSpec S, class Offset, Element T>
Status grouped_matmul(MatrixGroups<S> const& w, Offset const* offsets, T const* x, int64_t m, T* y,
                      std::type_identity_t<T> const* bias, Workspace, cudaStream_t stream,
                      MatmulOptions options = {}) {
  static_assert(std::signed_integral<Offset> && sizeof(Offset) >= 4,
                "qfmt: offsets are signed integers of 32 or 64 bits");
  using Scheme = stl::remove_const_t<S>;
  using E = kernel_element_t<T>;
  if (Errc const e = check_grouped_matmul(w, offsets, x, m, y, bias); e != Errc::ok) return {e};
  if (w.count == 0 || m == 0 || w.rows == 0) return {};
  constexpr int64_t most = 0x7FFFFFFF;  // groups, rows of weights
  if (w.count > most - 64 || w.rows > most - 64) return {Errc::unsupported_shape};
  grouped::Operands<Scheme, E, Offset> const operands{
      .matrix = reinterpret_cast<QuantizedMatrix<Scheme const> const*>(w.matrix),
      .offsets = offsets,
      .groups = static_cast<int>(w.count),
      .x = as_kernel_elements(x),
      .y = as_kernel_elements(y),
      .bias = as_kernel_elements(bias),
      .n = w.rows,
      .k = w.cols};
  DeviceLimits limits;
  if (Status const s = detail::device_limits(limits); !s) return s;
  if constexpr (sizeof(T) == 2 && stream::serves_scheme<Scheme>) {
    if (limits.sm >= 90 && grouped::may_stream(operands)) {
      int64_t const average = ceil_div(m, w.count);
      int const asked = options.tuning.columns;
      int const x_rows = asked != 0                ? asked
                         : m <= 8 || average <= 4  ? 8
                         : m <= 16 || average <= 8 ? 16
                                                   : 64;
      Status s{Errc::unsupported_shape};
      if (x_rows == 8 || x_rows == 16)
        s = grouped::launch_streaming<grouped::NarrowTuning>(operands, m, x_rows, limits, options,
                                                             stream);
      if (x_rows == 64)
        s = grouped::launch_streaming<grouped::WideTuning>(operands, m, x_rows, limits, options,
                                                           stream);
      if (s.code != Errc::unsupported_shape) return s;
    }
  }
  return grouped::launch_generic(operands, m, limits, stream);
}

}  // namespace qfmt::inline v0::device
