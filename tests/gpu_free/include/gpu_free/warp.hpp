// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Barriers, shuffles, votes and fences under CUDA's names. Shuffles and votes bring the lanes of
// the mask together but order no memory, as CUDA has it.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <type_traits>

#include "gpu_free/machine.hpp"

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
inline constexpr int warpSize = 32;

inline void __syncthreads(GPU_FREE_SITE) { ::gpu_free::sync_block(site); }
inline void __syncwarp(unsigned mask = 0xFFFFFFFFu, GPU_FREE_SITE) {
  ::gpu_free::sync_warp(mask, site);
}
void __threadfence();
void __threadfence_block();
void __threadfence_system();
inline void __nanosleep(unsigned, GPU_FREE_SITE) { ::gpu_free::pause(site); }

namespace gpu_free::detail {

/// A lane's word and the lane it wants to read; each lane gets the word of its source.
template <class T>
struct Shuffle {
  T value;
  int source;
};

template <class T>
T shuffle(unsigned mask, char const* what, T value, int source, Site site) {
  Shuffle<T> mine{value, source};
  auto const exchange = [&](std::array<Shuffle<T>*, 32> const& lanes) {
    std::array<T, 32> values{};
    for (unsigned i = 0; i < 32; ++i)
      if (lanes[i] != nullptr) values[i] = lanes[i]->value;
    for (unsigned i = 0; i < 32; ++i) {
      if (lanes[i] == nullptr) continue;
      unsigned const from = static_cast<unsigned>(lanes[i]->source);
      if (lanes[from] == nullptr)
        fail(std::string(what) + ": reads lane " + std::to_string(from) + ", which the mask lacks",
             site);
      lanes[i]->value = values[from];
    }
  };
  converge(mask, what, mine, exchange, site);
  return mine.value;
}

inline void check_width(int width, Site site) {
  if (width < 1 || width > 32 || (width & (width - 1)) != 0)
    fail("a shuffle's width is a power of two up to 32", site);
}

inline int own_lane() { return static_cast<int>(thread().lane()); }

}  // namespace gpu_free::detail

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, GPU_FREE_SITE) {
  ::gpu_free::detail::check_width(width, site);
  int const first = ::gpu_free::detail::own_lane() & ~(width - 1);
  return ::gpu_free::detail::shuffle(mask, "__shfl_sync", value, first + (source & (width - 1)),
                                     site);
}

template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, GPU_FREE_SITE) {
  ::gpu_free::detail::check_width(width, site);
  int const lane = ::gpu_free::detail::own_lane(), first = lane & ~(width - 1);
  int const from = lane - static_cast<int>(delta & 31u);
  return ::gpu_free::detail::shuffle(mask, "__shfl_up_sync", value, from < first ? lane : from,
                                     site);
}

template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, GPU_FREE_SITE) {
  ::gpu_free::detail::check_width(width, site);
  int const lane = ::gpu_free::detail::own_lane(), last = lane | (width - 1);
  int const from = lane + static_cast<int>(delta & 31u);
  return ::gpu_free::detail::shuffle(mask, "__shfl_down_sync", value, from > last ? lane : from,
                                     site);
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, GPU_FREE_SITE) {
  ::gpu_free::detail::check_width(width, site);
  int const lane = ::gpu_free::detail::own_lane(), last = lane | (width - 1);
  int const from = lane ^ (bits & 31);
  return ::gpu_free::detail::shuffle(mask, "__shfl_xor_sync", value, from > last ? lane : from,
                                     site);
}

inline unsigned __ballot_sync(unsigned mask, int predicate, GPU_FREE_SITE) {
  struct Vote {
    bool yes;
    unsigned all;
  } mine{predicate != 0, 0};
  auto const count = [](std::array<Vote*, 32> const& lanes) {
    unsigned all = 0;
    for (unsigned i = 0; i < 32; ++i)
      if (lanes[i] != nullptr && lanes[i]->yes) all |= 1u << i;
    for (Vote* const lane : lanes)
      if (lane != nullptr) lane->all = all;
  };
  ::gpu_free::converge(mask, "a vote", mine, count, site);
  return mine.all;
}

inline int __any_sync(unsigned mask, int predicate, GPU_FREE_SITE) {
  return __ballot_sync(mask, predicate, site) != 0;
}
inline int __all_sync(unsigned mask, int predicate, GPU_FREE_SITE) {
  return __ballot_sync(mask, predicate, site) == mask;
}

namespace gpu_free::detail {
/// All lanes of the mask get what `combine` makes of their words.
template <class T, class Combine>
T reduce(unsigned mask, char const* what, T value, Combine combine, Site site) {
  static_assert(sizeof(T) == 4 && std::is_integral_v<T>);
  auto const all = [&](std::array<T*, 32> const& lanes) {
    T const* first = nullptr;
    T result{};
    for (T const* const lane : lanes)
      if (lane != nullptr) {
        result = first == nullptr ? *lane : combine(result, *lane);
        first = lane;
      }
    for (T* const lane : lanes)
      if (lane != nullptr) *lane = result;
  };
  converge(mask, what, value, all, site);
  return value;
}
}  // namespace gpu_free::detail

#define GPU_FREE_REDUCE(name, expression)                                           \
  template <class T>                                                                \
  T __reduce_##name##_sync(unsigned mask, T value, GPU_FREE_SITE) {                 \
    auto const combine = [](T a, T b) { return static_cast<T>(expression); };       \
    return ::gpu_free::detail::reduce(mask, "__reduce_sync", value, combine, site); \
  }
GPU_FREE_REDUCE(add, a + b)
GPU_FREE_REDUCE(max, a > b ? a : b)
GPU_FREE_REDUCE(min, a < b ? a : b)
GPU_FREE_REDUCE(or, a | b)
GPU_FREE_REDUCE(and, a& b)
GPU_FREE_REDUCE(xor, a ^ b)
#undef GPU_FREE_REDUCE

inline unsigned __activemask() { return ::gpu_free::lane_active_mask(); }
