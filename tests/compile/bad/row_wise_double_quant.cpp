// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
// expect: qfmt::Scheme<...>: RowWise keeps one f32 scale a row; DoubleQuant<true> needs
// BlockSize<N>
#include "qfmt/qfmt.hpp"

using namespace qfmt;

#ifdef GOOD
using S = Scheme<Format<Int8>, RowWise, DoubleQuant<false>>;
#else
using S = Scheme<Format<Int8>, RowWise, DoubleQuant<true>>;
#endif

int bits() { return S::bits; }
