// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What can be told of a tensor from its name, in checkpoints as transformers writes them.
#pragma once

#include <string>
#include <string_view>

namespace app {

/// P of P.weight; empty for another name.
inline std::string module_name(std::string_view tensor) {
  constexpr std::string_view ending = ".weight";
  return std::string(tensor.ends_with(ending) ? tensor.substr(0, tensor.size() - ending.size())
                                              : std::string_view());
}

/// Whether `name` is a run of whole components of the dot-separated `path`.
bool names_module(std::string_view path, std::string_view name);

/// Whether a two-dimensional P.weight belongs to an embedding, an output head or a router, which
/// transformers with bitsandbytes does not quantize by itself.
bool is_left_alone(std::string_view module);

/// Why transformers could not load a linear layer of this name quantized, or null: what it makes of
/// the layer is no linear module, or one that it keeps as it is.
char const* why_not_loaded(std::string_view model_type, std::string_view module);

/// The output head that a model of this type makes of its embedding, beside "lm_head"; or "".
std::string_view tied_head(std::string_view model_type);

/// Whether a P.weight is stored (in, out): GPT-2's Conv1D.
bool is_conv1d(std::string_view model_type, std::string_view module);

}  // namespace app
