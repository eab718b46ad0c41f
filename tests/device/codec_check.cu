// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The codecs of ranks 0 to 4 on a GPU against the same functions on the host, bit for bit. Where
// there is no GPU the tests compile it and it skips. By hand, with and without --use_fast_math:
//
//   nvcc -std=c++20 -O2 -arch=sm_90 [--use_fast_math] -I include tests/device/codec_check.cu
#include "qfmt/qfmt.hpp"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

using namespace qfmt;

int failures = 0;

void require(cudaError_t error, char const* what) {
  if (error == cudaSuccess) return;
  std::printf("%s: %s\n", what, cudaGetErrorString(error));
  std::exit(2);
}

template <class T>
struct DeviceArray {
  T* data = nullptr;
  explicit DeviceArray(std::size_t n) { require(cudaMalloc(&data, n * sizeof(T)), "cudaMalloc"); }
  ~DeviceArray() { cudaFree(data); }
  DeviceArray(DeviceArray const&) = delete;
};

template <class T>
std::vector<T> download(T const* device, std::size_t n) {
  std::vector<T> host(n);
  require(cudaMemcpy(host.data(), device, n * sizeof(T), cudaMemcpyDeviceToHost), "cudaMemcpy");
  return host;
}

void report(char const* what, char const* name, std::uint64_t count, std::uint64_t wrong) {
  std::printf("%-28s %-18s %12llu values  %llu differ\n", what, name,
              static_cast<unsigned long long>(count), static_cast<unsigned long long>(wrong));
  failures += wrong != 0;
}

/// Calls work(first, last) over [0, n) on every core.
template <class Work>
void on_all_cores(std::uint64_t n, Work work) {
  std::uint64_t const threads = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::thread> pool;
  for (std::uint64_t t = 0; t < threads; ++t)
    pool.emplace_back([=] { work(n * t / threads, n * (t + 1) / threads); });
  for (auto& thread : pool) thread.join();
}

// --- One value
// -------------------------------------------------------------------------------------

/// Every 16th float pattern, with a phase that varies.
QFMT_HD constexpr float pattern(std::uint64_t i) {
  return float_from_bits(static_cast<std::uint32_t>(i * 16 + (i * 0x9E3779B97F4A7C15u >> 60)));
}

template <class F>
QFMT_HD constexpr std::uint8_t code_of(float x) {
  if constexpr (CodebookFormat<F>) {
    return encode<F>(x);
  } else {
    return encode<F>(x, 1.f);
  }
}

template <class F>
__global__ void encode_all(std::uint8_t* codes, std::uint64_t n) {
  std::uint64_t const i = std::uint64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < n) codes[i] = code_of<F>(pattern(i));
}

template <class F>
void check_encode() {
  constexpr std::uint64_t n = std::uint64_t{1} << 28;
  DeviceArray<std::uint8_t> codes(n);
  encode_all<F><<<static_cast<unsigned>(n / 256), 256>>>(codes.data, n);
  require(cudaDeviceSynchronize(), "encode");
  auto const device = download(codes.data, n);
  std::vector<std::uint8_t> host(n);
  on_all_cores(n, [&](std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t i = first; i < last; ++i) host[i] = code_of<F>(pattern(i));
  });
  std::uint64_t wrong = 0;
  for (std::uint64_t i = 0; i < n; ++i) wrong += host[i] != device[i];
  report("encode<F>", F::name, n, wrong);
}

template <class T>
__global__ void narrow_all(T* out, std::uint64_t n) {
  std::uint64_t const i = std::uint64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < n) out[i] = from_float<T>(pattern(i));
}

template <class T>
void check_narrow(char const* name) {
  constexpr std::uint64_t n = std::uint64_t{1} << 28;
  DeviceArray<T> out(n);
  narrow_all<<<static_cast<unsigned>(n / 256), 256>>>(out.data, n);
  require(cudaDeviceSynchronize(), "narrow");
  auto const device = download(reinterpret_cast<std::uint16_t*>(out.data), n);
  std::uint64_t wrong = 0;
  for (std::uint64_t i = 0; i < n; ++i)
    wrong += __builtin_bit_cast(std::uint16_t, from_float<T>(pattern(i))) != device[i];
  report("from_float", name, n, wrong);
}

// --- Whole tensors
// ---------------------------------------------------------------------------------

template <SchemeSpec S, Element T>
__global__ void decode_all(QuantizedSpan<S const> in, T* out) {
  std::int64_t const i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < in.size) out[i] = from_float<T>(decode_at(in, i));
}

/// One thread a block: absmax and codes, as the block codec gives them.
template <SchemeSpec S, Element T>
__global__ void encode_blocks(T const* values, QuantizedSpan<S> out, std::int64_t length) {
  std::int64_t const first = (std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x) * length;
  if (first >= out.size) return;
  std::int64_t const n = out.size - first < length ? out.size - first : length;
  float const scale = Nearest::scale<typename S::format>(values + first, n);
  out.scales.absmax[first / length] = scale;
  Nearest::encode<typename S::format>(values + first, n, scale, out.codes + first * S::bits / 8);
}

/// Blocks of every magnitude a T has, zeros and subnormals among them.
template <Element T>
std::vector<T> values_of_all_sizes(std::int64_t n) {
  std::vector<T> values(static_cast<std::size_t>(n));
  std::uint64_t state = 7;
  for (std::int64_t i = 0; i < n; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    auto const mantissa = static_cast<float>(static_cast<std::int32_t>(state >> 33)) - 0x1p30f;
    int const exponent = static_cast<int>(i / 64 * 13 % 250) - 156;
    float x = std::ldexp(mantissa, exponent - 4);
    if (i / 64 % 50 == 49) x = 0.f;
    T const value = from_float<T>(x);
    values[static_cast<std::size_t>(i)] = is_finite(to_float(value)) ? value : from_float<T>(1.f);
  }
  return values;
}

template <SchemeSpec S, Element T>
void check_tensor(char const* dtype) {
  constexpr std::int64_t rows = 1537, cols = 1024, n = rows * cols;
  auto const values = values_of_all_sizes<T>(n);
  QuantizedTensor<S> tensor(rows, cols);
  if (!host::quantize(values, tensor.span())) ++failures;
  std::vector<T> decoded(values.size());
  if (!host::dequantize(tensor.span(), decoded)) ++failures;

  auto const bytes = static_cast<std::size_t>(tensor.bytes());
  DeviceArray<std::uint8_t> storage(bytes);
  require(cudaMemcpy(storage.data, tensor.span().codes, bytes, cudaMemcpyHostToDevice), "upload");
  auto const view = place<S>(storage.data, rows, cols).values;
  DeviceArray<T> out(n);
  require(cudaMemset(out.data, 0xCD, n * sizeof(T)), "cudaMemset");  // what is not written shows
  decode_all<S, T><<<static_cast<unsigned>((n + 255) / 256), 256>>>(view, out.data);
  require(cudaDeviceSynchronize(), "decode");
  auto const device = download(out.data, n);
  std::uint64_t wrong = 0;
  for (std::size_t i = 0; i < decoded.size(); ++i)
    wrong += std::memcmp(&device[i], &decoded[i], sizeof(T)) != 0;
  char name[64];
  std::snprintf(name, sizeof name, "%s/%d%s %s", S::format::name, S::block_size,
                S::is_nested ? "/nested" : "", dtype);
  report("decode_at", name, decoded.size(), wrong);

  if constexpr (!S::is_nested) {
    std::int64_t const length = S::is_row_wise ? cols : S::block_size;
    DeviceArray<T> in(n);
    require(cudaMemcpy(in.data, values.data(), n * sizeof(T), cudaMemcpyHostToDevice), "upload");
    require(cudaMemset(storage.data, 0, bytes), "cudaMemset");  // padding is zero on the host
    auto const blocks = static_cast<unsigned>((n / length + 128) / 128);
    encode_blocks<S, T><<<blocks, 128>>>(in.data, view, length);
    require(cudaDeviceSynchronize(), "encode blocks");
    auto const encoded = download(storage.data, bytes);
    wrong = 0;
    for (std::size_t i = 0; i < bytes; ++i) wrong += encoded[i] != tensor.span().codes[i];
    report("Nearest, bytes", name, bytes, wrong);
  }
}

/// Double quantization of scales of every size: the tree's mean, then the codes.
__global__ void nest(float const* absmax, std::int64_t n, QuantizedSpan<AbsmaxScheme> out,
                     float* offset) {
  ScaleSumTree tree;
  for (std::int64_t i = 0; i < n; ++i) tree.append(ScaleSum::of(absmax[i]));
  *offset = tree.total().mean();
  encode_scales(absmax, 0, n, *offset, out);
}

void check_nested(float size) {
  constexpr std::int64_t n = 1000;
  std::vector<float> absmax;
  for (int i = 0; i < n; ++i) absmax.push_back(size * static_cast<float>(i * 37 % 1001 + 1));
  ScaleSumTree tree;
  for (float const s : absmax) tree.append(ScaleSum::of(s));
  float const offset = tree.total().mean();
  QuantizedTensor<AbsmaxScheme> tensor(n);
  encode_scales(absmax.data(), 0, n, offset, tensor.span());

  auto const bytes = static_cast<std::size_t>(tensor.bytes());
  DeviceArray<std::uint8_t> storage(bytes);
  DeviceArray<float> scales(n), mean(1);
  require(cudaMemset(storage.data, 0, bytes), "cudaMemset");
  require(cudaMemcpy(scales.data, absmax.data(), n * 4, cudaMemcpyHostToDevice), "upload");
  nest<<<1, 1>>>(scales.data, n, place<AbsmaxScheme>(storage.data, 1, n).values, mean.data);
  require(cudaDeviceSynchronize(), "nest");
  auto const device = download(storage.data, bytes);
  std::uint64_t wrong = float_bits(download(mean.data, 1)[0]) != float_bits(offset);
  for (std::size_t i = 0; i < bytes; ++i) wrong += device[i] != tensor.span().codes[i];
  char name[32];
  std::snprintf(name, sizeof name, "scales about %.0e", static_cast<double>(size) * 500.);
  report("nested scales, bytes", name, bytes + 1, wrong);
}

template <SchemeSpec S>
void check_scheme() {
  check_tensor<S, float>("float");
  check_tensor<S, __half>("__half");
  check_tensor<S, __nv_bfloat16>("__nv_bfloat16");
}

}  // namespace

int main() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::printf("skipped: no CUDA device here\n");
    return 77;
  }
  check_encode<NF4>();
  check_encode<FP4>();
  check_encode<Int8>();
  check_encode<Dynamic8>();
  check_encode<UnsignedDynamic8>();
  check_narrow<__half>("__half");
  check_narrow<__nv_bfloat16>("__nv_bfloat16");
  check_scheme<Scheme<Format<NF4>, BlockSize<16>>>();
  check_scheme<Scheme<Format<NF4>>>();
  check_scheme<Scheme<Format<NF4>, DoubleQuant<true>>>();
  check_scheme<Scheme<Format<FP4>, BlockSize<4096>>>();
  check_scheme<Scheme<Format<FP4>, DoubleQuant<true>>>();
  check_scheme<Scheme<Format<Int8>>>();
  check_scheme<Scheme<Format<Int8>, RowWise>>();
  check_scheme<Scheme<Format<Dynamic8>, BlockSize<256>>>();
  check_nested(1e-3f);
  check_nested(0x1p-149f);
  check_nested(0x1p-132f);
  std::printf(failures == 0 ? "device = host, bit for bit\n" : "%d checks FAILED\n", failures);
  return failures == 0 ? 0 : 1;
}
