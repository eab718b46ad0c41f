// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What a test chooses about the emulated device.
#pragma once

#include <cstdint>
#include <functional>

namespace gpu_free {

struct Settings {
  /// Order of blocks, of ready threads, and landing time of asynchronous copies: 0 ascending,
  /// 1 descending, else shuffled.
  std::uint64_t seed = 0;

  /// Blocks run in ascending order under every seed: for kernels whose blocks wait for such of
  /// lower index.
  bool keeps_block_order = false;

  /// Picks the bytes that fresh buffers and shared memory hold.
  std::uint64_t poison = 0;

  int sm_count = 132;
  int compute_major = 9;
  int compute_minor = 0;
  bool stream_is_capturing = false;

  /// Where set, only clusters (blocks, without clusters) that it accepts run: the far end of a grid
  /// can be tried without running all of it.
  std::function<bool(std::uint64_t index, std::uint64_t count)> runs_block;

  /// Memory accesses one thread may make between two waits; beyond them it is said to spin.
  std::uint64_t spin_limit = 200'000'000;
};

Settings& settings();

/// Sets seed and poison to `seed` and restores both at the end of its scope.
class Seeded {
 public:
  explicit Seeded(std::uint64_t seed) : kept_(settings()) {
    settings().seed = seed;
    settings().poison = seed;
  }
  ~Seeded() {
    settings().seed = kept_.seed;
    settings().poison = kept_.poison;
  }
  Seeded(Seeded const&) = delete;
  Seeded& operator=(Seeded const&) = delete;

 private:
  Settings kept_;
};

/// Blocks run in ascending order to the end of its scope, whatever the seed.
class BlocksInOrder {
 public:
  BlocksInOrder() : kept_(settings().keeps_block_order) { settings().keeps_block_order = true; }
  ~BlocksInOrder() { settings().keeps_block_order = kept_; }
  BlocksInOrder(BlocksInOrder const&) = delete;
  BlocksInOrder& operator=(BlocksInOrder const&) = delete;

 private:
  bool kept_;
};

/// Runs `body` under seeds 0 .. count - 1.
template <class Body>
void for_each_seed(std::uint64_t count, Body&& body) {
  for (std::uint64_t seed = 0; seed < count; ++seed) {
    Seeded const seeded(seed);
    body(seed);
  }
}

}  // namespace gpu_free
