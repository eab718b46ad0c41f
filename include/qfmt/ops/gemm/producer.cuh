// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The side that asks the copy engine for operands, tile after tile, as far ahead as the rings have
// room: one thread for codes and one for x, so that neither waits for the other's ring.
#pragma once

#include "qfmt/ops/gemm/ring.cuh"
#include "qfmt/ops/gemm/tiles.cuh"

namespace qfmt::inline v0::gemm {

/// The stages of a tile that this block works on.
struct Share {
  int begin, end;

  __device__ static Share of(Shape const& shape, int rank) {
    return {rank * shape.stages / shape.cluster, (rank + 1) * shape.stages / shape.cluster};
  }
};

template <SchemeSpec S, Element T, int Max>
__device__ void bring_codes(stream::Operands<S, T, Max> const& operands, Maps<Max> const& maps,
                            Shape const& shape, Share share, int columns, int64_t first,
                            int64_t step, Ring const& ring) {
  Turn turn;
  for (int64_t index = first; index < shape.tiles; index += step) {
    auto const tile = OutputTile<S>::of(operands, shape, index, columns).weights;
    for (int stage = share.begin; stage < share.end; ++stage) {
      uint8_t* const to = ring.fill(turn);
      ptx::copy_tile(to, &maps.codes[tile.part->index], static_cast<int>(tile.row),
                     stage * stream::stage_bytes, ring.filled(turn));
      turn.next(ring.count());
    }
  }
}

template <SchemeSpec S, Element T, int Max>
__device__ void bring_x(stream::Operands<S, T, Max> const& operands, Maps<Max> const& maps,
                        Shape const& shape, Share share, int columns, int64_t first, int64_t step,
                        Ring const& ring) {
  Turn turn;
  for (int64_t index = first; index < shape.tiles; index += step) {
    auto const first_m = OutputTile<S>::of(operands, shape, index, columns).first_m;
    for (int s = share.begin * stage_steps<S>; s < share.end * stage_steps<S>; ++s) {
      uint8_t* const to = ring.fill(turn);
      ptx::copy_tile(to, &maps.x, static_cast<int>(first_m), s * step_values, ring.filled(turn));
      turn.next(ring.count());
    }
  }
}

}  // namespace qfmt::inline v0::gemm
