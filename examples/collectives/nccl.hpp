// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Ranks on GPUs, one process for each, through NCCL. As torchrun has it, the environment says who
// is who: RANK, WORLD_SIZE and LOCAL_RANK. NCCL's id travels through a file that all ranks see:
// rank 0 writes NCCL_ID_FILE, and removes it once all have joined.
#pragma once

#include <qfmt/dtype.hpp>

#include <cuda_runtime.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nccl.h>
#include <string>
#include <thread>

#include "communicator.hpp"

namespace examples {

class NcclCommunicator {
 public:
  NcclCommunicator()
      : rank_(number("RANK", 0)),
        ranks_(number("WORLD_SIZE", 1)),
        local_(number("LOCAL_RANK", rank_)) {
    ncclUniqueId id{};
    joined_ = ok(cudaSetDevice(local_)) && ok(cudaStreamCreate(&stream_)) && exchange(id) &&
              ok(ncclCommInitRank(&comm_, ranks_, id, rank_));
    if (rank_ == 0 && ranks_ > 1) std::remove(id_file().c_str());
  }
  NcclCommunicator(NcclCommunicator const&) = delete;
  NcclCommunicator& operator=(NcclCommunicator const&) = delete;
  ~NcclCommunicator() {
    if (comm_ != nullptr) ncclCommDestroy(comm_);
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
  }

  /// False where this rank found no GPU or no others.
  bool joined() const { return joined_; }
  int rank() const { return rank_; }
  int ranks() const { return ranks_; }
  cudaStream_t stream() const { return stream_; }

  bool all_reduce_sum(qfmt::bfloat16* values, std::int64_t n) {
    return ok(ncclAllReduce(values, values, static_cast<std::size_t>(n), ncclBfloat16, ncclSum,
                            comm_, stream_));
  }
  bool all_gather(std::byte const* mine, std::int64_t n, std::byte* all) {
    return ok(ncclAllGather(mine, all, static_cast<std::size_t>(n), ncclUint8, comm_, stream_));
  }

 private:
  static int number(char const* name, int otherwise) {
    char const* const text = std::getenv(name);
    return text == nullptr ? otherwise : std::atoi(text);
  }
  static std::string id_file() {
    char const* const path = std::getenv("NCCL_ID_FILE");
    return path == nullptr ? "" : path;
  }

  bool ok(cudaError_t e) const { return said(e == cudaSuccess, cudaGetErrorString(e)); }
  bool ok(ncclResult_t r) const { return said(r == ncclSuccess, ncclGetErrorString(r)); }
  bool said(bool fine, char const* what) const {
    if (!fine) std::fprintf(stderr, "rank %d: %s\n", rank_, what);
    return fine;
  }

  /// The id of rank 0, on every rank.
  bool exchange(ncclUniqueId& id) const {
    if (rank_ == 0 && !ok(ncclGetUniqueId(&id))) return false;
    if (ranks_ == 1) return true;
    std::string const path = id_file(), partial = path + ".partial";
    if (path.empty()) return said(false, "NCCL_ID_FILE must name a file that all ranks see");
    if (rank_ == 0) {
      std::ofstream(partial, std::ios::binary).write(id.internal, sizeof id.internal);
      return said(std::rename(partial.c_str(), path.c_str()) == 0,
                  "NCCL_ID_FILE: cannot be written");
    }
    for (int tries = 0; tries < 600; ++tries) {
      if (std::ifstream(path, std::ios::binary).read(id.internal, sizeof id.internal)) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return said(false, "NCCL_ID_FILE: rank 0 wrote none within a minute");
  }

  int rank_, ranks_, local_;
  bool joined_ = false;
  ncclComm_t comm_ = nullptr;
  cudaStream_t stream_ = nullptr;
};

static_assert(Communicator<NcclCommunicator, qfmt::bfloat16>);

}  // namespace examples
