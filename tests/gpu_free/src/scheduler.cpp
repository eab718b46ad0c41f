// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0

#include "scheduler.hpp"

#include <algorithm>
#include <link.h>
#include <memory>
#include <numeric>
#include <optional>
#include <string_view>
#include <utility>

#include "gpu_free/launch.hpp"
#include "shadow.hpp"
#include "stack.hpp"
#include <boost/context/fiber.hpp>

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

#if defined(__clang__)
extern char __start_qfmt_shared[] __attribute__((weak));
extern char __stop_qfmt_shared[] __attribute__((weak));
#endif

namespace gpu_free {

Settings& settings() {
  static Settings value;
  return value;
}

namespace {

enum class State { ready, waiting, ended };

/// One barrier with a count of threads: the block's, a named one, the cluster's.
struct Barrier {
  std::vector<unsigned> arrived;  // all that count, the waiting ones among them
  std::vector<unsigned> waiting;
  unsigned expected = 0;
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

Machine machine;

// Fibers that a fault stopped half-way. They are never resumed and never unwound: kernels need not
// be safe against exceptions. Kept so that they stay reachable.
std::vector<boost::context::fiber>& abandoned() {
  static auto* const fibers = new std::vector<boost::context::fiber>;  // never destroyed
  return *fibers;
}

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

void release(Barrier& barrier) {
  for (unsigned const id : barrier.waiting) scheduler::wake(id);
  barrier = {};
}

/// Opens the block's barrier when all live threads are there.
void try_release_block(unsigned rank) {
  Barrier& barrier = machine.barriers[rank][0];
  if (barrier.arrived.empty() || barrier.arrived.size() < machine.live[rank]) return;
  shadow::join_block(rank, barrier.arrived);
  release(barrier);
}

void try_release_cluster() {
  unsigned const live = std::accumulate(machine.live.begin(), machine.live.end(), 0u);
  if (machine.cluster.arrived.empty() || machine.cluster.arrived.size() < live) return;
  machine.cluster_passed = machine.cluster.gathered;
  ++machine.cluster_generation;
  release(machine.cluster);
}

void thread_ended(Fiber& fiber) {
  --machine.live[fiber.thread.rank];
  try_release_block(fiber.thread.rank);
  try_release_cluster();
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
      auto const progress = scheduler::async_hooks().progress;
      if (progress != nullptr && progress()) continue;
      if (machine.fault) break;
      machine.fault = "deadlock: no thread can go on" + waiting_threads();
      break;
    }
    Fiber& fiber = machine.fibers[take_ready()];
    if (fiber.state != State::ready) continue;
    resume(fiber);
    if (fiber.state != State::ended) continue;
    --left;
    thread_ended(fiber);
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
  machine.cluster = {};
  machine.cluster_generation = 0;
  poison_shared();
  shadow::begin_cluster(scheduler::blocks(), per_block);
  auto& hooks = scheduler::async_hooks();
  if (hooks.begin_cluster != nullptr) hooks.begin_cluster();
  for (unsigned id = 0; id < threads; ++id) {
    set_up(machine.fibers[id], id, first_block);
    machine.ready.push_back(id);
  }
  try {
    run_threads();
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

void sync_block(Site site) {
  Outside const outside;
  Thread const& t = thread();
  Barrier& barrier = machine.barriers[t.rank][0];
  if (!barrier.arrived.empty() &&
      (barrier.site.line != site.line || std::string_view(barrier.site.file) != site.file))
    fail("divergent barrier: this thread is at __syncthreads" + text_of(site) + ", " +
             scheduler::name_of(barrier.arrived.front()) + " is at the one" + text_of(barrier.site),
         site);
  barrier.site = site;
  barrier.arrived.push_back(t.id);
  barrier.waiting.push_back(t.id);
  if (barrier.arrived.size() == machine.live[t.rank]) {
    std::erase(barrier.waiting, t.id);
    try_release_block(t.rank);
    pause(site);
  } else {
    scheduler::block("__syncthreads", site);
  }
}

namespace {
void use_named(unsigned id, unsigned threads, bool waits, Site site) {
  Outside const outside;
  Thread const& t = thread();
  if (threads == 0) threads = scheduler::threads_per_block();
  if (id > 15) fail("a block has barriers 0 to 15, not " + std::to_string(id), site);
  if (threads % 32 != 0) fail("a named barrier counts whole warps", site);
  if (id == 0 && waits && threads == scheduler::threads_per_block()) return sync_block(site);
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

void pause(Site site) {
  Outside const outside;
  Fiber& me = *machine.running;
  me.why = "its turn";
  me.site = site;
  machine.ready.push_back(me.thread.id);
  switch_to_scheduler();
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

unsigned cluster_size() { return scheduler::blocks(); }

std::byte* dynamic_shared(unsigned rank) {
  Outside const outside;
  if (rank >= scheduler::blocks()) fail("the cluster has no block " + std::to_string(rank));
  return scheduler::dynamic_range(rank).first;
}
std::byte* dynamic_shared() { return dynamic_shared(thread().rank); }
std::size_t dynamic_shared_bytes() { return machine.shape.dynamic_bytes; }

namespace {
constexpr std::uint32_t dynamic_base = 1024, static_base = 1u << 24, remote_base = 1u << 28;
}

std::uint32_t shared_address(void const* pointer, Site site) {
  Outside const outside;
  auto const* const p = static_cast<std::byte const*>(pointer);
  for (unsigned rank = 0; rank < scheduler::blocks(); ++rank) {
    auto const range = scheduler::dynamic_range(rank);
    if (p < range.first || p > range.first + range.bytes) continue;
    if (p == range.first + range.bytes && rank + 1 < scheduler::blocks() &&
        range.bytes == machine.slot)
      continue;
    auto const local = dynamic_base + static_cast<std::uint32_t>(p - range.first);
    return rank == thread().rank ? local : local + remote_base + (rank << 20);
  }
  auto const range = scheduler::static_range();
  if (p >= range.first && p <= range.first + range.bytes)
    return static_base + static_cast<std::uint32_t>(p - range.first);
  fail("an instruction on shared memory got another address", site);
}

std::byte* shared_pointer(std::uint32_t address, Site site) {
  Outside const outside;
  if (address >= remote_base) {
    unsigned const rank = (address - remote_base) >> 20;
    return dynamic_shared(rank) + ((address - remote_base) & 0xFFFFFu) - dynamic_base;
  }
  if (address >= static_base) return scheduler::static_range().first + (address - static_base);
  if (address < dynamic_base) fail("a shared address below the block's memory", site);
  return dynamic_shared() + (address - dynamic_base);
}

std::byte* map_shared(void* pointer, unsigned rank, Site site) {
  Outside const outside;
  auto* const p = static_cast<std::byte*>(pointer);
  auto const own = scheduler::dynamic_range(thread().rank);
  if (!own.contains(p)) fail("mapa: not dynamic shared memory of this block", site);
  return dynamic_shared(rank) + (p - own.first);
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

AsyncHooks& async_hooks() {
  static AsyncHooks hooks;
  return hooks;
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

Range dynamic_range(unsigned rank) {
  return {machine.dynamic.data() + rank * machine.slot, machine.shape.dynamic_bytes};
}

#if defined(__clang__)
Range static_range() {
  return {reinterpret_cast<std::byte*>(__start_qfmt_shared),
          static_cast<std::size_t>(__stop_qfmt_shared - __start_qfmt_shared)};
}
#else
Range static_range() {  // the program's own thread-local variables
  static Range const range = [] {
    Range r{nullptr, 0};
    dl_iterate_phdr(
        [](dl_phdr_info* info, std::size_t, void* result) {
          for (int i = 0; i < info->dlpi_phnum; ++i)
            if (info->dlpi_phdr[i].p_type == PT_TLS && info->dlpi_tls_data != nullptr)
              *static_cast<Range*>(result) = {static_cast<std::byte*>(info->dlpi_tls_data),
                                              info->dlpi_phdr[i].p_memsz};
          return 1;  // the first is the program
        },
        &r);
    return r;
  }();
  return range;
}
#endif

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
