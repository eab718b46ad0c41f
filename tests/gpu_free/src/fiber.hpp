// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The simulated machine as the sources of the scheduler share it: fibers, barriers, the cluster
// that runs.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "gpu_free/launch.hpp"
#include "gpu_free/machine.hpp"
#include "scheduler.hpp"
#include "shadow.hpp"
#include "stack.hpp"
#include <boost/context/fiber.hpp>

namespace gpu_free::scheduler {

enum class State { ready, waiting, ended };

/// One barrier with a count of threads: the block's, a named one, the cluster's.
struct Barrier {
  std::vector<unsigned> arrived;  // all that count, the waiting ones among them
  std::vector<unsigned> waiting;
  unsigned expected = 0;
  unsigned votes = 0;
  Site site{};
  shadow::Clock gathered;  // what those that arrived knew
};

struct Fiber {
  boost::context::fiber self;
  boost::context::fiber* scheduler = nullptr;
  void* fake_stack = nullptr;
  Stack stack;
  Thread thread;
  State state = State::ready;
  char const* why = "";
  Site site{};
  bool at_warp = false;  // inside converge
  unsigned mask = 0;
  void* payload = nullptr;
  unsigned cluster_phase = 0;  // arrivals at the cluster's barrier
  bool in_kernel = false;      // between enter_kernel and leave_kernel
  int outside = 0;             // depth of Outside scopes
};

struct Machine {
  Shape shape;
  std::function<void()> const* body = nullptr;
  std::vector<Fiber> fibers;
  std::vector<unsigned> ready;
  std::vector<unsigned> live;  // per block
  std::vector<std::array<Barrier, 16>> barriers;
  std::vector<unsigned> votes;  // per block, of its barrier that opened last
  Barrier cluster;
  unsigned cluster_generation = 0;
  shadow::Clock cluster_passed;
  Fiber* running = nullptr;
  std::optional<std::string> fault;
  std::uint64_t random_state = 1;
  void* scheduler_fake_stack = nullptr;
  StackBounds scheduler_stack{};
  GuardedMemory dynamic;
  std::size_t slot = 0;  // bytes from one block's dynamic memory to the next
};

extern Machine machine;

std::string text_of(Site site);
std::string text_of(uint3 v);

/// Gives the processor to the scheduler's loop; returns when the running fiber is resumed.
void switch_to_scheduler();

/// One thread fewer to wait for at its block's and its cluster's barrier.
void thread_ended(Fiber& fiber);

}  // namespace gpu_free::scheduler
