// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "model.hpp"

namespace app {

qfmt::io::Json read_config(std::filesystem::path const& path) {
  auto const file = value_or_fail(qfmt::io::MappedFile::open(path), exit_bad_input);
  auto const bytes = file.bytes();
  std::string_view const text(reinterpret_cast<char const*>(bytes.data()), bytes.size());
  return value_or_fail(qfmt::io::parse_python_json(text, path.string(), 64), exit_bad_input);
}

Model open_model(std::filesystem::path const& path) {
  std::error_code ignored;  // what cannot be looked up cannot be opened either
  bool const is_folder = std::filesystem::is_directory(path, ignored);
  Model model{path,
              is_folder,
              value_or_fail(qfmt::io::Checkpoint::open(path), exit_bad_input),
              nullptr,
              {}};
  auto const config = path / "config.json";
  if (!is_folder || !std::filesystem::exists(config, ignored)) return model;
  model.config = read_config(config);
  auto const at = model.config.find("quantization_config");
  if (at != model.config.end())
    model.quantization =
        value_or_fail(qfmt::io::parse_quantization_config(*at, config.string()), exit_bad_input);
  return model;
}

}  // namespace app
