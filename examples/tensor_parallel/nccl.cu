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
  // How k is divided over a GPU follows the shape, which differs between a shard and the whole. To
  // compare their bits both must divide alike; --time, which then comes first, lets each be
  // fastest.
  qfmt::MatmulOptions options;
  if (argc < 2 || std::strcmp(argv[1], "--time") != 0) options.tuning = {.splits = 1, .cluster = 1};
  examples::DevicePlace const place(comm.stream(), options);
  return examples::run<qfmt::bfloat16>(place, comm, argc, argv);
}
