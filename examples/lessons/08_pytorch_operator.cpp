// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Lesson 8: bitsandbytes' quantize_4bit and dequantize_4bit as operators of PyTorch; codes uint8,
// blocks 64 or 128. Codes are bitsandbytes', but FP4's at ties, where its CPU operator differs.
//
//     T=$(python3 -c 'import torch; print(torch.__path__[0])')
//     F="-std=c++20 -O2 -shared -fPIC -I include -isystem $T/include -L $T/lib -ltorch_cpu -lc10"
//     g++ examples/lessons/08_pytorch_operator.cpp $F -o libqfmt_torch.so
//
//     >>> torch.ops.load_library("./libqfmt_torch.so")
//     >>> packed, absmax = torch.ops.qfmt.quantize_4bit(weight, 64, "nf4")
//     >>> torch.ops.qfmt.dequantize_4bit(packed, absmax, 64, "nf4", weight.shape, weight.dtype)
#include <qfmt/qfmt.hpp>

#include <string>
#include <tuple>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

template <class F, int Block>
using FourBit = qfmt::Scheme<qfmt::Format<F>, qfmt::BlockSize<Block>>;

// What the operator serves; a name and a block size at run time choose from it.
using Served = qfmt::SchemeList<FourBit<qfmt::NF4, 64>, FourBit<qfmt::NF4, 128>,
                                FourBit<qfmt::FP4, 64>, FourBit<qfmt::FP4, 128>>;

namespace {

/// PyTorch reports by exceptions; qfmt by values, which become exceptions here and nowhere else.
void require(qfmt::Status s) {
  TORCH_CHECK(s, "qfmt: ", qfmt::message(s.code), s.index < 0 ? "" : ", first at value ",
              s.index < 0 ? "" : std::to_string(s.index));
}

/// fn(span) over the tensor's values. qfmt's 16-bit types have PyTorch's bytes.
template <class Fn>
qfmt::Status with_values(at::Tensor const& tensor, Fn const& fn) {
  auto const n = static_cast<std::size_t>(tensor.numel());
  void* const data = tensor.data_ptr();
  switch (tensor.scalar_type()) {
    case at::kFloat: return fn(std::span(static_cast<float*>(data), n));
    case at::kHalf: return fn(std::span(static_cast<qfmt::float16*>(data), n));
    case at::kBFloat16: return fn(std::span(static_cast<qfmt::bfloat16*>(data), n));
    default: return {qfmt::Errc::unsupported_dtype};
  }
}

/// A view of PyTorch's memory: nothing is copied.
template <qfmt::SchemeSpec S>
qfmt::QuantizedSpan<S> view(at::Tensor const& packed, at::Tensor const& absmax, std::int64_t size) {
  TORCH_CHECK(packed.numel() == qfmt::codes_bytes<S>(size), "packed has another size");
  TORCH_CHECK(absmax.numel() == qfmt::block_count<S>(size), "absmax has another size");
  return {packed.data_ptr<std::uint8_t>(), {absmax.data_ptr<float>()}, size};
}

std::tuple<at::Tensor, at::Tensor> quantize_4bit(at::Tensor const& weight, std::int64_t blocksize,
                                                 std::string const& quant_type) {
  at::Tensor const values = weight.contiguous();
  std::int64_t const n = values.numel();
  TORCH_CHECK(blocksize > 0, "blocksize must be positive");
  at::Tensor packed = at::empty({(n + 1) / 2, 1}, at::kByte);
  at::Tensor absmax = at::empty({qfmt::ceil_div(n, blocksize)}, at::kFloat);
  require(qfmt::dispatch(Served{}, {quant_type, int(blocksize)}, [&]<qfmt::SchemeSpec S>() {
    return with_values(values, [&](auto from) {
      return qfmt::host::quantize_parallel(qfmt::host::Threads{}, from, view<S>(packed, absmax, n));
    });
  }));
  return {packed, absmax};
}

at::Tensor dequantize_4bit(at::Tensor const& packed, at::Tensor const& absmax,
                           std::int64_t blocksize, std::string const& quant_type,
                           at::IntArrayRef shape, at::ScalarType dtype) {
  at::Tensor out = at::empty(shape, dtype);
  at::Tensor const codes = packed.contiguous(), scales = absmax.contiguous();
  require(qfmt::dispatch(Served{}, {quant_type, int(blocksize)}, [&]<qfmt::SchemeSpec S>() {
    return with_values(out, [&](auto to) {
      return qfmt::host::dequantize_parallel(qfmt::host::Threads{},
                                             view<S>(codes, scales, out.numel()), to);
    });
  }));
  return out;
}

}  // namespace

TORCH_LIBRARY(qfmt, m) {
  m.def("quantize_4bit(Tensor weight, int blocksize, str quant_type) -> (Tensor, Tensor)");
  m.def(
      "dequantize_4bit(Tensor packed, Tensor absmax, int blocksize, str quant_type, int[] shape, "
      "ScalarType dtype) -> Tensor");
}
TORCH_LIBRARY_IMPL(qfmt, CPU, m) {  // of the CPU; a CUDA one calls qfmt::device and its stream
  m.impl("quantize_4bit", &quantize_4bit);
  m.impl("dequantize_4bit", &dequantize_4bit);
}
