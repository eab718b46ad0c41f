// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// BERT's uncased tokenizer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace encoder {

/// A text as BERT sees it before pieces are looked up: lower-cased, accents removed, cut at white
/// space and around each punctuation mark and each Chinese character. The text is UTF-8; a byte
/// that is none of it is dropped. Upper case and accents are known for ASCII and Latin-1 alone:
/// letters beyond stay as they are.
std::vector<std::string> words_of(std::string_view text);

class WordPiece {
 public:
  /// vocabulary: a file with one piece a line; its number, from 0 on, is the id. Throws a Failure
  /// where the file cannot be read, or lacks [UNK], [CLS] or [SEP].
  explicit WordPiece(std::filesystem::path const& vocabulary);

  /// [CLS], the pieces of each word, [SEP]. A special piece's name in the text is text. At most
  /// `limit` (2 or more) ids: pieces beyond are left out.
  std::vector<std::int32_t> ids(std::string_view text, std::int64_t limit) const;

  std::int64_t size() const { return size_; }

 private:
  std::int32_t special(char const* piece, std::filesystem::path const& file) const;
  void append_pieces(std::string_view word, std::vector<std::int32_t>& out) const;

  std::map<std::string, std::int32_t, std::less<>> ids_;
  std::int64_t size_ = 0;  // lines
  std::size_t longest_ = 0;
  std::int32_t unknown_, first_, last_;
};

}  // namespace encoder
