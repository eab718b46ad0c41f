// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What BERT's tokenizer has to know of Unicode, for text of Latin letters: classes are whole for
// ASCII, Latin-1 and the general punctuation block; letters of other scripts are letters.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace encoder {

/// Takes a character from the front of UTF-8 text; 0 for a byte that begins none (surrogates and
/// longer forms than needed are none).
inline char32_t next_character(std::string_view& text) {
  auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned const lead = byte(0);
  std::size_t const size = lead < 0x80    ? 1
                           : lead >= 0xF0 ? 4
                           : lead >= 0xE0 ? 3
                           : lead >= 0xC2 ? 2
                                          : 0;
  char32_t c = lead < 0x80 ? lead : lead & (0x7Fu >> size);
  bool whole = size > 0 && size <= text.size() && lead < 0xF5;
  for (std::size_t i = 1; whole && i < size; ++i) {
    whole = (byte(i) & 0xC0) == 0x80;
    c = c << 6 | (byte(i) & 0x3Fu);
  }
  constexpr char32_t least[]{0, 0, 0x80, 0x800, 0x10000};
  whole = whole && c >= least[size] && c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
  text.remove_prefix(whole ? size : 1);
  return whole ? c : 0;
}

inline void append_character(char32_t c, std::string& out) {
  auto const put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) return put(c);
  if (c >= 0x10000) put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 0x3F));
  if (c >= 0x800 && c < 0x10000) put(0xE0 | c >> 12);
  if (c >= 0x800) put(0x80 | (c >> 6 & 0x3F));
  if (c < 0x800) put(0xC0 | c >> 6);
  put(0x80 | (c & 0x3F));
}

inline std::size_t characters_in(std::string_view text) {
  std::size_t count = 0;
  for (char const c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

constexpr bool is_in(char32_t c, char32_t first, char32_t last) { return first <= c && c <= last; }

/// White space, and what separates lines.
constexpr bool is_space(char32_t c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == 0xA0 || c == 0x1680 ||
         is_in(c, 0x2000, 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

/// Control characters, those without a width, marks that combine (accents written apart), and what
/// stands for bytes that were no text.
constexpr bool is_dropped(char32_t c) {
  bool const control = (c < 0x20 && !is_space(c)) || is_in(c, 0x7F, 0x9F);
  bool const no_width = c == 0xAD || is_in(c, 0x200B, 0x200F) || is_in(c, 0x202A, 0x202E) ||
                        is_in(c, 0x2060, 0x206F) || c == 0xFEFF;
  return control || no_width || is_in(c, 0x300, 0x36F) || c == 0xFFFD;
}

/// A word of its own: punctuation (for BERT, all of ASCII that is no letter, digit or space) and
/// Chinese characters, which are written without spaces.
constexpr bool stands_alone(char32_t c) {
  bool const ascii = is_in(c, 33, 47) || is_in(c, 58, 64) || is_in(c, 91, 96) || is_in(c, 123, 126);
  bool const latin =
      c == 0xA1 || c == 0xA7 || c == 0xAB || c == 0xB6 || c == 0xB7 || c == 0xBB || c == 0xBF;
  bool const general =
      (is_in(c, 0x2010, 0x2027) || is_in(c, 0x2030, 0x205E)) && c != 0x2044 && c != 0x2052;
  bool const chinese = is_in(c, 0x4E00, 0x9FFF) || is_in(c, 0x3400, 0x4DBF) ||
                       is_in(c, 0xF900, 0xFAFF) || is_in(c, 0x20000, 0x2A6DF) ||
                       is_in(c, 0x2A700, 0x2CEAF) || is_in(c, 0x2F800, 0x2FA1F);
  return ascii || latin || general || is_in(c, 0x3001, 0x3003) || chinese;
}

/// Lower case without its accent.
constexpr char32_t plain_letter(char32_t c) {
  // U+00C0 to U+00DF; a space where a letter has no accent that could be taken off.
  constexpr std::string_view bases = "aaaaaa ceeeeiiii nooooo  uuuuy  ";
  if (is_in(c, 'A', 'Z')) return c + ('a' - 'A');
  if (!is_in(c, 0xC0, 0xFF)) return c;
  if (c == 0xFF) return 'y';
  char const base = bases[c & 0x1F];
  if (base != ' ') return static_cast<char32_t>(base);
  bool const upper = c < 0xDF && c != 0xD7;
  return upper ? c + 0x20 : c;
}

}  // namespace encoder
