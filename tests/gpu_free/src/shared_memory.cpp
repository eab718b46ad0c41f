// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Shared memory: where it lies, its 32-bit addresses, that of other blocks of the cluster.

#include <link.h>

#include "fiber.hpp"

#if defined(__clang__)
extern char __start_qfmt_shared[] __attribute__((weak));
extern char __stop_qfmt_shared[] __attribute__((weak));
#endif

namespace gpu_free {

using scheduler::machine;

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

}  // namespace scheduler
}  // namespace gpu_free
