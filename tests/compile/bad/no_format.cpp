// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
// expect: qfmt::Scheme<...>: name exactly one Format<...>
#include "qfmt/qfmt.hpp"

using namespace qfmt;

#ifdef GOOD
using S = Scheme<Format<NF4>, BlockSize<64>>;
#else
using S = Scheme<BlockSize<64>>;
#endif

int bits() { return S::bits; }
