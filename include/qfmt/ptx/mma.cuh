// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Tensor-core products of one warp, and the loads that feed them. Device code only; the products do
// nothing below sm_80.
//
// Lane l = 4g + t holds, as pairs of 16-bit elements with the lower k in the low half,
//   a (16 x 16, row-major)   a[0] = (g, 2t..)  a[1] = (g+8, 2t..)  a[2] = (g, 2t+8..)  a[3] = (g+8,
//   2t+8..) b (16 x 8)               b[0] = (k 2t.., column g)             b[1] = (k 2t+8.., column
//   g) c, d (16 x 8, f32)       d[0], d[1] = (g, 2t), (g, 2t+1)       d[2], d[3] = the same of row
//   g+8
#pragma once

#include "qfmt/dtype.hpp"

namespace qfmt::inline v0::ptx {

/// d = a * b + c, 16 x 8 x 16, products exact, sums in f32. Called by a whole warp.
template <Element T>
__device__ inline void mma_m16n8k16(float (&d)[4], uint32_t const (&a)[4], uint32_t const (&b)[2],
                                    float const (&c)[4]) {
  static_assert(sizeof(T) == 2, "qfmt: tensor cores multiply 16-bit elements here");
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
  if constexpr (Float16Like<T>) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%11,%12,%13};"
        : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "f"(c[0]), "f"(c[1]),
          "f"(c[2]), "f"(c[3]));
  } else {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%11,%12,%13};"
        : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "f"(c[0]), "f"(c[1]),
          "f"(c[2]), "f"(c[3]));
  }
#endif
}

/// d = a * b + c of signed bytes, 16 x 8 x 32, exact. A register holds four k: a[0] = (g, 4t..),
/// a[2] = (g, 4t+16..); b[0] = (k 4t.., column g), b[1] = (k 4t+16..). Called by a whole warp.
__device__ inline void mma_m16n8k32(int32_t (&d)[4], uint32_t const (&a)[4], uint32_t const (&b)[2],
                                    int32_t const (&c)[4]) {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
  asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%11,%12,%13};"
      : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(c[0]), "r"(c[1]),
        "r"(c[2]), "r"(c[3]));
#endif
}

/// N 8 x 8 matrices of 16-bit elements from shared memory: lane 8i + r gives the address of row r
/// of matrix i (16 bytes, aligned to 16; lanes of matrices that are not loaded are ignored) and
/// gets in r[i] the elements (g, 2t), (g, 2t+1) of matrix i. Called by a whole warp.
template <int N>
__device__ inline void load_matrices(uint32_t (&r)[N], uint32_t shared) {
  static_assert(N == 1 || N == 2 || N == 4);
  if constexpr (N == 1) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];"
                 : "=r"(r[0])
                 : "r"(shared)
                 : "memory");
  } else if constexpr (N == 2) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(shared)
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared)
                 : "memory");
  }
}

/// The same, each matrix transposed: r[i] gets the elements (2t, g), (2t+1, g).
template <int N>
__device__ inline void load_matrices_transposed(uint32_t (&r)[N], uint32_t shared) {
  static_assert(N == 1 || N == 2 || N == 4);
  if constexpr (N == 1) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];"
                 : "=r"(r[0])
                 : "r"(shared)
                 : "memory");
  } else if constexpr (N == 2) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(shared)
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared)
                 : "memory");
  }
}

}  // namespace qfmt::inline v0::ptx
