// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The quantization_config of a model's config.json: every field of transformers'
// BitsAndBytesConfig, its defaults, its rules.
#pragma once

#include "qfmt/io/json.hpp"
#include "qfmt/io/quantized_weight.hpp"
#include "qfmt/io/skip_modules.hpp"

#include <cmath>

namespace qfmt::inline v0::io {

/// The fields, with transformers' names and defaults.
struct QuantizationConfig {
  bool load_in_8bit = false;        ///< LLM.int8(): row-wise Int8
  bool load_in_4bit = false;        ///< NF4 or FP4 in blocks of 64
  double llm_int8_threshold = 6.0;  ///< activations from here on are outliers; 0: none
  std::optional<std::vector<std::string>> llm_int8_skip_modules;  // for 4 bit, too
  bool llm_int8_enable_fp32_cpu_offload = false;  ///< transformers' own; kept, not acted on
  bool llm_int8_has_fp16_weight = false;          ///< weights stay 16 bits
  Dtype bnb_4bit_compute_dtype = Dtype::F32;      ///< of activations and results: F32, F16 or BF16
  std::string bnb_4bit_quant_type = "fp4";        ///< "nf4" or "fp4"
  bool bnb_4bit_use_double_quant = false;         ///< nested scales
  Dtype bnb_4bit_quant_storage = Dtype::U8;       ///< how codes are declared in files

  /// The scheme of linear weights; nothing where the config quantizes none: neither flag is set, or
  /// llm_int8_has_fp16_weight keeps the weights in 16 bits.
  std::optional<SchemeDesc> scheme() const {
    if (load_in_8bit && !llm_int8_has_fp16_weight) return SchemeDesc{Int8::name, 0, true, false};
    if (!load_in_4bit) return std::nullopt;
    auto const* const format = bnb_4bit_quant_type == NF4::name ? NF4::name : FP4::name;
    return SchemeDesc{format, 64, false, bnb_4bit_use_double_quant};
  }

  /// How 4-bit codes are declared.
  StoredAs stored() const { return {load_in_4bit ? bnb_4bit_quant_storage : Dtype::U8, false}; }

  /// Whether a linear module stays as it is. Where no list is given transformers keeps the output
  /// head and what is tied to it, which only a model can say: `is_output_head` does.
  bool skips(std::string_view module, bool is_output_head = false) const {
    if (!llm_int8_skip_modules) return is_output_head;
    for (auto const& pattern : *llm_int8_skip_modules)
      if (skips_module(pattern, module)) return true;
    return false;
  }

  /// The outlier threshold of int8_matmul, 0 for none.
  float threshold() const { return load_in_8bit ? static_cast<float>(llm_int8_threshold) : 0.f; }

  /// `fn.template operator()<T>()` for the type in which a 4-bit matmul computes. Errors: those of
  /// fn; unsupported_dtype where none is set that weights can have.
  template <class Fn>
  Status with_compute_type(Fn&& fn) const {
    return with_element_type(bnb_4bit_compute_dtype, std::forward<Fn>(fn));
  }

  /// Equal in every field.
  friend bool operator==(QuantizationConfig const&, QuantizationConfig const&) = default;
};

/// The configurations that guides to bitsandbytes recommend.
namespace presets {

/// Production inference, best accuracy: LLM.int8() with 16-bit outliers.
inline QuantizationConfig production_accuracy() {
  QuantizationConfig config;
  config.load_in_8bit = true;
  return config;
}

/// Production inference, least memory: NF4, double quantization, computing in bfloat16.
inline QuantizationConfig production_memory() {
  QuantizationConfig config;
  config.load_in_4bit = true;
  config.bnb_4bit_compute_dtype = Dtype::BF16;
  config.bnb_4bit_quant_type = "nf4";
  config.bnb_4bit_use_double_quant = true;
  return config;
}

/// QLoRA training on one GPU.
inline QuantizationConfig qlora_single_gpu() { return production_memory(); }

/// FSDP with QLoRA over several GPUs: codes stored as the model's type, so that FSDP wraps them
/// like other weights.
inline QuantizationConfig fsdp_qlora() {
  auto config = production_memory();
  config.bnb_4bit_quant_storage = Dtype::BF16;
  return config;
}

}  // namespace presets

/// The preset of that name: "production-accuracy", "production-memory", "qlora", "fsdp-qlora".
inline std::optional<QuantizationConfig> preset_named(std::string_view name) {
  if (name == "production-accuracy") return presets::production_accuracy();
  if (name == "production-memory") return presets::production_memory();
  if (name == "qlora") return presets::qlora_single_gpu();
  if (name == "fsdp-qlora") return presets::fsdp_qlora();
  return std::nullopt;
}

namespace detail {

class ConfigReader {
 public:
  ConfigReader(Json const& object, std::string const& subject) : fields_(object, subject) {}

  QuantizationConfig config;

  Error read() {
    constexpr std::string_view known[]{"quant_method",
                                       "_load_in_4bit",
                                       "_load_in_8bit",
                                       "load_in_4bit",
                                       "load_in_8bit",
                                       "llm_int8_threshold",
                                       "llm_int8_skip_modules",
                                       "llm_int8_enable_fp32_cpu_offload",
                                       "llm_int8_has_fp16_weight",
                                       "bnb_4bit_compute_dtype",
                                       "bnb_4bit_quant_type",
                                       "bnb_4bit_use_double_quant",
                                       "bnb_4bit_quant_storage"};
    if (Error e = fields_.check_names(known)) return e;
    auto const is_true = [&](char const* name) {
      Json const* const field = fields_.find(name);
      return field != nullptr && *field == true;
    };
    Json const* const method = fields_.find("quant_method");  // transformers infers it, too
    if (method == nullptr ? !is_true("load_in_4bit") && !is_true("load_in_8bit")
                          : *method != "bitsandbytes")
      return fields_.wrong("quant_method is not \"bitsandbytes\"");
    read_with_twin("load_in_4bit", "_load_in_4bit", config.load_in_4bit);
    read_with_twin("load_in_8bit", "_load_in_8bit", config.load_in_8bit);
    read_bool("llm_int8_enable_fp32_cpu_offload", config.llm_int8_enable_fp32_cpu_offload);
    read_bool("llm_int8_has_fp16_weight", config.llm_int8_has_fp16_weight);
    read_bool("bnb_4bit_use_double_quant", config.bnb_4bit_use_double_quant);
    read_threshold();
    read_skip_modules();
    read_types();
    if (!error_ && config.load_in_4bit && config.load_in_8bit)
      fail("load_in_4bit and load_in_8bit are both true");
    return error_;
  }

 private:
  void fail(std::string detail) {
    if (!error_) error_ = fields_.wrong(std::move(detail));
  }

  bool read_bool(char const* name, bool& value) {
    Json const* const field = fields_.find(name);
    if (field == nullptr) return false;
    if (!field->is_boolean()) fail(std::string(name) + " is neither true nor false");
    if (field->is_boolean()) value = field->get<bool>();
    return true;
  }

  void read_with_twin(char const* name, char const* twin, bool& value) {
    bool other = false;
    bool const has_value = read_bool(name, value), has_twin = read_bool(twin, other);
    if (has_value && has_twin && value != other)
      fail(std::string(name) + " and " + twin + " contradict each other");
    if (has_twin && !has_value) value = other;
  }

  void read_threshold() {
    Json const* const field = fields_.find("llm_int8_threshold");
    if (field == nullptr) return;
    double const value = field->is_number() ? field->get<double>() : -1.;
    if (!(value >= 0. && value <= 3.4028234663852886e38))
      return fail("llm_int8_threshold is no number of 0 or more");
    config.llm_int8_threshold = value;
  }

  void read_skip_modules() {
    Json const* const field = fields_.find("llm_int8_skip_modules");
    if (field == nullptr || field->is_null()) return;
    auto& modules = config.llm_int8_skip_modules.emplace();
    if (!field->is_array()) return fail("llm_int8_skip_modules is no list of names");
    for (Json const& module : *field) {
      if (!module.is_string()) return fail("llm_int8_skip_modules holds something else than names");
      modules.push_back(module.get<std::string>());
      if (modules.back().empty() || !is_plain_pattern(modules.back()))
        return fail("llm_int8_skip_modules: '" + printable(modules.back()) +
                    "' is a regular expression of more than '.' and '.*'");
    }
  }

  void read_types() {
    if (Json const* const type = fields_.find("bnb_4bit_quant_type")) {
      if (*type != "nf4" && *type != "fp4")
        return fail("bnb_4bit_quant_type is neither nf4 nor fp4");
      config.bnb_4bit_quant_type = type->get<std::string>();
    }
    if (fields_.find("bnb_4bit_compute_dtype") != nullptr) {
      auto const dtype = fields_.torch_dtype("bnb_4bit_compute_dtype");
      if (!dtype || (*dtype != Dtype::F32 && *dtype != Dtype::F16 && *dtype != Dtype::BF16))
        return fail("bnb_4bit_compute_dtype is none of float32, float16, bfloat16");
      config.bnb_4bit_compute_dtype = *dtype;
    }
    if (fields_.find("bnb_4bit_quant_storage") == nullptr) return;
    auto const dtype = fields_.torch_dtype("bnb_4bit_quant_storage");
    if (!dtype)
      return fail(
          "bnb_4bit_quant_storage is none of uint8, int8, float16, bfloat16, float32, float64");
    config.bnb_4bit_quant_storage = *dtype;
  }

  JsonFields fields_;
  Error error_;
};

}  // namespace detail

/// Reads the object under "quantization_config". Errors: invalid_header naming the field.
inline Result<QuantizationConfig> parse_quantization_config(Json const& object,
                                                            std::string const& subject) {
  if (!object.is_object())
    return Error{{Errc::invalid_header}, subject, "quantization_config is no object"};
  detail::ConfigReader reader(object, "quantization_config in " + subject);
  if (Error e = reader.read()) return e;
  return std::move(reader.config);
}

/// A whole config.json; nothing where the model is not quantized. Errors: also those of its JSON.
inline Result<std::optional<QuantizationConfig>> parse_model_config(
    std::span<std::byte const> bytes, std::string const& subject) {
  if (bytes.size() > SafetensorsLimits::header_bytes)
    return Error{{Errc::header_too_large}, subject, "the config is larger than 100 MB"};
  std::string_view const text(reinterpret_cast<char const*>(bytes.data()), bytes.size());
  auto const json = parse_python_json(text, subject, 64);
  if (!json) return json.error();
  auto const at = json->find("quantization_config");
  if (at == json->end()) return std::optional<QuantizationConfig>();
  auto config = parse_quantization_config(*at, subject);
  if (!config) return config.error();
  return std::optional(std::move(*config));
}

/// The object that transformers writes for it.
inline Json to_json(QuantizationConfig const& config) {
  Json json{{"quant_method", "bitsandbytes"},
            {"_load_in_4bit", config.load_in_4bit},
            {"_load_in_8bit", config.load_in_8bit},
            {"load_in_4bit", config.load_in_4bit},
            {"load_in_8bit", config.load_in_8bit},
            {"llm_int8_threshold", config.llm_int8_threshold},
            {"llm_int8_skip_modules", nullptr},
            {"llm_int8_enable_fp32_cpu_offload", config.llm_int8_enable_fp32_cpu_offload},
            {"llm_int8_has_fp16_weight", config.llm_int8_has_fp16_weight},
            {"bnb_4bit_compute_dtype", torch_name(config.bnb_4bit_compute_dtype)},
            {"bnb_4bit_quant_type", config.bnb_4bit_quant_type},
            {"bnb_4bit_use_double_quant", config.bnb_4bit_use_double_quant},
            {"bnb_4bit_quant_storage", torch_name(config.bnb_4bit_quant_storage)}};
  if (config.llm_int8_skip_modules) json["llm_int8_skip_modules"] = *config.llm_int8_skip_modules;
  return json;
}

}  // namespace qfmt::inline v0::io
