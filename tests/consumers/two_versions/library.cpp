// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// A shared library that has taken qfmt in, as engines do: everything of it is visible.
#include <qfmt/qfmt.hpp>

extern "C" char const* WORD() { return qfmt::message(qfmt::Errc::ok); }

/// The decoded sum of a few values; through functions that the other library instantiates, too.
extern "C" float SUM() {
  using Weights = qfmt::Scheme<qfmt::Format<qfmt::NF4>, qfmt::DoubleQuant<true>>;
  float const values[3]{1.f, -2.f, 4.f}, one[3]{1.f, 1.f, 1.f};
  float sum = 0.f;
  qfmt::QuantizedTensor<Weights> tensor(1, 3);
  if (!qfmt::host::quantize(values, tensor.span())) return -1.f;
  if (!qfmt::host::matmul(tensor.matrix(), one, 1, &sum)) return -2.f;
  return sum + static_cast<float>(sizeof(qfmt::QuantizedMatrix<Weights>));
}
