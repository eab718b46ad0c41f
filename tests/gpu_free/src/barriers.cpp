// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Where threads meet: warps, barriers of blocks, named barriers, clusters.

#include <algorithm>
#include <numeric>
#include <string_view>

#include "fiber.hpp"

namespace gpu_free {

using scheduler::Barrier;
using scheduler::Fiber;
using scheduler::machine;
using scheduler::State;
using scheduler::text_of;

namespace {

void release(Barrier& barrier) {
  for (unsigned const id : barrier.waiting) scheduler::wake(id);
  barrier = {};
}

/// Opens the block's barrier when all live threads are there.
void try_release_block(unsigned rank) {
  Barrier& barrier = machine.barriers[rank][0];
  if (barrier.arrived.empty() || barrier.arrived.size() < machine.live[rank]) return;
  shadow::join_block(rank, barrier.arrived);
  machine.votes[rank] = barrier.votes;
  release(barrier);
}

void try_release_cluster() {
  unsigned const live = std::accumulate(machine.live.begin(), machine.live.end(), 0u);
  if (machine.cluster.arrived.empty() || machine.cluster.arrived.size() < live) return;
  machine.cluster_passed = machine.cluster.gathered;
  ++machine.cluster_generation;
  release(machine.cluster);
}

}  // namespace

void scheduler::thread_ended(Fiber& fiber) {
  --machine.live[fiber.thread.rank];
  try_release_block(fiber.thread.rank);
  try_release_cluster();
}

void detail::converge(unsigned mask, char const* what, void* payload,
                      void (*op)(void*, Lanes const&), void* context, Site site) {
  Outside const outside;
  Thread const& t = thread();
  if (mask == 0 || !(mask >> t.lane() & 1u))
    fail(std::string(what) + ": the mask does not name the calling lane", site);
  Fiber* const warp = &machine.fibers[t.id - t.lane()];
  unsigned const width = std::min(32u, scheduler::threads_per_block() - (t.linear - t.lane()));
  if (width < 32 && mask >> width != 0)
    fail(std::string(what) + ": the mask names a lane that the block does not have", site);
  Fiber& me = *machine.running;
  me.at_warp = true;
  me.mask = mask;
  me.payload = payload;
  me.why = what;
  me.site = site;
  Lanes lanes{};
  bool complete = true;
  for (unsigned lane = 0; lane < width; ++lane) {
    if (!(mask >> lane & 1u)) continue;
    Fiber const& other = warp[lane];
    if (other.state == State::ended)
      fail(std::string(what) + ": lane " + std::to_string(lane) + " of the mask has ended", site);
    if (!other.at_warp) {
      complete = false;
      continue;
    }
    if (std::string_view(other.why) != what || other.mask != mask)
      fail(std::string(what) + ": lane " + std::to_string(lane) + " of the mask is at " +
               other.why + text_of(other.site) + " with another mask or operation",
           site);
    lanes[lane] = other.payload;
  }
  if (!complete) {
    scheduler::block(what, site);
    return;
  }
  op(context, lanes);
  for (unsigned lane = 0; lane < width; ++lane)
    if (mask >> lane & 1u) {
      warp[lane].at_warp = false;
      if (&warp[lane] != &me) scheduler::wake(warp[lane].thread.id);
    }
  pause(site);
}

void sync_warp(unsigned mask, Site site) {
  Outside const outside;
  int nothing = 0;
  unsigned const first = thread().id - thread().lane();
  converge(
      mask, "__syncwarp", nothing, [=](auto const&) { shadow::join_lanes(first, mask); }, site);
}

void sync_block(Site site) { count_block(false, site); }

unsigned count_block(bool predicate, Site site) {
  Outside const outside;
  Thread const& t = thread();
  Barrier& barrier = machine.barriers[t.rank][0];
  if (!barrier.arrived.empty() &&
      (barrier.site.line != site.line || std::string_view(barrier.site.file) != site.file))
    fail("divergent barrier: this thread is at __syncthreads" + text_of(site) + ", " +
             scheduler::name_of(barrier.arrived.front()) + " is at the one" + text_of(barrier.site),
         site);
  barrier.site = site;
  barrier.votes += predicate;
  barrier.arrived.push_back(t.id);
  barrier.waiting.push_back(t.id);
  if (barrier.arrived.size() == machine.live[t.rank]) {
    std::erase(barrier.waiting, t.id);
    try_release_block(t.rank);
    pause(site);
  } else {
    scheduler::block("__syncthreads", site);
  }
  return machine.votes[t.rank];
}

namespace {
void use_named(unsigned id, unsigned threads, bool waits, Site site) {
  Outside const outside;
  Thread const& t = thread();
  if (threads == 0) threads = scheduler::threads_per_block();
  if (id > 15) fail("a block has barriers 0 to 15, not " + std::to_string(id), site);
  if (threads % 32 != 0) fail("a named barrier counts whole warps", site);
  if (id == 0 && waits && threads == scheduler::threads_per_block()) {
    count_block(false, site);
    return;
  }
  Barrier& barrier = machine.barriers[t.rank][id];
  if (!barrier.arrived.empty() && barrier.expected != threads)
    fail("named barrier " + std::to_string(id) + " is used with two counts of threads", site);
  barrier.expected = threads;
  barrier.arrived.push_back(t.id);
  if (waits) barrier.waiting.push_back(t.id);
  shadow::release(barrier.gathered);
  if (barrier.arrived.size() == threads) {
    for (unsigned const waiter : barrier.waiting) shadow::acquire(waiter, barrier.gathered);
    std::erase(barrier.waiting, t.id);
    release(barrier);
    pause(site);
  } else if (waits) {
    scheduler::block("a named barrier", site);
  }
}
}  // namespace

void sync_named(unsigned id, unsigned threads, Site site) { use_named(id, threads, true, site); }
void arrive_named(unsigned id, unsigned threads, Site site) { use_named(id, threads, false, site); }

void arrive_cluster(Site site) {
  Outside const outside;
  Fiber& me = *machine.running;
  if (me.cluster_phase != machine.cluster_generation)
    fail("barrier.cluster.arrive twice without a wait", site);
  ++me.cluster_phase;
  machine.cluster.arrived.push_back(me.thread.id);
  shadow::release(machine.cluster.gathered);
  try_release_cluster();
}

void wait_cluster(Site site) {
  Outside const outside;
  Fiber& me = *machine.running;
  if (me.cluster_phase == 0 || me.cluster_phase > machine.cluster_generation + 1)
    fail("barrier.cluster.wait without an arrive", site);
  if (me.cluster_phase > machine.cluster_generation) {
    machine.cluster.waiting.push_back(me.thread.id);
    scheduler::block("barrier.cluster.wait", site);
  } else {
    pause(site);
  }
  shadow::acquire(machine.cluster_passed);
}

unsigned lane_active_mask() {
  Outside const outside;
  Thread const& t = thread();
  unsigned mask = 0;
  for (unsigned lane = 0; lane < 32 && t.linear - t.lane() + lane < scheduler::threads_per_block();
       ++lane)
    if (machine.fibers[t.id - t.lane() + lane].state != State::ended) mask |= 1u << lane;
  return mask;
}

}  // namespace gpu_free
