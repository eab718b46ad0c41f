// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "staging.hpp"

#include <qfmt/io/mapped_file.hpp>

#include <fstream>

#include "failure.hpp"

namespace app {
namespace {

namespace fs = std::filesystem;
constexpr char const* unfinished_name = ".qfmt-unfinished";  // some of the new files
constexpr char const* complete_name = ".qfmt-complete";      // all that are not in their place yet

bool is_folder(fs::path const& path) {
  std::error_code ignored;  // what cannot be looked up is none
  return fs::is_directory(fs::symlink_status(path, ignored));
}

void rename_or_fail(fs::path const& from, fs::path const& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) throw Failure(exit_cannot_write, to.string() + ": " + error.message());
}

}  // namespace

Staging::Staging(fs::path folder) : folder_(std::move(folder)) {
  complete_ = is_folder(folder_ / complete_name);
  waits_ = complete_ || is_folder(folder_ / unfinished_name);
  waiting_ = folder_ / (complete_ ? complete_name : unfinished_name);
}

void Staging::begin() {
  discard();
  std::error_code error;
  fs::create_directory(waiting_, error);
  if (error) throw Failure(exit_cannot_write, waiting_.string() + ": " + error.message());
  waits_ = true;
}

void Staging::discard() {
  std::error_code error;
  fs::remove_all(folder_ / unfinished_name, error);
  // Not complete any more from here on, should this be killed.
  fs::rename(folder_ / complete_name, folder_ / unfinished_name, error);
  fs::remove_all(folder_ / unfinished_name, error);
  *this = Staging(folder_);
}

fs::path Staging::place(std::string const& name) const {
  std::error_code ignored;  // what cannot be looked up is not there
  bool const moved = complete_ && !fs::exists(waiting_ / name, ignored);
  return waits_ && !moved ? waiting_ / name : folder_ / name;
}

std::vector<fs::path> Staging::files() const {
  std::vector<fs::path> files;
  auto const add = [&](fs::path const& folder) {
    for (auto const& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  };
  if (waits_) add(waiting_);
  if (!waits_ || complete_) add(folder_);
  return files;
}

void Staging::replace(std::set<std::string> const& names, std::string const& index,
                      std::function<std::set<std::string>(fs::path const&)> const& old) {
  if (!complete_) {
    rename_or_fail(waiting_, folder_ / complete_name);
    *this = Staging(folder_);
  }
  std::error_code error;
  fs::path const old_index = waiting_ / ("old-" + index);
  if (!index.empty() && fs::exists(folder_ / index, error))
    rename_or_fail(folder_ / index, old_index);
  for (auto const& name : old(old_index)) {
    if (!names.contains(name)) fs::remove(folder_ / name, error);
    if (error) throw Failure(exit_cannot_write, (folder_ / name).string() + ": " + error.message());
  }
  for (auto const& name : names)
    if (fs::exists(waiting_ / name, error)) rename_or_fail(waiting_ / name, folder_ / name);
}

void put_file(fs::path const& path, std::string const& text) {
  fs::path const partial = path.string() + ".partial";
  qfmt::io::FileDescriptor const fd(
      ::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  bool good = static_cast<bool>(fd);
  for (std::size_t done = 0; good && done < text.size();) {
    ssize_t const n = ::write(fd.get(), text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    good = n >= 0;
    done += good ? static_cast<std::size_t>(n) : 0;
  }
  std::error_code error;
  good = good && ::fsync(fd.get()) == 0;
  if (good) fs::rename(partial, path, error);
  if (good && !error) return;
  std::error_code ignored;  // one failure is enough
  fs::remove(partial, ignored);
  throw Failure(exit_cannot_write, path.string() + ": writing failed");
}

bool is_bare(fs::path const& folder) {
  std::error_code ignored;  // what cannot be looked into cannot be written to either
  for (auto const& entry : fs::directory_iterator(folder, ignored))
    if (entry.path().filename() != std::string(unfinished_name) + ".json.partial") return false;
  return true;
}

std::string text_of(fs::path const& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace app
