// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The side that asks the copy engine for operands, tile after tile, as far ahead as the rings have
// room: one thread for codes and one for x, so that neither waits for the other's ring.
#pragma once

#include "qfmt/ops/gemm/ring.cuh"
#include "qfmt/ops/gemm/schedule.cuh"
#include "qfmt/ops/gemm/tiles.cuh"

namespace qfmt::inline v0::gemm {

template <class Tuning, SchemeSpec S, Element T, int Max>
__device__ void bring_codes(stream::Operands<S, T, Max> const& operands, Maps<Max> const& maps,
                            Shape const& shape, Schedule schedule, Ring const& ring) {
  Turn turn;
  for (Piece piece; schedule.next(piece);) {
    auto const tile = OutputTile<S>::template of<Tuning>(operands, shape, piece.tile).weights;
    for (int stage = piece.begin; stage < piece.end; ++stage) {
      uint8_t* const to = ring.fill(turn);
      ptx::copy_tile(to, &maps.codes[tile.part->index], static_cast<int>(tile.row),
                     stage * stream::stage_bytes, ring.filled(turn));
      turn.next(ring.count());
    }
  }
}

template <class Tuning, SchemeSpec S, Element T, int Max>
__device__ void bring_x(stream::Operands<S, T, Max> const& operands, Maps<Max> const& maps,
                        Shape const& shape, Schedule schedule, Ring const& ring) {
  Turn turn;
  for (Piece piece; schedule.next(piece);) {
    auto const first_m = OutputTile<S>::template of<Tuning>(operands, shape, piece.tile).first_m;
    for (int s = piece.begin * stage_steps<S>; s < piece.end * stage_steps<S>; ++s) {
      uint8_t* const to = ring.fill(turn);
      ptx::copy_tile(to, &maps.x, static_cast<int>(first_m), s * step_values, ring.filled(turn));
      turn.next(ring.count());
    }
  }
}

}  // namespace qfmt::inline v0::gemm
