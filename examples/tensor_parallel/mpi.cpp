// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
//     mpicxx -std=c++20 -O2 -I include examples/tensor_parallel/mpi.cpp -o tensor_parallel
//     ./tensor_parallel --make pair.safetensors 96 130
//     mpirun -n 3 ./tensor_parallel pair.safetensors
#include "../collectives/mpi.hpp"

#include "../collectives/host_place.hpp"
#include "run.hpp"

int main(int argc, char** argv) {
  if (int const made = examples::make_if_asked(argc, argv); made >= 0) return made;
  examples::MpiCommunicator comm(argc, argv);
  return examples::run<float>(examples::HostPlace{}, comm, argc, argv);
}
