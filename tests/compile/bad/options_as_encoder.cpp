// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
// expect: qfmt::host::quantize: the argument after the view is an encoder
#include "qfmt/qfmt.hpp"

#include <vector>

using S = qfmt::Scheme<qfmt::Format<qfmt::NF4>>;

bool quantizes(std::vector<float> const& values, qfmt::QuantizedSpan<S> out) {
#ifdef GOOD
  return static_cast<bool>(
      qfmt::host::quantize(values, out, qfmt::Nearest{}, qfmt::QuantizeOptions{}));
#else
  return static_cast<bool>(qfmt::host::quantize(values, out, qfmt::QuantizeOptions{}));
#endif
}
