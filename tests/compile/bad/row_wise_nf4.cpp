// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
// expect: qfmt::Scheme<...>: RowWise needs an 8-bit format, so that rows begin on a byte
#include "qfmt/qfmt.hpp"

using namespace qfmt;

#ifdef GOOD
using S = Scheme<Format<Int8>, RowWise>;
#else
using S = Scheme<Format<NF4>, RowWise>;
#endif

int bits() { return S::bits; }
