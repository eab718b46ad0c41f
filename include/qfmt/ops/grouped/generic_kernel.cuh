// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The grouped matmul that is right everywhere: any scheme, element type, shape, alignment and GPU.
#pragma once

#include "qfmt/ops/generic/kernel.cuh"
#include "qfmt/ops/grouped/walk.cuh"

namespace qfmt::inline v0 {
namespace grouped QFMT_HIDDEN {

/// One row of weights times up to eight rows of x, by a warp: as the generic matmul adds up.
///     count: of generic::columns
template <SchemeSpec S, Element T, class Offset>
__device__ void multiply_row(Operands<S, T, Offset> const& operands, int group, int64_t row,
                             int64_t first_m, int count) {
  using generic::run;
  QuantizedMatrix<S const> w = operands.matrix[group];
  w.cols = operands.k;
  int const lane = static_cast<int>(threadIdx.x % 32);
  T const* const x = operands.x + first_m * operands.k;
  float sums[generic::columns] = {};
  int64_t const lead = (w.origin + row * w.row_stride) % run;
  for (int64_t begin = int64_t{lane} * run - lead; begin < w.cols; begin += 32 * run)
    generic::add_run(w, row, begin > 0 ? begin : 0, begin + run < w.cols ? begin + run : w.cols, x,
                     count, sums);
#pragma unroll
  for (int c = 0; c < generic::columns; ++c) {
    float sum = sums[c];
#pragma unroll
    for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
    if (lane != c || c >= count) continue;
    if (operands.bias != nullptr) sum += to_float(operands.bias[int64_t{group} * operands.n + row]);
    operands.y[(first_m + c) * operands.n + row] = from_float<T>(sum);
  }
}

inline constexpr int generic_rows = 64;  ///< of weights in an item: eight a warp

template <SchemeSpec S, Element T, class Offset>
__launch_bounds__(generic::warps * 32) __global__
    void generic_kernel(__grid_constant__ Operands<S, T, Offset> const operands,
                        __grid_constant__ Piece const piece) {
  ptx::wait_for_dependencies();
  for (Walk<Offset> walk(operands.offsets, operands.groups, piece, blockIdx.x, gridDim.x);
       walk.has_item(); walk.next()) {
    Item const item = walk.item();
    for (int r = static_cast<int>(threadIdx.x / 32); r < piece.tile_rows; r += generic::warps)
      if (item.row + r < operands.n)
        multiply_row(operands, item.group, item.row + r, item.first_m, item.x_rows);
  }
}

}  // namespace grouped
}  // namespace qfmt::inline v0
