// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The one list of the library's formats: the program, its self-test and the tests that hold every
// format to the same rules go over it.
#pragma once

#include "qfmt/format/af4.hpp"
#include "qfmt/format/dynamic8.hpp"
#include "qfmt/format/fp4.hpp"
#include "qfmt/format/fp8.hpp"
#include "qfmt/format/int4.hpp"
#include "qfmt/format/int4_asymmetric.hpp"
#include "qfmt/format/int8.hpp"
#include "qfmt/format/mxfp4.hpp"
#include "qfmt/format/nf2.hpp"
#include "qfmt/format/nf3.hpp"
#include "qfmt/format/nf4.hpp"
#include "qfmt/format/nvfp4.hpp"

namespace qfmt::inline v0 {

template <FormatSpec... Fs>
struct FormatList {};

/// Of Dynamic8's two maps the signed one.
// clang-format off
using Formats = FormatList<
    NF4,
    FP4,
    Int8,
    Dynamic8,
    AbnormalFloat4,
    NF3,
    NF2,
    FP8E4M3,
    FP8E5M2,
    MXFP4,
    NVFP4,
    SymmetricInt4,
    AsymmetricInt4>;
// clang-format on

#if !defined(__CUDACC_RTC__)
/// Calls fn.template operator()<F>() for each format in turn; on the host.
template <FormatSpec... Fs, class Fn>
constexpr void for_each_format(FormatList<Fs...>, Fn&& fn) {
  (fn.template operator()<Fs>(), ...);
}
#endif

}  // namespace qfmt::inline v0
