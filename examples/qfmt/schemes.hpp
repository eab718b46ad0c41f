// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What `qfmt quantize` does with each tensor, decided before anything is written.
#pragma once

#include <map>
#include <memory>

#include "codec.hpp"
#include "commands.hpp"
#include "model.hpp"

namespace app {

struct Step {
  qfmt::io::TensorInfo const* tensor;
  qfmt::io::SafetensorsFile const* file;
  Codec const* codec = nullptr;  // null: it passes through
  bool transpose = false;        // before it is quantized
};

/// The options as rules for tensors.
class Schemes {
 public:
  /// Throws a Failure where the options contradict each other.
  explicit Schemes(SchemeOptions const& options);
  ~Schemes();

  /// What happens to every tensor of a model, in file order. Throws a Failure where the model is
  /// quantized already. Notes for stderr are added to `notes`.
  std::vector<Step> steps(Model const& model, std::vector<std::string>& notes) const;

  /// The description of a weight in the output, but for the offset of nested scales.
  qfmt::io::QuantizedWeight describe(Step const& step) const;

  /// Whether the output's config.json names bitsandbytes.
  bool writes_config() const { return writes_config_; }

  /// The configuration that transformers needs for the output of these steps.
  qfmt::io::QuantizationConfig config(std::vector<Step> const& steps, Model const& model) const;

 private:
  struct Rule;
  using Passed = std::map<std::string, std::vector<std::string>>;  // reason -> tensors' names

  void add_rule(std::string const& text);
  Codec const* known(qfmt::SchemeDesc const& desc) const;
  bool is_skipped(std::string const& tensor) const;
  Step step_of(Model const& model, qfmt::io::SafetensorsFile const& file,
               qfmt::io::TensorInfo const& tensor, Passed& passed) const;
  void note_unmatched(Model const& model, std::vector<std::string>& notes) const;
  void refuse_mixed(std::vector<Step> const& steps, Model const& model) const;

  SchemeOptions const& options_;
  qfmt::io::QuantizationConfig config_;
  bool writes_config_ = true;     // bitsandbytes' configuration goes with the weights
  Codec const* codec_ = nullptr;  // null: the configuration quantizes nothing
  std::vector<Rule> rules_;
};

}  // namespace app
