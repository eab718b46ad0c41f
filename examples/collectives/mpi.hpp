// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Ranks on CPUs, through MPI. Errors end the program, as MPI has it by default.
#pragma once

#define OMPI_SKIP_MPICXX 1  // C++ bindings that nobody asked for
#include <climits>
#include <cstdio>
#include <mpi.h>

#include "communicator.hpp"

namespace examples {

class MpiCommunicator {
 public:
  MpiCommunicator(int& argc, char**& argv) {
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks_);
  }
  MpiCommunicator(MpiCommunicator const&) = delete;
  MpiCommunicator& operator=(MpiCommunicator const&) = delete;
  ~MpiCommunicator() { MPI_Finalize(); }

  int rank() const { return rank_; }
  int ranks() const { return ranks_; }

  bool all_reduce_sum(float* values, std::int64_t n) {
    return fits(n) && MPI_Allreduce(MPI_IN_PLACE, values, static_cast<int>(n), MPI_FLOAT, MPI_SUM,
                                    MPI_COMM_WORLD) == MPI_SUCCESS;
  }

  bool all_gather(std::byte const* mine, std::int64_t n, std::byte* all) {
    auto const count = static_cast<int>(n);
    return fits(n) && MPI_Allgather(mine, count, MPI_BYTE, all, count, MPI_BYTE, MPI_COMM_WORLD) ==
                          MPI_SUCCESS;
  }

 private:
  static bool fits(std::int64_t n) {
    if (n <= INT_MAX) return true;
    std::fprintf(stderr, "mpi.hpp: a message of %lld elements; an int counts them here\n",
                 static_cast<long long>(n));
    return false;
  }

  int rank_ = 0;
  int ranks_ = 1;
};

static_assert(Communicator<MpiCommunicator, float>);

}  // namespace examples
