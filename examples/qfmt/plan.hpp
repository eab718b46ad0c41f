// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What `qfmt quantize` does with each tensor, decided before anything is written.
#pragma once

#include <string_view>

#include "codec.hpp"
#include "commands.hpp"

namespace app {

/// The scheme that the options ask for. Throws a Failure where they contradict each other.
Codec const& chosen_codec(QuantizeOptions const& options);

/// Whether `name` is a run of whole components of the dot-separated `path`.
bool names_module(std::string_view path, std::string_view name);

struct Step {
  qfmt::io::TensorInfo const* tensor;
  bool quantized;
  float offset = 0.f;  // of its nested scales
};

struct Plan {
  std::vector<Step> steps;             // in file order
  std::vector<std::string> notes;      // for stderr
  std::int64_t bytes_to_quantize = 0;  // of the input
};

/// Throws a Failure where the file holds quantized weights already.
Plan plan_for(qfmt::io::SafetensorsFile const& file, QuantizeOptions const& options,
              Codec const& codec);

/// The tensors of the output; their offsets must be known.
std::vector<qfmt::io::TensorInfo> layout_of(Plan const& plan, Codec const& codec);

}  // namespace app
