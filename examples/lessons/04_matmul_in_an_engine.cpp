// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Lesson 4: y = x W^T + b as an engine calls it: the scheme comes from a checkpoint at run time,
// memory and threads are the engine's, q, k and v are one product. Built by nvcc also on a GPU.
//
//     g++ -std=c++20 -O2 -I include examples/lessons/04_matmul_in_an_engine.cpp -pthread
//     nvcc -std=c++20 -I include -arch=sm_90 -x cu examples/lessons/04_matmul_in_an_engine.cpp
#include <qfmt/qfmt.hpp>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>
#if defined(__CUDACC__)
#include <qfmt/ops/matmul.cuh>
#endif

using T = qfmt::bfloat16;  // of the activations
// The schemes this engine serves. Nothing else is instantiated.
using Served = qfmt::SchemeList<qfmt::Scheme<qfmt::Format<qfmt::NF4>, qfmt::DoubleQuant<true>>,
                                qfmt::Scheme<qfmt::Format<qfmt::Int8>, qfmt::RowWise>>;

/// The engine's memory: one piece, from which tensors are taken. The library allocates nothing.
struct Arena {
  std::byte* next = nullptr;
  bool has_gpu = false;

  Arena() {
    void* memory = nullptr;
#if defined(__CUDACC__)  // memory that host and device share keeps the lesson short
    has_gpu = cudaMallocManaged(&memory, 1 << 20) == cudaSuccess;
#endif
    next = static_cast<std::byte*>(has_gpu ? memory : std::aligned_alloc(128, 1 << 20));
  }
  void* take(std::int64_t bytes) {
    return std::exchange(next, next + qfmt::ceil_div(bytes, std::int64_t{128}) * 128);
  }
  T* values(std::int64_t count) { return static_cast<T*>(take(count * 2)); }
};

/// The engine's threads: an executor runs body(0) ... body(tasks - 1), returns when all have.
struct Pool {
  template <class Body>
  void operator()(std::int64_t tasks, Body const& body) const {
    std::thread other([&] {
      for (std::int64_t t = 1; t < tasks; t += 2) body(t);
    });
    for (std::int64_t t = 0; t < tasks; t += 2) body(t);
    other.join();
  }
};

/// A merged q|k|v projection with weights of scheme S: size_mismatch where results differ.
template <qfmt::SchemeSpec S>
qfmt::Status project(Arena& arena) {
  constexpr std::int64_t hidden = 512, rows[3]{512, 128, 128}, tokens = 3;
  qfmt::MatrixParts<S const, 3> qkv;  // each part keeps its own codes and scales
  for (std::int64_t const n : rows) {
    auto const part = qfmt::place<S>(arena.take(qfmt::storage_bytes<S>(n, hidden)), n, hidden);
    std::vector<float> w(static_cast<std::size_t>(n * hidden));
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = std::sin(0.3f * static_cast<float>(i));
    if (qfmt::Status const s = qfmt::host::quantize(w, part.values); !s) return s;
    qkv.part[qkv.count++] = part;
  }
  std::int64_t const size = tokens * qkv.rows();
  T *x = arena.values(tokens * hidden), *bias = arena.values(qkv.rows());
  T *y = arena.values(size), *other = arena.values(size);
  for (int i = 0; i < tokens * hidden; ++i) x[i] = std::cos(static_cast<float>(i));
  for (int i = 0; i < qkv.rows(); ++i) bias[i] = 0.25f;
  auto const compare = [&](char const* what, float most) {
    float d = 0.f;
    for (int i = 0; i < size; ++i) d = std::fmax(d, std::fabs(float(y[i]) - float(other[i])));
    std::printf("%s: %s: largest difference %g\n", S::format::name, what, d);
    return qfmt::Status{d <= most ? qfmt::Errc::ok : qfmt::Errc::size_mismatch};
  };
  qfmt::Status s = qfmt::host::matmul(qkv, x, tokens, y, bias);
  if (s) s = qfmt::host::matmul_parallel(Pool{}, qkv, x, tokens, other, bias);
  if (s) s = compare("one thread against the pool", 0.f);
#if defined(__CUDACC__)
  if (!s || !arena.has_gpu) return s;
  s = qfmt::device::matmul(qkv, x, tokens, other, bias, {}, nullptr);  // asynchronous
  if (!s || cudaDeviceSynchronize() != cudaSuccess) return {qfmt::Errc::device_error};
  s = compare("device against host", 0.125f);  // of sums near 20 in bfloat16
#endif
  return s;
}

int main() {
  Arena arena;
  if (!arena.has_gpu) std::puts("no GPU is here, or the build has no device code: host only");
  using qfmt::SchemeDesc;
  for (auto const& stored : {SchemeDesc{"nf4", 64, false, true}, SchemeDesc{"int8", 0, true}}) {
    auto const s =
        qfmt::dispatch(Served{}, stored, [&]<qfmt::SchemeSpec S>() { return project<S>(arena); });
    if (!s) return std::puts(qfmt::message(s.code)), 1;
  }
}
