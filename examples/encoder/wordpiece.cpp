// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "wordpiece.hpp"

#include <algorithm>
#include <fstream>

#include "characters.hpp"
#include "failure.hpp"

namespace encoder {

namespace {

constexpr std::size_t longest_word = 100;  // characters; BERT takes longer ones for unknown

}  // namespace

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  auto const finish = [&] {
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  while (!text.empty()) {
    char32_t const c = next_character(text);
    if (is_dropped(c)) continue;
    if (is_space(c)) {
      finish();
    } else if (stands_alone(c)) {
      finish();
      append_character(c, word);
      finish();
    } else {
      append_character(plain_letter(c), word);
    }
  }
  finish();
  return words;
}

WordPiece::WordPiece(std::filesystem::path const& path) {
  std::ifstream file(path, std::ios::binary);
  engine::require(file.is_open(), path.string() + ": cannot be opened");
  for (std::string line; std::getline(file, line); ++size_) {
    if (line.ends_with('\r')) line.pop_back();
    longest_ = std::max(longest_, line.size());
    ids_[line] = static_cast<std::int32_t>(size_);
  }
  engine::require(!file.bad(), path.string() + ": cannot be read");
  unknown_ = special("[UNK]", path);
  first_ = special("[CLS]", path);
  last_ = special("[SEP]", path);
}

std::int32_t WordPiece::special(char const* piece, std::filesystem::path const& file) const {
  auto const at = ids_.find(piece);
  engine::require(at != ids_.end(), file.string() + ": lacks " + piece);
  return at->second;
}

/// The longest piece that the word begins with, and so on with the rest; pieces after the first are
/// listed with "##" before them. A word with a rest that no piece begins is unknown as a whole.
void WordPiece::append_pieces(std::string_view word, std::vector<std::int32_t>& out) const {
  std::vector<std::int32_t> pieces;
  bool known = characters_in(word) <= longest_word;
  for (std::size_t from = 0; known && from < word.size();) {
    std::string piece = from > 0 ? "##" : "";
    std::size_t const prefix = piece.size();
    piece += word.substr(from, longest_);
    auto at = ids_.find(piece);
    while (at == ids_.end() && piece.size() > prefix + 1) {
      piece.pop_back();  // a cut inside of a character finds nothing: pieces are whole characters
      at = ids_.find(piece);
    }
    known = at != ids_.end();
    if (known) pieces.push_back(at->second);
    from += piece.size() - prefix;
  }
  if (!known) pieces = {unknown_};
  out.insert(out.end(), pieces.begin(), pieces.end());
}

std::vector<std::int32_t> WordPiece::ids(std::string_view text, std::int64_t limit) const {
  std::vector<std::int32_t> out{first_};
  for (std::string const& word : words_of(text)) append_pieces(word, out);
  out.resize(std::min(out.size(), static_cast<std::size_t>(limit - 1)));
  out.push_back(last_);
  return out;
}

}  // namespace encoder
