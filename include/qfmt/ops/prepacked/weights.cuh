// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Prepacked weights in shared memory as the register operand of the tiled matmul: one access for
// what takes four of raw weights.
#pragma once

#include "qfmt/layout/prepacked_matrix.hpp"
#include "qfmt/ops/gemm/weights.cuh"

namespace qfmt::inline v0::gemm {

/// Decodes one step of a stage of whole tiles; else as for raw codes.
template <SchemeSpec S, class Decoder>
requires qfmt::detail::is_prepacked<S> __device__ void decode_step(uint8_t const* codes,
                                                                   int first_row, int step,
                                                                   Decoder const& decoder,
                                                                   StepOperands& out) {
  int const lane = static_cast<int>(threadIdx.x % 32);
  int const row = qfmt::detail::unit_row(lane);
  uint8_t const* const from = codes + (first_row + row) * stream::stage_bytes;
#pragma unroll
  for (int half = 0; half < S::bits / 4; ++half) {  // 32 bytes of the rows
    int const unit = (step * S::bits / 4 + half) * 2 + lane % 2;
    uint4 const v = *reinterpret_cast<uint4 const*>(from + (unit ^ row % 8) * 16);
    uint32_t const words[2][2] = {{v.x, v.y}, {v.z, v.w}};  // of rows g and g + 8
#pragma unroll
    for (int h = 0; h < 2; ++h)
#pragma unroll
      for (int w = 0; w < 2; ++w) {
        uint32_t const word = words[h][w];
        if constexpr (S::bits == 4) {  // two pairs each of 16 values
          out.a[2 * w][h] = decoder.pair_at(word, 0);
          out.a[2 * w][h + 2] = decoder.pair_at(word, 1);
          out.a[2 * w + 1][h] = decoder.pair_at(word, 2);
          out.a[2 * w + 1][h + 2] = decoder.pair_at(word, 3);
        } else {
          out.a[2 * half + w][h] = decoder.pair_at(word, 0);
          out.a[2 * half + w][h + 2] = decoder.pair_at(word, 1);
        }
      }
  }
}

}  // namespace qfmt::inline v0::gemm
