// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0

//
// Which fiber runs next, from the seed; clusters and grids from the first thread to the last.

#include "scheduler.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "fiber.hpp"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace gpu_free {

Settings& settings() {
  static Settings value;
  return value;
}

namespace scheduler {

Machine machine;

std::string text_of(Site site) {
  if (site.file == nullptr) return "";
  std::string const file = site.file;
  return " at " + file.substr(file.rfind('/') + 1) + ":" + std::to_string(site.line);
}

std::string text_of(uint3 v) {
  return "(" + std::to_string(v.x) + "," + std::to_string(v.y) + "," + std::to_string(v.z) + ")";
}

void switch_to_scheduler() {
  Fiber& me = *machine.running;
  start_switch(&me.fake_stack, machine.scheduler_stack);
  *me.scheduler = std::move(*me.scheduler).resume();
  finish_switch(me.fake_stack, nullptr);
}

}  // namespace scheduler

using scheduler::Fiber;
using scheduler::machine;
using scheduler::State;
using scheduler::switch_to_scheduler;
using scheduler::text_of;

namespace {

std::vector<scheduler::Hooks>& all_hooks() {
  static std::vector<scheduler::Hooks> hooks;
  return hooks;
}

bool progress() {
  for (scheduler::Hooks const& hooks : all_hooks())
    if (hooks.progress != nullptr && hooks.progress()) return true;
  return false;
}

// Fibers that a fault stopped half-way. They are never resumed and never unwound: kernels need not
// be safe against exceptions. Kept so that they stay reachable.
std::vector<boost::context::fiber>& abandoned() {
  static auto* const fibers = new std::vector<boost::context::fiber>;  // never destroyed
  return *fibers;
}

boost::context::fiber run_thread(boost::context::fiber&& scheduler) {
  finish_switch(nullptr, &machine.scheduler_stack);
  Fiber& me = *machine.running;
  me.scheduler = &scheduler;
  (*machine.body)();
  me.state = State::ended;
  start_switch(nullptr, machine.scheduler_stack);
  return std::move(scheduler);
}

void resume(Fiber& fiber) {
  machine.running = &fiber;
  threadIdx = fiber.thread.index;
  blockIdx = fiber.thread.block;
  start_switch(&machine.scheduler_fake_stack, fiber.stack.bounds());
  fiber.self = std::move(fiber.self).resume();
  finish_switch(machine.scheduler_fake_stack, nullptr);
  machine.running = nullptr;
}

std::string waiting_threads() {
  std::string text;
  int named = 0;
  for (Fiber const& f : machine.fibers) {
    if (f.state != State::waiting) continue;
    if (++named > 6) return text + "\n  ...";
    text += "\n  " + scheduler::name_of(f.thread.id) + " waits for " + f.why + text_of(f.site);
  }
  return text;
}

unsigned take_ready() {
  std::uint64_t const seed = settings().seed;
  std::vector<unsigned>& ready = machine.ready;
  std::size_t at = 0;
  if (seed == 1) at = ready.size() - 1;
  if (seed > 1) at = scheduler::random(static_cast<std::uint32_t>(ready.size()));
  unsigned const id = ready[at];
  if (seed == 0) {
    ready.erase(ready.begin());
  } else {
    ready[at] = ready.back();
    ready.pop_back();
  }
  return id;
}

void run_threads() {
  std::size_t left = machine.fibers.size();
  while (left > 0 && !machine.fault) {
    if (machine.ready.empty()) {
      if (progress()) continue;
      if (machine.fault) break;
      machine.fault = "deadlock: no thread can go on" + waiting_threads();
      break;
    }
    Fiber& fiber = machine.fibers[take_ready()];
    if (fiber.state != State::ready) continue;
    resume(fiber);
    if (fiber.state != State::ended) continue;
    --left;
    scheduler::thread_ended(fiber);
  }
}

/// Shared memory holds quiet NaNs in every float type, different ones per seed, before each block.
void poison_shared() {
  unsigned char const low = static_cast<unsigned char>(settings().poison * 37u + 0xC1u);
  unsigned char const pattern[4] = {low, 0xFF, low, 0xFF};
  auto const fill = [&](scheduler::Range range) {
    fill_unchecked(range.first, range.bytes, pattern);
  };
  for (unsigned rank = 0; rank < scheduler::blocks(); ++rank) fill(scheduler::dynamic_range(rank));
  fill(scheduler::static_range());
}

void set_up(Fiber& fiber, unsigned id, dim3 first_block) {
  Shape const& shape = machine.shape;
  unsigned const per_block = scheduler::threads_per_block();
  Thread& t = fiber.thread;
  t.id = id;
  t.rank = id / per_block;
  t.linear = id % per_block;
  t.index = {t.linear % shape.block.x, t.linear / shape.block.x % shape.block.y,
             t.linear / shape.block.x / shape.block.y};
  dim3 const c = shape.cluster;
  t.block = {first_block.x + t.rank % c.x, first_block.y + t.rank / c.x % c.y,
             first_block.z + t.rank / c.x / c.y};
  fiber.state = State::ready;
  fiber.at_warp = false;
  fiber.cluster_phase = 0;
  fiber.in_kernel = false;
  fiber.outside = 0;
  fiber.fake_stack = nullptr;
  fiber.stack.prepare();
  boost::context::stack_context context;
  context.size = fiber.stack.size();
  context.sp = fiber.stack.top();
  fiber.self = boost::context::fiber(
      std::allocator_arg, boost::context::preallocated(context.sp, context.size, context),
      NoAllocator{}, run_thread);
}

void abandon_all() {
  for (Fiber& f : machine.fibers)
    if (f.self) {
      abandoned().push_back(std::move(f.self));
      f.stack = Stack{};  // its memory stays with the abandoned fiber
    }
}

void run_cluster(dim3 first_block) {
  unsigned const per_block = scheduler::threads_per_block();
  unsigned const threads = per_block * scheduler::blocks();
  if (machine.fibers.size() != threads) machine.fibers = std::vector<Fiber>(threads);
  machine.ready.clear();
  machine.live.assign(scheduler::blocks(), per_block);
  machine.barriers.assign(scheduler::blocks(), {});
  machine.votes.assign(scheduler::blocks(), 0);
  machine.cluster = {};
  machine.cluster_generation = 0;
  poison_shared();
  shadow::begin_cluster(scheduler::blocks(), per_block);
  for (scheduler::Hooks const& hooks : all_hooks())
    if (hooks.begin_cluster != nullptr) hooks.begin_cluster();
  for (unsigned id = 0; id < threads; ++id) {
    set_up(machine.fibers[id], id, first_block);
    machine.ready.push_back(id);
  }
  try {
    run_threads();
    for (scheduler::Hooks const& hooks : all_hooks())
      if (!machine.fault && hooks.end_cluster != nullptr) hooks.end_cluster();
  } catch (Fault const& fault) {  // found while no thread ran
    machine.fault = fault.what();
  }
  shadow::end_cluster();
  if (machine.fault) {
    abandon_all();
    throw Fault(*std::exchange(machine.fault, std::nullopt));
  }
}

/// The clusters to run, in the seed's order.
std::vector<std::uint64_t> cluster_order(std::uint64_t count) {
  std::vector<std::uint64_t> order;
  for (std::uint64_t i = 0; i < count; ++i)
    if (!settings().runs_block || settings().runs_block(i, count)) order.push_back(i);
  if (settings().keeps_block_order) return order;
  if (settings().seed == 1) std::reverse(order.begin(), order.end());
  if (settings().seed > 1)
    for (std::size_t i = order.size(); i > 1; --i)
      std::swap(order[i - 1], order[scheduler::random(static_cast<std::uint32_t>(i))]);
  return order;
}

}  // namespace

void run_grid(Shape const& shape, std::function<void()> const& thread_body) {
  if (machine.running != nullptr) fail("a kernel launches a kernel");
  machine.shape = shape;
  machine.body = &thread_body;
  machine.random_state = settings().seed * 0x9E3779B97F4A7C15u + 0x1234567u;
  blockDim = shape.block;
  gridDim = shape.grid;
  machine.slot = (shape.dynamic_bytes + 1023) / 1024 * 1024;
  machine.dynamic = GuardedMemory(machine.slot * scheduler::blocks());
  shadow::begin_launch();
  dim3 const c = shape.cluster;
  std::uint64_t const nx = shape.grid.x / c.x, ny = shape.grid.y / c.y, nz = shape.grid.z / c.z;
  for (std::uint64_t const i : cluster_order(nx * ny * nz))
    run_cluster(dim3(static_cast<unsigned>(i % nx) * c.x, static_cast<unsigned>(i / nx % ny) * c.y,
                     static_cast<unsigned>(i / nx / ny) * c.z));
}

void enter_kernel() { machine.running->in_kernel = true; }
void leave_kernel() { machine.running->in_kernel = false; }
bool in_kernel() {
  Fiber const* const f = machine.running;
  return f != nullptr && f->in_kernel && f->outside == 0;
}

Outside::Outside() : fiber_(machine.running) {
  if (fiber_ != nullptr) ++static_cast<Fiber*>(fiber_)->outside;
}
Outside::~Outside() {
  if (fiber_ != nullptr) --static_cast<Fiber*>(fiber_)->outside;
}

Thread const& thread() {
  if (machine.running == nullptr) throw Fault("a device built-in is used outside of a kernel");
  return machine.running->thread;
}

void fail(std::string const& what, Site site) {
  Outside const outside;
  if (machine.running == nullptr) throw Fault(what + text_of(site));
  if (!machine.fault)
    machine.fault = scheduler::name_of(machine.running->thread.id) + text_of(site) + ": " + what;
  machine.running->state = State::waiting;
  for (;;) switch_to_scheduler();
}

void pause(Site site) {
  Outside const outside;
  Fiber& me = *machine.running;
  me.why = "its turn";
  me.site = site;
  machine.ready.push_back(me.thread.id);
  switch_to_scheduler();
}

namespace scheduler {

void block(char const* why, Site site) {
  Fiber& me = *machine.running;
  me.state = State::waiting;
  me.why = why;
  me.site = site;
  switch_to_scheduler();
}

void wake(unsigned id) {
  machine.fibers[id].state = State::ready;
  machine.ready.push_back(id);
}

bool add_hooks(Hooks hooks) {
  all_hooks().push_back(hooks);
  return true;
}

std::uint32_t random(std::uint32_t n) {
  std::uint64_t& s = machine.random_state;
  s ^= s << 13;
  s ^= s >> 7;
  s ^= s << 17;
  return static_cast<std::uint32_t>((s >> 32) * n >> 32);
}

bool is_stack(void const* pointer) {
  return machine.running != nullptr && machine.running->stack.contains(pointer);
}

bool is_thread_record(void const* pointer) {
  auto const* const first = reinterpret_cast<std::byte const*>(machine.fibers.data());
  return pointer >= first && pointer < first + machine.fibers.size() * sizeof(Fiber);
}

unsigned blocks() {
  dim3 const c = machine.shape.cluster;
  return c.x * c.y * c.z;
}

unsigned threads_per_block() {
  dim3 const b = machine.shape.block;
  return b.x * b.y * b.z;
}

std::string name_of(unsigned id) {
  Thread const& t = machine.fibers[id].thread;
  return "thread " + text_of(t.index) + " of block " + text_of(t.block);
}

}  // namespace scheduler
}  // namespace gpu_free
