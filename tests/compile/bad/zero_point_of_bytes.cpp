// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
// expect: qfmt::Scheme<...>: ZeroPoint<true> needs a ScaleType of 16 bits
#include "qfmt/qfmt.hpp"

using namespace qfmt;

#ifdef GOOD
using S = Scheme<Format<AsymmetricInt4>, ScaleType<float16>>;
#else
using S = Scheme<Format<AsymmetricInt4>, ScaleType<E8M0>>;
#endif

int bits() { return S::bits; }
