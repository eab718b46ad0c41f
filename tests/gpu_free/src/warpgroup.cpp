// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0

#include "gpu_free/warpgroup.hpp"

#include "qfmt/dtype.hpp"

#include <array>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "gpu_free/async.hpp"
#include "gpu_free/machine.hpp"
#include "scheduler.hpp"

namespace gpu_free {

namespace {

struct Product {
  Wgmma form;  // lane 0's
  std::array<void*, 32> d;
  std::array<std::array<std::uint32_t, 4>, 32> a;
  unsigned warp;  // of the warpgroup
  Async by;
  Site site;
};

struct Warp {
  bool fenced = false;
  std::vector<Product> open;
  std::vector<std::vector<Product>> committed;  // oldest first
  std::size_t issued = 0;
};

std::map<unsigned, Warp> warps;                     // by the id of lane 0
std::map<unsigned, std::vector<Wgmma>> warpgroups;  // what its warps have issued, or must yet

unsigned lane_0() { return thread().id - thread().lane(); }
unsigned warpgroup_first() { return thread().id - thread().linear % 128; }

double number(Operand type, std::uint32_t bits) {
  switch (type) {
    case Operand::half: return qfmt::half_bits_to_float(static_cast<std::uint16_t>(bits));
    case Operand::bfloat: return qfmt::bfloat_bits_to_float(static_cast<std::uint16_t>(bits));
    default: return static_cast<std::int8_t>(bits);
  }
}

int bytes_of(Operand type) { return type == Operand::byte ? 1 : 2; }

/// Element `k` of the 32 bytes of k at row `row` of a tile.
double element(Operand type, std::uint64_t tile, unsigned row, unsigned k, Site site) {
  std::uint32_t bits = 0;
  auto const bytes = static_cast<unsigned>(bytes_of(type));
  std::memcpy(&bits, shared_pointer(tile_address(tile, row, k * bytes, site), site), bytes);
  return number(type, bits);
}

void watch(Async const& by, std::uint64_t tile, unsigned first, unsigned rows, Site site) {
  for (unsigned row = first; row < first + rows; ++row)
    for (unsigned byte = 0; byte < 32; byte += 16)
      async_reads(by, shared_pointer(tile_address(tile, row, byte, site), site), 16);
}

/// The 16 rows of A that a warp owns, from its registers or from shared memory.
std::vector<double> rows_of_a(Product const& p, unsigned width) {
  std::vector<double> a(16 * width);
  unsigned const each = width / 8;  // elements of a register
  for (unsigned row = 0; row < 16; ++row)
    for (unsigned k = 0; k < width; ++k) {
      double& x = a[row * width + k];
      if (p.form.a == nullptr) {
        x = element(p.form.type, p.form.a_tile, 16 * p.warp + row, k, p.site);
        continue;
      }
      unsigned const lane = row % 8 * 4 + k / each % 4;
      unsigned const reg = row / 8 + 2 * (k / (4 * each));
      x = number(p.form.type, p.a[lane][reg] >> (k % each * 32 / each));
    }
  return a;
}

template <class D>
void store(Product const& p, unsigned row, unsigned column, double sum) {
  unsigned const lane = row % 8 * 4 + column % 8 / 2;
  D& d = static_cast<D*>(p.d[lane])[column / 8 * 4 + row / 8 * 2 + column % 2];
  d = static_cast<D>(p.form.accumulate ? sum + static_cast<double>(d) : sum);
}

void land(Product const& p) {
  auto const width = static_cast<unsigned>(32 / bytes_of(p.form.type));
  auto const n = static_cast<unsigned>(p.form.n);
  watch(p.by, p.form.b_tile, 0, n, p.site);
  if (p.form.a == nullptr) watch(p.by, p.form.a_tile, 16 * p.warp, 16, p.site);
  std::vector<double> const a = rows_of_a(p, width);
  std::vector<double> b(width);
  for (unsigned column = 0; column < n; ++column) {
    for (unsigned k = 0; k < width; ++k)
      b[k] = element(p.form.type, p.form.b_tile, column, k, p.site);
    for (unsigned row = 0; row < 16; ++row) {
      double sum = 0;
      for (unsigned k = 0; k < width; ++k) sum += a[row * width + k] * b[k];
      if (p.form.type == Operand::byte) {
        store<std::int32_t>(p, row, column, sum);
      } else {
        store<float>(p, row, column, sum);
      }
    }
  }
}

/// A warpgroup's warps issue the same products in the same order.
void check_with_others(Warp& warp, Wgmma const& product, Site site) {
  auto& all = warpgroups[warpgroup_first()];
  std::size_t const at = warp.issued++;
  if (at == all.size()) {
    all.push_back(product);
    return;
  }
  Wgmma const& other = all[at];
  if (other.type != product.type || other.n != product.n || other.a_tile != product.a_tile ||
      other.b_tile != product.b_tile || (other.a == nullptr) != (product.a == nullptr) ||
      other.accumulate != product.accumulate)
    fail("wgmma: the warps of a warpgroup issue different products", site);
}

void begin_cluster() {
  warps.clear();
  warpgroups.clear();
}

void end_cluster() {
  for (auto const& [first, warp] : warps) {
    if (!warp.open.empty() || !warp.committed.empty())
      fail("a warp ended with a wgmma that it has not waited for",
           warp.open.empty() ? Site{} : warp.open.front().site);
    if (warp.issued != warpgroups[first - first % scheduler::threads_per_block() % 128].size())
      fail("wgmma: a warp of a warpgroup left products out");
  }
}

[[maybe_unused]] bool const registered =
    scheduler::add_hooks({begin_cluster, nullptr, end_cluster});

}  // namespace

std::uint32_t tile_address(std::uint64_t descriptor, unsigned row, unsigned byte, Site site) {
  if ((descriptor >> 62) != 1 || (descriptor >> 32 & 0x3FFFu) != 64 || (descriptor >> 49 & 7u) != 0)
    fail("wgmma: not a descriptor of a tile with 128-byte swizzle", site);
  auto const base = static_cast<std::uint32_t>(descriptor & 0x3FFFu) << 4;
  std::uint32_t const address = base + row / 8 * 1024 + row % 8 * 128 + byte;
  return address ^ (address >> 7 & 7u) << 4;
}

void wgmma_fence(Site site) {
  Outside const outside;
  int nothing = 0;
  unsigned const first = lane_0();
  converge(
      0xFFFFFFFFu, "wgmma.fence", nothing, [=](auto const&) { warps[first].fenced = true; }, site);
}

void wgmma_issue(Wgmma const& product, Site site) {
  Outside const outside;
  unsigned const linear = thread().linear, first = lane_0();
  if (linear / 128 * 128 + 128 > scheduler::threads_per_block())
    fail("wgmma by warps that are no whole warpgroup", site);
  Wgmma mine = product;
  converge(
      0xFFFFFFFFu, "wgmma.mma_async", mine,
      [&](std::array<Wgmma*, 32> const& lanes) {
        Warp& warp = warps[first];
        if (!warp.fenced) fail("wgmma without a wgmma.fence since the last wait", site);
        Product p{*lanes[0], {}, {}, linear % 128 / 32, issue_async(), site};
        for (std::size_t l = 0; l < 32; ++l) {
          if (lanes[l]->b_tile != p.form.b_tile || lanes[l]->a_tile != p.form.a_tile ||
              lanes[l]->accumulate != p.form.accumulate)
            fail("wgmma: the lanes of a warp give different descriptors", site);
          p.d[l] = lanes[l]->d;
          if (lanes[l]->a != nullptr) std::memcpy(p.a[l].data(), lanes[l]->a, 16);
        }
        check_with_others(warp, p.form, site);
        warp.open.push_back(std::move(p));
      },
      site);
}

void wgmma_commit(Site site) {
  Outside const outside;
  int nothing = 0;
  unsigned const first = lane_0();
  converge(
      0xFFFFFFFFu, "wgmma.commit_group", nothing,
      [=](auto const&) {
        Warp& warp = warps[first];
        warp.committed.push_back(std::exchange(warp.open, {}));
      },
      site);
}

void wgmma_wait(unsigned groups_left, Site site) {
  Outside const outside;
  unsigned const first = lane_0();
  std::vector<Async> done;
  converge(
      0xFFFFFFFFu, "wgmma.wait_group", done,
      [=](std::array<std::vector<Async>*, 32> const& lanes) {
        Warp& warp = warps[first];
        warp.fenced = false;
        while (warp.committed.size() > groups_left) {
          for (Product const& p : warp.committed.front()) {
            land(p);
            for (auto* const lane : lanes) lane->push_back(p.by);
          }
          warp.committed.erase(warp.committed.begin());
        }
      },
      site);
  for (Async const& operation : done) async_done(operation);
}

}  // namespace gpu_free
