// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The encoder BnbCuda against bitsandbytes' own CUDA library, byte for byte; and what it decodes
// against device::dequantize. By hand, with the library of its package:
//
//   nvcc -std=c++20 -O2 -arch=sm_90 -I include -I tests tests/device/bnb_check.cu -ldl
//   a.out libbitsandbytes_cuda130.so
#include <dlfcn.h>

#include "device/support.cuh"

namespace {

using namespace device_test;

void* library = nullptr;

template <class Function>
Function* find(std::string const& name) {
  void* const symbol = dlsym(library, name.c_str());
  if (symbol == nullptr) {
    std::printf("the library has no %s\n", name.c_str());
    std::exit(2);
  }
  return reinterpret_cast<Function*>(symbol);
}

template <class T>
using Quantize = void(float* map, T* values, float* absmax, unsigned char* codes, int block, int n);
template <class T>
using Dequantize = void(float* map, unsigned char* codes, float* absmax, T* out, int block, int n,
                        cudaStream_t);

template <SchemeSpec S, Element T>
std::string function_name(char const* verb) {
  std::string name = std::string(verb) + "_blockwise_" + dtype_name<T>();
  return S::bits == 4 ? name + "_" + S::format::name : name;
}

__global__ void compare(unsigned char const* a, unsigned char const* b, std::int64_t n,
                        unsigned long long* wrong) {
  std::int64_t const stride = std::int64_t{gridDim.x} * blockDim.x;
  unsigned long long found = 0;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += stride)
    found += a[i] != b[i];
  if (found != 0) atomicAdd(wrong, found);
}
void compare_bytes(void const* a, void const* b, std::int64_t n, unsigned long long* wrong) {
  auto const blocks = static_cast<unsigned>(std::min<std::int64_t>(n / 256 + 1, 4096));
  compare<<<blocks, 256>>>(static_cast<unsigned char const*>(a),
                           static_cast<unsigned char const*>(b), n, wrong);
}

/// Both write into poisoned memory; codes and absmax must agree.
template <SchemeSpec S, Element T>
struct Pair {
  explicit Pair(std::int64_t n)
      : codes(codes_bytes<S>(n)),
        theirs(codes_bytes<S>(n)),
        absmax(block_count<S>(n)),
        their_absmax(block_count<S>(n)),
        map(256),
        wrong(1) {
    wrong.poison(0);
    if constexpr (S::bits == 8) map.upload(S::format::codebook.level);
  }
  void run(T* values, std::int64_t n) {
    static auto* const quantize = find<Quantize<T>>(function_name<S, T>("cquantize"));
    quantize(S::bits == 8 ? map.data() : nullptr, values, their_absmax.data(), theirs.data(),
             S::block_size, static_cast<int>(n));
    QuantizedSpan<S> const out{codes.data(), {absmax.data()}, n};
    require(device::quantize(values, out, {}, nullptr, BnbCuda{}), "quantize");
    compare_bytes(codes.data(), theirs.data(), codes_bytes<S>(n), wrong.data());
    compare_bytes(absmax.data(), their_absmax.data(), 4 * block_count<S>(n), wrong.data());
  }
  std::uint64_t differences() const { return wrong.download()[0]; }

  DeviceArray<std::uint8_t> codes, theirs;
  DeviceArray<float> absmax, their_absmax, map;
  DeviceArray<unsigned long long> wrong;
};

template <SchemeSpec S, Element T>
void check_sizes() {
  constexpr int most = 4097;
  for (bool const specials : {false, true}) {
    DeviceArray<T> values(most);
    fill(values.data(), most, S::block_size, specials);
    Pair<S, T> pair(most);
    for (int n = 1; n <= most; ++n) pair.run(values.data(), n);
    report(name_of<S>() + " " + dtype_name<T>() + ", sizes 1 to 4097" +
               (specials ? ", NaN and infinities" : ""),
           most, pair.differences());
  }
}

template <SchemeSpec S, Element T>
void check_large() {
  constexpr std::int64_t n = std::int64_t{1} << 27;
  DeviceArray<T> values(n);
  fill(values.data(), n, 77);
  Pair<S, T> pair(n);
  pair.run(values.data(), n);
  report(name_of<S>() + " " + dtype_name<T>() + ", large", n, pair.differences());
}

/// Their scales of 2^24 values less one given offset, through their 8-bit quantizer.
__global__ void subtract(float* x, float const* offset, std::int64_t n) {
  std::int64_t const i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < n) x[i] = x[i] - *offset;
}
template <FormatSpec F>
void check_nested() {
  using S = Scheme<Format<F>, DoubleQuant<true>>;
  constexpr std::int64_t n = (std::int64_t{1} << 24) + 100, blocks = block_count<S>(n);
  DeviceArray<float> values(n), workspace(quantize_workspace_bytes<S>(n) / 4);
  DeviceArray<std::uint8_t> storage(storage_bytes<S>(1, n));
  auto const view = place<S>(storage.data(), 1, n).values;
  for (bool const specials : {false, true}) {
    fill(values.data(), n, 5, specials);
    require(device::quantize(values.data(), view,
                             {workspace.data(), static_cast<std::int64_t>(workspace.bytes())},
                             nullptr, BnbCuda{}),
            "quantize");
    Pair<Scheme<Format<F>>, float> plain(n);
    plain.run(values.data(), n);
    DeviceArray<float> absmax(blocks), absmax2(block_count<AbsmaxScheme>(blocks)), map(256);
    DeviceArray<std::uint8_t> codes(blocks);
    map.upload(Dynamic8::codebook.level);
    require(cudaMemcpy(absmax.data(), plain.their_absmax.data(), 4 * blocks, cudaMemcpyDefault),
            "copy");
    subtract<<<static_cast<unsigned>(blocks / 256 + 1), 256>>>(absmax.data(), view.scales.offset,
                                                               blocks);
    find<Quantize<float>>("cquantize_blockwise_fp32")(map.data(), absmax.data(), absmax2.data(),
                                                      codes.data(), 256, static_cast<int>(blocks));
    auto* const wrong = plain.wrong.data();
    compare_bytes(view.codes, plain.theirs.data(), codes_bytes<S>(n), wrong);
    compare_bytes(view.scales.absmax.codes, codes.data(), blocks, wrong);
    compare_bytes(view.scales.absmax.scales.absmax, absmax2.data(),
                  4 * block_count<AbsmaxScheme>(blocks), wrong);
    report("nested " + name_of<S>() + (specials ? ", NaN and infinities" : ""), n,
           plain.differences());
  }
}

/// LLM.int8() rows: their kernel takes fp16 only.
void check_rows() {
  using S = Scheme<Format<Int8>, RowWise>;
  auto* const quantize = find<void(__half*, std::int8_t*, float*, float, int, int, cudaStream_t)>(
      "cint8_vector_quant");
  for (int const cols : {1, 7, 64, 499, 1024, 4096, 11008, 40000})
    for (bool const specials : {false, true}) {
      constexpr int rows = 257;
      std::int64_t const n = std::int64_t{rows} * cols;
      DeviceArray<__half> values(n);
      fill(values.data(), n, static_cast<std::uint64_t>(cols), specials);
      DeviceArray<std::uint8_t> codes(n), theirs(n);
      DeviceArray<float> absmax(rows), their_absmax(rows);
      DeviceArray<unsigned long long> wrong(1);
      wrong.poison(0);
      quantize(values.data(), reinterpret_cast<std::int8_t*>(theirs.data()), their_absmax.data(),
               0.f, rows, cols, nullptr);
      QuantizedSpan<S> const out{codes.data(), {absmax.data(), cols}, n};
      require(device::quantize(values.data(), out, {}, nullptr, BnbCuda{}), "quantize");
      compare_bytes(codes.data(), theirs.data(), n, wrong.data());
      compare_bytes(absmax.data(), their_absmax.data(), 4 * rows, wrong.data());
      report("int8 rows of " + std::to_string(cols) + (specials ? ", NaN and infinities" : ""),
             static_cast<std::uint64_t>(n), wrong.download()[0]);
    }
}

/// Their decoded values of any bytes, normal scales: their kernels flush what is subnormal.
template <SchemeSpec S, Element T>
void check_decode() {
  constexpr std::int64_t n = 1000003;
  DeviceArray<std::uint8_t> codes(codes_bytes<S>(n));
  DeviceArray<float> absmax(block_count<S>(n)), map(256);
  if constexpr (S::bits == 8) map.upload(S::format::codebook.level);
  std::vector<std::uint8_t> c(codes.bytes());
  for (std::size_t i = 0; i < c.size(); ++i) c[i] = static_cast<std::uint8_t>(mix(8, i));
  std::vector<float> a(absmax.bytes() / 4);
  for (std::size_t i = 0; i < a.size(); ++i)
    a[i] = static_cast<float>(1 + mix(9, i) % 1000003) * 0x1p-16f;
  codes.upload(c.data());
  absmax.upload(a.data());
  DeviceArray<T> ours(n), theirs(n);
  DeviceArray<unsigned long long> wrong(1);
  wrong.poison(0);
  find<Dequantize<T>>(function_name<S, T>("cdequantize"))(
      S::bits == 8 ? map.data() : nullptr, codes.data(), absmax.data(), theirs.data(),
      S::block_size, static_cast<int>(n), nullptr);
  require(
      device::dequantize(QuantizedSpan<S>{codes.data(), {absmax.data()}, n}, ours.data(), nullptr),
      "dequantize");
  compare_bytes(ours.data(), theirs.data(), n * static_cast<std::int64_t>(sizeof(T)), wrong.data());
  report("decode " + name_of<S>() + " " + dtype_name<T>(), n, wrong.download()[0]);
}

template <FormatSpec F, Element T, int... Blocks>
void check_blocks(std::integer_sequence<int, Blocks...>) {
  (check_sizes<Scheme<Format<F>, BlockSize<Blocks>>, T>(), ...);
  check_large<Scheme<Format<F>>, T>();
  check_decode<Scheme<Format<F>>, T>();
}
template <Element T>
void check_dtype() {
  using FourBit = std::integer_sequence<int, 32, 64, 128, 256, 512, 1024, 2048, 4096>;
  check_blocks<NF4, T>(FourBit{});
  check_blocks<FP4, T>(FourBit{});
  check_blocks<Dynamic8, T>(std::integer_sequence<int, 64, 256, 4096>{});
}

}  // namespace

int main(int argc, char** argv) {
  need_device();
  library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : nullptr;
  if (library == nullptr) {
    std::printf("skipped: %s\n",
                argc > 1 ? dlerror() : "no path of bitsandbytes' CUDA library given");
    return 77;
  }
  check_dtype<float>();
  check_dtype<__half>();
  check_dtype<__nv_bfloat16>();
  check_nested<NF4>();
  check_nested<FP4>();
  check_rows();
  return finish("BnbCuda = bitsandbytes, byte for byte");
}
