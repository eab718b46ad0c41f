// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Lesson 7: a kernel for a scheme that is chosen at run time, compiled by NVRTC from the library's
// headers. The scheme is spelt as text, so a format of your own (af4.hpp) is treated as the
// library's are. NVRTC needs neither a GPU nor a driver.
//
//     nvcc -std=c++20 -I include examples/lessons/07_jit.cu -lnvrtc
//     ./a.out af4 include examples/lessons CUDA/include CUDA/include/cccl
#include <qfmt/qfmt.hpp>

#include <cuda_runtime.h>
#include <nvrtc.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "af4.hpp"

constexpr char const* source = R"(
#include <qfmt/codec/decode.hpp>
#include <qfmt/format/nf4.hpp>
#include "af4.hpp"

extern "C" __global__ void decode_all(qfmt::QuantizedSpan<SCHEME const> w, float* out) {
  qfmt::int64_t const i = qfmt::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < w.size) out[i] = qfmt::decode_at(w, i);
})";

using Options = std::vector<std::string>;

/// The machine code of `source`; empty after an error, whose text is printed.
std::string compile(Options const& options) {
  nvrtcProgram program = nullptr;
  nvrtcCreateProgram(&program, source, "lesson.cu", 0, nullptr, nullptr);
  std::vector<char const*> arguments;
  for (std::string const& option : options) arguments.push_back(option.c_str());
  auto const result = nvrtcCompileProgram(program, int(arguments.size()), arguments.data());
  std::size_t size = 0;
  nvrtcGetProgramLogSize(program, &size);
  std::string log(size, '\0');
  nvrtcGetProgramLog(program, log.data());
  if (result != NVRTC_SUCCESS) return std::puts(log.c_str()), std::string();
  nvrtcGetCUBINSize(program, &size);
  std::string code(size, '\0');
  nvrtcGetCUBIN(program, code.data());
  nvrtcDestroyProgram(&program);
  return code;
}

/// Compiles the kernel and, on a GPU, compares what it decodes with the host's bits.
template <qfmt::SchemeSpec S>
int run(char const* scheme, Options options) {
  cudaDeviceProp gpu{};
  bool const has_gpu = cudaGetDeviceProperties(&gpu, 0) == cudaSuccess;
  auto const arch = has_gpu ? std::to_string(10 * gpu.major + gpu.minor) : std::string("90");
  options.push_back("--gpu-architecture=sm_" + arch);
  options.push_back(std::string("-DSCHEME=") + scheme);
  std::string const code = compile(options);
  if (code.empty()) return 1;
  std::printf("%s: %zu bytes of machine code for sm_%s\n", scheme, code.size(), arch.c_str());
  if (!has_gpu) return std::puts("no GPU is here: the kernel was compiled, not run"), 0;

  constexpr int size = 10000;
  void *storage = nullptr, *out = nullptr;
  if (cudaMallocManaged(&storage, qfmt::storage_bytes<S>(1, size)) != cudaSuccess ||
      cudaMallocManaged(&out, size * sizeof(float)) != cudaSuccess)
    return 1;
  qfmt::QuantizedSpan<S> w = qfmt::place<S>(storage, 1, size).values;
  std::vector<float> values(size), decoded(size);
  for (int i = 0; i < size; ++i) values[i] = std::sin(0.37f * static_cast<float>(i));
  if (!qfmt::host::quantize(values, w) || !qfmt::host::dequantize(w, decoded)) return 1;

  cudaLibrary_t library = nullptr;  // the runtime loads machine code since CUDA 12.8
  cudaKernel_t kernel = nullptr;
  cudaLibraryLoadData(&library, code.data(), nullptr, nullptr, 0, nullptr, nullptr, 0);
  cudaLibraryGetKernel(&kernel, library, "decode_all");
  void* arguments[]{&w, &out};  // a view of S has the layout of a view of S const
  cudaLaunchKernel(kernel, (size + 255) / 256, 256, arguments, 0, nullptr);
  if (cudaDeviceSynchronize() != cudaSuccess) return 1;
  bool const same = std::memcmp(out, decoded.data(), size * sizeof(float)) == 0;
  std::puts(same ? "decoded to the host's bits" : "decoded to OTHER BITS than the host's");
  return same ? 0 : 1;
}

int main(int argc, char** argv) {
  Options options{"--std=c++20"};
  for (int i = 2; i < argc; ++i) options.push_back(std::string("-I") + argv[i]);
  std::string const asked = argc > 1 ? argv[1] : "";
  using Named = qfmt::Scheme<qfmt::Format<qfmt::NF4>>;
  using Mine = qfmt::Scheme<qfmt::Format<AF4>>;
  if (asked == "nf4") return run<Named>("qfmt::Scheme<qfmt::Format<qfmt::NF4>>", options);
  if (asked == "af4") return run<Mine>("qfmt::Scheme<qfmt::Format<AF4>>", options);
  return std::puts("usage: a.out nf4|af4 INCLUDE_FOLDER..."), 2;
}
