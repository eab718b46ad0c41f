// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Float operations that give the same bits in every build: at -O0 and -O3, with -march=native or
// -ffp-contract=fast, under nvcc's --use_fast_math, and during constant evaluation.
//
// Two things would change them. A compiler may fuse a product into the sum that follows it, so a
// product that must round first passes through `rounded`. And --use_fast_math flushes subnormals
// and approximates division in device code, so there every operation is an instruction by name.
// Host code assumes round-to-nearest; a flush-to-zero mode set by another library changes only
// results or operands below 2^-126 (tests/host/flush_to_zero_test.cpp shows which).
#pragma once

#include "qfmt/ptx.hpp"

namespace qfmt::inline v0 {

/// The bits of x; exact, NaN payloads included.
QFMT_HD constexpr uint32_t float_bits(float x) { return __builtin_bit_cast(uint32_t, x); }
/// The float that has these bits.
QFMT_HD constexpr float float_from_bits(uint32_t bits) { return __builtin_bit_cast(float, bits); }

/// The one NaN the library writes: what the GPU's own arithmetic produces.
inline constexpr uint32_t canonical_nan_bits = 0x7FFFFFFFu;

/// False for NaN and the infinities. Tested on the bits, so -ffinite-math-only cannot remove it.
QFMT_HD constexpr bool is_finite(float x) { return (float_bits(x) & 0x7F800000u) != 0x7F800000u; }

/// True for +0 and -0 only, also where comparisons flush subnormals.
QFMT_HD constexpr bool is_zero(float x) { return (float_bits(x) & 0x7FFFFFFFu) == 0; }

namespace exact {

/// x, hidden from the optimizer: a product that passes through is rounded before it is used.
QFMT_HD constexpr float rounded(float x) {
#if !defined(__CUDA_ARCH__)
  if (!__builtin_is_constant_evaluated()) {
#if defined(__x86_64__)
    asm("" : "+x"(x));
#elif defined(__aarch64__)
    asm("" : "+w"(x));
#else
    float volatile kept = x;
    return kept;
#endif
  }
#endif
  return x;
}

QFMT_HD constexpr float mul(float a, float b) {
#if defined(__CUDA_ARCH__)
  if (!__builtin_is_constant_evaluated()) return ptx::mul_rn(a, b);
#endif
  if (__builtin_is_constant_evaluated()) {  // clang refuses to compute a NaN at compile time
    if (a != a) return a;
    if (b != b) return b;
  }
  return a * b;
}

/// a + b in one rounding.
QFMT_HD constexpr float add(float a, float b) {
#if defined(__CUDA_ARCH__)
  if (!__builtin_is_constant_evaluated()) return ptx::add_rn(a, b);
#endif
  return a + b;
}

/// a - b in one rounding.
QFMT_HD constexpr float sub(float a, float b) {
#if defined(__CUDA_ARCH__)
  if (!__builtin_is_constant_evaluated()) return ptx::sub_rn(a, b);
#endif
  return a - b;
}

/// a / b in one rounding: IEEE division on a device, too.
QFMT_HD constexpr float div(float a, float b) {
#if defined(__CUDA_ARCH__)
  if (!__builtin_is_constant_evaluated()) return ptx::div_rn(a, b);
#endif
  return a / b;
}

/// a as a double; exact.
QFMT_HD constexpr double to_double(float a) {
#if defined(__CUDA_ARCH__)
  if (!__builtin_is_constant_evaluated()) return ptx::to_double(a);
#endif
  return static_cast<double>(a);
}

/// Nearest float, ties to even.
QFMT_HD constexpr float to_float(double a) {
#if defined(__CUDA_ARCH__)
  if (!__builtin_is_constant_evaluated()) return ptx::to_float(a);
#endif
  return static_cast<float>(a);
}

/// a > b by value: subnormals count, a NaN is greater than nothing.
QFMT_HD constexpr bool greater(float a, float b) {
#if defined(__CUDA_ARCH__)
  if (!__builtin_is_constant_evaluated()) return ptx::greater(a, b);
#endif
  return a > b;
}

/// a * b rounded to float, then + c rounded to float: two roundings, never one.
QFMT_HD constexpr float mul_then_add(float a, float b, float c) {
#if defined(__CUDA_ARCH__)
  if (!__builtin_is_constant_evaluated()) return ptx::add_rn(ptx::mul_rn(a, b), c);
#endif
  return rounded(a * b) + c;
}

/// Nearest integer, ties to even. |x| must be at most 2^22; the caller passes a stored or `rounded`
/// x, because the sum below would otherwise swallow the product that made it.
QFMT_HD constexpr int round_to_int(float x) {
#if defined(__CUDA_ARCH__)
  if (!__builtin_is_constant_evaluated()) return ptx::round_to_int(x);
#endif
  float const shift = 0x1.8p23f;  // the float next to shift + x has the integer in its low bits
  return static_cast<int>(float_bits(x + shift) - float_bits(shift));
}

}  // namespace exact
}  // namespace qfmt::inline v0
