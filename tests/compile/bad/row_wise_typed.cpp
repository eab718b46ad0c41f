// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
// expect: a TensorScale and a ZeroPoint need BlockSize<N>
#include "qfmt/qfmt.hpp"

using namespace qfmt;

#ifdef GOOD
using S = Scheme<Format<Int8>, RowWise>;
#else
using S = Scheme<Format<Int8>, RowWise, ScaleType<bfloat16>>;
#endif

int bits() { return S::bits; }
