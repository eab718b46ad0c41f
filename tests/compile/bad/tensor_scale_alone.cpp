// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
// expect: qfmt::Scheme<...>: TensorScale<true> and ZeroPoint<true> need a ScaleType<T>
#include "qfmt/qfmt.hpp"

using namespace qfmt;

#ifdef GOOD
using S = Scheme<Format<NF4>, ScaleType<E4M3>, TensorScale<true>>;
#else
using S = Scheme<Format<NF4>, TensorScale<true>>;
#endif

int bits() { return S::bits; }
