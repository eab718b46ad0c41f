// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Packed weights in shared memory as the register operand of a warpgroup's tensor-core products,
// k in its natural order: lane 4g + t of warp w takes of rows 16w + g and 16w + g + 8 the values
// 2t, 2t + 1, 2t + 8 and 2t + 9 of every 16.
#pragma once

#include "qfmt/ops/gemm/shape.hpp"
#include "qfmt/ops/stream/fragments.cuh"
#include "qfmt/ptx/packed.cuh"

namespace qfmt::inline v0::gemm {

/// The operands of one step: of each 16 values of k four registers.
struct StepOperands {
  uint32_t a[step_values / 16][4];
};

/// Decodes one step of a stage.
///     codes: a stage, (128, 128 bytes), 16-byte unit u of row r at unit u ^ (r % 8)
///     first_row: the warp's first of the tile
template <SchemeSpec S, class Decoder>
__device__ void decode_step(uint8_t const* codes, int first_row, int step, Decoder const& decoder,
                            StepOperands& out) {
  int const lane = static_cast<int>(threadIdx.x % 32);
  int const g = lane / 4;
  int const t = lane % 4;
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    uint8_t const* const row = codes + (first_row + 8 * h + g) * stream::stage_bytes;
    if constexpr (S::bits == 4) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {  // 16 bytes: 32 values
        uint4 const v = *reinterpret_cast<uint4 const*>(row + ((2 * step + half) ^ g) * 16);
        uint32_t(&low)[4] = out.a[2 * half];
        uint32_t(&high)[4] = out.a[2 * half + 1];
        low[h] = decoder.pair_at(v.x, t);
        low[h + 2] = decoder.pair_at(v.y, t);
        high[h] = decoder.pair_at(v.z, t);
        high[h + 2] = decoder.pair_at(v.w, t);
      }
    } else {
#pragma unroll
      for (int q = 0; q < 4; ++q) {  // 16 bytes: 16 values
        uint8_t const* const unit = row + ((4 * step + q) ^ g) * 16 + t / 2 * 4;
        out.a[q][h] = decoder.pair_at(*reinterpret_cast<uint32_t const*>(unit), t % 2);
        out.a[q][h + 2] = decoder.pair_at(*reinterpret_cast<uint32_t const*>(unit + 8), t % 2);
      }
    }
  }
}

/// Multiplies the operands of a step by their scales and rounds once to T: a scale is the sum of
/// two numbers of T.     scales(0, h, group): of row 16w + g + 8h
template <SchemeSpec S, Element T, class Scales>
__device__ void scale_step(int step, Scales const& scales, StepOperands& w) {
  constexpr int groups = step_values / stream::group_values<S>;
  constexpr int products = stream::group_values<S> / 16;
  constexpr uint32_t minus_zero = 0x80008000u;
  auto const pair_of = [](T value) { return element_bits(value) * 0x00010001u; };
#pragma unroll
  for (int group = 0; group < groups; ++group)
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      float const scale = scales(0, h, step * groups + group);
      T const high = from_float<T>(scale);
      uint32_t const highs = pair_of(high);
      uint32_t const lows = pair_of(from_float<T>(scale - to_float(high)));
#pragma unroll
      for (int q = group * products; q < (group + 1) * products; ++q)
#pragma unroll
        for (int i = h; i < 4; i += 2)
          w.a[q][i] =
              ptx::fma_pairs<T>(w.a[q][i], highs, ptx::fma_pairs<T>(w.a[q][i], lows, minus_zero));
    }
}

}  // namespace qfmt::inline v0::gemm
