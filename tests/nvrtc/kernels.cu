// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Compiled by NVRTC alone (nvrtc_test.cpp), which includes every header of ranks 0 to 4 before this
// text. Whatever an engine's own kernel may call is instantiated here.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

using namespace qfmt;

struct Mine {  // a user's own format
  static constexpr auto name = "mine";
  static constexpr Codebook codebook{-1.f, -.69f, -.51f, -.37f, -.26f, -.15f, -.05f, 0.f,
                                     .05f, .15f,  .26f,  .37f,  .51f,  .65f,  .8f,   1.f};
};
static_assert(round_trips<NF4>() && round_trips<Mine>() && round_trips<Dynamic8>());

/// Code and value of every x, one thread each.
template <class F, class T>
__global__ void encode_decode(T const* x, float absmax, unsigned char* codes, T* decoded) {
  int const i = blockIdx.x * blockDim.x + threadIdx.x;
  codes[i] = encode<F>(to_float(x[i]), absmax);
  decoded[i] = from_float<T>(decode<F>(codes[i], absmax));
}

/// A whole view decoded value by value.
template <class S, class T>
__global__ void decode_view(QuantizedSpan<S const> in, T* out) {
  auto const i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < in.size) out[i] = from_float<T>(decode_at(in, i));
}

/// One block quantized by one thread.
template <class F, class T>
__global__ void encode_one_block(T const* x, long long n, float* absmax, unsigned char* codes) {
  *absmax = block_absmax(x, n);
  encode_block<F>(x, n, *absmax, codes);
}

/// A format of the library's list under its own scheme: a block quantized, a value decoded.
template <class F, class T>
__device__ void use_format(T const* x, unsigned char* storage, T* out) {
  using S = Scheme<Format<F>>;
  auto const values = place<S>(storage, 1, S::block_size).values;
  if constexpr (S::is_typed) {
    if constexpr (S::has_tensor_scale)
      *values.scales.tensor_scale = tensor_scale_of<S>(block_absmax(x, S::block_size));
    encode_typed_block(x, S::block_size, values, 0);
  } else {
    *values.scales.absmax = Nearest::scale<F>(x, S::block_size);
    encode_block<F>(x, S::block_size, *values.scales.absmax, values.codes);
  }
  out[threadIdx.x] = from_float<T>(decode_at(values, threadIdx.x));
}
template <class T, class... Fs>
__device__ void use_formats(FormatList<Fs...>, T const* x, unsigned char* storage, T* out) {
  (use_format<Fs>(x, storage, out), ...);
}
template <class T>
__global__ void use_every_format(T const* x, unsigned char* storage, T* out) {
  use_formats(Formats{}, x, storage, out);
}
template __global__ void use_every_format<float>(float const*, unsigned char*, float*);
template __global__ void use_every_format<bfloat16>(bfloat16 const*, unsigned char*, bfloat16*);

using Nf4 = Scheme<Format<NF4>>;
using Nested = Scheme<Format<NF4>, DoubleQuant<true>>;
using Rows = Scheme<Format<Int8>, RowWise>;
using Blocks8 = Scheme<Format<Dynamic8>, BlockSize<256>>;

#define INSTANTIATE_FORMAT(F, T)                                                     \
  template __global__ void encode_decode<F, T>(T const*, float, unsigned char*, T*); \
  template __global__ void encode_one_block<F, T>(T const*, long long, float*, unsigned char*);
#define INSTANTIATE_VIEW(S, T) \
  template __global__ void decode_view<S, T>(QuantizedSpan<S const>, T*);
#define INSTANTIATE(T)                    \
  INSTANTIATE_FORMAT(NF4, T)              \
  INSTANTIATE_FORMAT(FP4, T)              \
  INSTANTIATE_FORMAT(Int8, T)             \
  INSTANTIATE_FORMAT(Dynamic8, T)         \
  INSTANTIATE_FORMAT(UnsignedDynamic8, T) \
  INSTANTIATE_FORMAT(Mine, T)             \
  INSTANTIATE_VIEW(Nf4, T)                \
  INSTANTIATE_VIEW(Nested, T)             \
  INSTANTIATE_VIEW(Rows, T)               \
  INSTANTIATE_VIEW(Blocks8, T)
INSTANTIATE(float)
INSTANTIATE(__half)
INSTANTIATE(__nv_bfloat16)
INSTANTIATE(float16)
INSTANTIATE(bfloat16)
