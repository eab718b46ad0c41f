// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Double of the library's header of this name: the warp's fragments are gathered into matrices by
// the PTX manual's lane layouts, multiplied, and handed back. Products are exact and added in
// float64, the sum is rounded once to f32: at least as exact as the hardware, whose order and
// truncation of sums no document gives.
#pragma once

#include "qfmt/dtype.hpp"
#include "qfmt/ptx/shared.cuh"

#include <array>

#include "gpu_free/async.hpp"

namespace qfmt::inline v0::ptx {

namespace detail {

/// 16-bit element `half` of a register as a number.
template <Element T>
double element_of(uint32_t word, int half) {
  auto const bits = static_cast<uint16_t>(word >> (16 * half));
  return Float16Like<T> ? half_bits_to_float(bits) : bfloat_bits_to_float(bits);
}

inline int byte_of(uint32_t word, int i) { return static_cast<int8_t>(word >> (8 * i)); }

template <class D>
struct MmaLane {
  D* d;
  uint32_t const* a;
  uint32_t const* b;
  D const* c;
};

/// D = A (16 x K) * B (K x 8) + C over a warp. Where element e of a register of lane (g, t) lies:
/// per register E elements of k; `at(word, e)` reads one.
template <int E, class Sum, class D, class At>
void multiply_fragments(std::array<MmaLane<D>*, 32> const& lanes, At at) {
  constexpr int K = 8 * E;
  Sum a[16][K]{}, b[K][8]{};
  for (int l = 0; l < 32; ++l) {
    int const g = l / 4, t = l % 4;
    for (int e = 0; e < E; ++e) {
      for (int r = 0; r < 4; ++r)
        a[g + 8 * (r % 2)][E * t + e + 4 * E * (r / 2)] = at(lanes[l]->a[r], e);
      for (int r = 0; r < 2; ++r) b[E * t + e + 4 * E * r][g] = at(lanes[l]->b[r], e);
    }
  }
  D result[32][4];
  for (int l = 0; l < 32; ++l)
    for (int r = 0; r < 4; ++r) {
      int const row = l / 4 + 8 * (r / 2), column = 2 * (l % 4) + r % 2;
      Sum sum = 0;
      for (int k = 0; k < K; ++k) sum += a[row][k] * b[k][column];
      result[l][r] = static_cast<D>(sum + lanes[l]->c[r]);
    }
  for (int l = 0; l < 32; ++l)
    for (int r = 0; r < 4; ++r) lanes[l]->d[r] = result[l][r];
}

}  // namespace detail

template <Element T>
void mma_m16n8k16(float (&d)[4], uint32_t const (&a)[4], uint32_t const (&b)[2],
                  float const (&c)[4], GPU_FREE_SITE) {
  static_assert(sizeof(T) == 2);
  detail::MmaLane<float> mine{d, a, b, c};
  auto const multiply = [](std::array<detail::MmaLane<float>*, 32> const& lanes) {
    detail::multiply_fragments<2, double>(lanes, detail::element_of<T>);
  };
  gpu_free::converge(0xFFFFFFFFu, "mma_m16n8k16", mine, multiply, site);
}

inline void mma_m16n8k32(int32_t (&d)[4], uint32_t const (&a)[4], uint32_t const (&b)[2],
                         int32_t const (&c)[4], GPU_FREE_SITE) {
  detail::MmaLane<int32_t> mine{d, a, b, c};
  auto const multiply = [](std::array<detail::MmaLane<int32_t>*, 32> const& lanes) {
    detail::multiply_fragments<4, int64_t>(lanes, detail::byte_of);
  };
  gpu_free::converge(0xFFFFFFFFu, "mma_m16n8k32", mine, multiply, site);
}

namespace detail {

struct MatrixLane {
  uint32_t* r;
  std::byte const* row;  // null where this lane's address is ignored
};

template <int N, bool Transposed>
void load_matrices(uint32_t (&r)[N], uint32_t shared, gpu_free::Site site) {
  static_assert(N == 1 || N == 2 || N == 4);
  MatrixLane mine{r, nullptr};
  if (gpu_free::thread().lane() < 8 * N) {
    if (shared % 16 != 0) gpu_free::fail("ldmatrix: a row is not aligned to 16 bytes", site);
    mine.row = gpu_free::shared_pointer(shared, site);
    gpu_free::check_read(mine.row, 16);
  }
  auto const load = [](std::array<MatrixLane*, 32> const& lanes) {
    for (int i = 0; i < N; ++i)
      for (int l = 0; l < 32; ++l) {
        uint32_t word = 0;
        for (int e = 0; e < 2; ++e) {
          int const row = Transposed ? 2 * (l % 4) + e : l / 4;
          int const column = Transposed ? l / 4 : 2 * (l % 4) + e;
          uint16_t element;
          std::memcpy(&element, lanes[8 * i + row]->row + 2 * column, 2);
          word |= static_cast<uint32_t>(element) << (16 * e);
        }
        lanes[l]->r[i] = word;
      }
  };
  gpu_free::converge(0xFFFFFFFFu, Transposed ? "ldmatrix.trans" : "ldmatrix", mine, load, site);
}

}  // namespace detail

template <int N>
void load_matrices(uint32_t (&r)[N], uint32_t shared, GPU_FREE_SITE) {
  detail::load_matrices<N, false>(r, shared, site);
}

template <int N>
void load_matrices_transposed(uint32_t (&r)[N], uint32_t shared, GPU_FREE_SITE) {
  detail::load_matrices<N, true>(r, shared, site);
}

}  // namespace qfmt::inline v0::ptx
