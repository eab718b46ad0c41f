// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Double of the library's header of this name: the map holds the shape itself, and a copy is made
// of runs of at most 16 bytes, each at its swizzled place.
#pragma once

#include "qfmt/ptx/bulk.cuh"

#include <cstring>
#include <vector>

namespace qfmt::inline v0::ptx {

struct alignas(64) TensorMap {
  unsigned char bytes[128];
};

struct TensorMapShape {
  int64_t rows;
  int64_t cols;
  int64_t row_bytes;
  int element_bytes;
  int tile_rows;
};

namespace detail {
struct TensorMapContent {
  TensorMapShape shape;
  std::byte const* data;
  uint32_t mark;
};
constexpr uint32_t tensor_map_mark = 0x7E4503A9u;
}  // namespace detail

inline cudaError_t make_tensor_map(TensorMap& map, void const* data, TensorMapShape shape) {
  bool const valid = reinterpret_cast<uintptr_t>(data) % 16 == 0 && shape.row_bytes % 16 == 0 &&
                     shape.rows > 0 && shape.cols > 0 && shape.tile_rows > 0 &&
                     shape.tile_rows <= 256 &&
                     (shape.element_bytes == 1 || shape.element_bytes == 2) &&
                     shape.row_bytes >= shape.cols * shape.element_bytes;
  if (!valid) return cudaErrorInvalidValue;
  detail::TensorMapContent const content{shape, static_cast<std::byte const*>(data),
                                         detail::tensor_map_mark};
  std::memcpy(map.bytes, &content, sizeof content);
  return cudaSuccess;
}

namespace detail {

/// The 16-byte units of a tile, cut where the matrix ends.
inline std::vector<gpu_free::Piece> tile_pieces(std::byte* shared, TensorMapContent const& map,
                                                int row, int col, gpu_free::Site site) {
  std::vector<gpu_free::Piece> pieces;
  int const bytes = map.shape.element_bytes;
  if (col * bytes % 16 != 0)
    gpu_free::fail("a tensor copy's first column is not a multiple of 16 bytes", site);
  uint32_t const base = gpu_free::shared_address(shared, site);
  for (int r = 0; r < map.shape.tile_rows; ++r)
    for (int e = 0; e < 128 / bytes; ++e) {  // elements, joined into runs below
      auto const address = base + static_cast<uint32_t>(r * 128 + e * bytes);
      std::byte* const to = shared + ((address ^ (address >> 7 & 7u) << 4) - base);
      int64_t const y = int64_t{row} + r, x = int64_t{col} + e;
      bool const inside = y >= 0 && y < map.shape.rows && x >= 0 && x < map.shape.cols;
      std::byte const* const from =
          inside ? map.data + y * map.shape.row_bytes + x * bytes : nullptr;
      if (!pieces.empty() && e * bytes % 16 != 0) {
        gpu_free::Piece& last = pieces.back();
        bool const goes_on = inside
                                 ? last.from != nullptr &&
                                       static_cast<std::byte const*>(last.from) + last.bytes == from
                                 : last.from == nullptr;
        if (goes_on) {
          last.bytes += static_cast<std::size_t>(bytes);
          continue;
        }
      }
      pieces.push_back({to, from, static_cast<std::size_t>(bytes)});
    }
  return pieces;
}

inline TensorMapContent content_of(TensorMap const* map, gpu_free::Site site) {
  TensorMapContent content;
  std::memcpy(&content, map->bytes, sizeof content);
  if (content.mark != tensor_map_mark || reinterpret_cast<uintptr_t>(map) % 64 != 0)
    gpu_free::fail("a tensor copy without a tensor map", site);
  return content;
}

}  // namespace detail

inline void copy_tile(void* shared, TensorMap const* map, int row, int col, Barrier* barrier,
                      GPU_FREE_SITE) {
  gpu_free::Outside const outside;
  if (gpu_free::shared_address(shared, site) % 128 != 0)
    gpu_free::fail("a tensor copy's tile is not aligned to 128 bytes", site);
  auto const pieces = detail::tile_pieces(static_cast<std::byte*>(shared),
                                          detail::content_of(map, site), row, col, site);
  gpu_free::tensor_copy(pieces.data(), pieces.size(), barrier, site);
}

inline void copy_tile_multicast(void* shared, TensorMap const* map, int row, int col,
                                Barrier* barrier, uint16_t blocks, GPU_FREE_SITE) {
  gpu_free::Outside const outside;
  auto const own = detail::tile_pieces(static_cast<std::byte*>(shared),
                                       detail::content_of(map, site), row, col, site);
  for (unsigned rank = 0; rank < 16; ++rank) {
    if (!(blocks >> rank & 1u)) continue;
    auto pieces = own;
    for (gpu_free::Piece& p : pieces) p.to = gpu_free::map_shared(p.to, rank, site);
    gpu_free::tensor_copy(pieces.data(), pieces.size(), gpu_free::map_shared(barrier, rank, site),
                          site);
  }
}

inline void prefetch_map(TensorMap const* map, GPU_FREE_SITE) { detail::content_of(map, site); }

}  // namespace qfmt::inline v0::ptx
