// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// nvrtc_custom_format_test AF4_FILE OPTION...
// A format of one's own in under ten lines (af4.hpp): the host codec, a matmul on the host, and by
// NVRTC an own kernel and the library's matmul kernels, all of the one text.
#include <qfmt/qfmt.hpp>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "af4.hpp"
#include "program.hpp"

namespace {

constexpr char library[] =
#include <qfmt_single.inc>
    ;

constexpr char kernels[] = R"(
#include <cuda_bf16.h>
using Mine = qfmt::Scheme<qfmt::Format<AF4>, qfmt::BlockSize<128>>;
template <class S, class T>
__global__ void own_kernel(qfmt::QuantizedSpan<S const> w, T* out) {
  auto const i = qfmt::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < w.size) out[i] = qfmt::from_float<T>(qfmt::decode_at(w, i));
}
)";

using Mine = qfmt::Scheme<qfmt::Format<AF4>, qfmt::BlockSize<128>>;
int wrong = 0;

void expect(bool fine, char const* what) {
  wrong += !fine;
  std::printf("%s: %s\n", what, fine ? "ok" : "WRONG");
}

/// Levels times the block's absmax, the nearest of each value: stated anew, not by the library.
void check_host_codec(std::vector<float> const& values, std::vector<float> const& decoded) {
  bool nearest = true;
  for (std::size_t begin = 0; begin < values.size(); begin += 128) {
    float absmax = 0.f;
    for (std::size_t i = begin; i < begin + 128; ++i)
      absmax = std::fmax(absmax, std::fabs(values[i]));
    for (std::size_t i = begin; i < begin + 128; ++i) {
      float best = INFINITY;
      for (float const level : AF4::codebook.level)
        best = std::fmin(best, std::fabs(values[i] - level * absmax));
      nearest = nearest && std::fabs(values[i] - decoded[i]) <= best * 1.00001f;
    }
  }
  expect(nearest, "host codec: every value decodes to its nearest level");
}

void check_host_matmul(qfmt::QuantizedMatrix<Mine> w, std::vector<float> const& decoded) {
  int const m = 3;
  std::vector<float> x(static_cast<std::size_t>(m * w.cols)),
      y(static_cast<std::size_t>(m * w.rows));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::cos(static_cast<float>(i));
  expect(static_cast<bool>(qfmt::host::matmul(w, x.data(), m, y.data())), "host matmul: status");
  double worst = 0;
  for (int i = 0; i < m; ++i)
    for (int r = 0; r < w.rows; ++r) {
      double sum = 0, magnitude = 0;
      for (int c = 0; c < w.cols; ++c) {
        double const product = double{x[static_cast<std::size_t>(i * w.cols + c)]} *
                               double{decoded[static_cast<std::size_t>(r * w.cols + c)]};
        sum += product, magnitude += std::fabs(product);
      }
      worst = std::fmax(
          worst, std::fabs(double{y[static_cast<std::size_t>(i * w.rows + r)]} - sum) / magnitude);
    }
  expect(worst < 1e-5, "host matmul: equals the f64 product with the decoded weights");
}

void check_nvrtc(std::string const& format, std::vector<std::string> const& options) {
  std::vector<std::string> const asked{"own_kernel<Mine, __nv_bfloat16>",
                                       "qfmt::generic::matmul_kernel<Mine, __nv_bfloat16, 1>"};
  for (char const* architecture : {"sm_80", "sm_90"}) {
    Program const built =
        compile(std::string(library) + format + kernels, architecture, options, asked);
    bool all = built.names.size() == asked.size();
    for (auto const& name : built.names)
      all = all && !name.empty() && built.machine_code.find(name) != std::string::npos;
    expect(all, architecture);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  std::ifstream file(argv[1]);
  std::string const format{std::istreambuf_iterator<char>(file), {}};
  expect(!format.empty(), "the format's text");

  std::vector<float> values(64 * 256), decoded(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i) * .7f);
  qfmt::QuantizedTensor<Mine> tensor(64, 256);
  expect(static_cast<bool>(qfmt::host::quantize(values, tensor.span())), "host quantize: status");
  expect(static_cast<bool>(qfmt::host::dequantize(tensor.span(), decoded)),
         "host dequantize: status");
  check_host_codec(values, decoded);
  check_host_matmul(tensor.matrix(), decoded);
  check_nvrtc(format, {argv + 2, argv + argc});
  return wrong == 0 ? 0 : 1;
}
