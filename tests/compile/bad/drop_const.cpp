// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
// expect-gcc: could not convert
// expect-clang: no viable conversion
// expect-nvcc: no suitable user-defined conversion
#include "qfmt/qfmt.hpp"

using namespace qfmt;
using S = Scheme<Format<NF4>>;

#ifdef GOOD
QuantizedSpan<S const> convert(QuantizedSpan<S> view) { return view; }
#else
QuantizedSpan<S> convert(QuantizedSpan<S const> view) { return view; }
#endif
