// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Portable loops, compiled again for wider registers: the compiler's own vectorization at every
// level, without a kernel for each.
#pragma once

#include "qfmt/host/simd/compiler.hpp"
#include "qfmt/host/simd/level.hpp"

namespace qfmt::inline v0::host::simd {

#if defined(__x86_64__)
template <class Run>
[[gnu::flatten]] QFMT_AVX2 void compiled_for_avx2(Run const& run) {
  run();
}

template <class Run>
[[gnu::flatten]] QFMT_AVX512 void compiled_for_avx512(Run const& run) {
  run();
}
#endif

/// Calls run(), inlined into code for a level. The bits do not change: what run does is sums in a
/// fixed order, whose products are exact or stored before they are added.
template <class Run>
void compiled_for([[maybe_unused]] SimdLevel level, Run const& run) {
#if defined(__x86_64__)
  if (level >= SimdLevel::avx512) return compiled_for_avx512(run);
  if (level >= SimdLevel::avx2) return compiled_for_avx2(run);
#endif
  run();
}

}  // namespace qfmt::inline v0::host::simd
