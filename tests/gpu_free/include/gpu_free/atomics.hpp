// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// CUDA's atomics: a plain operation between two points where other threads may run, reported to the
// shadow as atomic.
#pragma once

#include <cstddef>
#include <type_traits>

#include "gpu_free/machine.hpp"

namespace gpu_free {
/// Reports an atomic on a word by the running thread; fails where it is not aligned.
void touch_atomic(void* p, std::size_t bytes, Site site);

namespace detail {
template <class T, class Op>
__attribute__((no_sanitize("thread"))) T atomic(T* p, Op op, Site site) {
  static_assert(sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8);
  pause(site);
  touch_atomic(p, sizeof(T), site);
  T const old = *p;
  *p = op(old);
  return old;
}
}  // namespace detail
}  // namespace gpu_free

#define GPU_FREE_ATOMIC(name, expression)                                   \
  template <class T>                                                        \
  T atomic##name(T* p, std::type_identity_t<T> value, GPU_FREE_SITE) {      \
    auto const op = [value](T old) __attribute__((no_sanitize("thread"))) { \
      return static_cast<T>(expression);                                    \
    };                                                                      \
    return ::gpu_free::detail::atomic(p, op, site);                         \
  }
GPU_FREE_ATOMIC(Add, old + value)
GPU_FREE_ATOMIC(Sub, old - value)
GPU_FREE_ATOMIC(Max, old > value ? old : value)
GPU_FREE_ATOMIC(Min, old < value ? old : value)
GPU_FREE_ATOMIC(Or, old | value)
GPU_FREE_ATOMIC(And, old& value)
GPU_FREE_ATOMIC(Xor, old ^ value)
GPU_FREE_ATOMIC(Exch, (static_cast<void>(old), value))
GPU_FREE_ATOMIC(Inc, old >= value ? T{0} : old + 1)
GPU_FREE_ATOMIC(Dec, old == 0 || old > value ? value : old - 1)
#undef GPU_FREE_ATOMIC

template <class T>
T atomicCAS(T* p, std::type_identity_t<T> compare, std::type_identity_t<T> value, GPU_FREE_SITE) {
  auto const op = [=](T old) __attribute__((no_sanitize("thread"))) {
    return old == compare ? value : old;
  };
  return ::gpu_free::detail::atomic(p, op, site);
}
