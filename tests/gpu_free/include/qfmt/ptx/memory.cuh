// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Double of the library's header of this name. Hints do nothing but check their arguments; kernels
// of one stream run one after the other, so a dependent launch never waits.
#pragma once

#include "qfmt/config.hpp"

#include "gpu_free/machine.hpp"

namespace qfmt::inline v0::ptx {

inline void prefetch_l2(void const* global, uint32_t bytes, GPU_FREE_SITE) {
  if (reinterpret_cast<uintptr_t>(global) % 16 != 0 || bytes % 16 != 0)
    gpu_free::fail("prefetch_l2: address and size are multiples of 16", site);
}

inline void wait_for_dependencies() {}
inline void launch_dependents() {}

}  // namespace qfmt::inline v0::ptx
