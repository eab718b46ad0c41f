// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
// expect: qfmt::Scheme<...>: every argument is a policy; write Format<NF4>, not NF4
#include "qfmt/qfmt.hpp"

using namespace qfmt;

#ifdef GOOD
using S = Scheme<Format<NF4>>;
#else
using S = Scheme<NF4>;
#endif

int bits() { return S::bits; }
