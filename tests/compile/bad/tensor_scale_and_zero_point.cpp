// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
// expect: qfmt::Scheme<...>: TensorScale<true> goes with neither ZeroPoint nor E8M0
#include "qfmt/qfmt.hpp"

using namespace qfmt;

#ifdef GOOD
using S = Scheme<Format<AsymmetricInt4>, ScaleType<bfloat16>>;
#else
using S = Scheme<Format<AsymmetricInt4>, ScaleType<bfloat16>, TensorScale<true>>;
#endif

int bits() { return S::bits; }
