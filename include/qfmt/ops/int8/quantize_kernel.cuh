// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Activations to 8-bit integers by rows on the GPU: absmax, codes and marks for outlier columns in
// one pass.
#pragma once

#include "qfmt/codec/int8_product.hpp"
#include "qfmt/device/thread/elements.cuh"
#include "qfmt/device/warp/lanes.cuh"
#include "qfmt/ptx/memory.cuh"
#include "qfmt/ptx/shared.cuh"

namespace qfmt::inline v0 {
namespace int8 QFMT_HIDDEN {

/// Packs of a row that a thread keeps in registers between the search for absmax and the encoding;
/// what does not fit is read a second time.
inline constexpr int kept_packs = 4;

/// What quantize_kernel works on.
template <Element T>
struct QuantizeTask {
  T const* x;        // (rows, cols)
  int64_t cols;      // of x
  int64_t written;   // columns of codes to write, those behind x's as 0; at least cols
  bool whole_packs;  // x is aligned to 16 bytes, and so is every row of it
  bool whole_words;  // every row of codes is aligned to 4 bytes, and written is a multiple of 4
  decltype(magnitude_bits(T{})) regular;  // largest_regular
  int64_t cleared = 0;  // words of marks that the only block clears; else they are 0 already
};

/// The largest magnitude of a pack, as bits.
template <Element T, int N>
__device__ uint32_t peak_of(thread::ElementPack<T, N> const& pack) {
  constexpr int words = N * static_cast<int>(sizeof(T)) / 4;
  uint32_t high = 0;
  uint32_t low = 0;
#pragma unroll
  for (int w = 0; w < words; ++w) {
    uint32_t const bits = pack.word[w] & (sizeof(T) == 4 ? 0x7FFFFFFFu : 0x7FFF7FFFu);
    high = bits > high ? bits : high;
    if constexpr (sizeof(T) == 2) low = (bits & 0xFFFFu) > low ? bits & 0xFFFFu : low;
  }
  if constexpr (sizeof(T) == 4) return high;
  return high >> 16 > low ? high >> 16 : low;
}

/// A running maximum of the bits of regular magnitudes.
template <Element T>
struct RegularPeak {
  uint32_t state = 0;

  __device__ void merge(uint32_t other) { state = other > state ? other : state; }

  /// True where all values of the pack are regular.
  template <int N>
  __device__ bool add(thread::ElementPack<T, N> const& pack, uint32_t regular) {
    uint32_t const peak = peak_of(pack);
    if (peak <= regular) {
      merge(peak);
      return true;
    }
#pragma unroll
    for (int i = 0; i < N; ++i) {
      uint32_t const bits = pack.bits(i) & (sizeof(T) == 4 ? 0x7FFFFFFFu : 0x7FFFu);
      merge(bits <= regular ? bits : 0u);
    }
    return false;
  }
  __device__ float absmax() const {
    return activation_absmax<T>(static_cast<decltype(magnitude_bits(T{}))>(state));
  }
};

/// Bit i: value i is an outlier.
template <Element T, int N>
__device__ uint32_t outliers_of(thread::ElementPack<T, N> const& pack, uint32_t regular) {
  uint32_t found = 0;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    uint32_t const bits = pack.bits(i) & (sizeof(T) == 4 ? 0x7FFFFFFFu : 0x7FFFu);
    found |= static_cast<uint32_t>(bits > regular) << i;
  }
  return found;
}

/// Adds marks to a word of the bitmap. Rows mostly agree on their outlier columns, and an atomic
/// that changes nothing waits its turn all the same.
__device__ inline void mark(uint32_t* word, uint32_t marks) {
  if ((ptx::load_relaxed(word) & marks) != marks) atomicOr(word, marks);
}

/// Codes of a pack, four to a word; outliers have code 0.
template <Element T, int N>
__device__ void encode_pack(thread::ElementPack<T, N> const& pack, uint32_t outliers, bool blank,
                            BlockScaling const& scaling, uint32_t (&words)[N / 4]) {
  if (!blank && !scaling.divides) {
    // No other |x| exceeds absmax, so that every product rounds to an integer of at most 127: the
    // low byte of the float beside 1.5 * 2^23.
#pragma unroll
    for (int w = 0; w < N / 4; ++w) {
      uint32_t bits[4];
#pragma unroll
      for (int i = 0; i < 4; ++i)
        bits[i] = float_bits(exact::add(exact::mul(pack[4 * w + i], scaling.factor), 0x1.8p23f));
      uint32_t const low = ptx::permute_bytes(bits[0], bits[1], 0x0040u);
      uint32_t const high = ptx::permute_bytes(bits[2], bits[3], 0x0040u);
      words[w] = ptx::permute_bytes(low, high, 0x5410u);
    }
    if (outliers == 0) return;
#pragma unroll
    for (int i = 0; i < N; ++i)
      if ((outliers >> i & 1u) != 0) words[i / 4] &= ~(0xFFu << i % 4 * 8);
    return;
  }
#pragma unroll
  for (int w = 0; w < N / 4; ++w) words[w] = 0;
  if (blank) return;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    uint32_t const code = Int8::round(exact::rounded(scaling(pack[i])));
    words[i / 4] |= (outliers >> i & 1u) != 0 ? 0u : code << i % 4 * 8;
  }
}

/// A block quantizes row blockIdx.x: its absmax, its codes, and a mark for each column of it that
/// holds an outlier. Marks are added: whoever launches it has cleared them, or has one row alone
/// clear them. Other values of such a column keep their codes: that it is one may be known only
/// when the last row is done.
template <Element T, int Threads>
__launch_bounds__(Threads) __global__
    void quantize_kernel(__grid_constant__ QuantizeTask<T> const task,
                         __grid_constant__ QuantizedActivations<> const out) {
  constexpr int pack = thread::elements_per_vector<T>;
  constexpr int warps = Threads / warp::size;
  using Values = thread::ElementPack<T, pack>;
  __shared__ uint32_t peaks[warps];
  ptx::wait_for_dependencies();
  ptx::launch_dependents();  // a product may bring its weights meanwhile

  T const* const row = task.x + int64_t{blockIdx.x} * task.cols;
  auto const regular = static_cast<uint32_t>(task.regular);
  auto const load = [&](int64_t i) {
    int64_t const left = task.cols - i;
    if (task.whole_packs && left >= pack) return thread::load_elements(row + i);
    return thread::load_elements(row + i, left < pack ? static_cast<int>(left) : pack);
  };
  int64_t const mine = int64_t{threadIdx.x} * pack;
  constexpr int64_t stride = int64_t{Threads} * pack;

  RegularPeak<T> peak;
  uint32_t irregular = 0;  // bit p: kept[p] holds an outlier
  Values kept[kept_packs];
#pragma unroll
  for (int p = 0; p < kept_packs; ++p) kept[p] = load(mine + p * stride);
#pragma unroll
  for (int p = 0; p < kept_packs; ++p)
    if (!peak.add(kept[p], regular)) irregular |= 1u << p;
  for (int64_t i = mine + kept_packs * stride; i < task.cols; i += stride)
    peak.add(load(i), regular);
  warp::merge_peak(peak);
  for (int64_t i = threadIdx.x; i < task.cleared; i += Threads) out.outliers[i] = 0;
  if (warp::lane() == 0) peaks[threadIdx.x / warp::size] = peak.state;
  __syncthreads();
#pragma unroll
  for (int w = 0; w < warps; ++w) peak.merge(peaks[w]);

  float const absmax = peak.absmax();
  QuantizedMatrix<LlmInt8> const& a = out.values;
  int64_t const first = a.origin + int64_t{blockIdx.x} * a.row_stride;
  if (threadIdx.x == 0) a.values.scales.absmax[block_of(a.values, first)] = absmax;
  bool const blank = is_blank_row(absmax);
  BlockScaling const scaling = blank ? BlockScaling{} : block_scaling<Int8>(absmax);
  uint8_t* const codes = a.values.codes + first;
  bool const whole_packs = task.whole_words && task.written % pack == 0 &&
                           reinterpret_cast<uintptr_t>(codes) % pack == 0;
  auto const write = [&](Values const& values, int64_t i, bool has_outliers) {
    if (i >= task.written) return;
    uint32_t const found = has_outliers ? outliers_of(values, regular) : 0;
    if (found != 0) mark(out.outliers + i / outlier_word_bits, found << i % outlier_word_bits);
    uint32_t words[pack / 4];
    encode_pack(values, found, blank, scaling, words);
    if (whole_packs) {
      thread::Words<pack> all;
#pragma unroll
      for (int w = 0; w < pack / 4; ++w) all.word[w] = words[w];
      thread::store_words(all, codes + i);
      return;
    }
#pragma unroll
    for (int w = 0; w < pack / 4; ++w) {
      int64_t const at = i + 4 * w;
      if (task.whole_words && at < task.written) {
        thread::store_words(thread::Words<4>{{words[w]}}, codes + at);
      } else {
#pragma unroll
        for (int b = 0; b < 4; ++b)
          if (at + b < task.written) codes[at + b] = static_cast<uint8_t>(words[w] >> 8 * b);
      }
    }
  };
#pragma unroll
  for (int p = 0; p < kept_packs; ++p)
    write(kept[p], mine + p * stride, (irregular >> p & 1u) != 0);
  for (int64_t i = mine + kept_packs * stride; i < task.written; i += stride)
    write(load(i), i, true);
}

/// Gives the outlier columns code 0 in row blockIdx.x, for callers that want the codes themselves.
template <int Threads>
__launch_bounds__(Threads) __global__
    void clear_outliers_kernel(__grid_constant__ QuantizedActivations<> const out) {
  QuantizedMatrix<LlmInt8> const& a = out.values;
  uint8_t* const codes = a.values.codes + a.origin + int64_t{blockIdx.x} * a.row_stride;
  ptx::wait_for_dependencies();
  for (int64_t k = threadIdx.x; k < a.cols; k += Threads)
    if (is_outlier_column(out.outliers, k)) codes[k] = 0;
}

}  // namespace int8
}  // namespace qfmt::inline v0
