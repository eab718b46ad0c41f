// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// wgmma over a warp: each of a warpgroup's four warps owns 16 of the 64 rows, so a warp's share can
// be computed when that warp waits. Until then accumulators keep their old values.
#pragma once

#include <cstdint>

#include "gpu_free/fault.hpp"

namespace gpu_free {

enum class Operand { half, bfloat, byte };

/// One product as one thread issues it.
struct Wgmma {
  Operand type;
  int n;
  void* d;                 // n / 2 floats, or int32 for bytes
  std::uint32_t const* a;  // 4 registers; null: a_tile
  std::uint64_t a_tile = 0;
  std::uint64_t b_tile = 0;
  bool accumulate = true;
};

void wgmma_fence(Site site);
void wgmma_issue(Wgmma const& product, Site site);
void wgmma_commit(Site site);
void wgmma_wait(unsigned groups_left, Site site);

/// The address of byte `byte` (k runs along it) of row `row` of a tile that a descriptor names.
std::uint32_t tile_address(std::uint64_t descriptor, unsigned row, unsigned byte, Site site);

}  // namespace gpu_free
