// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Which instruction set host operations use: the one place that decides, at run time.
//
// The technique. Kernels are raw intrinsics in free functions that carry their `target` attribute,
// written by hand for AVX-512, AVX2 and NEON over the scalar codec, which stays the reference that
// each must equal bit for bit and which does every block that is not ordinary (a scale of 0, NaN or
// infinity, a reciprocal that overflows). One walk over blocks (codec.hpp) hands the others to the
// kernels in runs, and matmul.hpp does the same with packed rows of x. No consumer flag is needed
// and none matters: no `#if __AVX2__` chooses between bodies of one function, so two translation
// units with different -march define the same functions. Compilers' own vectorization,
// std::experimental::simd and Highway were measured and rejected (2 to 20 times slower, or not
// compiled by nvcc). Rules for the kernels:
//
//  - no lambda inside a target function: nvcc drops the attribute from it;
//  - a helper has its caller's target or a smaller one, else it does not inline;
//  - a product that must round before a sum passes through `rounded`: g++ fuses intrinsics, too;
//  - a tail goes through a padded buffer, so nothing outside the operands is read or written.
#pragma once

#include "qfmt/codec/options.hpp"
#include "qfmt/host/simd/compiler.hpp"

#include <cstdlib>
#include <string_view>

namespace qfmt::inline v0::host {

namespace simd {

/// What this CPU and its operating system offer.
#if defined(__x86_64__)
inline SimdLevel detect() {
  CpuFeatures const cpu = cpu_features();
  return cpu.avx512_bf16 ? SimdLevel::avx512_bf16
         : cpu.avx512    ? SimdLevel::avx512
         : cpu.avx2      ? SimdLevel::avx2
                         : SimdLevel::scalar;
}
#elif defined(__aarch64__)
inline SimdLevel detect() { return SimdLevel::neon; }
#else
inline SimdLevel detect() { return SimdLevel::scalar; }
#endif

/// The level that a name stands for; `best` for any other text.
constexpr SimdLevel level_named(std::string_view name) {
  if (name == "scalar") return SimdLevel::scalar;
  if (name == "neon") return SimdLevel::neon;
  if (name == "avx2") return SimdLevel::avx2;
  if (name == "avx512") return SimdLevel::avx512;
  if (name == "avx512_bf16") return SimdLevel::avx512_bf16;
  return SimdLevel::best;
}

/// `wanted` where a CPU of level `has` can do it, else the nearest below that it can.
constexpr SimdLevel limited(SimdLevel wanted, SimdLevel has) {
  if (wanted == SimdLevel::best || wanted >= has) return has;
  bool const x86 = has >= SimdLevel::avx2;
  return x86 && wanted == SimdLevel::neon ? SimdLevel::scalar : wanted;
}

}  // namespace simd

/// The level that an operation asked for `wanted` runs at. `best` is this CPU's, or what the
/// environment variable QFMT_SIMD (scalar, neon, avx2, avx512, avx512_bf16) names at the first call
/// if that is less.
inline SimdLevel simd_level(SimdLevel wanted = SimdLevel::best) {
  static SimdLevel const has = simd::detect();
  static SimdLevel const usual = [] {
    char const* const name = std::getenv("QFMT_SIMD");
    return simd::limited(name != nullptr ? simd::level_named(name) : SimdLevel::best, has);
  }();
  return wanted == SimdLevel::best ? usual : simd::limited(wanted, has);
}

}  // namespace qfmt::inline v0::host
