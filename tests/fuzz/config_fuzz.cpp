// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a config.json: refused, or its quantization_config is one that can be written and
// read back the same, and whose skip rule ends.
#include "qfmt/io/quantization_config.hpp"

#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const config = qfmt::io::parse_model_config(std::as_bytes(std::span(data, size)), "fuzz");
  if (!config || !*config) return 0;
  auto const again = qfmt::io::parse_quantization_config(qfmt::io::to_json(**config), "fuzz");
  fuzz::require(again && *again == **config);
  fuzz::require(!((*config)->load_in_4bit && (*config)->load_in_8bit));
  (void)(*config)->skips("model.layers.10.self_attn.q_proj");
  if (auto const scheme = (*config)->scheme()) fuzz::require(qfmt::io::bitsandbytes_loads(*scheme));
  return 0;
}
