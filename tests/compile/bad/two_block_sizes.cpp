// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
// expect: qfmt::Scheme<...>: name BlockSize<N> or RowWise, once
#include "qfmt/qfmt.hpp"

using namespace qfmt;

#ifdef GOOD
using S = Scheme<Format<NF4>, BlockSize<64>>;
#else
using S = Scheme<Format<NF4>, BlockSize<64>, BlockSize<128>>;
#endif

int bits() { return S::bits; }
