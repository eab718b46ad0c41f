// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
// expect: qfmt::host::quantize: scales with a type of their own take Nearest alone
#include "qfmt/qfmt.hpp"

#include <vector>

struct Mine : qfmt::Nearest {};

using S = qfmt::Scheme<qfmt::Format<qfmt::MXFP4>>;

bool quantizes(std::vector<float> const& values, qfmt::QuantizedSpan<S> out) {
#ifdef GOOD
  return static_cast<bool>(qfmt::host::quantize(values, out, qfmt::Nearest{}));
#else
  return static_cast<bool>(qfmt::host::quantize(values, out, Mine{}));
#endif
}
