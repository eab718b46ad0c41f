// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Instructions that the host kernels execute per value, counted one by one: a child process runs an
// operation under single steps, over n values and over 2 n, and the difference counts. Repeatable
// to the instruction, and good for AVX-512, which callgrind does not execute.
//
//   instruction_counts          prints a Markdown table

#include "qfmt/host/matmul.hpp"
#include "qfmt/qfmt.hpp"

#include <csignal>
#include <cstdio>
#include <functional>
#include <random>
#include <unistd.h>
#include <vector>

#include <sys/ptrace.h>
#include <sys/wait.h>

namespace {

using namespace qfmt;

/// Instructions of `operation` and of two signals.
long count(std::function<void()> const& operation) {
  pid_t const child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    operation();  // once for what happens at a first call
    raise(SIGSTOP);
    operation();
    raise(SIGSTOP);
    _exit(0);
  }
  long steps = 0;
  int status = 0;
  waitpid(child, &status, 0);
  do {
    ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr);
    waitpid(child, &status, 0);
    ++steps;
  } while (WIFSTOPPED(status) && WSTOPSIG(status) != SIGSTOP);
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  return steps;
}

template <class T>
std::vector<T> normal_values(std::int64_t n) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<T> v(static_cast<std::size_t>(n));
  for (T& x : v) x = from_float<T>(normal(random));
  return v;
}

constexpr std::int64_t n = 1 << 12;

template <SchemeSpec S, class T>
double per_value(std::int64_t size, SimdLevel level, bool quantizes) {
  auto values = normal_values<T>(size);
  QuantizedTensor<S> t(size / 4096, 4096);
  QuantizeOptions q;
  q.simd = level;
  q.propagate_non_finite = true;
  (void)!host::quantize(values, t.span());
  return static_cast<double>(count([&] {
    if (quantizes) {
      (void)!host::quantize(values, t.span(), Nearest{}, q);
    } else {
      (void)!host::dequantize(t.span(), values, DequantizeOptions{false, level});
    }
  }));
}

template <SchemeSpec S, class T>
void codec(char const* name) {
  for (bool const quantizes : {false, true}) {
    std::printf("| %s %s |", quantizes ? "quantize" : "dequantize", name);
    for (SimdLevel const level : {SimdLevel::avx2, SimdLevel::avx512_bf16})
      std::printf(
          " %.3f |",
          (per_value<S, T>(2 * n, level, quantizes) - per_value<S, T>(n, level, quantizes)) / n);
    std::printf("\n");
    std::fflush(stdout);
  }
}

template <SchemeSpec S>
void matmul(char const* name, std::int64_t m, host::Activations activations) {
  std::int64_t const rows = 2, cols = 4096;
  auto const x = normal_values<bfloat16>(m * cols);
  auto const values = normal_values<float>(2 * rows * cols);
  std::vector<bfloat16> y(static_cast<std::size_t>(2 * rows * m));
  QuantizedTensor<S> t(2 * rows, cols);
  (void)!host::quantize(values, t.span());
  std::printf("| matmul %s, M = %lld |", name, static_cast<long long>(m));
  for (SimdLevel const level : {SimdLevel::avx2, SimdLevel::avx512_bf16}) {
    auto const of = [&](std::int64_t some) {
      QuantizedMatrix<S const> w = t.matrix();
      w.rows = some;
      return static_cast<double>(count([&] {
        (void)!host::matmul(w, x.data(), m, y.data(), nullptr,
                            host::MatmulOptions{activations, level});
      }));
    };
    std::printf(" %.3f |", (of(2 * rows) - of(rows)) / static_cast<double>(rows * cols));
  }
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace

int main() {
  using host::Activations;
  using Nf4 = Scheme<Format<NF4>>;
  std::printf("| instructions per value (matmul: per weight) | AVX2 | AVX-512 |\n");
  std::printf("|---|---|---|\n");
  codec<Nf4, float>("NF4/64 fp32");
  codec<Nf4, bfloat16>("NF4/64 bf16");
  codec<Nf4, float16>("NF4/64 fp16");
  codec<Scheme<Format<NF4>, DoubleQuant<true>>, float>("NF4/64 double_quant fp32");
  codec<Scheme<Format<FP4>>, float>("FP4/64 fp32");
  codec<Scheme<Format<Int8>, RowWise>, float>("Int8 row-wise fp32");
  codec<Scheme<Format<Int8>, RowWise>, bfloat16>("Int8 row-wise bf16");
  codec<Scheme<Format<Dynamic8>, BlockSize<256>>, float>("Dynamic8/256 fp32");
  codec<Scheme<Format<Dynamic8>, BlockSize<256>>, bfloat16>("Dynamic8/256 bf16");
  for (std::int64_t const m : {1, 4, 16}) {
    matmul<Nf4>("NF4/64 exact", m, Activations::exact);
    matmul<Nf4>("NF4/64 bf16", m, Activations::bfloat16);
    matmul<Nf4>("NF4/64 int8", m, Activations::int8);
  }
  matmul<Scheme<Format<Int8>, RowWise>>("Int8 row-wise exact", 1, Activations::exact);
}
