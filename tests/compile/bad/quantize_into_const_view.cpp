// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
// expect-gcc: no matching function for call to
// expect-clang: no matching function for call to
// expect-nvcc: no instance of overloaded function
#include "qfmt/qfmt.hpp"

using namespace qfmt;
using S = Scheme<Format<NF4>>;

Status call(std::span<float const> values, QuantizedSpan<S> writable, QuantizedSpan<S const> view) {
#ifdef GOOD
  return view.size == 0 ? Status{} : host::quantize(values, writable);
#else
  return writable.size == 0 ? Status{} : host::quantize(values, view);
#endif
}
