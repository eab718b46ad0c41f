// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Linear layers on a GPU, in programs built with QFMT_ENGINE_CUDA. Activations come from the host
// and go back with every call: this shows the calls, and an engine that keeps its activations on
// the device has less to do.
#include <qfmt/qfmt.cuh>

#include <cuda_bf16.h>

#include "linear.hpp"

namespace engine {

namespace {

void require_cuda(cudaError_t status, char const* what) {
  require(status == cudaSuccess, std::string(what) + ": " + cudaGetErrorString(status));
}

/// Device memory of one owner.
class Memory {
 public:
  explicit Memory(std::int64_t bytes) {
    if (bytes > 0) require_cuda(cudaMalloc(&data_, static_cast<std::size_t>(bytes)), "cudaMalloc");
  }
  Memory(Memory const&) = delete;
  Memory& operator=(Memory const&) = delete;
  ~Memory() { cudaFree(data_); }

  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
};

/// One stream, and what was given to it has been done when it is destroyed.
class Stream {
 public:
  Stream() { require_cuda(cudaStreamCreate(&stream_), "cudaStreamCreate"); }
  Stream(Stream const&) = delete;
  Stream& operator=(Stream const&) = delete;
  ~Stream() {
    cudaStreamSynchronize(stream_);
    cudaStreamDestroy(stream_);
  }

  void wait() const { require_cuda(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }
  operator cudaStream_t() const { return stream_; }

 private:
  cudaStream_t stream_;
};

void copy(void* to, void const* from, std::int64_t bytes, cudaStream_t stream) {
  require_cuda(
      cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), cudaMemcpyDefault, stream),
      "cudaMemcpyAsync");
}

template <qfmt::SchemeSpec S>
class DeviceLinear final : public Linear {
 public:
  using T = qfmt::bfloat16;

  explicit DeviceLinear(Matrix const& matrix)
      : rows_(matrix.rows),
        cols_(matrix.cols),
        storage_(qfmt::storage_bytes<S>(rows_, cols_)),
        weights_(qfmt::place<S>(storage_.data(), rows_, cols_)) {
    std::int64_t const size = rows_ * cols_;
    std::vector<float> values(static_cast<std::size_t>(size));
    read_floats(matrix, 0, size, values.data());
    Memory const floats(size * std::int64_t{sizeof(float)});
    std::int64_t const scratch = qfmt::quantize_workspace_bytes<S>(size);
    Memory const workspace(scratch);
    Stream const stream;
    copy(floats.data(), values.data(), size * std::int64_t{sizeof(float)}, stream);
    require(qfmt::device::quantize(static_cast<float const*>(floats.data()), weights_.values,
                                   {workspace.data(), scratch}, stream),
            matrix.stored.subject());
    stream.wait();
  }

  void apply(float const* x, std::int64_t m, float* y, int) const override {
    std::vector<T> in(static_cast<std::size_t>(m * cols_)),
        out(static_cast<std::size_t>(m * rows_));
    for (std::size_t i = 0; i < in.size(); ++i) in[i] = x[i];
    std::int64_t const in_bytes = m * cols_ * 2, out_bytes = m * rows_ * 2;
    Memory const device_in(in_bytes), device_out(out_bytes);
    Stream const stream;
    copy(device_in.data(), in.data(), in_bytes, stream);
    require(
        qfmt::device::matmul(weights_, static_cast<__nv_bfloat16 const*>(device_in.data()), m,
                             static_cast<__nv_bfloat16*>(device_out.data()), nullptr, {}, stream),
        "device::matmul");
    copy(out.data(), device_out.data(), out_bytes, stream);
    stream.wait();
    for (std::size_t i = 0; i < out.size(); ++i) y[i] = out[i];
  }

  std::int64_t bits() const override { return 8 * qfmt::placement<S>(rows_, cols_).payload; }

 private:
  std::int64_t rows_, cols_;
  Memory storage_;
  qfmt::QuantizedMatrix<S> weights_;
};

using Nf4 = qfmt::Scheme<qfmt::Format<qfmt::NF4>>;
using Nf4Double = qfmt::Scheme<qfmt::Format<qfmt::NF4>, qfmt::DoubleQuant<true>>;

}  // namespace

qfmt::Status make_on_device(FormatChoice const& choice, Matrix const& matrix, LinearPtr& out) {
  if (choice.compute != Compute::bf16 || choice.min_error) return {qfmt::Errc::unsupported_scheme};
  return qfmt::dispatch(qfmt::SchemeList<Nf4, Nf4Double>{}, choice.scheme, [&]<class S>() {
    out = std::make_unique<DeviceLinear<S>>(matrix);
    return qfmt::Status{};
  });
}

}  // namespace engine
