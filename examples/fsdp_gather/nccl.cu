// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
//     nvcc -std=c++20 -arch=sm_90 -I include examples/fsdp_gather/nccl.cu -lnccl -o fsdp_gather
//     ./fsdp_gather pair.safetensors     one rank; several as tensor_parallel/nccl.cu says
#include "../collectives/device_place.cuh"
#include "../collectives/nccl.hpp"
#include "run.hpp"

int main(int argc, char** argv) {
  examples::NcclCommunicator comm;
  if (!comm.joined()) return 3;
  return examples::run<qfmt::bfloat16>(examples::DevicePlace(comm.stream()), comm, argc, argv);
}
