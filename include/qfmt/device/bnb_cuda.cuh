// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/config.hpp"

namespace qfmt::inline v0 {

/// An encoder for device quantize: byte for byte what bitsandbytes' CUDA kernels write.
///
/// They are built with --use_fast_math: 1 / absmax and 127 / absmax are the GPU's approximate
/// instructions, subnormals are flushed, and a NaN is no error. Where that shows:
///   zeros, or an absmax below 2^-126   absmax 0, every code that of 0/0: code 0
///   an absmax above 2^126              every finite value takes the code of zero
///   infinity                           absmax infinite; finite values the code of zero, it code 0
///   NaN                                left out of absmax and takes code 0; a whole block of NaN
///                                      has absmax -FLT_MAX
/// Everywhere else it differs from Nearest only where the reciprocal's last place moves a value
/// across a decision point. Int8 is LLM.int8()'s row quantizer. Nested scales subtract qfmt's own
/// offset, because theirs is a mean in no specified order. Device only; the approximate instruction
/// is the GPU's, so bytes are promised run_to_run and on the architecture they were compared on.
struct BnbCuda {};

}  // namespace qfmt::inline v0
