// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic instructions that C++ has no spelling for: packed maxima and conversions, reciprocals
// by name. Device code only. Kernels reach instructions through qfmt/ptx/ alone, so that tests can
// put functions in their place and run the kernels on a CPU.
#pragma once

#include "qfmt/config.hpp"

namespace qfmt::inline v0::ptx {

/// The larger of each of two signed 16-bit halves.
__device__ inline uint32_t max_s16x2(uint32_t a, uint32_t b) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  uint32_t r;
  asm("max.s16x2 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));
  return r;
#else
  return __vmaxs2(a, b);
#endif
}

/// a > b ? yes : no with subnormals kept; `no` where either is NaN.
__device__ inline uint32_t select_greater(float a, float b, uint32_t yes, uint32_t no) {
  uint32_t r;
  asm("{ .reg .pred p; setp.gt.f32 p, %1, %2; selp.b32 %0, %3, %4, p; }"
      : "=r"(r)
      : "f"(a), "f"(b), "r"(yes), "r"(no));
  return r;
}

/// 1 / a, IEEE: correctly rounded, subnormals kept.
__device__ inline float reciprocal_rn(float a) {
  float r;
  asm("rcp.rn.f32 %0, %1;" : "=f"(r) : "f"(a));
  return r;
}

/// 1 / a within one ulp, subnormals flushed on both sides: what --use_fast_math makes of 1.0f / a.
__device__ inline float reciprocal_approx_ftz(float a) {
  float r;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(a));
  return r;
}

/// a / b within two ulps, subnormals flushed: what --use_fast_math makes of a / b.
__device__ inline float divide_approx_ftz(float a, float b) {
  float r;
  asm("div.approx.ftz.f32 %0, %1, %2;" : "=f"(r) : "f"(a), "f"(b));
  return r;
}

/// a * b with subnormal operands and results flushed to zero.
__device__ inline float mul_ftz(float a, float b) {
  float r;
  asm("mul.rn.ftz.f32 %0, %1, %2;" : "=f"(r) : "f"(a), "f"(b));
  return r;
}

/// Two binary16 bit patterns, `low` in the low half; ties to even, NaN becomes 7FFF.
__device__ inline uint32_t to_half2(float low, float high) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
  uint16_t l, h;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(l) : "f"(low));
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(high));
  return l | static_cast<uint32_t>(h) << 16;
#else
  uint32_t r;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
#endif
}

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
/// Two bfloat16 bit patterns, `low` in the low half; ties to even, NaN becomes 7FFF. sm_80 and up.
__device__ inline uint32_t to_bfloat2(float low, float high) {
  uint32_t r;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
}
#endif

}  // namespace qfmt::inline v0::ptx
