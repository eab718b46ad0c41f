// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The calls that g++ and clang++ put before every memory access under -fsanitize=thread. The tests
// are compiled with that flag and linked with these functions instead of the sanitizer's: what a
// kernel does to shared and device memory goes to the shadow, all else returns at once.

#include <cstring>
#include <string>

#include "scheduler.hpp"
#include "shadow.hpp"

#if defined(GPU_FREE_SHADOW)

namespace {

using gpu_free::shadow::Kind;

void touch(void const* p, std::size_t bytes, Kind kind) {
  if (bytes == 0 || !gpu_free::in_kernel() || gpu_free::scheduler::is_stack(p)) return;
  gpu_free::Outside const outside;
  gpu_free::shadow::access(p, bytes, kind);
}

/// A single access of its own size, as the hardware makes it.
void touch_aligned(void const* p, std::size_t bytes, Kind kind) {
  if (!gpu_free::in_kernel() || gpu_free::scheduler::is_stack(p)) return;
  gpu_free::Outside const outside;
  if (reinterpret_cast<std::uintptr_t>(p) % bytes != 0)
    gpu_free::fail("a misaligned access of " + std::to_string(bytes) + " bytes");
  gpu_free::shadow::access(p, bytes, kind);
}

}  // namespace

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

#define GPU_FREE_HOOKS(n)                                               \
  void __tsan_read##n(void* p) { touch_aligned(p, n, Kind::read); }     \
  void __tsan_write##n(void* p) { touch_aligned(p, n, Kind::write); }   \
  void __tsan_unaligned_read##n(void* p) { touch(p, n, Kind::read); }   \
  void __tsan_unaligned_write##n(void* p) { touch(p, n, Kind::write); } \
  void __tsan_volatile_read##n(void* p) { touch(p, n, Kind::read); }    \
  void __tsan_volatile_write##n(void* p) { touch(p, n, Kind::write); }  \
  void __tsan_read_write##n(void* p) {                                  \
    touch(p, n, Kind::read);                                            \
    touch(p, n, Kind::write);                                           \
  }                                                                     \
  void __tsan_unaligned_read_write##n(void* p) { __tsan_read_write##n(p); }

GPU_FREE_HOOKS(1)
GPU_FREE_HOOKS(2)
GPU_FREE_HOOKS(4)
GPU_FREE_HOOKS(8)
GPU_FREE_HOOKS(16)

void __tsan_read_range(void* p, unsigned long bytes) { touch(p, bytes, Kind::read); }
void __tsan_write_range(void* p, unsigned long bytes) { touch(p, bytes, Kind::write); }

void* __tsan_memcpy(void* to, void const* from, unsigned long bytes) {
  touch(from, bytes, Kind::read);
  touch(to, bytes, Kind::write);
  return std::memcpy(to, from, bytes);
}
void* __tsan_memmove(void* to, void const* from, unsigned long bytes) {
  touch(from, bytes, Kind::read);
  touch(to, bytes, Kind::write);
  return std::memmove(to, from, bytes);
}
void* __tsan_memset(void* to, int value, unsigned long bytes) {
  touch(to, bytes, Kind::write);
  return std::memset(to, value, bytes);
}

// std::atomic of the test itself. Kernels have CUDA's atomics.
#define GPU_FREE_ATOMICS(bits, type)                                                               \
  type __tsan_atomic##bits##_load(type const volatile* p, int) {                                   \
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);                                                   \
  }                                                                                                \
  void __tsan_atomic##bits##_store(type volatile* p, type v, int) {                                \
    __atomic_store_n(p, v, __ATOMIC_SEQ_CST);                                                      \
  }                                                                                                \
  type __tsan_atomic##bits##_exchange(type volatile* p, type v, int) {                             \
    return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);                                            \
  }                                                                                                \
  type __tsan_atomic##bits##_fetch_add(type volatile* p, type v, int) {                            \
    return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);                                             \
  }                                                                                                \
  type __tsan_atomic##bits##_fetch_sub(type volatile* p, type v, int) {                            \
    return __atomic_fetch_sub(p, v, __ATOMIC_SEQ_CST);                                             \
  }                                                                                                \
  type __tsan_atomic##bits##_fetch_and(type volatile* p, type v, int) {                            \
    return __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST);                                             \
  }                                                                                                \
  type __tsan_atomic##bits##_fetch_or(type volatile* p, type v, int) {                             \
    return __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST);                                              \
  }                                                                                                \
  type __tsan_atomic##bits##_fetch_xor(type volatile* p, type v, int) {                            \
    return __atomic_fetch_xor(p, v, __ATOMIC_SEQ_CST);                                             \
  }                                                                                                \
  int __tsan_atomic##bits##_compare_exchange_strong(type volatile* p, type* expected, type v, int, \
                                                    int) {                                         \
    return __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
  }                                                                                                \
  int __tsan_atomic##bits##_compare_exchange_weak(type volatile* p, type* expected, type v, int,   \
                                                  int) {                                           \
    return __tsan_atomic##bits##_compare_exchange_strong(p, expected, v, 0, 0);                    \
  }                                                                                                \
  type __tsan_atomic##bits##_compare_exchange_val(type volatile* p, type expected, type v, int,    \
                                                  int) {                                           \
    __tsan_atomic##bits##_compare_exchange_strong(p, &expected, v, 0, 0);                          \
    return expected;                                                                               \
  }

GPU_FREE_ATOMICS(8, unsigned char)
GPU_FREE_ATOMICS(16, unsigned short)
GPU_FREE_ATOMICS(32, unsigned)
GPU_FREE_ATOMICS(64, unsigned long)

void __tsan_atomic_thread_fence(int) {}
void __tsan_atomic_signal_fence(int) {}

}  // extern "C"

#endif
