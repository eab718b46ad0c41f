// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What CUDA there is on this machine, asked at run time: the program is not linked with it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace app {

struct CudaDevice {
  std::string name;
  int compute_capability = 0;  // 90 for 9.0
  std::uint64_t memory_bytes = 0;
};

struct CudaDriver {
  std::string driver, runtime;  // versions; empty where there is none
  std::vector<CudaDevice> devices;
};

CudaDriver find_cuda_driver();

}  // namespace app
