// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// A model to read: a safetensors file, or a folder with config.json beside its shards.
#pragma once

#include <qfmt/io/checkpoint.hpp>
#include <qfmt/io/quantization_config.hpp>

#include "failure.hpp"

namespace app {

struct Model {
  std::filesystem::path path;
  bool is_folder;
  qfmt::io::Checkpoint checkpoint;
  qfmt::io::Json config;  // null where there is none
  std::optional<qfmt::io::QuantizationConfig> quantization;

  std::int64_t bytes() const {
    std::int64_t sum = 0;
    for (auto const& file : checkpoint.files()) sum += file.file_bytes();
    return sum;
  }

  /// A text field of config.json, or "".
  std::string field(char const* name) const {
    if (!config.is_object()) return {};
    auto const at = config.find(name);
    return at != config.end() && at->is_string() ? at->get<std::string>() : std::string();
  }

  /// The element type that config.json states for the model ("dtype", formerly "torch_dtype").
  std::optional<qfmt::io::Dtype> dtype() const {
    auto const name = field("dtype").empty() ? field("torch_dtype") : field("dtype");
    return qfmt::io::torch_dtype_named(name);
  }
};

/// Opens a model or throws a Failure (exit_bad_input).
Model open_model(std::filesystem::path const& path);

/// A config.json as an object; throws a Failure where it cannot be read.
qfmt::io::Json read_config(std::filesystem::path const& path);

}  // namespace app
