// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include <qfmt/qfmt.hpp>

#include <cstdio>
#include <vector>

#if defined(__CUDACC__) || defined(CUDART_VERSION)
#error "a host consumer sees CUDA"
#endif

int main() {
  using Weights = qfmt::Scheme<qfmt::Format<qfmt::NF4>>;
  std::vector<float> const values{-2.f, -1.f, 0.f, .5f, 2.f};
  std::vector<float> decoded(values.size());
  qfmt::QuantizedTensor<Weights> tensor(static_cast<long long>(values.size()));
  if (auto const status = qfmt::host::quantize(values, tensor.span()); !status) return 1;
  if (auto const status = qfmt::host::dequantize(tensor.span(), decoded); !status) return 2;
  std::printf("qfmt %d: %g %g %g\n", QFMT_VERSION, decoded[0], decoded[2], decoded[4]);
  return decoded[0] == -2.f && decoded[2] == 0.f && decoded[4] == 2.f ? 0 : 3;
}
