// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Which tile of y comes when.
#pragma once

#include "qfmt/ops/gemm/shape.hpp"
#include "qfmt/ops/stream/operands.cuh"
#include "qfmt/ptx/tensor_map.cuh"

namespace qfmt::inline v0::gemm {

/// Where the copy engine finds the operands.
template <int Max>
struct Maps {
  ptx::TensorMap codes[Max];  // (rows, bytes of a row) of each part
  ptx::TensorMap x;           // (m, k)
};

/// One tile of y: rows of a part of the weights, rows of x.
template <SchemeSpec S>
struct OutputTile {
  stream::Tile<S> weights;
  int64_t first_m;

  /// Bands of row tiles, one after another; within a band all rows of weights for some rows of x,
  /// then for the next: what blocks work on at a time shares both operands in the L2.
  template <class Tuning, Element T, int Max>
  __device__ static OutputTile of(stream::Operands<S, T, Max> const& operands, Shape const& shape,
                                  int index) {
    int const band = index / (shape.band * shape.column_tiles);
    int const within = index - band * shape.band * shape.column_tiles;
    int const left = shape.row_tiles - band * shape.band;
    int const width = left < shape.band ? left : shape.band;
    int const column = within / width;
    int const row = band * shape.band + within - column * width;
    return {stream::Tile<S>::of(operands, row, Tuning::rows), int64_t{column} * Tuning::columns};
  }
};

}  // namespace qfmt::inline v0::gemm
