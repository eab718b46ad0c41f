// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The rule by which transformers leaves modules unquantized (llm_int8_skip_modules).
#pragma once

#include <string>
#include <string_view>

namespace qfmt::inline v0::io {

namespace detail {

/// Of a pattern, what is more than letters, digits, '.', '_', '-' and the pair ".*": regular
/// expression syntax that is not evaluated here.
inline bool is_plain_pattern(std::string_view pattern) {
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    char const c = pattern[i];
    bool const plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '_' || c == '-';
    if (!plain && !(c == '*' && i > 0 && pattern[i - 1] == '.' && (i < 2 || pattern[i - 2] != '*')))
      return false;
  }
  return true;
}

/// Whether the pattern ('.' any character, ".*" any run of them) matches a beginning of `name` that
/// ends where a component of the name does. Linear in pattern times name: a set of states, no
/// backtracking.
inline bool matches_beginning(std::string_view pattern, std::string_view name) {
  std::string states(pattern.size() + 1, '\0'), next;  // states[p]: pattern[0, p) is matched
  auto const star = [&](std::size_t p) { return p + 1 < pattern.size() && pattern[p + 1] == '*'; };
  auto const close = [&](std::string& s) {  // ".*" may match nothing
    for (std::size_t p = 0; p < pattern.size(); ++p)
      if (s[p] != 0 && star(p)) s[p + 2] = 1;
  };
  auto const at_boundary = [&](std::size_t i) {
    return i == name.size() || name[i] == '.' || (i > 0 && name[i - 1] == '.');
  };
  states[0] = 1;
  close(states);
  for (std::size_t i = 0;; ++i) {
    if (states[pattern.size()] != 0 && at_boundary(i)) return true;
    if (i == name.size()) return false;
    next.assign(pattern.size() + 1, '\0');
    for (std::size_t p = 0; p < pattern.size(); ++p) {
      if (states[p] == 0) continue;
      if (star(p)) {
        next[p] = 1;
      } else if (pattern[p] == '.' || pattern[p] == name[i]) {
        next[p + 1] = 1;
      }
    }
    close(next);
    states.swap(next);
  }
}

}  // namespace detail

/// Whether transformers leaves `module` ("model.layers.3.mlp.gate_proj") unquantized for `pattern`:
/// the pattern is its ending, or matches a beginning of it that ends with a component. In patterns
/// '.' is any character and ".*" any run; patterns of more syntax match nothing here
/// (QuantizationConfig refuses them).
inline bool skips_module(std::string_view pattern, std::string_view module) {
  if (module.ends_with(pattern)) return true;
  return detail::is_plain_pattern(pattern) && detail::matches_beginning(pattern, module);
}

}  // namespace qfmt::inline v0::io
