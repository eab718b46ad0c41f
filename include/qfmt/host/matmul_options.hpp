// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "qfmt/codec/options.hpp"

namespace qfmt::inline v0::host {

/// How exactly a matmul sees its activations. Sums are f32 throughout.
enum class Activations : uint8_t {
  exact,     ///< as they are; weights as decode_at gives them
  bfloat16,  ///< they and the format's levels may be rounded to bfloat16: 2^-9 of each
  int8,      ///< each run of 32 may become 8-bit integers under an absmax, and the levels as well
};

/// What a matmul call may be told.
struct MatmulOptions {
  /// A permission, not an order: where the CPU or the weights offer nothing faster, activations
  /// are taken more exactly than this says.
  Activations activations = Activations::exact;

  SimdLevel simd = SimdLevel::best;  ///< the most that may be used
};

}  // namespace qfmt::inline v0::host
