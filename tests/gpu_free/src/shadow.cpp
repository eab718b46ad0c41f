// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0

//
// The checks of each access, and the buffers they know.

#include "shadow.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>

#include "gpu_free/machine.hpp"
#include "gpu_free/settings.hpp"
#include "scheduler.hpp"
#include "shadow_state.hpp"

extern char __executable_start[], _end[];

namespace gpu_free::shadow {

State& state() {
  static auto* const s = new State;
  return *s;
}

namespace {

std::string name_of(Access const& a) {
  std::uint32_t const who = a.who & ~(atomic_bit | async_bit);
  std::string const name =
      a.cluster == state().cluster
          ? scheduler::name_of(who)
          : "another block of this launch (its thread " + std::to_string(who) + ")";
  return (a.who & async_bit) != 0 ? "an asynchronous copy issued by " + name : name;
}

/// Whether an earlier access is ordered before what `t` (or an asynchronous operation that knew
/// `async`) does now.
bool ordered(State const& s, Access const& before, bool shared, unsigned t, Clock const* async) {
  if (before.cluster < s.launch_first) return true;
  if (before.cluster != s.cluster) return shared || s.acquired.count(before.cluster) != 0;
  std::uint32_t const who = before.who & ~(atomic_bit | async_bit);
  bool const was_async = (before.who & async_bit) != 0;
  unsigned const index = was_async ? s.threads + who : who;
  if (async != nullptr) return (*async)[index] >= before.clock;
  if (!was_async && who == t) return true;
  return known(s, t, index) >= before.clock;
}

struct Place {
  Region* region;
  std::size_t offset;
  bool shared;
  std::string name() const {
    return (shared ? "shared memory + " : "device memory + ") + std::to_string(offset);
  }
};

Place find(State& s, std::byte const* p) {
  for (unsigned rank = 0; rank < s.dynamic.size(); ++rank) {
    auto const range = scheduler::dynamic_range(rank);
    if (range.contains(p))
      return {&s.dynamic[rank], static_cast<std::size_t>(p - range.first), true};
  }
  auto const fixed = scheduler::static_range();
  if (fixed.contains(p)) return {&s.statics[0], static_cast<std::size_t>(p - fixed.first), true};
  auto const address = reinterpret_cast<std::uintptr_t>(p);
  auto at = s.recent;
  if (at == s.buffers.end() || address < at->first || address >= at->first + at->second.bytes) {
    at = s.buffers.upper_bound(address);
    if (at == s.buffers.begin()) return {nullptr, 0, false};
    --at;
    if (address >= at->first + at->second.bytes) return {nullptr, 0, false};
    s.recent = at;
  }
  return {&at->second, address - at->first, false};
}

/// What is neither shared memory, a buffer nor the thread's own: constants of the program may be
/// read, all else is out of bounds.
void check_foreign(State& s, std::byte const* p, std::size_t bytes, Kind kind) {
  auto const address = reinterpret_cast<std::uintptr_t>(p);
  bool const image = address >= reinterpret_cast<std::uintptr_t>(__executable_start) &&
                     address < reinterpret_cast<std::uintptr_t>(_end);
  if (kind == Kind::read && (image || scheduler::is_thread_record(p))) return;
  std::string text = kind == Kind::read ? "reads " : "writes ";
  char hex[32];
  std::snprintf(hex, sizeof hex, " at %p", static_cast<void const*>(p));
  text += std::to_string(bytes) + " bytes" + hex +
          " outside of shared memory and of every device buffer";
  auto near = s.buffers.upper_bound(address);
  if (near != s.buffers.begin()) {
    --near;
    std::uintptr_t const past = address - (near->first + near->second.bytes);
    if (past < 4096) text += ": " + std::to_string(past) + " past the end of one";
  }
  near = s.buffers.upper_bound(address);
  if (near != s.buffers.end() && near->first - address < 4096)
    text += ": " + std::to_string(near->first - address) + " before the begin of one";
  fail(text);
}

void check_byte(State& s, Place const& place, Access const& now, Kind kind, unsigned t,
                Clock const* async) {
  Cell& cell = place.region->cells[place.offset];
  bool const atomic = kind == Kind::atomic;
  if (kind != Kind::write) {
    bool const defined =
        place.shared ? cell.write.cluster == s.cluster : place.region->defined[place.offset] != 0;
    if (!defined) fail("reads what nobody has written: " + place.name());
  }
  bool const both_atomic = atomic && (cell.write.who & atomic_bit) != 0;
  if (!both_atomic && !ordered(s, cell.write, place.shared, t, async))
    fail("race: " + std::string(kind == Kind::read ? "reads " : "writes ") + place.name() +
         ", written by " + name_of(cell.write) + " without synchronisation");
  if (async != nullptr && kind == Kind::read && place.shared && (cell.write.who & async_bit) == 0 &&
      s.proxy_fenced[cell.write.who & ~atomic_bit] < cell.write.clock)
    fail("an asynchronous operation reads " + place.name() + ", written by " + name_of(cell.write) +
         " without a proxy fence after it");
  if (kind == Kind::read) {
    if (cell.read[0].who != now.who || cell.read[0].cluster != now.cluster)
      cell.read[1] = cell.read[0];
    cell.read[0] = now;
    return;
  }
  for (Access const& read : cell.read)
    if (!ordered(s, read, place.shared, t, async))
      fail("race: writes " + place.name() + ", read by " + name_of(read) +
           " without synchronisation");
  cell.write = now;
  if (!place.shared) {
    place.region->defined[place.offset] = 1;
    if (!atomic) s.last_write = ++s.now;
  }
}

/// True for device memory.
bool check(State& s, void const* pointer, std::size_t bytes, Access const& now, Kind kind,
           unsigned t, Clock const* async) {
  auto const* const p = static_cast<std::byte const*>(pointer);
  Place place = find(s, p);
  if (place.region == nullptr) {
    check_foreign(s, p, bytes, kind);
    return false;
  }
  if (place.offset + bytes > place.region->bytes) {
    std::size_t const inside = place.region->bytes - place.offset;
    if (place.shared) fail("runs over the end of shared memory");
    check_foreign(s, p + inside, bytes - inside, kind);
  }
  for (std::size_t i = 0; i < bytes; ++i, ++place.offset) check_byte(s, place, now, kind, t, async);
  return !place.shared;
}

/// An atomic lets the block see what earlier ones on the word have passed on, and passes on this
/// block's own writes where a fence stands between them and it.
void pass_on(State& s, void const* pointer) {
  auto& passed = s.passed[reinterpret_cast<std::uintptr_t>(pointer)];
  s.acquired.insert(passed.begin(), passed.end());
  if (s.last_fence >= s.last_write) {
    passed.insert(s.cluster);
    passed.insert(s.acquired.begin(), s.acquired.end());
  }
}

void count_accesses(State& s, unsigned t) {
  if (s.counted != t) {
    s.counted = t;
    s.accesses = 0;
  }
  if (++s.accesses > settings().spin_limit) fail("spins: too many accesses without a wait");
}

}  // namespace

bool enabled() { return on; }

void begin_launch() {
  if (!on) return;
  State& s = state();
  s.launch_first = s.cluster + 1;
  s.passed.clear();
  s.dynamic.clear();
  for (unsigned rank = 0; rank < scheduler::blocks(); ++rank)
    s.dynamic.emplace_back(scheduler::dynamic_range(rank).bytes);
  if (s.statics.empty()) s.statics.emplace_back(scheduler::static_range().bytes);
  s.recent = s.buffers.end();
}

void begin_cluster(unsigned blocks, unsigned threads_per_block) {
  if (!on) return;
  State& s = state();
  ++s.cluster;
  s.per_block = threads_per_block;
  s.threads = blocks * threads_per_block;
  s.clock.assign(s.threads, 1);
  s.block.assign(blocks, {});
  for (BlockView& b : s.block) b.base.assign(2 * s.threads, 0);
  s.row.assign(s.threads, {});
  s.lanes.assign(s.threads, {});
  s.issued.assign(s.threads, 0);
  s.proxy_fenced.assign(s.threads, 0);
  s.acquired.clear();
  s.last_write = s.last_fence = s.now = 0;
}

void end_cluster() {}

void access(void const* pointer, std::size_t bytes, Kind kind) {
  if (!on) return;
  State& s = state();
  unsigned const t = thread().id;
  count_accesses(s, t);
  Access const now{s.cluster, s.clock[t], t | (kind == Kind::atomic ? atomic_bit : 0u)};
  bool const device = check(s, pointer, bytes, now, kind, t, nullptr);
  if (device && kind == Kind::atomic) pass_on(s, pointer);
}

Async issue() {
  Async result;
  if (!on) return result;
  State& s = state();
  result.issuer = thread().id;
  result.serial = ++s.issued[result.issuer];
  add_knowledge(s, result.issuer, result.known);
  // Later operations of the same thread are not ordered after this one, nor are its own accesses.
  ++s.clock[result.issuer];
  return result;
}

void access(Async const& by, void const* pointer, std::size_t bytes, Kind kind) {
  if (!on) return;
  State& s = state();
  check(s, pointer, bytes, {s.cluster, by.serial, by.issuer | async_bit}, kind, by.issuer,
        &by.known);
}

void complete(Async const& done, Clock& into) {
  if (!on) return;
  State const& s = state();
  into.resize(2 * s.threads);
  std::uint32_t& entry = into[s.threads + done.issuer];
  entry = std::max(entry, done.serial);
}

void add_buffer(void* data, std::size_t bytes) {
  if (!on) return;
  State& s = state();
  s.buffers.emplace(reinterpret_cast<std::uintptr_t>(data), Region(bytes));
  s.recent = s.buffers.end();
}

void remove_buffer(void* data) {
  if (!on) return;
  State& s = state();
  s.buffers.erase(reinterpret_cast<std::uintptr_t>(data));
  s.recent = s.buffers.end();
}

void set_defined(void const* data, std::size_t bytes, bool defined) {
  if (!on || bytes == 0) return;
  State& s = state();
  Place const place = find(s, static_cast<std::byte const*>(data));
  if (place.region == nullptr) return;
  std::memset(&place.region->defined[place.offset], defined ? 1 : 0, bytes);
}

bool is_defined(void const* data, std::size_t bytes) {
  if (!on || bytes == 0) return true;
  State& s = state();
  Place const place = find(s, static_cast<std::byte const*>(data));
  if (place.region == nullptr) return true;
  auto const* const first = &place.region->defined[place.offset];
  return std::find(first, first + bytes, 0) == first + bytes;
}

}  // namespace gpu_free::shadow
