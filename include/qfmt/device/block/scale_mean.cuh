// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// A block of threads sums neighbouring nodes of the binary tree that defines the offset of nested
// scales.
#pragma once

#include "qfmt/device/warp/lanes.cuh"

namespace qfmt::inline v0::block {

/// Adds the sums of Warps warps, a power of two, as neighbouring nodes of the tree.
template <int Warps>
class WarpSummer {
 public:
  /// In shared memory.
  struct TempStorage {
    double sum[Warps];       ///< one a warp
    long long count[Warps];  ///< one a warp
  };

  /// Over storage that one call uses.
  __device__ explicit WarpSummer(TempStorage& storage) : storage_(storage) {}

  /// `mine` is the warp's, equal in all its lanes. Called by all threads, synchronises once, every
  /// thread gets the sum. A second call needs a __syncthreads() before it.
  __device__ ScaleSum operator()(ScaleSum mine) {
    if (warp::lane() == 0) {
      storage_.sum[threadIdx.x / warp::size] = mine.sum;
      storage_.count[threadIdx.x / warp::size] = static_cast<long long>(mine.count);
    }
    __syncthreads();
    ScaleSum w[Warps];
#pragma unroll
    for (int i = 0; i < Warps; ++i)
      w[i] = {storage_.sum[i], static_cast<int64_t>(storage_.count[i])};
#pragma unroll
    for (int width = 1; width < Warps; width *= 2)
#pragma unroll
      for (int i = 0; i < Warps; i += 2 * width) w[i] = w[i] + w[i + width];
    return w[0];
  }

 private:
  TempStorage& storage_;
};

/// Sums up to 2048 nodes by the tree of ScaleSumTree over the position, in f64; absent nodes count
/// as 0.
///
/// Numerics: the bits of ScaleSumTree, because a tree over 8 a thread, 32 threads a warp and 8
/// warps is the binary tree over all 2048.
class ScaleSummer {
 public:
  static constexpr int threads = 256;                          ///< of a block that calls this
  static constexpr int nodes_per_thread = 8;                   ///< that a thread adds up first
  static constexpr int capacity = threads * nodes_per_thread;  ///< nodes of one call at most

  using TempStorage = WarpSummer<threads / warp::size>::TempStorage;  ///< in shared memory

  /// Over storage that one call uses.
  __device__ explicit ScaleSummer(TempStorage& storage) : over_warps_(storage) {}

  /// The sum of node(first) ... node(first + capacity - 1), where node(i) is ScaleSum{} from `size`
  /// on. Called by all 256 threads, synchronises once, every thread gets the sum. A second call
  /// needs a __syncthreads() before it.
  template <class Node>
  __device__ ScaleSum operator()(int64_t first, int64_t size, Node&& node) {
    ScaleSum x[nodes_per_thread];
    int64_t const mine = first + int64_t{threadIdx.x} * nodes_per_thread;
#pragma unroll
    for (int i = 0; i < nodes_per_thread; ++i) x[i] = mine + i < size ? node(mine + i) : ScaleSum{};
#pragma unroll
    for (int width = 1; width < nodes_per_thread; width *= 2)
#pragma unroll
      for (int i = 0; i < nodes_per_thread; i += 2 * width) x[i] = x[i] + x[i + width];
    return over_warps_(warp::sum(x[0]));
  }

 private:
  WarpSummer<threads / warp::size> over_warps_;
};

}  // namespace qfmt::inline v0::block
