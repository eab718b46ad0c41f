// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "names.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace app {
namespace {

template <class Predicate>
bool any_component(std::string_view path, Predicate const& predicate) {
  for (std::size_t begin = 0; begin <= path.size();) {
    auto const end = std::min(path.find('.', begin), path.size());
    if (predicate(path.substr(begin, end - begin))) return true;
    begin = end + 1;
  }
  return false;
}

std::string_view last_component(std::string_view path) {
  auto const dot = path.rfind('.');
  return dot == path.npos ? path : path.substr(dot + 1);
}

}  // namespace

bool names_module(std::string_view path, std::string_view name) {
  if (name.empty()) return false;
  for (auto at = path.find(name); at != path.npos; at = path.find(name, at + 1)) {
    auto const end = at + name.size();
    if ((at == 0 || path[at - 1] == '.') && (end == path.size() || path[end] == '.')) return true;
  }
  return false;
}

bool is_left_alone(std::string_view module) {
  constexpr std::array<std::string_view, 8> known{"wte",    "wpe",       "shared",   "lm_head",
                                                  "output", "embed_out", "embed_in", "score"};
  auto const last = last_component(module);
  return last == "gate" || last == "router" || last == "relative_attention_bias" ||
         std::find(known.begin(), known.end(), last) != known.end() ||
         any_component(module, [](std::string_view part) {
           return part.find("embed") != part.npos && part.find("proj") == part.npos;
         });
}

char const* why_not_loaded(std::string_view model_type, std::string_view module) {
  struct Kept {
    std::string_view model_type, part;  // a component of the name; empty: every layer
  };
  constexpr std::array<Kept, 12> kept{{{"t5", "wo"},
                                       {"mt5", "wo"},
                                       {"umt5", "wo"},
                                       {"longt5", "wo"},
                                       {"switch_transformers", "wo"},
                                       {"udop", "wo"},
                                       {"pop2piano", "wo"},
                                       {"blip-2", "qformer"},
                                       {"deepseek_v32", "weights_proj"},
                                       {"glm_moe_dsa", "weights_proj"},
                                       {"axk2", "weights_proj"},
                                       {"falcon", ""}}};
  for (Kept const& k : kept)
    if (k.model_type == model_type &&
        (k.part.empty() || any_component(module, [&](auto part) { return part == k.part; })))
      return "transformers keeps such layers of this model_type as they are";
  bool of_experts = false;  // the component before
  bool const numbered = any_component(module, [&](std::string_view part) {
    bool const number = part.find_first_not_of("0123456789") == part.npos;
    return std::exchange(of_experts, part == "experts") && number;
  });
  return numbered ? "transformers loads experts into one tensor, which is not quantized" : nullptr;
}

std::string_view tied_head(std::string_view model_type) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> heads{
      {{"whisper", "proj_out"},
       {"gpt_neox", "embed_out"},
       {"distilbert", "vocab_projector"},
       {"albert", "predictions.decoder"},
       {"bert", "cls.predictions.decoder"},
       {"mobilebert", "cls.predictions.decoder"},
       {"megatron-bert", "cls.predictions.decoder"},
       {"big_bird", "cls.predictions.decoder"}}};
  auto const at = std::ranges::find(heads, model_type, [](auto const& head) { return head.first; });
  return at == heads.end() ? std::string_view() : at->second;
}

bool is_conv1d(std::string_view model_type, std::string_view module) {
  constexpr std::array<std::string_view, 4> types{"gpt2", "openai-gpt", "imagegpt",
                                                  "decision_transformer"};
  constexpr std::array<std::string_view, 4> modules{"c_attn", "c_proj", "c_fc", "q_attn"};
  return std::find(types.begin(), types.end(), model_type) != types.end() &&
         std::find(modules.begin(), modules.end(), last_component(module)) != modules.end();
}

}  // namespace app
