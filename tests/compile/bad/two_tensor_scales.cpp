// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
// expect: qfmt::Scheme<...>: name TensorScale<...> and ZeroPoint<...> once
#include "qfmt/qfmt.hpp"

using namespace qfmt;

#ifdef GOOD
using S = Scheme<Format<NVFP4>, TensorScale<true>>;
#else
using S = Scheme<Format<NVFP4>, TensorScale<true>, TensorScale<false>>;
#endif

int bits() { return S::bits; }
