// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What this program was built with, what this machine has, and whether every format works on it.
#include <qfmt/host/simd/level.hpp>
#include <qfmt/version.hpp>

#include <fmt/core.h>

#include <chrono>
#include <thread>

#include "commands.hpp"
#include "cuda_driver.hpp"
#include "differences.hpp"
#include "failure.hpp"
#include "round_trips.hpp"
#include "text.hpp"

namespace app {
namespace {

char const* simd_name(qfmt::SimdLevel level) {
  switch (level) {
    case qfmt::SimdLevel::neon: return "neon";
    case qfmt::SimdLevel::avx2: return "avx2";
    case qfmt::SimdLevel::avx512: return "avx512";
    case qfmt::SimdLevel::avx512_bf16: return "avx512_bf16";
    default: return "scalar";
  }
}

std::string compiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "g++ " __VERSION__;
#endif
}

struct SelfTest {
  std::string scheme;
  std::string fault;  // empty: it works
  double relative_rmse = 0.;
  double milliseconds = 0.;
};

/// The same bytes at every SIMD level, the same values one by one, and an error that four bits, or
/// two, may have.
SelfTest test(FormatEntry const& entry, std::span<float const> values) {
  auto const begin = std::chrono::steady_clock::now();
  SelfTest result{scheme_text(entry.desc), {}};
  auto const best = entry.round_trip(values, qfmt::SimdLevel::best);
  auto const scalar = entry.round_trip(values, qfmt::SimdLevel::scalar);
  if (!best.status || !scalar.status) {
    result.fault = qfmt::message((best.status ? scalar : best).status.code);
  } else if (best.bytes != scalar.bytes) {
    result.fault = "SIMD and scalar code write other bytes";
  } else if (!best.agrees || !scalar.agrees) {
    result.fault = "SIMD and scalar code decode to other values";
  } else {
    result.relative_rmse =
        differences_of(values, std::span<float const>(best.decoded)).relative_rmse();
    if (!(result.relative_rmse < 0.6)) result.fault = "it loses too much";
  }
  std::chrono::duration<double, std::milli> const time = std::chrono::steady_clock::now() - begin;
  result.milliseconds = time.count();
  return result;
}

Json json_of(CudaDriver const& cuda) {
  Json devices = Json::array();
  for (auto const& device : cuda.devices)
    devices.push_back({{"name", device.name},
                       {"compute_capability", device.compute_capability},
                       {"memory_bytes", device.memory_bytes}});
  return {{"driver", cuda.driver.empty() ? Json(nullptr) : Json(cuda.driver)},
          {"runtime", cuda.runtime.empty() ? Json(nullptr) : Json(cuda.runtime)},
          {"devices", std::move(devices)}};
}

}  // namespace

int doctor(DoctorOptions const& options) {
  auto const version =
      fmt::format("{}.{}.{}", QFMT_VERSION_MAJOR, QFMT_VERSION_MINOR, QFMT_VERSION_PATCH);
  auto const* const simd = simd_name(qfmt::host::simd_level());
  auto const cuda = find_cuda_driver();
  auto const values = random_values(Distribution::normal, 16384);
  std::vector<SelfTest> tests;
  for (auto const& entry : format_entries()) tests.push_back(test(entry, values));
  bool const good = std::ranges::all_of(tests, [](auto const& t) { return t.fault.empty(); });

  if (options.json) {
    Json json{{"schema_version", json_schema_version},
              {"version", version},
              {"compiler", compiler()},
              {"simd", simd},
              {"threads", std::thread::hardware_concurrency()},
              {"cuda", json_of(cuda)},
              {"formats", Json::array()},
              {"good", good}};
    for (auto const& t : tests)
      json["formats"].push_back({{"scheme", t.scheme},
                                 {"good", t.fault.empty()},
                                 {"fault", t.fault},
                                 {"relative_rmse", t.relative_rmse},
                                 {"milliseconds", t.milliseconds}});
    print_json(json);
    return good ? exit_ok : exit_differs;
  }
  fmt::print("qfmt          {}\ncompiler      {}\nSIMD          {} ({} hardware threads)\n",
             version, compiler(), simd, std::thread::hardware_concurrency());
  fmt::print("CUDA driver   {}\nCUDA runtime  {}\n",
             cuda.driver.empty() ? "not found" : cuda.driver,
             cuda.runtime.empty() ? "not found" : cuda.runtime);
  for (auto const& device : cuda.devices)
    fmt::print("GPU           {}, sm_{}, {:.1f} GiB\n", printable(device.name),
               device.compute_capability, static_cast<double>(device.memory_bytes) / (1 << 30));
  if (cuda.devices.empty()) fmt::print("GPU           none\n");
  Table table({"self-test", "result", "rel. RMSE", "ms"});
  for (auto const& t : tests)
    table.add({t.scheme, t.fault.empty() ? "ok" : t.fault, fmt::format("{:.4f}", t.relative_rmse),
               fmt::format("{:.1f}", t.milliseconds)});
  table.print();
  return good ? exit_ok : exit_differs;
}

}  // namespace app
