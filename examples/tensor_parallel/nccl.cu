// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
//     nvcc -std=c++20 -arch=sm_90 -I include examples/tensor_parallel/nccl.cu -lnccl -o
//     tensor_parallel
//     ./tensor_parallel --make pair.safetensors 8192 28672
//     ./tensor_parallel pair.safetensors                                   one rank
//     export WORLD_SIZE=2 NCCL_ID_FILE=$(mktemp -u)                        or several
//     for r in 0 1; do RANK=$r ./tensor_parallel pair.safetensors & done; wait
#include "../collectives/device_place.cuh"
#include "../collectives/nccl.hpp"
#include "run.hpp"

int main(int argc, char** argv) {
  if (int const made = examples::make_if_asked(argc, argv); made >= 0) return made;
  examples::NcclCommunicator comm;
  if (!comm.joined()) return 3;
  return examples::run<qfmt::bfloat16>(examples::DevicePlace(comm.stream()), comm, argc, argv);
}
