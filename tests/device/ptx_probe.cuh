// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Kernels that send one-hot and index-valued inputs through every wrapper of qfmt/ptx/ and write
// down where each element went. The same source runs on a GPU (ptx_probe.cu) and over the doubles
// (tests/gpu_free/ptx_test.cpp): the results must be equal word for word.
#pragma once

#include "qfmt/ptx/bulk.cuh"
#include "qfmt/ptx/cluster.cuh"
#include "qfmt/ptx/lanes.cuh"
#include "qfmt/ptx/memory.cuh"
#include "qfmt/ptx/mma.cuh"
#include "qfmt/ptx/tensor_map.cuh"
#include "qfmt/ptx/wgmma.cuh"

namespace probe {

using namespace qfmt;

/// A number below 2^32 that is another one for every (seed, i).
QFMT_HD constexpr uint32_t scramble(uint32_t seed, uint32_t i) {
  uint32_t x = i * 0x9E3779B1u ^ seed * 0x85EBCA77u;
  x ^= x >> 15;
  x *= 0x2C1B3C6Du;
  x ^= x >> 12;
  x *= 0x297A2D39u;
  return x ^ x >> 15;
}

/// An integer from -4 to 4: sums of 64 products are exact in every type and order.
QFMT_HD constexpr int small_integer(uint32_t seed, uint32_t i) {
  return static_cast<int>(scramble(seed, i) % 9u) - 4;
}

/// The bits of a small integer in a 16-bit type.
template <Element T>
QFMT_HD uint32_t bits_of_integer(int x) {
  return __builtin_bit_cast(uint16_t, from_float<T>(static_cast<float>(x)));
}

// --- A warp's products
// ------------------------------------------------------------------------------

/// Block p: A is 1 at place p (lane, register, half) and 0 elsewhere, B holds q + 1 at its place q.
/// out[p][lane * 4 + i] = d[i] of the lane: q + 1 of the B element that met A's.
template <Element T>
__global__ void mma_one_hot(int32_t* out) {
  uint32_t const lane = threadIdx.x, p = blockIdx.x;
  uint32_t a[4]{}, b[2];
  float const c[4]{};
  float d[4];
  for (uint32_t r = 0; r < 4; ++r)
    if (p / 2 == lane * 4 + r) a[r] = bits_of_integer<T>(1) << p % 2 * 16;
  for (uint32_t r = 0; r < 2; ++r) {
    auto const q = static_cast<int>(lane * 4 + r * 2);
    b[r] = bits_of_integer<T>(q + 1) | bits_of_integer<T>(q + 2) << 16;
  }
  ptx::mma_m16n8k16<T>(d, a, b, c);
  for (uint32_t i = 0; i < 4; ++i) out[p * 128 + lane * 4 + i] = static_cast<int32_t>(d[i]);
}

/// The same of bytes; B's place q holds q % 16 + 1 in the first product, q / 16 + 1 in the second.
static __global__ void mma_one_hot_bytes(int32_t* out) {
  uint32_t const lane = threadIdx.x, p = blockIdx.x;
  for (uint32_t part = 0; part < 2; ++part) {
    uint32_t a[4]{}, b[2]{};
    int32_t const c[4]{};
    int32_t d[4];
    for (uint32_t r = 0; r < 4; ++r)
      if (p / 4 == lane * 4 + r) a[r] = 1u << p % 4 * 8;
    for (uint32_t r = 0; r < 2; ++r)
      for (uint32_t e = 0; e < 4; ++e) {
        uint32_t const q = lane * 8 + r * 4 + e;
        b[r] |= ((part == 0 ? q % 16 : q / 16) + 1) << e * 8;
      }
    ptx::mma_m16n8k32(d, a, b, c);
    for (uint32_t i = 0; i < 4; ++i) out[(p * 2 + part) * 128 + lane * 4 + i] = d[i];
  }
}

/// d = 0 * 0 + c, and random integers with a c.     out: (2, 128)
template <Element T>
__global__ void mma_accumulate(int32_t* out) {
  uint32_t const lane = threadIdx.x;
  uint32_t a[4]{}, b[2]{};
  float c[4], d[4];
  for (uint32_t i = 0; i < 4; ++i) c[i] = static_cast<float>(lane * 4 + i);
  ptx::mma_m16n8k16<T>(d, a, b, c);
  for (uint32_t i = 0; i < 4; ++i) out[lane * 4 + i] = static_cast<int32_t>(d[i]);
  for (uint32_t r = 0; r < 4; ++r)
    a[r] = bits_of_integer<T>(small_integer(1, lane * 8 + r * 2)) |
           bits_of_integer<T>(small_integer(1, lane * 8 + r * 2 + 1)) << 16;
  for (uint32_t r = 0; r < 2; ++r)
    b[r] = bits_of_integer<T>(small_integer(2, lane * 4 + r * 2)) |
           bits_of_integer<T>(small_integer(2, lane * 4 + r * 2 + 1)) << 16;
  ptx::mma_m16n8k16<T>(d, a, b, c);
  for (uint32_t i = 0; i < 4; ++i) out[128 + lane * 4 + i] = static_cast<int32_t>(d[i]);
}

/// Negative bytes, all of them.     out: (128)
static __global__ void mma_bytes(int32_t* out) {
  uint32_t const lane = threadIdx.x;
  uint32_t a[4], b[2];
  int32_t const c[4]{1, 2, 3, 4};
  int32_t d[4];
  for (uint32_t r = 0; r < 4; ++r) a[r] = scramble(3, lane * 4 + r);
  for (uint32_t r = 0; r < 2; ++r) b[r] = scramble(4, lane * 2 + r);
  ptx::mma_m16n8k32(d, a, b, c);
  for (uint32_t i = 0; i < 4; ++i) out[lane * 4 + i] = d[i];
}

/// Matrices whose element e of row r holds 8r + e; lane l names row 7l + 3 (of 32, modulo).
template <int N, bool Transposed>
__global__ void matrices(int32_t* out) {
  auto* const words = reinterpret_cast<uint16_t*>(ptx::dynamic_shared());
  uint32_t const lane = threadIdx.x;
  for (uint32_t i = lane; i < 256; i += 32) words[i] = static_cast<uint16_t>(i);
  __syncwarp();
  uint32_t const row = (lane * 7 + 3) % 32;
  uint32_t r[N];
  if constexpr (Transposed) {
    ptx::load_matrices_transposed(r, ptx::shared_address(words + row * 8));
  } else {
    ptx::load_matrices(r, ptx::shared_address(words + row * 8));
  }
  for (int i = 0; i < N; ++i) out[lane * N + static_cast<uint32_t>(i)] = static_cast<int32_t>(r[i]);
}

// --- A warpgroup's products
// --------------------------------------------------------------------------

/// Where element k of row `row` lies in a tile of 128-byte rows under the 128-byte swizzle.
QFMT_HD constexpr uint32_t swizzled(uint32_t row, uint32_t k, uint32_t bytes) {
  uint32_t const at = k * bytes;
  return row * 128 + ((at / 16 ^ row % 8) * 16 | at % 16);
}

/// Fills rows of a tile with what `value(row, k)` gives, 128 / sizeof(Word) to a row.
template <class Word, class Value>
__device__ void fill_tile(uint8_t* tile, uint32_t rows, Value value) {
  constexpr uint32_t width = 128 / sizeof(Word);
  for (uint32_t i = threadIdx.x; i < rows * width; i += blockDim.x)
    *reinterpret_cast<Word*>(tile + swizzled(i / width, i % width, sizeof(Word))) =
        static_cast<Word>(value(i / width, i % width));
}

constexpr uint32_t wgmma_shared_bytes = 64 * 128 + 256 * 128;

/// Block p: A (registers) is 1 at place p, B (8 rows, in shared memory) holds 16 * row + k + 1.
/// out[p][thread * 4 + i] = d[i].
template <Element T>
__global__ void wgmma_one_hot_registers(int32_t* out) {
  uint8_t* const b_tile = ptx::dynamic_shared();
  uint32_t const thread = threadIdx.x, p = blockIdx.x;
  fill_tile<uint16_t>(b_tile, 8, [](uint32_t row, uint32_t k) {
    return bits_of_integer<T>(k < 16 ? static_cast<int>(16 * row + k + 1) : 0);
  });
  ptx::fence_async_proxy();
  __syncthreads();
  uint32_t a[4]{};
  for (uint32_t r = 0; r < 4; ++r)
    if (p / 2 == thread * 4 + r) a[r] = bits_of_integer<T>(1) << p % 2 * 16;
  float d[4]{};
  ptx::hold(a);
  ptx::wgmma_fence();
  ptx::wgmma_m64k16<T>(d, a, ptx::tile_descriptor(b_tile), false);
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>(d);
  for (uint32_t i = 0; i < 4; ++i) out[p * 512 + thread * 4 + i] = static_cast<int32_t>(d[i]);
}

/// The same with A in shared memory: place p is row p / 16, k p % 16.
template <Element T>
__global__ void wgmma_one_hot_shared(int32_t* out) {
  uint8_t* const a_tile = ptx::dynamic_shared();
  uint8_t* const b_tile = a_tile + 64 * 128;
  uint32_t const thread = threadIdx.x, p = blockIdx.x;
  fill_tile<uint16_t>(a_tile, 64, [=](uint32_t row, uint32_t k) {
    return bits_of_integer<T>(row == p / 16 && k == p % 16 ? 1 : 0);
  });
  fill_tile<uint16_t>(b_tile, 8, [](uint32_t row, uint32_t k) {
    return bits_of_integer<T>(k < 16 ? static_cast<int>(16 * row + k + 1) : 0);
  });
  ptx::fence_async_proxy();
  __syncthreads();
  float d[4]{};
  ptx::wgmma_fence();
  ptx::wgmma_m64k16<T>(d, ptx::tile_descriptor(a_tile), ptx::tile_descriptor(b_tile), false);
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>(d);
  for (uint32_t i = 0; i < 4; ++i) out[p * 512 + thread * 4 + i] = static_cast<int32_t>(d[i]);
}

/// Random integers over the whole tile: four k steps of 16 by adding to the descriptors, the first
/// two in one group and the others in another, onto accumulators that hold the place's index.
/// A from registers first, then from shared memory.     out: (2, 128, N / 2)
template <Element T, int N>
__global__ void wgmma_random(int32_t* out) {
  uint8_t* const a_tile = ptx::dynamic_shared();
  uint8_t* const b_tile = a_tile + 64 * 128;
  uint32_t const thread = threadIdx.x;
  fill_tile<uint16_t>(a_tile, 64, [](uint32_t row, uint32_t k) {
    return bits_of_integer<T>(small_integer(5, row * 64 + k));
  });
  fill_tile<uint16_t>(b_tile, N, [](uint32_t row, uint32_t k) {
    return bits_of_integer<T>(small_integer(6, row * 64 + k));
  });
  ptx::fence_async_proxy();
  __syncthreads();
  auto const multiply = [&]<bool Registers>() {
    float d[N / 2];
    for (uint32_t i = 0; i < N / 2; ++i) d[i] = static_cast<float>((thread * 37 + i) % 251);
    uint32_t a[4][4];
    for (uint32_t step = 0; step < 4; ++step)
      for (uint32_t r = 0; r < 4; ++r) a[step][r] = 0;
    for (uint32_t step = 0; step < 4; ++step)
      for (uint32_t r = 0; r < 4; ++r)
        for (uint32_t e = 0; e < 2; ++e)
          a[step][r] |=
              bits_of_integer<T>(small_integer(7, ((step * 128 + thread) * 4 + r) * 2 + e))
              << e * 16;
    uint64_t const a_desc = ptx::tile_descriptor(a_tile), b_desc = ptx::tile_descriptor(b_tile);
    ptx::hold(d);
    for (uint32_t step = 0; step < 4; ++step) ptx::hold(a[step]);
    ptx::wgmma_fence();
#pragma unroll
    for (uint32_t step = 0; step < 4; ++step) {
      if constexpr (Registers) {
        ptx::wgmma_m64k16<T>(d, a[step], b_desc + 2 * step, true);
      } else {
        ptx::wgmma_m64k16<T>(d, a_desc + 2 * step, b_desc + 2 * step, true);
      }
      if (step % 2 == 1) ptx::wgmma_commit();
    }
    ptx::wgmma_wait<1>();
    ptx::wgmma_wait<0>(d);
    for (uint32_t i = 0; i < N / 2; ++i)
      out[((Registers ? 0 : 128) + thread) * (N / 2) + i] = static_cast<int32_t>(d[i]);
  };
  multiply.template operator()<true>();
  multiply.template operator()<false>();
}

/// The same of bytes, k steps of 32.
template <int N>
__global__ void wgmma_random_bytes(int32_t* out) {
  uint8_t* const a_tile = ptx::dynamic_shared();
  uint8_t* const b_tile = a_tile + 64 * 128;
  uint32_t const thread = threadIdx.x;
  fill_tile<uint8_t>(a_tile, 64,
                     [](uint32_t row, uint32_t k) { return scramble(8, row * 128 + k); });
  fill_tile<uint8_t>(b_tile, N,
                     [](uint32_t row, uint32_t k) { return scramble(9, row * 128 + k); });
  ptx::fence_async_proxy();
  __syncthreads();
  auto const multiply = [&]<bool Registers>() {
    int32_t d[N / 2];
    for (uint32_t i = 0; i < N / 2; ++i) d[i] = static_cast<int32_t>(thread * 37 + i);
    uint32_t a[4][4];
    for (uint32_t step = 0; step < 4; ++step)
      for (uint32_t r = 0; r < 4; ++r) a[step][r] = scramble(10, (step * 128 + thread) * 4 + r);
    uint64_t const a_desc = ptx::tile_descriptor(a_tile), b_desc = ptx::tile_descriptor(b_tile);
    ptx::hold(d);
    for (uint32_t step = 0; step < 4; ++step) ptx::hold(a[step]);
    ptx::wgmma_fence();
#pragma unroll
    for (uint32_t step = 0; step < 4; ++step) {
      if constexpr (Registers) {
        ptx::wgmma_m64k32(d, a[step], b_desc + 2 * step, true);
      } else {
        ptx::wgmma_m64k32(d, a_desc + 2 * step, b_desc + 2 * step, true);
      }
    }
    ptx::wgmma_commit();
    ptx::wgmma_wait<0>(d);
    for (uint32_t i = 0; i < N / 2; ++i) out[((Registers ? 0 : 128) + thread) * (N / 2) + i] = d[i];
  };
  multiply.template operator()<true>();
  multiply.template operator()<false>();
}

/// Three warpgroups: the first gives registers away, the others take them.
[[maybe_unused]] static __launch_bounds__(384, 1) __global__ void move_registers(int32_t* out) {
  if (threadIdx.x < 128) {
    ptx::lower_registers<40>();
  } else {
    ptx::raise_registers<232>();
  }
  out[threadIdx.x] = static_cast<int32_t>(threadIdx.x);
}

// --- Copies
// -----------------------------------------------------------------------------------------

/// Copies a tile and writes shared memory out as it lies.     out: (tile_bytes / 4)
/// Cluster: block 0 copies into both blocks.     out: (2, tile_bytes / 4)
template <bool Cluster>
__global__ void tensor_copy(ptx::TensorMap const __grid_constant__ map, int row, int col,
                            uint32_t tile_bytes, uint32_t* out) {
  uint8_t* const tile = ptx::dynamic_shared();
  auto* const barrier = reinterpret_cast<ptx::Barrier*>(tile + tile_bytes);
  if (threadIdx.x == 0) {
    ptx::prefetch_map(&map);
    ptx::init_barrier(barrier, 1);
    ptx::fence_barrier_init();
    ptx::arrive_and_expect(barrier, tile_bytes);
  }
  if constexpr (Cluster) {
    ptx::arrive_cluster();
    ptx::wait_cluster();
  } else {
    __syncthreads();
  }
  if (threadIdx.x == 0 && (!Cluster || ptx::cluster_rank() == 0)) {
    if constexpr (Cluster) {
      ptx::copy_tile_multicast(tile, &map, row, col, barrier, 3);
    } else {
      ptx::copy_tile(tile, &map, row, col, barrier);
    }
  }
  ptx::wait(barrier, 0);
  for (uint32_t i = threadIdx.x; i < tile_bytes / 4; i += blockDim.x)
    out[blockIdx.x * (tile_bytes / 4) + i] = reinterpret_cast<uint32_t const*>(tile)[i];
  if constexpr (Cluster) {
    ptx::arrive_cluster();
    ptx::wait_cluster();
  }
}

/// Two phases of two bulk copies each, 16 to 2048 bytes to places out of order; a barrier of its
/// own life each. Then the same words by copies of the threads.     in: (1024), out: (4, 512)
static __global__ void bulk_copies(uint32_t const* in, uint32_t* out) {
  uint8_t* const memory = ptx::dynamic_shared();
  auto* const words = reinterpret_cast<uint32_t*>(memory);
  auto* const barrier = reinterpret_cast<ptx::Barrier*>(memory + 4096);
  if (threadIdx.x == 0) {
    ptx::init_barrier(barrier, 2);
    ptx::fence_barrier_init();
  }
  __syncthreads();
  for (uint32_t phase = 0; phase < 2; ++phase) {
    if (threadIdx.x == 0) {
      ptx::arrive_and_expect(barrier, 2048);
      ptx::copy_bulk(words + 4, in + phase * 512, 2032, barrier);
      ptx::copy_bulk(words, in + phase * 512 + 508, 16, barrier, ptx::evict_first_policy());
    }
    if (threadIdx.x == 32) ptx::arrive(barrier);
    ptx::wait(barrier, phase % 2);
    for (uint32_t i = threadIdx.x; i < 512; i += blockDim.x) out[phase * 512 + i] = words[i];
    __syncthreads();
  }
  if (threadIdx.x == 0) ptx::invalidate_barrier(barrier);
  __syncthreads();
  for (uint32_t i = threadIdx.x; i < 128; i += blockDim.x)
    ptx::copy_async(words + (127 - i) * 4, in + i * 4);
  ptx::commit_copies();
  for (uint32_t i = threadIdx.x; i < 128; i += blockDim.x)
    ptx::copy_async(words + 512 + i * 4, in + 512 + i * 4);
  ptx::commit_copies();
  ptx::wait_copies<1>();
  __syncthreads();
  for (uint32_t i = threadIdx.x; i < 512; i += blockDim.x)
    out[1024 + i] = ptx::load_table_word(ptx::shared_address(words + i));
  ptx::wait_copies<0>();
  __syncthreads();
  for (uint32_t i = threadIdx.x; i < 512; i += blockDim.x) out[1536 + i] = words[512 + i];
}

/// Each block of a cluster of four shows its rank, then reads and writes its right neighbour's
/// memory.     out: (blocks, 4)
static __global__ void cluster_words(int32_t* out) {
  auto* const words = reinterpret_cast<float*>(ptx::dynamic_shared());
  uint32_t const rank = ptx::cluster_rank(), size = ptx::cluster_size();
  uint32_t const right = (rank + 1) % size;
  if (threadIdx.x == 0) words[0] = static_cast<float>(blockIdx.x * 10);
  ptx::arrive_cluster();
  ptx::wait_cluster();
  if (threadIdx.x == 0) {
    out[blockIdx.x * 4] = static_cast<int32_t>(rank);
    out[blockIdx.x * 4 + 1] = static_cast<int32_t>(size);
    out[blockIdx.x * 4 + 2] = static_cast<int32_t>(ptx::load_remote(words, right));
    ptx::store_remote(words + 1, right, static_cast<float>(rank + 100));
  }
  ptx::arrive_cluster();
  ptx::wait_cluster();
  if (threadIdx.x == 0) out[blockIdx.x * 4 + 3] = static_cast<int32_t>(words[1]);
}

// --- Arithmetic
// -------------------------------------------------------------------------------------

/// A float of any kind, subnormals and special values among them.
QFMT_HD constexpr float any_float(uint32_t seed, uint32_t i) {
  uint32_t const x = scramble(seed, i);
  return float_from_bits(i % 8 == 0 ? x & 0x807FFFFFu : x);
}

/// x with its exponent's first bit cleared: finite, magnitude below 2.
static __device__ float below_two(float x) { return float_from_bits(float_bits(x) & 0xBFFFFFFFu); }

constexpr uint32_t arithmetic_kinds = 8;

/// out[kind][i], i < n: packed maxima, permutes, conversions, reciprocal, flushed product, choice.
/// The choices by 16- and 8-byte stores.
[[maybe_unused]] static __global__ void arithmetic(uint32_t n, uint32_t* out) {
  uint32_t const i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  uint32_t const a = scramble(11, i), b = i % 16 == 0 ? a ^ 0x80008000u : scramble(12, i);
  float const x = any_float(13, i), y = any_float(14, i);
  out[i] = ptx::max_s16x2(a, b);
  out[n + i] = ptx::permute_bytes(a, b, i & 0xFFFFu);
  out[2 * n + i] = ptx::to_half2(x * 0x1p-96f, y);
  out[3 * n + i] = ptx::to_bfloat2(x, y);
  float const r = ptx::reciprocal_rn(x);
  out[4 * n + i] = r == r ? float_bits(r) : canonical_nan_bits;
  float const m = ptx::mul_ftz(x, float_from_bits((scramble(15, i) & 0x0FFFFFFFu) + 0x38000000u));
  out[5 * n + i] = m == m ? float_bits(m) : canonical_nan_bits;
  float const normal = float_from_bits((a & 0x807FFFFFu) | (1 + b % 252) << 23);
  out[7 * n + i] = float_bits(ptx::reciprocal_normal(normal));
  if (i % 4 != 0) return;
  uint32_t chosen[4];
  for (uint32_t k = 0; k < 4; ++k) {
    float const p = below_two(any_float(18, i + k)), q = below_two(any_float(19, i + k));
    chosen[k] = k % 2 == 0 ? ptx::is_greater(p, k == 0 ? p : q)
                           : float_bits(ptx::fma_down(p, 2048.f, 0x1.8p23f + 4096.f));
  }
  if (i % 8 == 0) {
    ptx::store_global(out + 6 * n + i, uint4{chosen[0], chosen[1], chosen[2], chosen[3]});
  } else {
    ptx::store_global(out + 6 * n + i, uint2{chosen[0], chosen[1]});
    ptx::store_global(out + 6 * n + i + 2, uint2{chosen[2], chosen[3]});
  }
  ptx::wait_for_dependencies();
  ptx::launch_dependents();
}

}  // namespace probe
