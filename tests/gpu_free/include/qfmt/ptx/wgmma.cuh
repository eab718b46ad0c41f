// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Double of the library's header of this name. Products are exact and added in float64 with the
// accumulator, then rounded once to f32: at least as exact as the hardware.
#pragma once

#include "qfmt/dtype.hpp"
#include "qfmt/ptx/shared.cuh"

#include "gpu_free/warpgroup.hpp"

namespace qfmt::inline v0::ptx {

inline uint64_t tile_descriptor(void const* tile, GPU_FREE_SITE) {
  uint32_t const address = gpu_free::shared_address(tile, site);
  if (address % 1024 != 0 || address > 0x3FFFFu)
    gpu_free::fail("tile_descriptor: dynamic shared memory at a multiple of 1024 bytes", site);
  return address >> 4 | uint64_t{1} << 16 | uint64_t{64} << 32 | uint64_t{1} << 62;
}

namespace detail {
template <class D, int Half>
void wgmma(gpu_free::Operand type, D (&d)[Half], uint32_t const* a, uint64_t a_tile,
           uint64_t b_tile, bool accumulate, gpu_free::Site site) {
  constexpr int N = 2 * Half;
  static_assert(N == 8 || N == 16 || N == 24 || N == 32 || N == 64 || N == 96 || N == 128 ||
                N == 192 || N == 256);
  gpu_free::wgmma_issue({type, N, d, a, a_tile, b_tile, accumulate}, site);
}
template <Element T>
constexpr gpu_free::Operand operand_type =
    Float16Like<T> ? gpu_free::Operand::half : gpu_free::Operand::bfloat;
}  // namespace detail

template <Element T, int Half>
void wgmma_m64k16(float (&d)[Half], uint32_t const (&a)[4], uint64_t b, bool accumulate,
                  GPU_FREE_SITE) {
  static_assert(sizeof(T) == 2);
  detail::wgmma(detail::operand_type<T>, d, a, 0, b, accumulate, site);
}
template <Element T, int Half>
void wgmma_m64k16(float (&d)[Half], uint64_t a, uint64_t b, bool accumulate, GPU_FREE_SITE) {
  static_assert(sizeof(T) == 2);
  detail::wgmma(detail::operand_type<T>, d, nullptr, a, b, accumulate, site);
}
template <int Half>
void wgmma_m64k32(int32_t (&d)[Half], uint32_t const (&a)[4], uint64_t b, bool accumulate,
                  GPU_FREE_SITE) {
  detail::wgmma(gpu_free::Operand::byte, d, a, 0, b, accumulate, site);
}
template <int Half>
void wgmma_m64k32(int32_t (&d)[Half], uint64_t a, uint64_t b, bool accumulate, GPU_FREE_SITE) {
  detail::wgmma(gpu_free::Operand::byte, d, nullptr, a, b, accumulate, site);
}

inline void wgmma_fence(GPU_FREE_SITE) { gpu_free::wgmma_fence(site); }
inline void wgmma_commit(GPU_FREE_SITE) { gpu_free::wgmma_commit(site); }
template <int Groups>
void wgmma_wait(GPU_FREE_SITE) {
  gpu_free::wgmma_wait(Groups, site);
}
template <class D, int Half>
void hold(D (&)[Half]) {}
template <int Groups, class D, int Half>
void wgmma_wait(D (&)[Half], GPU_FREE_SITE) {
  gpu_free::wgmma_wait(Groups, site);
}

inline void sync_warpgroup(int id, GPU_FREE_SITE) {
  if (id < 1 || id > 15) gpu_free::fail("sync_warpgroup: not a named barrier", site);
  gpu_free::sync_named(static_cast<unsigned>(id), 128, site);
}

template <int Registers>
void raise_registers() {
  static_assert(Registers % 8 == 0 && Registers >= 24 && Registers <= 256);
}
template <int Registers>
void lower_registers() {
  static_assert(Registers % 8 == 0 && Registers >= 24 && Registers <= 256);
}

}  // namespace qfmt::inline v0::ptx
