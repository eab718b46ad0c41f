// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Double of the library's header of this name.
#pragma once

#include "qfmt/ptx/shared.cuh"

namespace qfmt::inline v0::ptx {

inline uint32_t cluster_rank() { return gpu_free::thread().rank; }
inline uint32_t cluster_size() { return gpu_free::cluster_size(); }

inline void arrive_cluster(GPU_FREE_SITE) { gpu_free::arrive_cluster(site); }
inline void wait_cluster(GPU_FREE_SITE) { gpu_free::wait_cluster(site); }

template <class Word>
Word load_remote(Word const* p, uint32_t rank, GPU_FREE_SITE) {
  static_assert(sizeof(Word) == 4);
  return *reinterpret_cast<Word const*>(gpu_free::map_shared(const_cast<Word*>(p), rank, site));
}

inline void store_remote(float* p, uint32_t rank, float value, GPU_FREE_SITE) {
  *reinterpret_cast<float*>(gpu_free::map_shared(p, rank, site)) = value;
}

}  // namespace qfmt::inline v0::ptx
