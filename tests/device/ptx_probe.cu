// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What the instructions behind qfmt/ptx/ do on this GPU (sm_90), as JSON: the evidence that the
// doubles in tests/gpu_free must reproduce.
//
//   nvcc -std=c++20 -O2 -gencode=arch=compute_90a,code=sm_90a -I include
//        tests/device/ptx_probe.cu -o probe && ./probe out.json [--no-tensor-copies]
//
// Exit status: 0 written, 77 no such GPU, else 1.

#include <cuda_runtime.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include "ptx_probe.hpp"

namespace {

void require(cudaError_t error, char const* what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
  std::exit(1);
}

class Gpu {
 public:
  Gpu() = default;
  Gpu(Gpu const&) = delete;
  Gpu& operator=(Gpu const&) = delete;
  ~Gpu() {
    for (void* const p : held_) cudaFree(p);
  }

  template <class T>
  void* upload(std::vector<T> const& values) {
    void* const p = allocate(values.size() * sizeof(T));
    require(cudaMemcpy(p, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice),
            "cudaMemcpy");
    return p;
  }

  template <class... Params, class... Args>
  probe::Words run(void (*kernel)(Params...), probe::LaunchOf shape, size_t words, Args... args) {
    void* const out = allocate(words * 4);
    require(cudaMemset(out, 0x55, words * 4), "cudaMemset");
    cudaLaunchAttribute attribute{};
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim = {shape.cluster, 1, 1};
    cudaLaunchConfig_t config{};
    config.gridDim = dim3(shape.blocks);
    config.blockDim = dim3(shape.threads);
    config.dynamicSmemBytes = shape.shared;
    config.attrs = &attribute;
    config.numAttrs = shape.cluster > 1 ? 1 : 0;
    using Out = std::tuple_element_t<sizeof...(Params) - 1, std::tuple<Params...>>;
    require(cudaLaunchKernelEx(&config, kernel, args..., static_cast<Out>(out)), "launch");
    require(cudaDeviceSynchronize(), "kernel");
    probe::Words result(words);
    require(cudaMemcpy(result.data(), out, words * 4, cudaMemcpyDeviceToHost), "cudaMemcpy");
    return result;
  }

 private:
  void* allocate(size_t bytes) {
    void* p = nullptr;
    require(cudaMalloc(&p, bytes), "cudaMalloc");
    held_.push_back(p);
    return p;
  }
  std::vector<void*> held_;
};

/// Differences to IEEE in ulps: difference d is counted at d + 8, all beyond +-8 at 0 and 16.
/// Significand i of [1, 2) times 2^e.     reciprocal, quotient, normal: (17)
__global__ void approximations(int exponent, uint32_t* reciprocal, uint32_t* quotient,
                               uint32_t* normal) {
  uint32_t const i = blockIdx.x * blockDim.x + threadIdx.x;
  float const x =
      qfmt::float_from_bits(static_cast<uint32_t>(127 + exponent) << 23 | (i & 0x7FFFFFu));
  auto const count = [](uint32_t* counts, float got, float exact) {
    int const d =
        static_cast<int>(qfmt::float_bits(got)) - static_cast<int>(qfmt::float_bits(exact));
    atomicAdd(counts + (d < -8 ? 0 : d > 8 ? 16 : d + 8), 1u);
  };
  count(reciprocal, qfmt::ptx::reciprocal_approx_ftz(x), qfmt::ptx::reciprocal_rn(x));
  float const y = qfmt::float_from_bits((probe::scramble(16, i) & 0x7FFFFFu) | 0x3F800000u);
  count(quotient, qfmt::ptx::divide_approx_ftz(y, x), qfmt::exact::div(y, x));
  count(normal, qfmt::ptx::reciprocal_normal(x), qfmt::ptx::reciprocal_rn(x));
}

/// Counts of differences in ulps, as {"-1": n, ...} without the zeros.
std::string counts_of(std::vector<uint32_t> const& counts) {
  std::string text = "{";
  for (int i = 0; i < 17; ++i)
    if (counts[static_cast<size_t>(i)] != 0)
      text += (text.size() > 1 ? ", \"" : "\"") + std::to_string(i - 8) +
              "\": " + std::to_string(counts[static_cast<size_t>(i)]);
  return text + "}";
}

std::string approximations_json(Gpu& gpu) {
  std::string text = "{";
  for (int const exponent : {0, 1, -20, 60, 125, -126}) {
    auto* const counts = static_cast<uint32_t*>(gpu.upload(std::vector<uint32_t>(51, 0)));
    approximations<<<(1 << 23) / 256, 256>>>(exponent, counts, counts + 17, counts + 34);
    require(cudaDeviceSynchronize(), "approximations");
    std::vector<uint32_t> host(51);
    require(cudaMemcpy(host.data(), counts, 51 * 4, cudaMemcpyDeviceToHost), "cudaMemcpy");
    text += std::string(text.size() > 1 ? "," : "") + "\n    \"exponent " +
            std::to_string(exponent) +
            "\": {\"reciprocal_approx_ftz\": " + counts_of({host.begin(), host.begin() + 17}) +
            ", \"divide_approx_ftz\": " + counts_of({host.begin() + 17, host.begin() + 34}) +
            ", \"reciprocal_normal\": " + counts_of({host.begin() + 34, host.end()}) + "}";
  }
  return text + "\n  }";
}

/// Sums of sixteen random products and a large c by the tensor core.     d: (blocks, 128)
template <qfmt::Element T>
__global__ void mma_sums(uint32_t const* a, uint32_t const* b, float const* c, float* d) {
  uint32_t const l = blockIdx.x * 32 + threadIdx.x;
  uint32_t const a4[4] = {a[l * 4], a[l * 4 + 1], a[l * 4 + 2], a[l * 4 + 3]};
  uint32_t const b2[2] = {b[l * 2], b[l * 2 + 1]};
  float const c4[4] = {c[l * 4], c[l * 4 + 1], c[l * 4 + 2], c[l * 4 + 3]};
  float d4[4];
  qfmt::ptx::mma_m16n8k16<T>(d4, a4, b2, c4);
  for (uint32_t i = 0; i < 4; ++i) d[l * 4 + i] = d4[i];
}

/// The largest error of such a sum, in units of 2^-24 times the largest term (c among them).
template <qfmt::Element T>
double largest_error(Gpu& gpu) {
  constexpr uint32_t blocks = 512;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  auto const bits = [&](float x) {
    return static_cast<uint32_t>(__builtin_bit_cast(uint16_t, qfmt::from_float<T>(x)));
  };
  std::vector<uint32_t> a(blocks * 128), b(blocks * 64);
  std::vector<float> c(blocks * 128), d(blocks * 128);
  for (auto& x : a) x = bits(normal(random)) | bits(normal(random)) << 16;
  for (auto& x : b) x = bits(normal(random)) | bits(normal(random)) << 16;
  for (auto& x : c) x = normal(random) * (random() % 3 == 0 ? 100.f : 1.f);
  auto* const out = static_cast<float*>(gpu.upload(d));
  mma_sums<T><<<blocks, 32>>>(static_cast<uint32_t*>(gpu.upload(a)),
                              static_cast<uint32_t*>(gpu.upload(b)),
                              static_cast<float*>(gpu.upload(c)), out);
  require(cudaDeviceSynchronize(), "mma_sums");
  require(cudaMemcpy(d.data(), out, d.size() * 4, cudaMemcpyDeviceToHost), "cudaMemcpy");
  auto const value = [](uint32_t word, uint32_t half) {
    auto const x = static_cast<uint16_t>(word >> 16 * half);
    return static_cast<double>(qfmt::to_float(__builtin_bit_cast(T, x)));
  };
  double worst = 0;
  for (uint32_t block = 0; block < blocks; ++block)
    for (uint32_t row = 0; row < 16; ++row)
      for (uint32_t col = 0; col < 8; ++col) {
        uint32_t const place = (block * 32 + row % 8 * 4 + col / 2) * 4 + row / 8 * 2 + col % 2;
        double sum = c[place], largest = std::fabs(c[place]);
        for (uint32_t k = 0; k < 16; ++k) {
          uint32_t const t = k % 8 / 2;
          double const product =
              value(a[(block * 32 + row % 8 * 4 + t) * 4 + row / 8 + k / 8 * 2], k % 2) *
              value(b[(block * 32 + col * 4 + t) * 2 + k / 8], k % 2);
          sum += product;
          largest = std::max(largest, std::fabs(product));
        }
        worst = std::max(worst, std::fabs(d[place] - sum) / (largest * 0x1p-24));
      }
  return worst;
}

}  // namespace

int main(int argc, char** argv) {
  bool const with_tensor_copies = argc == 2;
  if (argc != 2 && (argc != 3 || std::strcmp(argv[2], "--no-tensor-copies") != 0)) {
    std::fprintf(stderr, "usage: %s OUT.json [--no-tensor-copies]\n", argv[0]);
    return 2;
  }
  cudaDeviceProp device{};
  if (cudaGetDeviceProperties(&device, 0) != cudaSuccess || device.major != 9) {
    std::fprintf(stderr, "skipped: no GPU of compute capability 9.0\n");
    return 77;
  }
  Gpu gpu;
  probe::Maps const maps = probe::run_all(gpu, with_tensor_copies);
  std::string const text = std::string("{\n  \"device\": \"") + device.name +
                           "\",\n  \"maps\": " + probe::json_of(maps) +
                           ",\n  \"approximations\": " + approximations_json(gpu) +
                           ",\n  \"largest_error_of_mma_sums\": {\"f16\": " +
                           std::to_string(largest_error<qfmt::float16>(gpu)) +
                           ", \"bf16\": " + std::to_string(largest_error<qfmt::bfloat16>(gpu)) +
                           "}\n}\n";
  std::FILE* const file = std::fopen(argv[1], "w");
  if (file == nullptr || std::fputs(text.c_str(), file) < 0 || std::fclose(file) != 0) {
    std::fprintf(stderr, "cannot write %s\n", argv[1]);
    return 1;
  }
  std::printf("%zu maps of %s written to %s\n", maps.size(), device.name, argv[1]);
  return 0;
}
