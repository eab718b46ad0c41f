// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// A format as the command line names it.
#pragma once

#include <qfmt/scheme/scheme_list.hpp>

#include <string>
#include <vector>

namespace engine {

/// What the linear layers multiply in: activations and results are rounded to it.
enum class Compute { fp32, fp16, bf16 };

/// The control: 15 evenly spaced levels, a format of this program's own.
struct Int4 {
  static constexpr auto name = "int4";
  static constexpr qfmt::Codebook codebook{-7.f / 7, -6.f / 7, -5.f / 7, -4.f / 7, -3.f / 7,
                                           -2.f / 7, -1.f / 7, 0.f,      1.f / 7,  2.f / 7,
                                           3.f / 7,  4.f / 7,  5.f / 7,  6.f / 7,  7.f / 7};
};

/// How the linear layers keep their weights and multiply.
struct FormatChoice {
  enum class Kind {
    dense,         ///< in 16 or 32 bits
    weights,       ///< weights quantized, activations as they are
    int8,          ///< weights and activations in 8 bits
    llm_int8,      ///< outlier columns of the activations with weights kept in 16 bits
    llm_int8_bnb,  ///< the same with the int8 weights, as bitsandbytes does
  };

  std::string text;  // as it was asked for
  Kind kind = Kind::dense;
  qfmt::SchemeDesc scheme;
  Compute compute = Compute::fp32;
  bool min_error = false;  // scales are searched for the least error, not taken from absmax
  bool on_device = false;  // multiplied by a GPU, in programs built for one
};

inline constexpr float outlier_threshold = 6.f;

/// fp32, fp16, bf16; int8, llm.int8, llm.int8-bnb, int8-weights; nf4, fp4, int4, each with /BLOCK,
/// /double, /min-error and /device as wanted. After these @fp32, @fp16 or @bf16. Throws a Failure
/// where it is none.
FormatChoice format_named(std::string const& text);

/// The rows of the full table.
std::vector<FormatChoice> every_format();

/// The name of a type.
char const* name_of(Compute compute);

}  // namespace engine
