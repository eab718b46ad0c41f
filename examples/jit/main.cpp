// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// A kernel for a scheme chosen at run time, by NVRTC. The library's device half travels inside this
// program as text: where it runs there need be no header of qfmt and no nvcc.
//
//     jit NF4 64 double __nv_bfloat16 sm_90      format, block size, plain or double, element, GPU
//
// plain: scales as the format has them, f32 or (MXFP4) its own.
#include <qfmt/qfmt.hpp>

#include <cuda_runtime.h>
#include <nvrtc.h>

#include <cstdio>
#include <string>
#include <vector>

constexpr char library[] =
#include <qfmt_single.inc>
    ;

/// What an engine keeps beside its other kernels: out[i] = w[i] * factor.
constexpr char kernel[] = R"(
#include <cuda_bf16.h>
#include <cuda_fp16.h>
template <class S, class T>
__global__ void scaled(qfmt::QuantizedSpan<S const> w, float factor, T* out) {
  auto const i = qfmt::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < w.size) out[i] = qfmt::from_float<T>(qfmt::decode_at(w, i) * factor);
}
)";

struct Built {
  std::string machine_code, name, log;  // without machine code the log says why
};

/// The machine code of one instance, spelt as in C++.
Built build(std::string const& instance, std::string const& architecture) {
  nvrtcProgram program = nullptr;
  std::string const text = std::string(library) + kernel, gpu = "-arch=" + architecture;
  std::vector<char const*> options{gpu.c_str(), "-std=c++20", QFMT_JIT_OPTIONS};
  if (nvrtcCreateProgram(&program, text.c_str(), "jit.cu", 0, nullptr, nullptr) != NVRTC_SUCCESS)
    return {};
  nvrtcAddNameExpression(program, instance.c_str());
  auto const done = nvrtcCompileProgram(program, static_cast<int>(options.size()), options.data());
  Built built;
  std::size_t size = 0;
  nvrtcGetProgramLogSize(program, &size);
  built.log.resize(size);
  nvrtcGetProgramLog(program, built.log.data());
  char const* name = nullptr;
  if (done == NVRTC_SUCCESS && nvrtcGetCUBINSize(program, &size) == NVRTC_SUCCESS &&
      nvrtcGetLoweredName(program, instance.c_str(), &name) == NVRTC_SUCCESS) {
    built.name = name;
    built.machine_code.resize(size);
    nvrtcGetCUBIN(program, built.machine_code.data());
  }
  nvrtcDestroyProgram(&program);
  return built;
}

/// Loads the kernel for plain NF4 and float, runs it, and compares with the host.
bool runs(Built const& built) {
  using S = qfmt::Scheme<qfmt::Format<qfmt::NF4>>;
  void* storage = nullptr;
  float *out = nullptr, factor = 2.f, values[1000]{.5f, -.25f}, decoded[1000];
  cudaLibrary_t loaded;
  cudaKernel_t entry;
  if (cudaMallocManaged(&storage, qfmt::storage_bytes<S>(1, 1000)) != cudaSuccess ||
      cudaMallocManaged(&out, sizeof(values)) != cudaSuccess ||
      cudaLibraryLoadData(&loaded, built.machine_code.data(), {}, {}, 0, {}, {}, 0) !=
          cudaSuccess ||
      cudaLibraryGetKernel(&entry, loaded, built.name.c_str()) != cudaSuccess)
    return false;
  auto w = qfmt::place<S>(storage, 1, 1000).values;
  if (!qfmt::host::quantize(values, w) || !qfmt::host::dequantize(w, decoded)) return false;
  void* arguments[]{&w, &factor, &out};
  if (cudaLaunchKernel(entry, 8, 128, arguments, 0, nullptr) != cudaSuccess) return false;
  bool same = cudaDeviceSynchronize() == cudaSuccess;
  for (int i = 0; i < 1000; ++i) same = same && out[i] == decoded[i] * factor;
  return same;
}

int main(int argc, char** argv) {
  if (argc < 5) return std::puts("usage: jit FORMAT BLOCK_SIZE plain|double ELEMENT [sm_NN]"), 2;
  std::string const scheme =
      std::string("qfmt::Scheme<qfmt::Format<qfmt::") + argv[1] + ">, qfmt::BlockSize<" + argv[2] +
      ">" + (argv[3] == std::string("double") ? ", qfmt::DoubleQuant<true>>" : ">");
  std::string const instance = "scaled<" + scheme + ", " + argv[4] + ">";
  Built const built = build(instance, argc > 5 ? argv[5] : "sm_90");
  if (built.machine_code.empty()) return std::printf("%s\n", built.log.c_str()), 1;
  std::printf("%s: %zu bytes of machine code\n", instance.c_str(), built.machine_code.size());
  int gpus = 0;
  if (cudaGetDeviceCount(&gpus) != cudaSuccess || gpus == 0) return std::puts("no GPU here"), 0;
  if (instance.find("NF4>, qfmt::BlockSize<64>>, float") == instance.npos) return 0;
  bool const fine = runs(built);
  return std::puts(fine ? "it runs, and equals the host" : "it FAILS on the GPU"), fine ? 0 : 1;
}
