// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
// expect-gcc: no matching function for call to
// expect-clang: no matching function for call to
// expect-nvcc: no instance of function template
#include "qfmt/qfmt.hpp"

using namespace qfmt;
#ifdef GOOD
using S = Scheme<Format<NF4>>;
#else
using S = Scheme<Format<NF4>, DoubleQuant<true>>;
#endif

Status call(std::span<float const> values, QuantizedSpan<S> out) {
  return host::quantize_range(values, out, {0, 1});
}
