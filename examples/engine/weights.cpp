// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "weights.hpp"

#include <qfmt/io/json.hpp>
#include <qfmt/io/mapped_file.hpp>

namespace engine {

namespace {

using qfmt::io::Json;

/// A field's number, or `otherwise` where the file leaves it out or says null.
template <class T>
T number(Json const& json, std::string const& file, char const* name, T otherwise) {
  auto const at = json.find(name);
  if (at == json.end() || at->is_null()) return otherwise;
  require(at->is_number(), file + ": " + name + " is not a number");
  return at->get<T>();
}

std::int64_t size(Json const& json, std::string const& file, char const* name,
                  std::int64_t otherwise = 0) {
  constexpr std::int64_t limit = std::int64_t{1} << 24;
  std::int64_t const n = number(json, file, name, otherwise);
  require(n > 0 && n <= limit, file + ": " + name + " is missing or not from 1 to 2^24");
  return n;
}

bool is_set(Json const& json, char const* name) {
  auto const at = json.find(name);
  return at != json.end() && !at->is_null() && *at != false;
}

qfmt::io::Checkpoint open(std::filesystem::path const& folder) {
  return value_or_fail(qfmt::io::Checkpoint::open(folder));
}

}  // namespace

ModelConfig read_config(std::filesystem::path const& path) {
  auto const file = path.string();
  auto const text = value_or_fail(qfmt::io::MappedFile::open(path));
  auto const bytes = text.bytes();
  auto const json = value_or_fail(
      qfmt::io::parse_json({reinterpret_cast<char const*>(bytes.data()), bytes.size()}, file, 64));
  auto const type = json.find("model_type");
  require(type != json.end() && *type == "llama", file + ": model_type is not \"llama\"");
  for (char const* lacking : {"rope_scaling", "attention_bias", "mlp_bias", "quantization_config"})
    require(!is_set(json, lacking), file + ": this engine has no " + lacking);
  auto const act = json.find("hidden_act");
  require(act == json.end() || *act == "silu", file + ": hidden_act is not \"silu\"");

  ModelConfig c;
  c.vocab = size(json, file, "vocab_size");
  c.hidden = size(json, file, "hidden_size");
  c.intermediate = size(json, file, "intermediate_size");
  c.layers = size(json, file, "num_hidden_layers");
  c.heads = size(json, file, "num_attention_heads");
  c.kv_heads = size(json, file, "num_key_value_heads", c.heads);
  c.head_dim = size(json, file, "head_dim", c.hidden / c.heads);
  c.context = size(json, file, "max_position_embeddings", 2048);
  c.norm_eps = number(json, file, "rms_norm_eps", 1e-6f);
  c.rope_theta = number(json, file, "rope_theta", 10000.0);
  c.tied = is_set(json, "tie_word_embeddings");
  require(c.heads % c.kv_heads == 0, file + ": num_key_value_heads does not divide the heads");
  require(c.head_dim % 2 == 0, file + ": head_dim is odd");
  return c;
}

Weights::Weights(std::filesystem::path const& folder)
    : config_(read_config(folder / "config.json")), checkpoint_(open(folder)) {}

Matrix Weights::matrix(std::string const& name, std::int64_t rows, std::int64_t cols) const {
  auto const stored = checkpoint_.locate(name);
  require(stored.has_value(), name + ": the checkpoint lacks it");
  auto const dtype = stored->info->dtype;
  using qfmt::io::Dtype;
  require(dtype == Dtype::F32 || dtype == Dtype::F16 || dtype == Dtype::BF16,
          stored->subject() + ": neither F32, F16 nor BF16");
  auto const& shape = stored->info->shape;
  bool const fits = cols == 1 ? shape == std::vector{rows} : shape == std::vector{rows, cols};
  require(fits, stored->subject() + ": its shape is not what config.json implies");
  return {rows, cols, *stored};
}

std::vector<float> Weights::vector(std::string const& name, std::int64_t size) const {
  std::vector<float> values(static_cast<std::size_t>(size));
  read_floats(matrix(name, size, 1), 0, size, values.data());
  return values;
}

void read_floats(Matrix const& matrix, std::int64_t first, std::int64_t count, float* out) {
  auto const convert = [&]<class T>(T value) {
    auto const* const from = matrix.stored.bytes.data() + first * std::int64_t{sizeof(T)};
    for (std::int64_t i = 0; i < count; ++i) {
      std::memcpy(&value, from + i * std::int64_t{sizeof(T)}, sizeof(T));  // at any address
      out[i] = qfmt::to_float(value);
    }
  };
  switch (matrix.dtype()) {
    case qfmt::io::Dtype::F32: return convert(0.f);
    case qfmt::io::Dtype::F16: return convert(qfmt::float16(0.f));
    default: return convert(qfmt::bfloat16(0.f));
  }
}

}  // namespace engine
