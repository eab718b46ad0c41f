// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Memory of the harness itself: fibers' stacks, guarded regions, and what AddressSanitizer must be
// told about both.
#pragma once

#include <cstddef>
#include <utility>

#include <boost/context/stack_context.hpp>

namespace gpu_free {

struct StackBounds {
  void const* bottom = nullptr;
  std::size_t size = 0;
};

/// The sanitizer's fiber calls; nothing without it.
void start_switch(void** fake_stack, StackBounds to);
void finish_switch(void* fake_stack, StackBounds* from);

/// A region with inaccessible pages on both sides; it ends (up to 16 bytes) at the upper ones.
class GuardedMemory {
 public:
  GuardedMemory() = default;
  explicit GuardedMemory(std::size_t bytes, std::size_t misalignment = 0,
                         bool reserve_only = false);
  ~GuardedMemory();
  GuardedMemory(GuardedMemory&& other) noexcept { swap(other); }
  GuardedMemory& operator=(GuardedMemory&& other) noexcept {
    GuardedMemory(std::move(other)).swap(*this);
    return *this;
  }
  std::byte* data() const { return data_; }
  std::byte* first() const { return first_; }  // all that can be accessed, [first, last)
  std::byte* last() const { return last_; }

 private:
  void swap(GuardedMemory& other) {
    std::swap(map_, other.map_);
    std::swap(map_bytes_, other.map_bytes_);
    std::swap(first_, other.first_);
    std::swap(last_, other.last_);
    std::swap(data_, other.data_);
  }
  void* map_ = nullptr;
  std::size_t map_bytes_ = 0;
  std::byte* first_ = nullptr;
  std::byte* last_ = nullptr;
  std::byte* data_ = nullptr;
};

/// A fiber's stack, with a guard page below, taken from a pool.
class Stack {
 public:
  Stack() = default;
  Stack(Stack&& other) noexcept : bottom_(std::exchange(other.bottom_, nullptr)) {}
  Stack& operator=(Stack&& other) noexcept {
    bottom_ = std::exchange(other.bottom_, nullptr);  // an abandoned stack is not reused
    return *this;
  }
  ~Stack();
  void prepare();
  std::size_t size() const;
  void* top() const { return bottom_ + size(); }
  StackBounds bounds() const { return {bottom_, size()}; }
  bool contains(void const* p) const { return p >= bottom_ && p < bottom_ + size(); }

 private:
  std::byte* bottom_ = nullptr;
};

/// Fibers run on memory that the harness owns.
struct NoAllocator {
  boost::context::stack_context allocate() { return {}; }
  void deallocate(boost::context::stack_context&) {}
};

/// Repeats the 4-byte pattern over a range that may hold a sanitizer's red zones.
void fill_unchecked(std::byte* first, std::size_t bytes, unsigned char const (&pattern)[4]);

}  // namespace gpu_free
