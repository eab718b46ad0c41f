// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// New files for a folder that holds some already (--force). They wait in a hidden folder within it
// until all are there; only then are the old ones replaced. A kill at any moment leaves either the
// old files, or all new ones and what it takes to go on.
#pragma once

#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

namespace app {

class Staging {
 public:
  /// What an earlier run left in `folder`, if anything.
  explicit Staging(std::filesystem::path folder);

  /// Makes new files wait, with nothing there yet. Throws a Failure where that cannot be written.
  void begin();

  /// Drops what waits.
  void discard();

  /// Whether new files wait, or go straight into the folder.
  bool waits() const { return waits_; }

  /// Whether all new files are there, and the old ones are being replaced.
  bool is_complete() const { return complete_; }

  /// Where the file of that name is written, or was.
  std::filesystem::path place(std::string const& name) const;

  /// The files that are new, or may be: those of the folder where nothing waits.
  std::vector<std::filesystem::path> files() const;

  /// Replaces the old files by the new ones, of these names. First goes `index`, if not empty:
  /// without it the others are nothing. `old(where the index is now)`: all names of old files.
  void replace(
      std::set<std::string> const& names, std::string const& index,
      std::function<std::set<std::string>(std::filesystem::path const& old_index)> const& old);

 private:
  std::filesystem::path folder_, waiting_;
  bool waits_ = false, complete_ = false;
};

/// Writes a file under another name, puts it on disk and gives it its own: whole or not at all.
/// Throws a Failure where that does not work.
void put_file(std::filesystem::path const& path, std::string const& text);

/// Whether a folder holds nothing, or nothing but what a run left before it began.
bool is_bare(std::filesystem::path const& folder);

/// A file's bytes, or "" where it cannot be read.
std::string text_of(std::filesystem::path const& path);

}  // namespace app
