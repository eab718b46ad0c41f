// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0

#include "stack.hpp"

#include <cstring>
#include <vector>

#include "gpu_free/fault.hpp"
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define GPU_FREE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GPU_FREE_ASAN 1
#endif
#endif
#if defined(GPU_FREE_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace gpu_free {

namespace {

constexpr std::size_t page = 4096;
#if defined(GPU_FREE_ASAN)
constexpr std::size_t stack_bytes = 256 * 1024;
#else
constexpr std::size_t stack_bytes = 128 * 1024;
#endif

std::vector<std::byte*>& free_stacks() {
  static auto* const stacks = new std::vector<std::byte*>;  // outlives every static fiber
  return *stacks;
}

std::size_t to_pages(std::size_t bytes) { return (bytes + page - 1) / page * page; }

}  // namespace

void start_switch([[maybe_unused]] void** fake_stack, [[maybe_unused]] StackBounds to) {
#if defined(GPU_FREE_ASAN)
  __sanitizer_start_switch_fiber(fake_stack, to.bottom, to.size);
#endif
}

void finish_switch([[maybe_unused]] void* fake_stack, [[maybe_unused]] StackBounds* from) {
#if defined(GPU_FREE_ASAN)
  void const* bottom = nullptr;
  std::size_t size = 0;
  __sanitizer_finish_switch_fiber(fake_stack, &bottom, &size);
  if (from != nullptr) *from = {bottom, size};
#endif
}

GuardedMemory::GuardedMemory(std::size_t bytes, std::size_t misalignment, bool reserve_only) {
  std::size_t const inner = to_pages(bytes + misalignment + 16);
  map_bytes_ = inner + 2 * page;
  int const flags = MAP_PRIVATE | MAP_ANONYMOUS | (reserve_only ? MAP_NORESERVE : 0);
  map_ = mmap(nullptr, map_bytes_, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (map_ == MAP_FAILED) throw Fault("the harness got no memory for a buffer");
  first_ = static_cast<std::byte*>(map_) + page;
  last_ = first_ + inner;
  mprotect(map_, page, PROT_NONE);
  mprotect(last_, page, PROT_NONE);
  // Dynamic shared memory and buffers alike: as near to the upper guard as the alignment lets it.
  // Whole kilobytes begin on a kilobyte.
  std::size_t const alignment = bytes % 1024 == 0 && misalignment == 0 ? 1024 : 16;
  std::size_t const room = inner - bytes - misalignment;
  data_ = first_ + room / alignment * alignment + misalignment;
#if defined(GPU_FREE_ASAN)
  __asan_poison_memory_region(first_, static_cast<std::size_t>(data_ - first_));
  __asan_poison_memory_region(data_ + bytes, static_cast<std::size_t>(last_ - data_) - bytes);
#endif
}

GuardedMemory::~GuardedMemory() {
  if (map_ == nullptr) return;
#if defined(GPU_FREE_ASAN)
  __asan_unpoison_memory_region(first_, static_cast<std::size_t>(last_ - first_));
#endif
  munmap(map_, map_bytes_);
}

Stack::~Stack() {
  if (bottom_ != nullptr) free_stacks().push_back(bottom_);
}

std::size_t Stack::size() const { return stack_bytes; }

void Stack::prepare() {
  if (bottom_ == nullptr && !free_stacks().empty()) {
    bottom_ = free_stacks().back();
    free_stacks().pop_back();
  }
  if (bottom_ == nullptr) {
    void* const map = mmap(nullptr, stack_bytes + page, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) throw Fault("the harness got no memory for a fiber's stack");
    mprotect(map, page, PROT_NONE);
    bottom_ = static_cast<std::byte*>(map) + page;
  }
#if defined(GPU_FREE_ASAN)
  __asan_unpoison_memory_region(bottom_, stack_bytes);
#endif
}

__attribute__((no_sanitize("address"))) void fill_unchecked(std::byte* first, std::size_t bytes,
                                                            unsigned char const (&pattern)[4]) {
  std::byte volatile* const p = first;  // a memset call would be checked
  for (std::size_t i = 0; i < bytes; ++i) p[i] = static_cast<std::byte>(pattern[i % 4]);
}

}  // namespace gpu_free
