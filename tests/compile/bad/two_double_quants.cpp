// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
// expect: qfmt::Scheme<...>: name how scales are kept (DoubleQuant<...>) once
#include "qfmt/qfmt.hpp"

using namespace qfmt;

#ifdef GOOD
using S = Scheme<Format<NF4>, DoubleQuant<true>>;
#else
using S = Scheme<Format<NF4>, DoubleQuant<true>, DoubleQuant<false>>;
#endif

int bits() { return S::bits; }
