// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "schemes.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <regex>

#include "names.hpp"

namespace app {

struct Schemes::Rule {
  std::string text;
  std::regex pattern;
  Codec const* codec;  // null: keep
};

namespace {

using qfmt::io::Dtype, qfmt::io::QuantizationConfig;

QuantizationConfig config_from(SchemeOptions const& options) {
  if (options.preset.empty()) {
    QuantizationConfig config;
    config.load_in_8bit = options.format == qfmt::Int8::name;
    config.load_in_4bit = !config.load_in_8bit;
    if (config.load_in_4bit) config.bnb_4bit_quant_type = options.format;
    config.bnb_4bit_use_double_quant = options.double_quant;
    return config;
  }
  if (auto const preset = qfmt::io::preset_named(options.preset)) return *preset;
  auto const json = read_config(options.preset);
  auto const at = json.find("quantization_config");
  return value_or_fail(
      qfmt::io::parse_quantization_config(at == json.end() ? json : *at, options.preset),
      exit_bad_input);
}

/// Whether the format is one of bitsandbytes', whose configuration then goes with the weights.
bool is_bitsandbytes(std::string const& format) {
  return format.empty() || format == qfmt::NF4::name || format == qfmt::FP4::name ||
         format == qfmt::Int8::name;
}

void refuse_contradictions(SchemeOptions const& options) {
  bool const int8 = options.format == qfmt::Int8::name;
  if (options.format.empty() == options.preset.empty())
    throw Failure(exit_usage, "give either --format or --preset");
  if (!options.preset.empty() && options.double_quant)
    throw Failure(exit_usage, "--preset says whether scales are quantized: no --double-quant");
  if (int8 && options.block_size_given)
    throw Failure(exit_usage, "--format int8 has one scale a row: it takes no --block-size");
  if (int8 && options.double_quant)
    throw Failure(exit_usage, "--format int8 keeps its scales plain: it takes no --double-quant");
  if (!is_bitsandbytes(options.format) && options.double_quant)
    throw Failure(exit_usage, "--format " + options.format +
                                  " keeps its scales as it says: it takes no --double-quant");
  if (!is_bitsandbytes(options.format) && !options.quant_storage.empty())
    throw Failure(exit_usage, "--format " + options.format +
                                  " is stored as it says: it takes no --quant-storage");
  if (int8 && !options.quant_storage.empty())
    throw Failure(exit_usage, "--format int8 is stored as int8: it takes no --quant-storage");
}

/// The block size of which rows must consist under this codec, or 0.
int whole_blocks_of(Codec const* codec) {
  if (codec == nullptr) return 0;
  auto const layout = qfmt::io::element_layout(codec->desc.format);
  return layout && !layout->is_native ? codec->desc.block_size : 0;
}

bool can_be_quantized(qfmt::io::TensorInfo const& tensor) {
  return is_floating_point(tensor.dtype) && tensor.shape.size() >= 2 && tensor.bytes() > 0;
}

void refuse_quantized(Model const& model) {
  auto const found = value_or_fail(qfmt::io::find_quantized(model.checkpoint), exit_bad_input);
  if (!found.empty())
    throw Failure(
        exit_cannot_quantize,
        fmt::format("{}: {} is quantized already ({}); start from the original weights",
                    model.path.string(), found.front().name, scheme_text(found.front().desc)));
  if (model.config.is_object() && model.config.contains("quantization_config"))
    throw Failure(exit_cannot_quantize,
                  model.path.string() + ": config.json says that it is quantized already");
}

}  // namespace

Schemes::~Schemes() = default;

Schemes::Schemes(SchemeOptions const& options) : options_(options) {
  refuse_contradictions(options);
  writes_config_ = is_bitsandbytes(options.format);
  if (!writes_config_) {
    auto const text =
        options.format +
        (options.block_size_given ? "/" + std::to_string(options.block_size) : std::string());
    auto const desc = scheme_named(text);
    if (!desc) throw Failure(exit_usage, "no such scheme: " + text + block_sizes_hint(text));
    codec_ = known(*desc);
    for (auto const& rule : options.rules) add_rule(rule);
    return;
  }
  config_ = config_from(options);
  if (!options.quant_storage.empty())
    config_.bnb_4bit_quant_storage = *qfmt::io::torch_dtype_named(options.quant_storage);
  if (!config_.load_in_4bit && !config_.load_in_8bit)
    throw Failure(exit_usage, "--preset " + options.preset +
                                  ": neither load_in_4bit nor load_in_8bit is true in it");
  if (auto desc = config_.scheme()) {
    if (!desc->row_wise) desc->block_size = options.block_size;
    codec_ = known(*desc);
  }
  for (auto const& rule : options.rules) add_rule(rule);
}

Codec const* Schemes::known(qfmt::SchemeDesc const& desc) const {
  Codec const* const codec = find_codec(desc);
  if (codec == nullptr) throw Failure(exit_usage, "no such scheme: " + scheme_text(desc));
  auto const layout = qfmt::io::element_layout(desc.format);
  bool const others_load = layout && !layout->is_native;  // the layout of existing checkpoints
  if (!qfmt::io::bitsandbytes_loads(desc) && !others_load && !options_.native)
    throw Failure(exit_usage, "bitsandbytes cannot load " + scheme_text(desc) +
                                  "; --native writes it all the same, for qfmt alone");
  return codec;
}

void Schemes::add_rule(std::string const& text) {
  auto const equals = text.rfind('=');
  auto const scheme = equals == text.npos ? "" : text.substr(equals + 1);
  auto const desc = scheme_named(scheme);
  if (!desc && scheme != "keep")
    throw Failure(exit_usage, "--rule " + text +
                                  ": it is no REGEX=SCHEME with a scheme like nf4, "
                                  "fp4/128/double, int8 or keep" +
                                  block_sizes_hint(scheme));
  try {
    rules_.push_back({text, std::regex(text.substr(0, equals)), desc ? known(*desc) : nullptr});
  } catch (std::regex_error const& error) {
    throw Failure(exit_usage, "--rule " + text + ": " + error.what());
  }
}

bool Schemes::is_skipped(std::string const& tensor) const {
  return std::ranges::any_of(options_.skip_modules,
                             [&](auto const& module) { return names_module(tensor, module); });
}

Step Schemes::step_of(Model const& model, qfmt::io::SafetensorsFile const& file,
                      qfmt::io::TensorInfo const& tensor, Passed& passed) const {
  Step step{&tensor, &file};
  if (!can_be_quantized(tensor)) return step;
  auto const module = module_name(tensor.name);
  auto const rule = std::ranges::find_if(
      rules_, [&](Rule const& r) { return std::regex_search(tensor.name, r.pattern); });
  if (rule != rules_.end()) {
    step.codec = rule->codec;
  } else if (!is_skipped(tensor.name) && !config_.skips(module)) {
    // Of a folder, which transformers is to load, linear layers alone.
    bool const linear = tensor.shape.size() == 2 && !module.empty() && !is_left_alone(module);
    char const* const why_not =
        linear ? why_not_loaded(model.field("model_type"), module) : nullptr;
    if (!model.is_folder || (linear && why_not == nullptr)) step.codec = codec_;
    if (model.is_folder && why_not != nullptr)
      passed[std::string(why_not) + "; a --rule would quantize"].push_back(tensor.name);
    if (model.is_folder && tensor.shape.size() > 2)
      passed["a --rule of its own would quantize"].push_back(tensor.name);
  }
  if (step.codec != nullptr && step.codec->desc.row_wise && tensor.shape.size() != 2) {
    step.codec = nullptr;
    passed["int8 needs two dimensions"].push_back(tensor.name);
  }
  step.transpose = step.codec != nullptr && tensor.shape.size() == 2 &&
                   (is_conv1d(model.field("model_type"), module) ||
                    std::ranges::any_of(options_.transpose_modules, [&](auto const& m) {
                      return names_module(tensor.name, m);
                    }));
  if (auto const block = whole_blocks_of(step.codec);
      block > 0 && tensor.shape[step.transpose ? 0 : tensor.shape.size() - 1] % block != 0) {
    passed[fmt::format("{} needs a last dimension that is a multiple of {}",
                       step.codec->desc.format, block)]
        .push_back(tensor.name);
    step.codec = nullptr;
    step.transpose = false;
  }
  return step;
}

std::vector<Step> Schemes::steps(Model const& model, std::vector<std::string>& notes) const {
  refuse_quantized(model);
  std::vector<Step> steps;
  Passed passed;
  for (auto const& file : model.checkpoint.files())
    for (auto const& tensor : file.tensors()) steps.push_back(step_of(model, file, tensor, passed));
  for (auto const& [reason, names] : passed)
    notes.push_back(names.size() == 1 ? names[0] + " passes through: " + reason
                                      : fmt::format("{} and {} more pass through: {}", names[0],
                                                    names.size() - 1, reason));
  note_unmatched(model, notes);
  if (std::ranges::none_of(steps, [](Step const& step) { return step.codec != nullptr; }))
    notes.push_back("no tensor is quantized");
  if (model.config.is_object() && !writes_config_)
    notes.push_back("config.json stays unchanged: it does not say that weights are " +
                    options_.format + ", so transformers does not load the folder as it is");
  refuse_mixed(steps, model);
  return steps;
}

void Schemes::note_unmatched(Model const& model, std::vector<std::string>& notes) const {
  auto const none_matches = [&](auto const& matches) {
    bool any = false;
    model.checkpoint.visit(
        [&](qfmt::io::StoredTensor const& tensor) { any = any || matches(tensor.info->name); });
    return !any;
  };
  for (auto const& module : options_.skip_modules)
    if (none_matches([&](auto const& name) { return names_module(name, module); }))
      notes.push_back("--skip-modules " + module + " matches no tensor");
  for (auto const& module : options_.transpose_modules)
    if (none_matches([&](auto const& name) { return names_module(name, module); }))
      notes.push_back("--transpose-modules " + module + " matches no tensor");
  for (Rule const& rule : rules_)
    if (none_matches([&](auto const& name) { return std::regex_search(name, rule.pattern); }))
      notes.push_back("--rule " + rule.text + " matches no tensor");
}

/// One config.json says 4 bit or 8 bit of bitsandbytes, for all weights.
void Schemes::refuse_mixed(std::vector<Step> const& steps, Model const& model) const {
  if (!model.is_folder || options_.native || !writes_config_) return;
  for (Step const& step : steps) {
    if (step.codec == nullptr) continue;
    auto const& desc = step.codec->desc;
    char const* const why_not =
        !qfmt::io::bitsandbytes_loads(desc)
            ? "bitsandbytes, which config.json is to name, cannot load it"
        : desc.row_wise != config_.load_in_8bit
            ? "bitsandbytes loads a folder of 4-bit or of int8 weights, not of both"
            : nullptr;
    if (why_not != nullptr)
      throw Failure(exit_usage, step.tensor->name + " as " + scheme_text(desc) + ": " + why_not +
                                    "; --native writes it all the same");
  }
}

qfmt::io::QuantizedWeight Schemes::describe(Step const& step) const {
  qfmt::io::QuantizedWeight weight{step.tensor->name, step.codec->desc, step.tensor->dtype,
                                   step.tensor->shape};
  if (step.transpose) std::swap(weight.shape[0], weight.shape[1]);
  if (!weight.desc.row_wise) weight.stored.dtype = config_.bnb_4bit_quant_storage;
  return weight;
}

QuantizationConfig Schemes::config(std::vector<Step> const& steps, Model const& model) const {
  auto config = config_;
  if (options_.preset.empty() && config.load_in_4bit)
    config.bnb_4bit_compute_dtype = model.dtype().value_or(Dtype::F32);
  // By their full names, so that transformers keeps exactly what stays as it is; the output head,
  // too, where it has no tensor of its own.
  std::vector<std::string> kept;
  std::vector<std::string_view> heads{"lm_head"};
  if (auto const head = tied_head(model.field("model_type")); !head.empty()) heads.push_back(head);
  for (Step const& step : steps) {
    auto const module = module_name(step.tensor->name);
    if (step.codec != nullptr) std::erase(heads, module);
    if (step.codec == nullptr && step.tensor->shape.size() == 2 && !module.empty())
      kept.push_back(module);
  }
  kept.insert(kept.end(), heads.begin(), heads.end());
  std::ranges::sort(kept);
  kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
  config.llm_int8_skip_modules = std::move(kept);
  return config;
}

}  // namespace app
