// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Which accesses are ordered before which: what threads learn from one another.

#include "gpu_free/machine.hpp"
#include "shadow_state.hpp"

namespace gpu_free::shadow {

std::uint32_t known(State const& s, unsigned t, unsigned i) {
  std::uint32_t most = s.block[t / s.per_block].base[i];
  if (!s.row[t].empty()) most = std::max(most, s.row[t][i]);
  unsigned const first = t - (t % s.per_block) % 32;
  if (i >= first && i - first < 32 && i < s.threads && i / s.per_block == t / s.per_block)
    most = std::max(most, s.lanes[t][i - first]);
  return most;
}

void add_knowledge(State const& s, unsigned t, Clock& into) {
  into.resize(2 * s.threads);
  for (unsigned i = 0; i < 2 * s.threads; ++i) into[i] = std::max(into[i], known(s, t, i));
  into[t] = std::max(into[t], s.clock[t]);
}

void release(Clock& into) {
  if (!on) return;
  State& s = state();
  add_knowledge(s, thread().id, into);
  ++s.clock[thread().id];
}

void acquire(unsigned thread, Clock const& from) {
  if (!on || from.empty()) return;
  Clock& row = state().row[thread];
  row.resize(from.size());
  for (std::size_t i = 0; i < from.size(); ++i) row[i] = std::max(row[i], from[i]);
}

void acquire(Clock const& from) { acquire(thread().id, from); }

void join(std::vector<unsigned> const& threads) {
  if (!on) return;
  State& s = state();
  Clock all;
  for (unsigned const t : threads) add_knowledge(s, t, all);
  for (unsigned const t : threads) {
    acquire(t, all);
    ++s.clock[t];
  }
}

void join_block(unsigned rank, std::vector<unsigned> const& threads) {
  if (!on) return;
  State& s = state();
  Clock& base = s.block[rank].base;
  for (unsigned const t : threads) {
    base[t] = std::max(base[t], s.clock[t]++);
    if (s.row[t].empty()) continue;
    for (std::size_t i = 0; i < base.size(); ++i) base[i] = std::max(base[i], s.row[t][i]);
    s.row[t].clear();
  }
}

void join_lanes(unsigned first, unsigned mask) {
  if (!on) return;
  State& s = state();
  std::array<std::uint32_t, 32> all{};
  bool rows = false;
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (!(mask >> lane & 1u)) continue;
    unsigned const t = first + lane;
    for (unsigned i = 0; i < 32; ++i) all[i] = std::max(all[i], s.lanes[t][i]);
    all[lane] = std::max(all[lane], s.clock[t]);
    rows = rows || !s.row[t].empty();
  }
  std::vector<unsigned> threads;
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (!(mask >> lane & 1u)) continue;
    s.lanes[first + lane] = all;
    threads.push_back(first + lane);
    if (!rows) ++s.clock[first + lane];
  }
  if (rows) join(threads);
}

void fence() {
  if (!on) return;
  state().last_fence = ++state().now;
}

void async_proxy_fence() {
  if (!on) return;
  State& s = state();
  unsigned const t = thread().id;
  s.proxy_fenced[t] = s.clock[t]++;
}

}  // namespace gpu_free::shadow
