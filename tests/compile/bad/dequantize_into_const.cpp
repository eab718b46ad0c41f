// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
// expect-gcc: no matching function for call to
// expect-clang: no matching function for call to
// expect-nvcc: no instance of overloaded function
#include "qfmt/qfmt.hpp"

using namespace qfmt;
using S = Scheme<Format<NF4>>;

Status call(QuantizedSpan<S const> view, std::span<float> out, std::span<float const> in) {
#ifdef GOOD
  return in.empty() ? Status{} : host::dequantize(view, out);
#else
  return out.empty() ? Status{} : host::dequantize(view, in);
#endif
}
