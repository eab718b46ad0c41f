// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
//     mpicxx -std=c++20 -O2 -I include examples/fsdp_gather/mpi.cpp -o fsdp_gather
//     mpirun -n 3 ./fsdp_gather pair.safetensors     (of tensor_parallel --make)
#include "../collectives/mpi.hpp"

#include "../collectives/host_place.hpp"
#include "run.hpp"

int main(int argc, char** argv) {
  examples::MpiCommunicator comm(argc, argv);
  return examples::run<float>(examples::HostPlace{}, comm, argc, argv);
}
