// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// A model being written: a file, or a folder whose shards appear one by one, each whole, and whose
// index appears last; where --force replaces a folder's files, all at the end. A folder that was
// left unfinished can be finished.
#pragma once

#include <functional>
#include <set>

#include "commands.hpp"
#include "failure.hpp"
#include "model.hpp"
#include "staging.hpp"

namespace app {

/// One file of the output.
struct OutputFile {
  std::string name;  // in the folder; empty for a single file
  std::vector<qfmt::io::TensorInfo> tensors;
  qfmt::io::Metadata metadata;
};

class Output {
 public:
  /// `job` describes what is done, for --resume. `bytes`: what will be written.
  /// Throws a Failure where the output exists without --force or --resume, is the input, was begun
  /// for another job, or does not fit on the disk.
  Output(Model const& input, std::filesystem::path path, OutputOptions const& options,
         std::string job, std::int64_t bytes);

  /// Whether a file of that name was finished before.
  bool has(std::string const& name) const { return finished_.contains(name); }

  /// Where that file is.
  std::filesystem::path place(std::string const& name) const {
    return folder_ ? staging_.place(name) : path_;
  }

  /// Writes one file: `fill` writes its tensors. Returns its size.
  std::int64_t write(OutputFile const& file,
                     std::function<void(qfmt::io::SafetensorsWriter&)> const& fill);

  /// Everything else of a folder: other files of the input, config.json, and last the index of its
  /// files, if the input has one.
  void finish(qfmt::io::Json const& config, std::vector<OutputFile> const& files);

 private:
  void begin_folder(std::string const& job);
  void find_finished();
  void check_space(std::int64_t bytes) const;
  void copy_others();

  Model const& input_;
  std::filesystem::path path_;
  OutputOptions const& options_;
  bool folder_;
  Staging staging_;
  std::set<std::string> finished_;
};

/// The format key that transformers asks for, added where it is missing.
qfmt::io::Metadata with_format(qfmt::io::Metadata metadata);

/// Writing fails for reasons of the disk, or because the input does not fit the format.
ExitCode code_of(qfmt::io::Error const& error);

/// Throws a Failure if the file was cut under the program.
void check_input(qfmt::io::SafetensorsFile const& file);

/// The input's files by name with their sizes and times: a job for --resume begins with them.
qfmt::io::Json inputs_of(Model const& model);

/// Bytes of the files' tensors, headers left out.
std::int64_t data_bytes(std::vector<OutputFile> const& files);

/// "12.3 MB"
std::string megabytes(std::int64_t bytes);

}  // namespace app
