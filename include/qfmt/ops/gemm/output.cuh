// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// From a warp's accumulators to y, through lines of shared memory of the warp's own: y is
// contiguous along the rows of weights, of which a warp has sixteen, a lane two.
#pragma once

#include "qfmt/ops/gemm/tiles.cuh"

namespace qfmt::inline v0::gemm {

/// The warp's lines, each 128 bytes.
template <class Tuning>
class Scratch {
 public:
  static constexpr int lines = Tuning::columns < 128 ? Tuning::columns / 4 : 32;  // of a warp
  __device__ Scratch(uint8_t* shared, int stride, int warp)
      : shared_(shared + warp * lines * stride), stride_(stride) {}
  __device__ uint8_t* line(int i) const { return shared_ + i * stride_; }

 private:
  uint8_t* shared_;
  int stride_;
};

/// What becomes of a sum: the format's factor, the scale of a row-wise row, the bias; one rounding.
template <SchemeSpec S, Element T>
struct RowFinish {
  float factor;
  float bias;

  /// row: of the tile
  template <int Max>
  __device__ RowFinish(stream::Operands<S, T, Max> const& operands, stream::Tile<S> const& tile,
                       int row, float format_factor)
      : factor(format_factor), bias(0.f) {
    int const r = row < tile.rows ? row : tile.rows - 1;
    if constexpr (S::is_row_wise)
      factor *= __ldg(tile.part->scales.absmax + tile.part->first_scale + tile.row + r);
    if (operands.bias != nullptr)
      bias = to_float(operands.bias[tile.part->first_row + tile.row + r]);
  }
  __device__ T operator()(float sum) const { return from_float<T>(sum * factor + bias); }
};

/// Writes the warp's part of a tile of y.
///     sum: lane 4g + t: [4j + 2h + e] is row g + 8h, column 8j + 2t + e   first_row: the warp's
template <class Tuning, SchemeSpec S, Element T, int Max>
__device__ void write_tile(stream::Operands<S, T, Max> const& operands, OutputTile<S> const& tile,
                           int first_row, float const (&sum)[Tuning::columns / 2], float factor,
                           Scratch<Tuning> const& scratch) {
  constexpr int at_once = 4 * Scratch<Tuning>::lines;
  int const lane = static_cast<int>(threadIdx.x % 32);
  int const g = lane / 4;
  int const t = lane % 4;
  int const rows = tile.weights.rows - first_row;  // that exist, of sixteen; may be none
  RowFinish<S, T> const upper(operands, tile.weights, first_row + g, factor);
  RowFinish<S, T> const lower(operands, tile.weights, first_row + g + 8, factor);
  int64_t const n = tile.weights.part->first_row + tile.weights.row + first_row;
  int64_t const left = operands.m - tile.first_m;
  // Four columns a line, 32 bytes each; odd lines twisted by 16, so that no two lanes share a bank.
  auto const place = [&](int column, int unit) {
    int const line = column / 4;
    return scratch.line(line) + ((column % 4 * 2 + unit) ^ (line & 1)) * 16;
  };
#pragma unroll
  for (int from = 0; from < Tuning::columns; from += at_once) {
    __syncwarp();
#pragma unroll
    for (int j = from / 8; j < (from + at_once) / 8; ++j)
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        int const column = 8 * j - from + 2 * t + e;
        reinterpret_cast<T*>(place(column, 0))[g] = upper(sum[4 * j + e]);
        reinterpret_cast<T*>(place(column, 1))[g] = lower(sum[4 * j + 2 + e]);
      }
    __syncwarp();
    int const columns = left - from < at_once ? static_cast<int>(left - from) : at_once;
    bool const whole = rows >= 16 && operands.n % 8 == 0 && n % 8 == 0 &&
                       reinterpret_cast<uintptr_t>(operands.y) % 16 == 0;
    T* const y = operands.y + (tile.first_m + from) * operands.n + n;
    if (whole) {
      for (int i = lane; i < columns * 2; i += 32)
        *reinterpret_cast<uint4*>(y + i / 2 * operands.n + i % 2 * 8) =
            *reinterpret_cast<uint4 const*>(place(i / 2, i % 2));
    } else {
      for (int i = lane; i < columns * 16; i += 32)
        if (i % 16 < rows)
          y[i / 16 * operands.n + i % 16] =
              reinterpret_cast<T const*>(place(i / 16, i % 16 / 8))[i % 8];
    }
  }
}

}  // namespace qfmt::inline v0::gemm
