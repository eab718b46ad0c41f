// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
// expect-gcc: no matching function for call to
// expect-clang: no matching function for call to
// expect-nvcc: no instance of overloaded function
#include "qfmt/qfmt.hpp"

using namespace qfmt;
using S = Scheme<Format<NF4>>;

Status call(QuantizedSpan<S> view, std::span<float const> right, std::span<double const> wrong) {
#ifdef GOOD
  return wrong.empty() ? Status{} : host::quantize(right, view);
#else
  return right.empty() ? Status{} : host::quantize(wrong, view);
#endif
}
