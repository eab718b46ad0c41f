// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include <qfmt/qfmt.hpp>

#include <cstdio>

#ifdef WITH_IO
#include <qfmt/io/quantization_config.hpp>
#endif

int main() {
  using Weights = qfmt::Scheme<qfmt::Format<qfmt::NF4>>;
  float const values[4]{-2.f, 0.f, .5f, 2.f};
  float decoded[4];
  qfmt::QuantizedTensor<Weights> tensor(4);
  if (!qfmt::host::quantize(values, tensor.span())) return 1;
  if (!qfmt::host::dequantize(tensor.span(), decoded)) return 2;
#ifdef WITH_IO
  auto const config = qfmt::io::to_json(qfmt::io::presets::production_memory());
  std::printf("with io: %s\n", config["bnb_4bit_quant_type"].get<std::string>().c_str());
#endif
  std::printf("qfmt %d: %g %g\n", QFMT_VERSION, decoded[0], decoded[3]);
  return decoded[0] == -2.f && decoded[3] == 2.f ? 0 : 3;
}
