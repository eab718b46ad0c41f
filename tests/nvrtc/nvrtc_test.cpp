// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// nvrtc_test KERNELS HEADER... -- OPTION...
// Compiles the headers one by one, then all of them with the kernels, by NVRTC for each
// architecture. Needs no GPU and no driver.
#include <nvrtc.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <future>
#include <iterator>
#include <string>
#include <vector>

namespace {

/// Bytes of machine code; 0 after an error, whose log is printed under `name`.
std::size_t compile(std::string const& name, std::string const& source, char const* arch,
                    std::vector<std::string> const& options) {
  nvrtcProgram program = nullptr;
  if (nvrtcCreateProgram(&program, source.c_str(), name.c_str(), 0, nullptr, nullptr) !=
      NVRTC_SUCCESS) {
    std::printf("%s: NVRTC takes no program\n", name.c_str());
    return 0;
  }
  std::string const architecture = std::string("--gpu-architecture=") + arch;
  std::vector<char const*> arguments{architecture.c_str()};
  for (auto const& option : options) arguments.push_back(option.c_str());
  nvrtcResult const result =
      nvrtcCompileProgram(program, static_cast<int>(arguments.size()), arguments.data());

  std::size_t log_size = 0;
  nvrtcGetProgramLogSize(program, &log_size);
  std::string log(log_size, '\0');
  if (log_size > 0) nvrtcGetProgramLog(program, log.data());
  std::size_t code_size = 0;
  if (result == NVRTC_SUCCESS) nvrtcGetCUBINSize(program, &code_size);
  nvrtcDestroyProgram(&program);

  // A warning counts as an error, as everywhere in these tests.
  bool const silent = log.find("error") == log.npos && log.find("warning") == log.npos;
  if (result == NVRTC_SUCCESS && silent && code_size > 0) return code_size;
  std::printf("%s for %s: %s\n%s\n", name.c_str(), arch, nvrtcGetErrorString(result), log.c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> const arguments(argv + 1, argv + argc);
  auto const dashes = std::find(arguments.begin(), arguments.end(), "--");
  if (arguments.size() < 2 || dashes == arguments.end()) return 2;
  std::vector<std::string> const headers(arguments.begin() + 1, dashes);
  std::vector<std::string> const options(dashes + 1, arguments.end());

  int failed = 0;
  std::string all;
  for (auto const& header : headers) {
    std::string const include = "#include <" + header + ">\n";
    all += include;
    failed += compile("only " + header, include, "sm_80", options) == 0;
  }
  std::printf("%zu headers alone, %d failed\n", headers.size(), failed);

  std::ifstream file(arguments[0]);
  std::string const kernels{std::istreambuf_iterator<char>(file), {}};
  if (kernels.empty()) return 2;
  auto const compile_for = [&](char const* arch) {
    std::size_t const bytes = compile(arguments[0], all + kernels, arch, options);
    std::printf("kernels for %s: %zu bytes of machine code\n", arch, bytes);
    return bytes == 0;
  };
  auto other = std::async(std::launch::async, compile_for, "sm_80");
  failed += compile_for("sm_90a");
  failed += other.get();
  // The test can fail: a header that is not there must be an error.
  std::fflush(stdout);
  if (std::freopen("/dev/null", "w", stdout) == nullptr) return 2;
  bool const caught = compile("planted", "#include <qfmt/nothing.hpp>\n", "sm_80", options) == 0;
  return failed == 0 && caught ? 0 : 1;
}
