// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The doubles of qfmt/ptx/ against the layouts of the PTX manual, stated here a second time, and
// against what a GPU did with the same kernels (tests/data/ptx_sm90.json).

#include <catch2/catch_test_macros.hpp>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <regex>
#include <tuple>

#include "device/ptx_probe.hpp"
#include "gpu_free/device_buffer.hpp"

namespace {

class Cpu {
 public:
  template <class T>
  void* upload(std::vector<T> const& values) {
    auto buffer = std::make_shared<gpu_free::DeviceBuffer<T>>(values);
    void* const p = buffer->data();
    held_.push_back(std::move(buffer));
    return p;
  }

  template <class... Params, class... Args>
  probe::Words run(void (*kernel)(Params...), probe::LaunchOf shape, std::size_t words,
                   Args... args) {
    gpu_free::DeviceBuffer<int32_t> out(static_cast<std::int64_t>(words));
    cudaLaunchAttribute attribute{};
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim = {shape.cluster, 1, 1};
    cudaLaunchConfig_t config{};
    config.gridDim = dim3(shape.blocks);
    config.blockDim = dim3(shape.threads);
    config.dynamicSmemBytes = shape.shared;
    config.attrs = &attribute;
    config.numAttrs = shape.cluster > 1 ? 1 : 0;
    using Out = std::tuple_element_t<sizeof...(Params) - 1, std::tuple<Params...>>;
    REQUIRE(cudaLaunchKernelEx(&config, kernel, args..., reinterpret_cast<Out>(out.data())) ==
            cudaSuccess);
    REQUIRE(out.is_written());
    return out.host();
  }

 private:
  std::vector<std::shared_ptr<void>> held_;
};

/// The maps that one part of the probe makes of the doubles.
template <class Part>
probe::Maps maps_of(Part part) {
  Cpu cpu;
  probe::Maps maps;
  part(cpu, maps);
  return maps;
}

probe::Maps const& byte_products() {
  static probe::Maps const maps = maps_of(probe::probe_bytes<Cpu>);
  return maps;
}

/// From an index into `sparse` pairs to its dense form.
probe::Words dense(probe::Words const& pairs, std::size_t size) {
  probe::Words words(size, 0);
  for (std::size_t i = 0; i < pairs.size(); i += 2)
    words[static_cast<std::size_t>(pairs[i])] = pairs[i + 1];
  return words;
}

}  // namespace

// The manual's figures for mma.m16n8k16: groupID = lane >> 2, threadID_in_group = lane % 4;
//   A  row = groupID for ai where 0 <= i < 2 or 4 <= i < 6, else groupID + 8;
//      col = threadID_in_group * 2 + (i & 1) for ai where i < 4, else + 8
//   B  row = threadID_in_group * 2 + (i & 1) for bi where i < 2, else + 8;  col = groupID
//   C  row = groupID for ci where i < 2, else groupID + 8;  col = threadID_in_group * 2 + (i & 1)
TEST_CASE("mma.m16n8k16 by the manual's formulas", "[ptx]") {
  auto const maps = maps_of([](Cpu& cpu, probe::Maps& all) {
    probe::probe_mma<Cpu, qfmt::float16>(cpu, "f16", all);
    probe::probe_mma<Cpu, qfmt::bfloat16>(cpu, "bf16", all);
  });
  for (char const* const type : {"f16", "bf16"}) {
    auto const found = dense(maps.at(std::string("mma_m16n8k16.") + type), 256 * 128);
    probe::Words expected(256 * 128, 0);
    for (int p = 0; p < 256; ++p) {
      int const lane = p / 8, i = p % 8;  // ai, two to a register
      int const row = (i < 2 || (i >= 4 && i < 6)) ? lane >> 2 : (lane >> 2) + 8;
      int const k = lane % 4 * 2 + (i & 1) + (i < 4 ? 0 : 8);
      for (int q = 0; q < 128; ++q) {
        int const other = q / 4, j = q % 4;
        if (other % 4 * 2 + (j & 1) + (j < 2 ? 0 : 8) != k) continue;
        int const column = other >> 2;
        for (int r = 0; r < 128; ++r) {
          int const c_lane = r / 4, c = r % 4;
          if ((c < 2 ? c_lane >> 2 : (c_lane >> 2) + 8) == row &&
              c_lane % 4 * 2 + (c & 1) == column)
            expected[static_cast<std::size_t>(p * 128 + r)] = q + 1;
        }
      }
    }
    REQUIRE(found == expected);
  }
}

// mma.m16n8k32 .s8: A row = groupID for ai where 0 <= i < 4 or 8 <= i < 12, else groupID + 8;
// col = threadID_in_group * 4 + (i & 3) for ai where i < 8, else + 16.  B row = threadID_in_group *
// 4
// + (i & 3) for bi where i < 4, else + 16; col = groupID.
TEST_CASE("mma.m16n8k32 by the manual's formulas", "[ptx]") {
  auto const found = dense(byte_products().at("mma_m16n8k32"), 512 * 256);
  probe::Words expected(512 * 256, 0);
  for (int p = 0; p < 512; ++p) {
    int const lane = p / 16, i = p % 16;
    int const row = (i < 4 || (i >= 8 && i < 12)) ? lane >> 2 : (lane >> 2) + 8;
    int const k = lane % 4 * 4 + (i & 3) + (i < 8 ? 0 : 16);
    for (int q = 0; q < 256; ++q) {
      int const other = q / 8, j = q % 8;
      if (other % 4 * 4 + (j & 3) + (j < 4 ? 0 : 16) != k) continue;
      int const column = other >> 2;
      int const r = (row % 8 * 4 + column / 2) * 4 + row / 8 * 2 + column % 2;
      expected[static_cast<std::size_t>(p * 256 + r)] = q % 16 + 1;
      expected[static_cast<std::size_t>(p * 256 + 128 + r)] = q / 16 + 1;
    }
  }
  REQUIRE(found == expected);
}

#if defined(GPU_FREE_SHADOW)  // sanitized, half a million threads take minutes
// wgmma: D fragment of .m64nNk16: row = (warp % 4) * 16 + groupID + 8 * ((i / 2) % 2), column = i /
// 4
// * 8 + threadID_in_group * 2 + i % 2. A fragment as in mma.m16n8k16.
TEST_CASE("wgmma.m64n8k16 by the manual's formulas", "[ptx]") {
  auto const maps = maps_of([](Cpu& cpu, probe::Maps& all) {
    probe::probe_wgmma_one_hot<Cpu, qfmt::float16>(cpu, "f16", all);
    probe::probe_wgmma_one_hot<Cpu, qfmt::bfloat16>(cpu, "bf16", all);
  });
  for (char const* const type : {"f16", "bf16"}) {
    auto const registers = dense(maps.at(std::string("wgmma.registers.") + type), 1024 * 512);
    auto const shared = dense(maps.at(std::string("wgmma.shared.") + type), 1024 * 512);
    probe::Words from_registers(1024 * 512, 0), from_shared(1024 * 512, 0);
    for (int p = 0; p < 1024; ++p)
      for (int r = 0; r < 512; ++r) {
        int const thread = r / 4, i = r % 4;
        int const row = thread / 32 * 16 + thread % 32 / 4 + 8 * (i / 2 % 2);
        int const column = thread % 4 * 2 + i % 2;
        int const a_thread = p / 8, a = p % 8;
        int const a_row = a_thread / 32 * 16 + a_thread % 32 / 4 + ((a / 2) % 2 == 0 ? 0 : 8);
        int const k = a_thread % 4 * 2 + (a & 1) + (a < 4 ? 0 : 8);
        auto const at = static_cast<std::size_t>(p * 512 + r);
        if (a_row == row) from_registers[at] = 16 * column + k + 1;
        if (p / 16 == row) from_shared[at] = 16 * column + p % 16 + 1;
      }
    REQUIRE(registers == from_registers);
    REQUIRE(shared == from_shared);
  }
}
#endif

namespace {
/// Random products by the definition: D(row, column) in the accumulators' order.
template <class A, class B, class Start>
probe::Words product(int n, int k_count, A a, B b, Start start) {
  probe::Words words;
  for (int form = 0; form < 2; ++form)
    for (int thread = 0; thread < 128; ++thread)
      for (int i = 0; i < n / 2; ++i) {
        int const row = thread / 32 * 16 + thread % 32 / 4 + 8 * (i / 2 % 2);
        int const column = i / 4 * 8 + thread % 4 * 2 + i % 2;
        int32_t sum = start(thread, i);
        for (int k = 0; k < k_count; ++k) sum += a(form, row, k) * b(column, k);
        words.push_back(sum);
      }
  return words;
}
}  // namespace

TEST_CASE("wgmma of every N is the matrix product", "[ptx]") {
  auto const maps = maps_of([](Cpu& cpu, probe::Maps& all) {
    probe::probe_wgmma<Cpu, qfmt::float16>(cpu, "f16", all);
    probe::probe_wgmma<Cpu, qfmt::bfloat16>(cpu, "bf16", all);
  });
  using probe::scramble;
  using probe::small_integer;
  auto const u = [](int x) { return static_cast<uint32_t>(x); };
  for (int const n : {8, 16, 24, 32, 64, 96, 128, 192, 256}) {
    auto const a = [&](int form, int row, int k) {
      if (form == 1) return small_integer(5, u(row * 64 + k));
      int const thread = row / 16 * 32 + row % 8 * 4 + k % 8 / 2;
      int const reg = row % 16 / 8 + 2 * (k % 16 / 8);
      return small_integer(7, u(((k / 16 * 128 + thread) * 4 + reg) * 2 + k % 2));
    };
    auto const b = [&](int column, int k) { return small_integer(6, u(column * 64 + k)); };
    auto const start = [](int thread, int i) { return (thread * 37 + i) % 251; };
    auto const expected = product(n, 64, a, b, start);
    for (char const* const type : {".f16", ".bf16"})
      REQUIRE(maps.at("wgmma.n" + std::to_string(n) + type) == expected);

    auto const a8 = [&](int form, int row, int k) -> int {
      if (form == 1) return static_cast<int8_t>(scramble(8, u(row * 128 + k)));
      int const thread = row / 16 * 32 + row % 8 * 4 + k % 16 / 4;
      int const reg = row % 16 / 8 + 2 * (k % 32 / 16);
      uint32_t const word = scramble(10, u((k / 32 * 128 + thread) * 4 + reg));
      return static_cast<int8_t>(word >> (k % 4 * 8));
    };
    auto const b8 = [&](int column, int k) -> int {
      return static_cast<int8_t>(scramble(9, u(column * 128 + k)));
    };
    auto const start8 = [](int thread, int i) { return thread * 37 + i; };
    REQUIRE(byte_products().at("wgmma.n" + std::to_string(n) + ".s8") ==
            product(n, 128, a8, b8, start8));
  }
}

TEST_CASE("ldmatrix by the manual's figures", "[ptx]") {
  auto const maps = maps_of(probe::probe_matrices<Cpu>);
  for (int const n : {1, 2, 4})
    for (bool const transposed : {false, true}) {
      probe::Words expected;
      for (int lane = 0; lane < 32; ++lane)
        for (int i = 0; i < n; ++i) {
          int word = 0;
          for (int e = 0; e < 2; ++e) {
            int const row = transposed ? lane % 4 * 2 + e : lane / 4;
            int const column = transposed ? lane / 4 : lane % 4 * 2 + e;
            int const address_lane = 8 * i + row;
            word |= (((address_lane * 7 + 3) % 32) * 8 + column) << (16 * e);
          }
          expected.push_back(word);
        }
      REQUIRE(maps.at("ldmatrix.x" + std::to_string(n) + (transposed ? ".trans" : "")) == expected);
    }
}

TEST_CASE("tensor copies land swizzled, zeros outside", "[ptx]") {
  auto const maps = maps_of(probe::probe_tensor_copies<Cpu>);
  for (int bytes = 1; bytes <= 2; ++bytes)
    for (auto const& [row, col] :
         {std::pair{0, 0}, {8, 64}, {32, 160}, {-3, -16 / bytes}, {4, 32}}) {
      std::vector<uint8_t> tile(2048, 0);
      for (int r = 0; r < 16; ++r)
        for (int e = 0; e < 128 / bytes; ++e) {
          if (row + r < 0 || row + r >= 40 || col + e < 0 || col + e >= 200) continue;
          int const index = (row + r) * 208 + col + e;  // of the element
          for (int b = 0; b < bytes; ++b) {
            int const unit = e * bytes / 16;
            tile[static_cast<std::size_t>(r * 128 + (unit ^ r % 8) * 16 + e * bytes % 16 + b)] =
                static_cast<uint8_t>(bytes == 1 ? probe::scramble(17, static_cast<uint32_t>(index))
                                                : (index + 1) >> (8 * b));
          }
        }
      probe::Words words(512);
      std::memcpy(words.data(), tile.data(), 2048);
      std::string const name = "tensor_copy.b" + std::to_string(8 * bytes);
      if (col == 32) {
        words.insert(words.end(), words.begin(), words.begin() + 512);
        REQUIRE(maps.at(name + ".multicast") == words);
      } else {
        REQUIRE(maps.at(name + ".r" + std::to_string(row) + ".c" + std::to_string(col)) == words);
      }
    }
}

TEST_CASE("tensor copies begin multiples of 16 bytes", "[ptx]") {
  Cpu cpu;
  gpu_free::DeviceBuffer<uint32_t> out(512);
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(1);
  config.blockDim = dim3(64);
  config.dynamicSmemBytes = 2048 + 64;
  for (int bytes = 1; bytes <= 2; ++bytes) {
    std::vector<uint8_t> const matrix(static_cast<std::size_t>(40 * 208 * bytes), 1);
    qfmt::ptx::TensorMap map{};
    REQUIRE(qfmt::ptx::make_tensor_map(map, cpu.upload(matrix),
                                       {40, 200, 208 * bytes, bytes, 16}) == cudaSuccess);
    for (int const col : {1, 4, 8 / bytes, -8 / bytes, 100})
      REQUIRE_THROWS_AS(
          cudaLaunchKernelEx(&config, probe::tensor_copy<false>, map, 0, col, 2048u, out.data()),
          gpu_free::Fault);
  }
}

TEST_CASE("bulk copies, copies of threads and clusters", "[ptx]") {
  auto const maps = maps_of(probe::probe_copies<Cpu>);
  probe::Words expected;
  for (int phase = 0; phase < 2; ++phase) {
    for (int i = 508; i < 512; ++i) expected.push_back(phase * 512 + i + 1);
    for (int i = 0; i < 508; ++i) expected.push_back(phase * 512 + i + 1);
  }
  for (int i = 127; i >= 0; --i)
    for (int e = 0; e < 4; ++e) expected.push_back(i * 4 + e + 1);
  for (int i = 512; i < 1024; ++i) expected.push_back(i + 1);
  REQUIRE(maps.at("bulk_copies") == expected);

  probe::Words cluster;
  for (int block = 0; block < 8; ++block) {
    int const rank = block % 4, first = block - rank;
    cluster.insert(cluster.end(), {rank, 4, (first + (rank + 1) % 4) * 10, (rank + 3) % 4 + 100});
  }
  REQUIRE(maps.at("cluster") == cluster);
}

#if defined(GPU_FREE_SHADOW)
TEST_CASE("what a GPU did", "[ptx]") {
  std::filesystem::path const path = QFMT_TEST_DATA "/ptx_sm90.json";
  if (!std::filesystem::exists(path))
    SKIP(
        "tests/data/ptx_sm90.json is not there: no GPU has run tests/device/ptx_probe.cu yet, so "
        "the doubles rest on the manual alone");
  Cpu cpu;
  probe::Maps const maps = probe::run_all(cpu);
  std::ifstream file(path);
  std::string const text{std::istreambuf_iterator<char>(file), {}};
  std::regex const line("\"([^\"]+)\": \\{\"count\": (\\d+), \"digest\": \"([0-9a-f]{16})\"");
  std::size_t compared = 0;
  for (std::sregex_iterator at(text.begin(), text.end(), line), end; at != end; ++at) {
    std::string const name = (*at)[1];
    INFO(name);
    REQUIRE(maps.count(name) == 1);
    auto const& words = maps.at(name);
    char hex[24];
    std::snprintf(hex, sizeof hex, "%016llx",
                  static_cast<unsigned long long>(probe::digest(words)));
    CHECK(std::to_string(words.size()) == (*at)[2]);
    CHECK(hex == (*at)[3]);
    ++compared;
  }
  if (compared != maps.size())
    WARN(maps.size() - compared << " maps are newer than the recorded run");
  REQUIRE(compared > 0);
}
#endif

TEST_CASE("the doubles give the same maps under every seed", "[ptx]") {
  auto const some = [] {
    return maps_of([](Cpu& cpu, probe::Maps& maps) {
      probe::probe_matrices(cpu, maps);
      probe::probe_tensor_copies(cpu, maps);
      probe::probe_copies(cpu, maps);
      maps["wgmma.n16.f16"] = cpu.run(probe::wgmma_random<qfmt::float16, 16>,
                                      {1, 128, probe::wgmma_shared_bytes}, 2 * 128 * 8);
    });
  };
  probe::Maps const first = some();
  gpu_free::for_each_seed(4, [&](std::uint64_t) { REQUIRE(some() == first); });
}
