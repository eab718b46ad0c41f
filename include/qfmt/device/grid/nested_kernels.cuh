// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// From plain scales to nested ones: their mean by the tree, then their own codes.
#pragma once

#include "qfmt/device/block/scale_mean.cuh"
#include "qfmt/device/warp/block_encoder.cuh"
#include "qfmt/ptx/memory.cuh"

namespace qfmt::inline v0::grid {

/// The node of a plain scale, or of a sum of scales, in the tree.
__device__ inline ScaleSum to_node(float absmax) { return ScaleSum::of(absmax); }
__device__ inline ScaleSum to_node(ScaleSum sum) { return sum; }

/// sums[b] = the sum of nodes [2048 b, 2048 b + 2048).     nodes: (size), plain scales or sums
template <class Node>
__launch_bounds__(block::ScaleSummer::threads) QFMT_KERNEL
    void sum_scales_kernel(Node const* nodes, int64_t size, ScaleSum* sums) {
  __shared__ block::ScaleSummer::TempStorage storage;
  ptx::wait_for_dependencies();
  block::ScaleSummer summer(storage);
  ScaleSum const sum = summer(int64_t{blockIdx.x} * block::ScaleSummer::capacity, size,
                              [&](int64_t i) { return to_node(nodes[i]); });
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

/// Nested scales, quantized by a warp for each group of 256.
struct NestedOutput {
  warp::Encoded inner;  // codes (blocks), absmax2 (groups)
  float* offset;        // (1)
};

/// Codes and absmax2 of `blocks` plain scales, less their mean, which goes to *out.offset. The mean
/// is that of `nodes`, at most 2048; where `nodes` is null, *out.offset is given.
template <class Encoder, class Node>
__launch_bounds__(block::ScaleSummer::threads) QFMT_KERNEL
    void encode_scales_kernel(float const* absmax, int64_t blocks, Node const* nodes, int64_t size,
                              NestedOutput out) {
  constexpr int threads = block::ScaleSummer::threads;
  using Blocks = warp::BlockEncoder<AbsmaxScheme::format, AbsmaxScheme::block_size, float, Encoder>;
  using Table = block::EncodeTable<AbsmaxScheme::format, threads>;
  __shared__ typename Table::TempStorage table_storage;
  __shared__ block::ScaleSummer::TempStorage sum_storage;
  Table table(table_storage);
  table.fill();
  ptx::wait_for_dependencies();
  float offset;
  if (nodes == nullptr) {
    offset = *out.offset;
    __syncthreads();
  } else {
    block::ScaleSummer summer(sum_storage);
    offset = summer(0, size, [&](int64_t i) { return to_node(nodes[i]); }).mean();
    if (blockIdx.x == 0 && threadIdx.x == 0) *out.offset = offset;
  }

  constexpr int warps = threads / warp::size;
  int64_t const stride = int64_t{gridDim.x} * warps * Blocks::tile;
  int64_t first = (int64_t{blockIdx.x} * warps + threadIdx.x / warp::size) * Blocks::tile;
  for (; first < blocks; first += stride) {
    int const n = blocks - first < Blocks::tile ? static_cast<int>(blocks - first) : Blocks::tile;
    typename Blocks::Values centred[Blocks::packs];
    Blocks::template load<false>(absmax + first, n, centred);
#pragma unroll
    for (int p = 0; p < Blocks::packs; ++p)
#pragma unroll
      for (int i = 0; i < Blocks::values_per_pack; ++i)
        if (i < Blocks::valid(p, n))
          centred[p].word[i] = float_bits(exact::sub(float_from_bits(centred[p].word[i]), offset));
    Blocks::template encode<false>(centred, first, n, table, out.inner);
  }
}

}  // namespace qfmt::inline v0::grid
