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

  template <class Tuning, Element T, int Max>
  __device__ static OutputTile of(stream::Operands<S, T, Max> const& operands, Shape const& shape,
                                  int index) {
    TileAt const at = tile_at(index, shape.row_tiles, shape.column_tiles, shape.band);
    return {stream::Tile<S>::of(operands, at.row, Tuning::rows),
            int64_t{at.column} * Tuning::columns};
  }
};

}  // namespace qfmt::inline v0::gemm
