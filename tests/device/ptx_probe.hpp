// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs the probe's kernels on whatever Machine stands for (a GPU, or the doubles) and collects what
// they wrote under names.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ptx_probe.cuh"

namespace probe {

using Words = std::vector<int32_t>;
using Maps = std::map<std::string, Words>;

/// FNV-1a over the words' bytes.
inline uint64_t digest(Words const& words) {
  uint64_t h = 0xCBF29CE484222325u;
  for (int32_t const word : words)
    for (int i = 0; i < 4; ++i) {
      h ^= static_cast<uint32_t>(word) >> (8 * i) & 0xFFu;
      h *= 0x100000001B3u;
    }
  return h;
}

/// Index, value of all that is not zero: what one-hot inputs leave.
inline Words sparse(Words const& dense) {
  Words pairs;
  for (size_t i = 0; i < dense.size(); ++i)
    if (dense[i] != 0) {
      pairs.push_back(static_cast<int32_t>(i));
      pairs.push_back(dense[i]);
    }
  return pairs;
}

/// Machine: `Words run(kernel, LaunchOf{blocks, threads, shared, cluster}, size_t words_out,
/// args...)` launches kernel(args..., out) with `out` of that many words, all 0x55555555 before,
/// and returns them; `upload(vector)` returns a device pointer that lives as long as the machine.
struct LaunchOf {
  unsigned blocks = 1, threads = 32, shared = 0, cluster = 1;
};

template <class Machine, qfmt::Element T>
void probe_mma(Machine& m, std::string const& type, Maps& maps) {
  maps["mma_m16n8k16." + type] = sparse(m.run(mma_one_hot<T>, {256, 32}, 256 * 128));
  maps["mma_m16n8k16.accumulate." + type] = m.run(mma_accumulate<T>, {1, 32}, 256);
}

template <class Machine, qfmt::Element T>
void probe_wgmma_one_hot(Machine& m, std::string const& type, Maps& maps) {
  constexpr unsigned shared = wgmma_shared_bytes;
  maps["wgmma.registers." + type] =
      sparse(m.run(wgmma_one_hot_registers<T>, {1024, 128, shared}, 1024 * 512));
  maps["wgmma.shared." + type] =
      sparse(m.run(wgmma_one_hot_shared<T>, {1024, 128, shared}, 1024 * 512));
}

template <class Machine, qfmt::Element T>
void probe_wgmma(Machine& m, std::string const& type, Maps& maps) {
  constexpr unsigned shared = wgmma_shared_bytes;
  auto const random = [&]<int N>() {
    maps["wgmma.n" + std::to_string(N) + "." + type] =
        m.run(wgmma_random<T, N>, {1, 128, shared}, 2 * 128 * N / 2);
  };
  random.template operator()<8>();
  random.template operator()<16>();
  random.template operator()<24>();
  random.template operator()<32>();
  random.template operator()<64>();
  random.template operator()<96>();
  random.template operator()<128>();
  random.template operator()<192>();
  random.template operator()<256>();
}

template <class Machine>
void probe_bytes(Machine& m, Maps& maps) {
  maps["mma_m16n8k32"] = sparse(m.run(mma_one_hot_bytes, {512, 32}, 512 * 256));
  maps["mma_m16n8k32.random"] = m.run(mma_bytes, {1, 32}, 128);
  auto const random = [&]<int N>() {
    maps["wgmma.n" + std::to_string(N) + ".s8"] =
        m.run(wgmma_random_bytes<N>, {1, 128, wgmma_shared_bytes}, 2 * 128 * N / 2);
  };
  random.template operator()<8>();
  random.template operator()<16>();
  random.template operator()<24>();
  random.template operator()<32>();
  random.template operator()<64>();
  random.template operator()<96>();
  random.template operator()<128>();
  random.template operator()<192>();
  random.template operator()<256>();
}

template <class Machine>
void probe_matrices(Machine& m, Maps& maps) {
  maps["ldmatrix.x1"] = m.run(matrices<1, false>, {1, 32, 512}, 32);
  maps["ldmatrix.x2"] = m.run(matrices<2, false>, {1, 32, 512}, 64);
  maps["ldmatrix.x4"] = m.run(matrices<4, false>, {1, 32, 512}, 128);
  maps["ldmatrix.x1.trans"] = m.run(matrices<1, true>, {1, 32, 512}, 32);
  maps["ldmatrix.x2.trans"] = m.run(matrices<2, true>, {1, 32, 512}, 64);
  maps["ldmatrix.x4.trans"] = m.run(matrices<4, true>, {1, 32, 512}, 128);
}

/// A matrix of 40 rows and 200 columns, rows 416 (or 208) bytes apart, seen through tiles of 16
/// rows: inside, over the right and lower edges, and left and above of the first element. Columns
/// begin multiples of 16 bytes: others stop the kernel with an illegal instruction.
template <class Machine>
void probe_tensor_copies(Machine& m, Maps& maps) {
  for (int bytes = 1; bytes <= 2; ++bytes) {
    std::vector<uint8_t> matrix(static_cast<size_t>(40 * 208 * bytes));
    for (size_t i = 0; i < matrix.size(); ++i)
      matrix[i] = static_cast<uint8_t>(bytes == 1 ? scramble(17, static_cast<uint32_t>(i))
                                                  : (i % 2 == 0 ? i / 2 + 1 : (i / 2 + 1) >> 8));
    qfmt::ptx::TensorMap map{};
    qfmt::ptx::TensorMapShape const shape{40, 200, 208 * bytes, bytes, 16};
    if (qfmt::ptx::make_tensor_map(map, m.upload(matrix), shape) != 0) {
      maps["tensor_copy.no_map"] = {1};
      return;
    }
    int const places[][2] = {{0, 0}, {8, 64}, {32, 160}, {-3, -16 / bytes}};
    std::string const name = "tensor_copy.b" + std::to_string(8 * bytes);
    for (auto const& [row, col] : places)
      maps[name + ".r" + std::to_string(row) + ".c" + std::to_string(col)] =
          m.run(tensor_copy<false>, {1, 64, 2048 + 64}, 512, map, row, col, 2048u);
    maps[name + ".multicast"] =
        m.run(tensor_copy<true>, {2, 64, 2048 + 64, 2}, 1024, map, 4, 32, 2048u);
  }
}

template <class Machine>
void probe_copies(Machine& m, Maps& maps) {
  std::vector<uint32_t> words(1024);
  for (uint32_t i = 0; i < 1024; ++i) words[i] = i + 1;
  auto const* const in = reinterpret_cast<uint32_t const*>(m.upload(words));
  maps["bulk_copies"] = m.run(bulk_copies, {1, 64, 4096 + 64}, 2048, in);
  maps["cluster"] = m.run(cluster_words, {8, 32, 64, 4}, 32);
}

template <class Machine>
void probe_arithmetic(Machine& m, Maps& maps) {
  constexpr uint32_t n = 1 << 16;
  Words const all = m.run(arithmetic, {n / 256, 256}, arithmetic_kinds * n, n);
  char const* const names[] = {"max_s16x2",         "permute_bytes",    "to_half2",
                               "to_bfloat2",        "reciprocal_rn",    "mul_ftz",
                               "compare_and_floor", "reciprocal_normal"};
  for (uint32_t kind = 0; kind < arithmetic_kinds; ++kind)
    maps[names[kind]] = Words(all.begin() + kind * n, all.begin() + (kind + 1) * n);
}

/// Everything that the doubles must reproduce.
template <class Machine>
Maps run_all(Machine& m, bool with_tensor_copies = true) {
  Maps maps;
  probe_mma<Machine, qfmt::float16>(m, "f16", maps);
  probe_mma<Machine, qfmt::bfloat16>(m, "bf16", maps);
  probe_wgmma_one_hot<Machine, qfmt::float16>(m, "f16", maps);
  probe_wgmma_one_hot<Machine, qfmt::bfloat16>(m, "bf16", maps);
  probe_wgmma<Machine, qfmt::float16>(m, "f16", maps);
  probe_wgmma<Machine, qfmt::bfloat16>(m, "bf16", maps);
  probe_bytes(m, maps);
  probe_matrices(m, maps);
  if (with_tensor_copies) probe_tensor_copies(m, maps);
  probe_copies(m, maps);
  probe_arithmetic(m, maps);
  maps["setmaxnreg"] = m.run(move_registers, {1, 384}, 384);
  return maps;
}

/// One line a map: its words, or where they are many the first of them, with count and digest of
/// all.
inline std::string json_of(Maps const& maps) {
  std::string text = "{";
  char const* separator = "\n";
  for (auto const& [name, words] : maps) {
    size_t const shown = words.size() <= 256 ? words.size() : 64;
    char hex[24];
    std::snprintf(hex, sizeof hex, "%016llx", static_cast<unsigned long long>(digest(words)));
    text += separator;
    text += "    \"" + name + "\": {\"count\": " + std::to_string(words.size()) +
            ", \"digest\": \"" + hex + "\", \"words\": [";
    for (size_t i = 0; i < shown; ++i) text += (i == 0 ? "" : ",") + std::to_string(words[i]);
    text += "]}";
    separator = ",\n";
  }
  return text + "\n  }";
}

}  // namespace probe
