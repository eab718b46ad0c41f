// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Names from files: which may be names, and how they are shown.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace qfmt::inline v0::io {

/// What no sound file exceeds. The first is the format's own limit.
struct SafetensorsLimits {
  static constexpr std::uint64_t header_bytes = 100'000'000;  ///< 100 MB
  static constexpr std::size_t tensors = 1'000'000;           ///< of one file
  static constexpr std::size_t rank = 64;                     ///< dimensions of a tensor
  static constexpr std::size_t name_bytes = 4096;             ///< of a tensor
};

namespace detail {

/// Bytes of the control character (U+0000..1F, U+7F..9F) that UTF-8 text holds at i; 0 if none.
inline std::size_t control_at(std::string_view text, std::size_t i) {
  auto const byte = [text](std::size_t k) {
    return k < text.size() ? static_cast<unsigned char>(text[k]) : 0xFFu;
  };
  if (byte(i) < 0x20 || byte(i) == 0x7F) return 1;
  return byte(i) == 0xC2 && byte(i + 1) >= 0x80 && byte(i + 1) < 0xA0 ? 2 : 0;
}

/// The first 200 bytes or fewer, control characters spelled out: safe for a terminal.
inline std::string printable(std::string_view text) {
  std::size_t end = std::min<std::size_t>(text.size(), 200);
  if (end < text.size())
    while (end > 0 && (text[end] & 0xC0) == 0x80) --end;  // not within a character
  std::string result;
  for (std::size_t i = 0; i < end; ++i) {
    std::size_t const control = control_at(text, i);
    for (std::size_t k = 0; k < control; ++k) {
      auto const c = static_cast<unsigned char>(text[i + k]);
      result += {'\\', 'x', "0123456789abcdef"[c / 16], "0123456789abcdef"[c % 16]};
    }
    if (control == 0) result += text[i];
    if (control == 2) ++i;
  }
  return result;
}

/// Why no tensor may have this name; null if one may.
inline char const* fault_of_name(std::string_view name) {
  if (name.size() > SafetensorsLimits::name_bytes) return "the name is longer than 4096 bytes";
  for (std::size_t i = 0; i < name.size(); ++i)
    if (control_at(name, i) != 0) return "the name holds control characters";
  return nullptr;
}

}  // namespace detail
}  // namespace qfmt::inline v0::io
