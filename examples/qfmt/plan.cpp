// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "plan.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "failure.hpp"
#include "weights.hpp"

namespace app {
namespace {

bool is_skipped(std::string const& tensor, std::vector<std::string> const& modules) {
  return std::any_of(modules.begin(), modules.end(),
                     [&](auto const& module) { return names_module(tensor, module); });
}

bool can_be_quantized(qfmt::io::TensorInfo const& tensor) {
  return is_floating_point(tensor.dtype) && tensor.shape.size() >= 2 && tensor.bytes() > 0;
}

void refuse_quantized(qfmt::io::SafetensorsFile const& file) {
  auto const found = value_or_fail(qfmt::io::find_quantized(file), exit_bad_input);
  if (!found.empty())
    throw Failure(exit_cannot_quantize,
                  fmt::format("{}: {} is quantized already ({}); start from the original weights",
                              file.path(), found.front().name, scheme_text(found.front().desc)));
}

}  // namespace

Codec const& chosen_codec(QuantizeOptions const& options) {
  bool const int8 = options.format == qfmt::Int8::name;
  if (int8 && options.block_size_given)
    throw Failure(exit_usage, "--format int8 has one scale a row: it takes no --block-size");
  if (int8 && options.double_quant)
    throw Failure(exit_usage, "--format int8 keeps its scales plain: it takes no --double-quant");
  Codec const* const codec =
      find_codec({options.format, int8 ? 0 : options.block_size, int8, options.double_quant});
  if (codec == nullptr) throw Failure(exit_usage, "no such scheme: " + options.format);
  if (!codec->bitsandbytes_loads && !options.native)
    throw Failure(exit_usage, "bitsandbytes cannot load " + scheme_text(codec->desc) +
                                  "; --native writes it all the same, for qfmt alone");
  return *codec;
}

bool names_module(std::string_view path, std::string_view name) {
  if (name.empty()) return false;
  for (auto at = path.find(name); at != path.npos; at = path.find(name, at + 1)) {
    auto const end = at + name.size();
    if ((at == 0 || path[at - 1] == '.') && (end == path.size() || path[end] == '.')) return true;
  }
  return false;
}

Plan plan_for(qfmt::io::SafetensorsFile const& file, QuantizeOptions const& options,
              Codec const& codec) {
  refuse_quantized(file);
  Plan plan;
  for (auto const& tensor : file.tensors()) {
    bool quantized = can_be_quantized(tensor) && !is_skipped(tensor.name, options.skip_modules);
    if (quantized && codec.desc.row_wise && tensor.shape.size() != 2) {
      quantized = false;
      plan.notes.push_back(tensor.name + " passes through: int8 needs two dimensions");
    }
    if (quantized) plan.bytes_to_quantize += tensor.bytes();
    plan.steps.push_back({&tensor, quantized});
  }
  for (auto const& module : options.skip_modules)
    if (std::none_of(file.tensors().begin(), file.tensors().end(),
                     [&](auto const& tensor) { return names_module(tensor.name, module); }))
      plan.notes.push_back("--skip-modules " + module + " matches no tensor");
  if (plan.bytes_to_quantize == 0) plan.notes.push_back("no tensor is quantized");
  return plan;
}

std::vector<qfmt::io::TensorInfo> layout_of(Plan const& plan, Codec const& codec) {
  std::vector<qfmt::io::TensorInfo> tensors;
  for (Step const& step : plan.steps) {
    if (!step.quantized) {
      tensors.push_back(*step.tensor);
      continue;
    }
    auto pieces = value_or_fail(codec.pieces(*step.tensor, step.offset), exit_cannot_quantize);
    std::move(pieces.begin(), pieces.end(), std::back_inserter(tensors));
  }
  return tensors;
}

}  // namespace app
