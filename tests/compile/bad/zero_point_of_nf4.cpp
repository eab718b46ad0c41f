// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
// expect: qfmt::Scheme<...>: ZeroPoint<true> and a format that takes a zero point go together
#include "qfmt/qfmt.hpp"

using namespace qfmt;

#ifdef GOOD
using S = Scheme<Format<NF4>, ScaleType<bfloat16>>;
#else
using S = Scheme<Format<NF4>, ScaleType<bfloat16>, ZeroPoint<true>>;
#endif

int bits() { return S::bits; }
