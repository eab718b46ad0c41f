// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/layout/prepacked_matrix.hpp"

namespace qfmt::inline v0 {
namespace grid QFMT_HIDDEN {

inline constexpr int prepack_warps = 8;

/// Permutes (Pack) or restores whole tiles in place, one a warp.     cols: tiles side by side
template <int Bits, bool Pack>
__launch_bounds__(prepack_warps * 32) __global__
    void prepack_kernel(uint8_t* codes, int64_t stride, int64_t tiles, int64_t cols) {
  using namespace detail;
  __shared__ uint8_t all[prepack_warps][tile_rows * tile_bytes];
  uint8_t(&moved)[tile_rows * tile_bytes] = all[threadIdx.x / 32];
  int const lane = static_cast<int>(threadIdx.x % 32);
  int64_t const tile = int64_t{blockIdx.x} * prepack_warps + threadIdx.x / 32;
  if (tile >= tiles) return;
  uint8_t* const row = codes + (tile / cols * tile_rows + lane / 2) * stride +
                       tile % cols * tile_bytes + lane % 2 * 16;
  uint8_t mine[16];
  if (reinterpret_cast<uintptr_t>(row) % 16 == 0) {
    uint4 const v = *reinterpret_cast<uint4 const*>(row);
    uint32_t const words[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
    for (int b = 0; b < 16; ++b) mine[b] = static_cast<uint8_t>(words[b / 4] >> b % 4 * 8);
  } else {
#pragma unroll
    for (int b = 0; b < 16; ++b) mine[b] = row[b];
  }
  auto const at = [](TilePlace p) { return p.row * tile_bytes + p.byte; };
#pragma unroll
  for (int b = 0; b < 16; ++b) {
    int const raw = lane % 2 * 16 + b;
    moved[Pack ? at(place_in_tile<Bits>(lane / 2, raw)) : lane * 16 + b] = mine[b];
  }
  __syncwarp();
#pragma unroll
  for (int b = 0; b < 16; ++b) {
    int const raw = lane % 2 * 16 + b;
    mine[b] = moved[Pack ? lane * 16 + b : at(place_in_tile<Bits>(lane / 2, raw))];
  }
  if (reinterpret_cast<uintptr_t>(row) % 16 == 0) {
    uint32_t words[4]{};
#pragma unroll
    for (int b = 0; b < 16; ++b) words[b / 4] |= static_cast<uint32_t>(mine[b]) << b % 4 * 8;
    *reinterpret_cast<uint4*>(row) = uint4{words[0], words[1], words[2], words[3]};
  } else {
#pragma unroll
    for (int b = 0; b < 16; ++b) row[b] = mine[b];
  }
}

}  // namespace grid
}  // namespace qfmt::inline v0
