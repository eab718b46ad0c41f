// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What the shadow remembers, as its sources share it.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gpu_free/fault.hpp"
#include "shadow.hpp"
#include <sys/mman.h>

namespace gpu_free::shadow {

inline constexpr std::uint32_t atomic_bit = 1u << 31;

/// Who touched a byte: thread `who & ~atomic_bit` of the cluster that ran as number `cluster`, at
/// its clock. Numbers from 2^30 on are asynchronous copies.
struct Access {
  std::uint32_t cluster = 0;
  std::uint32_t clock = 0;
  std::uint32_t who = 0;
};

struct Cell {
  Access write;
  Access read[2];  // by the two threads that read last
};

inline constexpr std::uint32_t async_bit = 1u << 30;

/// Memory that the kernel fills from zero pages on first touch.
template <class T>
class Sparse {
 public:
  explicit Sparse(std::size_t count) : bytes_(std::max<std::size_t>(count, 1) * sizeof(T)) {
    void* const map = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) throw Fault("the harness got no memory to watch a buffer with");
    data_ = static_cast<T*>(map);
  }
  Sparse(Sparse&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}
  Sparse& operator=(Sparse&&) = delete;
  ~Sparse() {
    if (data_ != nullptr) munmap(data_, bytes_);
  }
  T& operator[](std::size_t i) const { return data_[i]; }

 private:
  T* data_ = nullptr;
  std::size_t bytes_;
};

struct Region {
  std::size_t bytes;
  Sparse<Cell> cells;
  Sparse<std::uint8_t> defined;
  explicit Region(std::size_t n) : bytes(n), cells(n), defined(n) {}
};

struct BlockView {
  Clock base;  // what every thread of the block knows
};

struct State {
  std::map<std::uintptr_t, Region> buffers;
  std::map<std::uintptr_t, Region>::iterator recent;
  std::vector<Region> dynamic;  // per block of the cluster
  std::vector<Region> statics;  // none or one

  std::uint32_t launch_first = 1;  // cluster numbers of earlier launches are below
  std::uint32_t cluster = 0;
  unsigned threads = 0, per_block = 0;
  Clock clock;  // own, per thread
  std::vector<BlockView> block;
  std::vector<Clock> row;  // what one thread knows beyond its block; empty: nothing
  std::vector<std::array<std::uint32_t, 32>> lanes;  // what one thread knows of its warp
  std::vector<std::uint32_t> issued;                 // asynchronous operations per thread
  std::vector<std::uint32_t> proxy_fenced;           // clock up to which its writes are fenced

  // Between blocks: an atomic on a word passes on that a block's writes can be seen.
  std::unordered_map<std::uintptr_t, std::set<std::uint32_t>> passed;
  std::set<std::uint32_t> acquired;
  std::uint64_t last_write = 0, last_fence = 0, now = 0;

  std::uint64_t accesses = 0;  // of the running thread since it last waited
  unsigned counted = ~0u;
};

State& state();

#if defined(GPU_FREE_SHADOW)
inline constexpr bool on = true;
#else
inline constexpr bool on = false;
#endif

/// What thread t knows of index i: a thread, or threads + j for what thread j issued.
std::uint32_t known(State const& s, unsigned t, unsigned i);

/// Raises `into` to all that thread t knows.
void add_knowledge(State const& s, unsigned t, Clock& into);

}  // namespace gpu_free::shadow
