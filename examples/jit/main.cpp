// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// A kernel for a scheme chosen at run time, built by NVRTC: the library's device half travels
// inside this program as text, so that the machine it runs on needs no header of qfmt and no nvcc.
//
//     jit FORMAT BLOCK_SIZE plain|double ELEMENT [sm_NN]      jit NF4 64 double __nv_bfloat16 sm_90
//
// Without a GPU it builds the machine code and says so; with one it runs it, too.
#include <qfmt/qfmt.hpp>

#include <cuda_runtime.h>
#include <nvrtc.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

constexpr char library[] =
#include <qfmt_single.inc>
    ;

/// What an engine would keep beside its other kernels: out[i] = w[i] * factor.
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
  std::string machine_code, name, log;  // no machine code: the log says why
};

/// Compiles `kernel` for one instance of it, named as in C++.
Built build(std::string const& instance, std::string const& architecture) {
  nvrtcProgram program = nullptr;
  std::string const text = std::string(library) + kernel, gpu = "-arch=" + architecture;
  std::vector<char const*> options{gpu.c_str(), "-std=c++20", QFMT_JIT_OPTIONS};
  Built built;
  if (nvrtcCreateProgram(&program, text.c_str(), "jit.cu", 0, nullptr, nullptr) != NVRTC_SUCCESS)
    return built;
  nvrtcAddNameExpression(program, instance.c_str());
  auto const done = nvrtcCompileProgram(program, static_cast<int>(options.size()), options.data());
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

/// Runs the kernel on float output over NF4 values and compares with the host.
bool runs(Built const& built) {
  using S = qfmt::Scheme<qfmt::Format<qfmt::NF4>>;
  std::int64_t size = 1000;
  void* storage = nullptr;
  float *out = nullptr, factor = 2.f;
  cudaLibrary_t loaded;
  cudaKernel_t entry;
  if (cudaMallocManaged(&storage, qfmt::storage_bytes<S>(1, size)) != cudaSuccess ||
      cudaMallocManaged(&out, static_cast<std::size_t>(size) * sizeof(float)) != cudaSuccess ||
      cudaLibraryLoadData(&loaded, built.machine_code.data(), nullptr, nullptr, 0, nullptr, nullptr,
                          0) != cudaSuccess ||
      cudaLibraryGetKernel(&entry, loaded, built.name.c_str()) != cudaSuccess)
    return false;
  std::vector<float> values(static_cast<std::size_t>(size), .75f), decoded(values.size());
  qfmt::QuantizedSpan<S> const w = qfmt::place<S>(storage, 1, size).values;
  if (!qfmt::host::quantize(values, w) || !qfmt::host::dequantize(w, decoded)) return false;
  void* arguments[]{const_cast<void*>(static_cast<void const*>(&w)), &factor, &out};
  if (cudaLaunchKernel(entry, dim3(8), dim3(128), arguments, 0, nullptr) != cudaSuccess)
    return false;
  if (cudaDeviceSynchronize() != cudaSuccess) return false;
  for (std::size_t i = 0; i < decoded.size(); ++i)
    if (out[i] != decoded[i] * factor) return false;
  return true;
}

int main(int argc, char** argv) {
  if (argc < 5)
    return std::fputs("usage: jit FORMAT BLOCK_SIZE plain|double ELEMENT [sm_NN]\n", stderr), 2;
  std::string const nested = std::string(argv[3]) == "double" ? "true" : "false";
  std::string const instance = std::string("scaled<qfmt::Scheme<qfmt::Format<qfmt::") + argv[1] +
                               ">, qfmt::BlockSize<" + argv[2] + ">, qfmt::DoubleQuant<" + nested +
                               ">>, " + argv[4] + ">";
  Built const built = build(instance, argc > 5 ? argv[5] : "sm_90");
  if (built.machine_code.empty()) return std::fprintf(stderr, "%s\n", built.log.c_str()), 1;
  std::printf("%s: %zu bytes of machine code\n", instance.c_str(), built.machine_code.size());
  int gpus = 0;
  if (cudaGetDeviceCount(&gpus) != cudaSuccess || gpus == 0)
    return std::puts("no GPU here to run it"), 0;
  bool const same_types =
      std::string(argv[1]) == "NF4" && nested == "false" && std::string(argv[2]) == "64";
  if (!same_types || std::string(argv[4]) != "float") return 0;
  bool const fine = runs(built);
  std::puts(fine ? "it runs, and equals the host" : "it FAILS on the GPU");
  return fine ? 0 : 1;
}
