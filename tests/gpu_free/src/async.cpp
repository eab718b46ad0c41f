// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0

#include "gpu_free/async.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "gpu_free/machine.hpp"
#include "gpu_free/settings.hpp"
#include "scheduler.hpp"
#include "shadow.hpp"

namespace gpu_free {

namespace {

struct Mbarrier {
  unsigned owner = 0;         // the thread that initialised it
  bool fenced = false;        // by mbarrier_init_fence
  unsigned expected = 0;      // arrivals per phase
  unsigned pending = 0;       // still to come in this phase
  std::int64_t tx_bytes = 0;  // expected and not yet landed
  std::uint64_t phase = 0;
  std::vector<unsigned> waiting;
  shadow::Clock gathering;  // from this phase's arrivals
  shadow::Clock passed;     // from all complete phases
};

struct BulkCopy {
  std::vector<Piece> pieces;
  void* barrier;
  Async by;
  Site site;
};

struct ThreadCopy {
  Piece piece;
  Async by;
};

struct ThreadCopies {
  std::vector<ThreadCopy> open;                    // not yet committed
  std::vector<std::vector<ThreadCopy>> committed;  // oldest first
};

std::map<void*, Mbarrier> mbarriers;
std::vector<BulkCopy> in_flight;
std::map<unsigned, ThreadCopies> thread_copies;

bool lands_at_once() { return settings().seed % 2 == 1; }

Mbarrier& mbarrier_at(void* barrier, Site site) {
  auto const at = mbarriers.find(barrier);
  if (at == mbarriers.end()) fail("an mbarrier is used that was not initialised", site);
  return at->second;
}

void try_complete(Mbarrier& m) {
  if (m.pending != 0 || m.tx_bytes != 0) return;
  ++m.phase;
  m.pending = m.expected;
  m.passed.resize(std::max(m.passed.size(), m.gathering.size()));
  for (std::size_t i = 0; i < m.gathering.size(); ++i)
    m.passed[i] = std::max(m.passed[i], m.gathering[i]);
  m.gathering.clear();
  for (unsigned const id : std::exchange(m.waiting, {})) {
    shadow::acquire(id, m.passed);
    scheduler::wake(id);
  }
}

void move(Piece const& piece, Async const& by) {
  if (piece.from != nullptr) shadow::access(by, piece.from, piece.bytes, shadow::Kind::read);
  shadow::access(by, piece.to, piece.bytes, shadow::Kind::write);
  if (piece.from != nullptr) {
    std::memcpy(piece.to, piece.from, piece.bytes);
  } else {
    std::memset(piece.to, 0, piece.bytes);
  }
}

void land(BulkCopy const& copy) {
  Mbarrier& m = mbarrier_at(copy.barrier, copy.site);
  std::size_t bytes = 0;
  for (Piece const& piece : copy.pieces) {
    move(piece, copy.by);
    bytes += piece.bytes;
  }
  shadow::complete(copy.by, m.gathering);
  m.tx_bytes -= static_cast<std::int64_t>(bytes);
  try_complete(m);
}

/// Lands one copy whose mbarrier somebody waits for.
bool progress() {
  std::vector<std::size_t> candidates;
  for (std::size_t i = 0; i < in_flight.size(); ++i) {
    auto const m = mbarriers.find(in_flight[i].barrier);
    if (m != mbarriers.end() && !m->second.waiting.empty()) candidates.push_back(i);
  }
  if (candidates.empty()) return false;
  std::size_t const pick =
      candidates[scheduler::random(static_cast<std::uint32_t>(candidates.size()))];
  BulkCopy const copy = std::move(in_flight[pick]);
  in_flight.erase(in_flight.begin() + static_cast<std::ptrdiff_t>(pick));
  land(copy);
  return true;
}

void begin_cluster() {
  mbarriers.clear();
  in_flight.clear();
  thread_copies.clear();
}

void end_cluster() {
  if (!in_flight.empty())
    fail("the block ended while a bulk copy was in flight", in_flight.front().site);
}

[[maybe_unused]] bool const registered = [] {
  scheduler::async_hooks() = {begin_cluster, progress, end_cluster};
  return true;
}();

/// The thread's own copies land by the thread's hand when it waits for them.
void land(std::vector<ThreadCopy> const& group) {
  for (ThreadCopy const& copy : group) {
    move(copy.piece, copy.by);
    async_done(copy.by);
  }
}

}  // namespace

Async issue_async() {
  Outside const outside;
  return shadow::issue();
}
void async_reads(Async const& by, void const* pointer, std::size_t bytes) {
  Outside const outside;
  shadow::access(by, pointer, bytes, shadow::Kind::read);
}
void async_writes(Async const& by, void* pointer, std::size_t bytes) {
  Outside const outside;
  shadow::access(by, pointer, bytes, shadow::Kind::write);
}
void async_done(Async const& operation) {
  Outside const outside;
  shadow::Clock clock;
  shadow::complete(operation, clock);
  shadow::acquire(clock);
}

void mbarrier_init(void* barrier, unsigned arrivals, Site site) {
  Outside const outside;
  if (arrivals == 0) fail("mbarrier.init with no arrivals", site);
  if (reinterpret_cast<std::uintptr_t>(barrier) % 8 != 0) fail("an mbarrier is misaligned", site);
  shadow::access(barrier, 8, shadow::Kind::write);
  Mbarrier m;
  m.owner = thread().id;
  m.expected = m.pending = arrivals;
  mbarriers[barrier] = m;
}

void mbarrier_init_fence(Site) {
  Outside const outside;
  for (auto& [address, m] : mbarriers)
    if (m.owner == thread().id) m.fenced = true;
}

void async_proxy_fence() {
  Outside const outside;
  shadow::async_proxy_fence();
}

void mbarrier_invalidate(void* barrier, Site site) {
  Outside const outside;
  mbarrier_at(barrier, site);
  shadow::access(barrier, 8, shadow::Kind::write);
  mbarriers.erase(barrier);
}

unsigned mbarrier_arrive(void* barrier, unsigned count, Site site) {
  Outside const outside;
  Mbarrier& m = mbarrier_at(barrier, site);
  shadow::access(barrier, 8, shadow::Kind::atomic);
  if (m.pending < count) fail("more arrivals than the mbarrier's phase expects", site);
  unsigned const parity = static_cast<unsigned>(m.phase & 1u);
  shadow::release(m.gathering);
  m.pending -= count;
  try_complete(m);
  return parity;
}

void mbarrier_expect_tx(void* barrier, std::uint32_t bytes, Site site) {
  Outside const outside;
  Mbarrier& m = mbarrier_at(barrier, site);
  shadow::access(barrier, 8, shadow::Kind::atomic);
  m.tx_bytes += bytes;
}

bool mbarrier_test(void* barrier, unsigned parity, bool may_block, Site site) {
  Outside const outside;
  Mbarrier& m = mbarrier_at(barrier, site);
  shadow::access(barrier, 8, shadow::Kind::atomic);
  auto const complete = [&] { return (m.phase & 1u) != (parity & 1u); };
  if (!complete()) {
    bool const gives_up = settings().seed > 1 && scheduler::random(4) == 0;
    if (!may_block || gives_up) {
      pause(site);
      if (!complete()) return false;
    } else {
      m.waiting.push_back(thread().id);
      scheduler::block("an mbarrier", site);
    }
  }
  shadow::acquire(m.passed);
  return true;
}

void bulk_copy(Piece const* pieces, std::size_t count, void* barrier, Site site) {
  Outside const outside;
  std::vector<Piece> parts(pieces, pieces + count);
  for (Piece const& p : parts)
    if (reinterpret_cast<std::uintptr_t>(p.to) % 16 != 0 || p.bytes % 16 != 0 ||
        reinterpret_cast<std::uintptr_t>(p.from) % 16 != 0)
      fail("a bulk copy is not made of aligned 16-byte units", site);
  if (!mbarrier_at(barrier, site).fenced)
    fail("a bulk copy's mbarrier was initialised without fence_barrier_init", site);
  shadow::access(barrier, 8, shadow::Kind::atomic);
  BulkCopy copy{std::move(parts), barrier, issue_async(), site};
  if (lands_at_once()) {
    land(copy);
  } else {
    in_flight.push_back(std::move(copy));
  }
}

void thread_copy(Piece piece, Site site) {
  Outside const outside;
  if (piece.bytes != 4 && piece.bytes != 8 && piece.bytes != 16)
    fail("cp.async copies 4, 8 or 16 bytes", site);
  if (reinterpret_cast<std::uintptr_t>(piece.to) % piece.bytes != 0 ||
      reinterpret_cast<std::uintptr_t>(piece.from) % piece.bytes != 0)
    fail("cp.async is misaligned", site);
  thread_copies[thread().id].open.push_back({piece, issue_async()});
}

void thread_copy_commit() {
  Outside const outside;
  ThreadCopies& mine = thread_copies[thread().id];
  mine.committed.push_back(std::exchange(mine.open, {}));
}

void thread_copy_wait(unsigned groups_left, Site) {
  Outside const outside;
  auto& groups = thread_copies[thread().id].committed;
  while (groups.size() > groups_left) {
    land(groups.front());
    groups.erase(groups.begin());
  }
}

void thread_copy_arrive(void* barrier, bool counts, Site site) {
  Outside const outside;
  ThreadCopies& mine = thread_copies[thread().id];
  Mbarrier& m = mbarrier_at(barrier, site);
  if (!counts) ++m.pending;
  for (auto const& group : std::exchange(mine.committed, {})) land(group);
  land(std::exchange(mine.open, {}));
  mbarrier_arrive(barrier, 1, site);
}

}  // namespace gpu_free
