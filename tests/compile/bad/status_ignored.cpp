// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
// expect-gcc: ignoring returned value of type
// expect-clang: ignoring return value
// expect-nvcc: nodiscard
#include "qfmt/qfmt.hpp"

using namespace qfmt;
using S = Scheme<Format<NF4>>;

void call(QuantizedSpan<S const> view, std::span<float> out) {
#ifdef GOOD
  (void)host::dequantize(view, out);
#else
  host::dequantize(view, out);
#endif
}
