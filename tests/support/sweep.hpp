// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Sweeps over float bit patterns on all cores.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <optional>
#include <thread>
#include <vector>

namespace sweep {

#if defined(__SANITIZE_ADDRESS__) || defined(QFMT_TEST_EMULATED)  // or as slow
inline constexpr bool sanitized = true;
#elif defined(__has_feature)
inline constexpr bool sanitized = __has_feature(address_sanitizer);
#else
inline constexpr bool sanitized = false;
#endif

/// In the ordinary tests 2^26 of the 2^32 patterns, 2^20 under a sanitizer.
inline constexpr std::uint64_t ordinary_stride = sanitized ? 4096 : 64;

struct Outcome {
  std::uint64_t visited = 0;
  std::optional<std::uint32_t> first_failure;  // the lowest pattern for which `holds` was false
};

/// Calls holds(float) for one pattern in each run of `stride`; which one varies from run to run, so
/// that no low bit is left out. stride 1: every pattern.
template <class Holds>
Outcome floats(std::uint64_t stride, Holds const& holds) {
  constexpr std::uint64_t patterns = std::uint64_t{1} << 32;
  constexpr std::uint64_t chunk = std::uint64_t{1} << 24;
  std::atomic<std::uint64_t> next{0}, visited{0}, lowest{patterns};
  auto const work = [&] {
    for (std::uint64_t begin; (begin = next.fetch_add(chunk)) < patterns;) {
      std::uint64_t count = 0;
      for (std::uint64_t run = begin; run < begin + chunk; run += stride, ++count) {
        std::uint64_t const phase = (run / stride * 0x9E3779B97F4A7C15u >> 32) % stride;
        auto const bits = static_cast<std::uint32_t>(run + phase);
        if (holds(std::bit_cast<float>(bits))) continue;
        std::uint64_t seen = lowest.load();
        while (bits < seen && !lowest.compare_exchange_weak(seen, bits)) {
        }
      }
      visited += count;
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < std::max(1u, std::thread::hardware_concurrency()); ++i)
    threads.emplace_back(work);
  work();
  for (auto& thread : threads) thread.join();
  Outcome outcome{visited, std::nullopt};
  if (lowest != patterns) outcome.first_failure = static_cast<std::uint32_t>(lowest.load());
  return outcome;
}

}  // namespace sweep
