// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/device/block/encode_table.cuh"
#include "qfmt/device/thread/block_rounding.cuh"
#include "qfmt/device/warp/block_encoder.cuh"
#include "qfmt/scheme/scheme.hpp"

namespace qfmt::inline v0 {
namespace grid QFMT_HIDDEN {

/// Packs of a row that a thread keeps in registers between the search for absmax and the encoding;
/// what does not fit is read a second time.
inline constexpr int row_packs = 8;

/// Blocks of Threads that an SM holds, by the registers that the architecture being compiled for
/// takes without spills.
QFMT_HD constexpr int row_blocks_per_sm(int threads) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000
  return 640 / threads;
#else
  return 1024 / threads;
#endif
}

/// One block quantizes one row: codes, and absmax per row.     values: (rows, row_length)
/// Aligned: every row of values to 16 bytes, every row of codes to a pack of codes.
template <SchemeSpec S, Element T, class Encoder, int Threads, bool Aligned>
__launch_bounds__(Threads, row_blocks_per_sm(Threads)) __global__
    void quantize_rows_kernel(T const* values, int64_t row_length, warp::Encoded out) {
  using F = typename S::format;
  constexpr int pack = thread::elements_per_vector<T>;
  constexpr int warps = Threads / warp::size;
  using Table = block::EncodeTable<F, Threads>;
  using Peak = thread::BlockPeak<Encoder, T>;
  using Values = thread::ElementPack<T, pack>;
  __shared__ typename Table::TempStorage storage;
  __shared__ decltype(Peak::state) peaks[warps];
  Table table(storage);
  table.fill();

  T const* const row = values + int64_t{blockIdx.x} * row_length;
  uint8_t* const codes = out.codes + int64_t{blockIdx.x} * row_length;
  auto const valid = [&](int64_t i) {
    int64_t const left = row_length - i;
    return left < 0 ? 0 : left < pack ? static_cast<int>(left) : pack;
  };
  auto const load = [&](int64_t i) {
    if (Aligned && valid(i) == pack) return thread::load_elements(row + i);
    return thread::load_elements(row + i, valid(i));
  };
  int64_t const mine = int64_t{threadIdx.x} * pack;
  constexpr int64_t stride = int64_t{Threads} * pack;

  Peak peak;
  peak.add(Values{});  // a row's absmax starts from 0
  Values kept[row_packs];
#pragma unroll
  for (int p = 0; p < row_packs; ++p) kept[p] = load(mine + p * stride);
#pragma unroll
  for (int p = 0; p < row_packs; ++p) peak.add(kept[p]);
  for (int64_t i = mine + row_packs * stride; i < row_length; i += stride) peak.add(load(i));
  warp::merge_peak(peak);
  if (warp::lane() == 0) peaks[threadIdx.x / warp::size] = peak.state;
  __syncthreads();
#pragma unroll
  for (int w = 0; w < warps; ++w) peak.merge(peaks[w]);

  float const absmax = scale_of_absmax<F>(peak.absmax());
  using Rounding = thread::BlockRounding<Encoder, F>;
  Rounding const rounding(absmax);
  if (threadIdx.x == 0) out.absmax[blockIdx.x] = absmax;
  auto const store = [&](thread::PackOf<F, pack> const& packed, int64_t i) {
    int const n = valid(i);
    if (Aligned && n == pack) {
      thread::store_codes(packed, codes + i);
    } else if (n > 0) {
      thread::store_codes(packed, codes + i, n);
    }
  };
  if (rounding.uses_table()) {
#pragma unroll
    for (int p = 0; p < row_packs; ++p)
      store(thread::encode_by_table<F, Rounding>(kept[p], rounding.factor(), table),
            mine + p * stride);
    for (int64_t i = mine + row_packs * stride; i < row_length; i += stride)
      store(thread::encode_by_table<F, Rounding>(load(i), rounding.factor(), table), i);
  } else {  // rare, and so read again rather than kept
    for (int64_t i = mine; i < row_length; i += stride) {
      Values const v = load(i);
      store(thread::encode_by_rule<F>(v, rounding), i);
      int const found = out.count == nullptr ? 0 : thread::count_non_finite(v, valid(i));
      if (found != 0) atomicAdd(out.count, static_cast<unsigned long long>(found));
    }
  }
}

}  // namespace grid
}  // namespace qfmt::inline v0
