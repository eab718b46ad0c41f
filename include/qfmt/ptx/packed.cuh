// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic on two 16-bit or four 8-bit numbers in one register. Device code only.
#pragma once

#include "qfmt/dtype.hpp"

namespace qfmt::inline v0::ptx {

/// a + b of each half, rounded once to T. bfloat16: sm_80 and up.
template <Element T>
__device__ inline uint32_t add_pairs(uint32_t a, uint32_t b) {
  uint32_t r;
  if constexpr (Float16Like<T>) {
    asm("add.rn.f16x2 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));
  } else {
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(0x3F803F80u), "r"(b));
  }
  return r;
}

/// a * b + c of each half, rounded once to T. bfloat16: sm_80 and up.
template <Element T>
__device__ inline uint32_t fma_pairs(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t r;
  if constexpr (Float16Like<T>) {
    asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
  } else {
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
  }
  return r;
}

/// c + the sum of the products of four signed bytes of a and of b.
__device__ inline int32_t dot_s8x4(uint32_t a, uint32_t b, int32_t c) {
  int32_t r;
  asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
  return r;
}

}  // namespace qfmt::inline v0::ptx
