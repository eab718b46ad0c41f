// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Compiled by NVRTC alone (nvrtc_test.cpp) after every device-only header: each kernel of grid for
// each element type, and an own kernel that calls every instruction wrapper, so that its text is
// assembled, too.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

using namespace qfmt;

using Nf4 = Scheme<Format<NF4>>;
using Nested = Scheme<Format<FP4>, BlockSize<128>, DoubleQuant<true>>;
using Rows = Scheme<Format<Int8>, RowWise>;
using Mapped = Scheme<Format<Dynamic8>, BlockSize<256>>;

#define INSTANTIATE_BLOCKS(S, T, Encoder)                                                \
  template __global__ void grid::quantize_kernel<S, T, Encoder, true>(T const*, int64_t, \
                                                                      warp::Encoded, ScaleSum*);
#define INSTANTIATE_ROWS(T, Encoder)                                                \
  template __global__ void grid::quantize_rows_kernel<Rows, T, Encoder, 128, true>( \
      T const*, int64_t, warp::Encoded);
#define INSTANTIATE_READERS(S, T, aligned)                                                     \
  template __global__ void grid::dequantize_kernel<S, T, aligned>(QuantizedSpan<S const>, T*); \
  template __global__ void grid::gather_rows_kernel<S, T, int64_t, aligned>(                   \
      QuantizedMatrix<S const>, int64_t const*, T*);
#define INSTANTIATE(T)                                                                             \
  INSTANTIATE_BLOCKS(Nf4, T, Nearest)                                                              \
  INSTANTIATE_BLOCKS(Nested, T, BnbCuda)                                                           \
  INSTANTIATE_ROWS(T, Nearest)                                                                     \
  INSTANTIATE_READERS(Nf4, T, true)                                                                \
  INSTANTIATE_READERS(Nested, T, true)                                                             \
  INSTANTIATE_READERS(Mapped, T, false)                                                            \
  INSTANTIATE_READERS(Rows, T, true)                                                               \
  template __global__ void grid::dequantize_values_kernel<Rows, T>(QuantizedSpan<Rows const>, T*); \
  template __global__ void grid::gather_values_kernel<Nested, T, int>(                             \
      QuantizedMatrix<Nested const>, int const*, T*);
INSTANTIATE(float)
INSTANTIATE(float16)
INSTANTIATE(bfloat16)

/// Every format of the library's list under its own scheme: a tile decoded, a run multiplied.
template <class F, class T>
__device__ void use_format(QuantizedMatrix<Scheme<Format<F>> const> w, T const* x, T* out) {
  using Decoder = block::TileDecoder<Scheme<Format<F>> const, T, 128, 1>;
  __shared__ typename Decoder::TempStorage storage;
  Decoder decoder(storage);
  decoder.template decode<false>(w.values, 0, static_cast<int>(w.cols),
                                 [&](int i, float const(&values)[Decoder::values_per_pack], int n) {
                                   thread::store_elements(thread::round_to<T>(values), out + i, n);
                                 });
  float sums[generic::columns]{};
  generic::add_run(w, 0, 0, w.cols, x, 1, sums);
  out[threadIdx.x] = from_float<T>(sums[0]);
}
template <class T, class... Fs>
__device__ void use_formats(FormatList<Fs...>, void* storage, T const* x, T* out) {
  (use_format<Fs>(
       QuantizedMatrix<Scheme<Format<Fs>> const>(place<Scheme<Format<Fs>>>(storage, 1, 256)), x,
       out),
   ...);
}
template <class T>
__global__ void use_every_format(void* storage, T const* x, T* out) {
  use_formats(Formats{}, storage, x, out);
}
template __global__ void use_every_format<float16>(void*, float16 const*, float16*);

using Typed = Scheme<Format<NF4>, ScaleType<E4M3>, TensorScale<true>>;
template __global__ void grid::quantize_typed_kernel<Typed, float>(float const*,
                                                                   QuantizedSpan<Typed>,
                                                                   unsigned long long*);
template __global__ void grid::tensor_absmax_kernel<Typed, float16>(float16 const*, int64_t,
                                                                    float*);
template __global__ void grid::clear_tensor_scale_kernel<Typed>(float*);
template __global__ void grid::finish_tensor_scale_kernel<Typed>(float*);

template __global__ void grid::sum_scales_kernel<block::ScaleSummer>(ScaleSum const*, int64_t,
                                                                     ScaleSum*);
template __global__ void grid::encode_scales_kernel<Nearest, true>(float const*, int64_t,
                                                                   ScaleSum const*, int64_t,
                                                                   grid::NestedOutput);
template __global__ void grid::encode_scales_kernel<BnbCuda, false>(float const*, int64_t,
                                                                    ScaleSum const*, int64_t,
                                                                    grid::NestedOutput);

/// A kernel of one's own on CUDA's half types: rows of W times x.
template <class S, class T>
__global__ void row_sums(QuantizedMatrix<S const> w, T const* x, float* y) {
  using Table = block::LevelTable<typename S::format, 128>;
  __shared__ typename Table::TempStorage storage;
  Table table(storage);
  table.fill(stored_levels(w.values.scales));
  __syncthreads();
  float sum = 0.f;
  for (int64_t c = threadIdx.x; c < w.cols; c += 128) {
    int64_t const i = w.origin + int64_t{blockIdx.x} * w.row_stride + c;
    sum +=
        table(code_at<S::bits>(w.values.codes, i), scale_at(w.values.scales, i / S::block_size)) *
        to_float(x[c]);
  }
  y[blockIdx.x * 128 + threadIdx.x] = sum;
}
template __global__ void row_sums<Nested, __half>(QuantizedMatrix<Nested const>, __half const*,
                                                  float*);
template __global__ void row_sums<Nested, __nv_bfloat16>(QuantizedMatrix<Nested const>,
                                                         __nv_bfloat16 const*, float*);

__device__ float lane_wrappers(float a, float b) {
  uint32_t const halves = ptx::add_pairs<qfmt::float16>(ptx::to_half2(a, b), ptx::to_half2(b, a)) +
                          ptx::add_pairs<qfmt::bfloat16>(ptx::to_bfloat2(a, b), 0u) +
                          ptx::fma_pairs<qfmt::float16>(ptx::to_half2(a, b), 0u, 0u) +
                          ptx::fma_pairs<qfmt::bfloat16>(ptx::to_bfloat2(a, b), 0u, 0u) +
                          static_cast<uint32_t>(ptx::dot_s8x4(float_bits(a), float_bits(b), 1));
  float r = ptx::reciprocal_rn(a) + ptx::reciprocal_approx_ftz(b) + ptx::divide_approx_ftz(a, b);
  r += ptx::mul_ftz(a, b) + ptx::fma_down(a, b, r) + ptx::reciprocal_normal(b);
  r += static_cast<float>(ptx::is_greater(a, b));
  return r + static_cast<float>(ptx::max_s16x2(halves, ptx::permute_bytes(halves, 3u, 0x5410u)));
}

template <class T>
__device__ float tensor_core_wrappers(uint32_t shared) {
  uint32_t a[4], b[2], one[1];
  ptx::load_matrices(a, shared);
  ptx::load_matrices_transposed(b, shared);
  ptx::load_matrices(b, shared);
  ptx::load_matrices(one, shared);
  ptx::load_matrices_transposed(a, shared);
  ptx::load_matrices_transposed(one, shared);
  float d[4], c[4]{};
  ptx::mma_m16n8k16<T>(d, a, b, c);
  int32_t e[4], f[4]{};
  ptx::mma_m16n8k32(e, a, b, f);
  return d[0] + d[1] + d[2] + d[3] + static_cast<float>(e[0] + e[1] + e[2] + e[3] + one[0]);
}

__device__ float copy_wrappers(float const* from, ptx::Barrier* barrier) {
  auto* const shared = reinterpret_cast<float*>(ptx::dynamic_shared());
  if (threadIdx.x == 0) {
    ptx::init_barrier(barrier, 1);
    ptx::fence_barrier_init();
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    ptx::arrive_and_expect(barrier, 1024);
    ptx::copy_bulk(shared, from, 512, barrier);
    ptx::copy_bulk(shared + 128, from + 128, 512, barrier, ptx::evict_first_policy());
    ptx::arrive(barrier);
  }
  ptx::copy_async(shared + 256 + threadIdx.x * 4, from + threadIdx.x * 4);
  ptx::copy_async_or_zero(shared + 256 + threadIdx.x * 4, from + threadIdx.x * 4, threadIdx.x < 7);
  ptx::commit_copies();
  ptx::wait_copies<0>();
  ptx::wait(barrier, 0);
  ptx::fence_async_proxy();
  ptx::arrive_cluster();
  ptx::wait_cluster();
  ptx::store_remote(shared, (ptx::cluster_rank() + 1) % ptx::cluster_size(), 1.f);
  float const other = ptx::load_remote(shared, 0) +
                      static_cast<float>(ptx::load_remote(reinterpret_cast<int32_t*>(shared), 0));
  __syncthreads();
  if (threadIdx.x == 0) ptx::invalidate_barrier(barrier);
  uint32_t some[4]{};
  ptx::load_shared_if<4>(some, ptx::opaque(ptx::shared_address(shared)), threadIdx.x < 7);
  ptx::load_shared_if<2>(some + 1, ptx::shared_address(shared), threadIdx.x < 9);
  return other + static_cast<float>(some[0] + some[1]) +
         static_cast<float>(ptx::load_table_word(ptx::shared_address(shared)));
}

__device__ float warpgroup_wrappers(ptx::TensorMap const* map, ptx::Barrier* barrier) {
  uint8_t* const tile = ptx::dynamic_shared();
  ptx::prefetch_map(map);
  ptx::copy_tile(tile, map, 0, 0, barrier);
  ptx::copy_tile_multicast(tile, map, 8, 0, barrier, uint16_t{3});
  ptx::lower_registers<40>();
  ptx::raise_registers<64>();
  float d[4]{};
  int32_t e[4]{};
  uint32_t const a[4]{1u, 2u, 3u, 4u};
  uint64_t const b = ptx::tile_descriptor(tile);
  ptx::wgmma_fence();
  ptx::wgmma_m64k16<bfloat16>(d, a, b, true);
  ptx::wgmma_m64k16<float16>(d, b, b, true);
  ptx::wgmma_m64k32(e, a, b, false);
  ptx::wgmma_m64k32(e, b, b, true);
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>(d);
  ptx::wgmma_wait<0>(e);
  ptx::sync_warpgroup(1);
  return d[0] + d[1] + d[2] + d[3] + static_cast<float>(e[0] + e[1] + e[2] + e[3]);
}

__global__ void every_wrapper(__grid_constant__ ptx::TensorMap const map, float const* from,
                              float* to) {
  __shared__ ptx::Barrier barrier;
  ptx::wait_for_dependencies();
  ptx::prefetch_l2(from, 1024);
  ptx::prefetch_line(from);
  float r = lane_wrappers(from[0], from[1]) + copy_wrappers(from, &barrier);
  uint32_t const shared = ptx::shared_address(ptx::dynamic_shared());
  r += tensor_core_wrappers<float16>(shared) + tensor_core_wrappers<bfloat16>(shared);
  r += warpgroup_wrappers(&map, &barrier);
  ptx::launch_dependents();
  uint4 const v = ptx::load_global(from);
  ptx::store_global(to + threadIdx.x * 4, uint4{v.x, 1u, 2u, float_bits(r)});
  ptx::store_global(to + threadIdx.x * 2, uint2{0u, float_bits(r)});
  auto* const mark = reinterpret_cast<uint64_t*>(to);
  ptx::store_release(mark, 1);
  ptx::wait_until_equal(mark, 1);
}
