// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nvrtc.h>

#include <cstdio>
#include <string>
#include <vector>

/// One compile by NVRTC; a warning counts as an error, as everywhere in these tests.
struct Program {
  std::string machine_code;        ///< empty after an error, and for compute_NN
  std::string ptx;                 ///< empty after an error
  std::vector<std::string> names;  ///< of the asked-for instances, as the machine code spells them
  std::string log;
};

inline Program compile(std::string const& source, std::string const& architecture,
                       std::vector<std::string> const& options,
                       std::vector<std::string> const& instances = {}) {
  nvrtcProgram program = nullptr;
  Program result;
  if (nvrtcCreateProgram(&program, source.c_str(), "test.cu", 0, nullptr, nullptr) != NVRTC_SUCCESS)
    return result;
  std::string const gpu = "--gpu-architecture=" + architecture;
  std::vector<char const*> arguments{gpu.c_str()};
  for (auto const& option : options) arguments.push_back(option.c_str());
  for (auto const& instance : instances) nvrtcAddNameExpression(program, instance.c_str());
  nvrtcResult const done =
      nvrtcCompileProgram(program, static_cast<int>(arguments.size()), arguments.data());

  std::size_t size = 0;
  nvrtcGetProgramLogSize(program, &size);
  result.log.resize(size);
  nvrtcGetProgramLog(program, result.log.data());
  bool const silent = result.log.find("error") == std::string::npos &&
                      result.log.find("warning") == std::string::npos;
  if (done == NVRTC_SUCCESS && silent) {
    if (nvrtcGetCUBINSize(program, &size) == NVRTC_SUCCESS) {
      result.machine_code.resize(size);
      nvrtcGetCUBIN(program, result.machine_code.data());
    }
    if (nvrtcGetPTXSize(program, &size) == NVRTC_SUCCESS) {
      result.ptx.resize(size);
      nvrtcGetPTX(program, result.ptx.data());
    }
    for (auto const& instance : instances) {
      char const* name = "";
      nvrtcGetLoweredName(program, instance.c_str(), &name);
      result.names.emplace_back(name);
    }
  } else {
    std::printf("for %s: %s\n%.1500s\n", architecture.c_str(), nvrtcGetErrorString(done),
                result.log.c_str());
  }
  nvrtcDestroyProgram(&program);
  return result;
}
