// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// A model on disk: one safetensors file, or a folder as the Hugging Face Hub has them, with a file
// or an index and its shards, and config.json beside.
#pragma once

#include "qfmt/io/safetensors.hpp"
#include "qfmt/io/safetensors_index.hpp"

#include <deque>

namespace qfmt::inline v0::io {

/// The files of a checkpoint, open; a TensorSource over all of them. Move-only.
class Checkpoint {
 public:
  static constexpr char const* file_name = "model.safetensors";  ///< of a model in one file
  /// Of a model in several.
  static constexpr char const* index_name = "model.safetensors.index.json";

  /// `path`: a file, or a folder with an index or a model.safetensors. Every shard is opened and
  /// its header checked; the index and the shards must name the same tensors.
  /// Errors: those of SafetensorsFile and the index; not_found for a tensor or file that is not
  /// there; duplicate_name for a tensor in two shards; invalid_header for one that the index does
  /// not list.
  static Result<Checkpoint> open(std::filesystem::path const& path) {
    Checkpoint checkpoint;
    std::error_code ignored;  // what cannot be looked up cannot be opened either, and says so
    if (!std::filesystem::is_directory(path, ignored)) {
      if (Error e = checkpoint.add_file(path)) return e;
    } else if (std::filesystem::exists(path / index_name, ignored)) {
      if (Error e = checkpoint.add_shards(path)) return e;
    } else if (std::filesystem::exists(path / file_name, ignored)) {
      if (Error e = checkpoint.add_file(path / file_name)) return e;
    } else {
      return Error{{Errc::not_found},
                   path.string(),
                   std::string("not a regular file but a folder without ") + file_name + " or " +
                       index_name};
    }
    return Result<Checkpoint>(std::move(checkpoint));
  }

  /// Takes the files over.
  Checkpoint(Checkpoint&&) = default;
  /// Takes the files over.
  Checkpoint& operator=(Checkpoint&&) = default;

  /// In the order of their names.
  std::deque<SafetensorsFile> const& files() const { return files_; }

  /// Whether an index says which file holds what.
  bool is_sharded() const { return sharded_; }

  /// The tensor of that name with its bytes, valid while this lives; nothing where there is none.
  std::optional<StoredTensor> locate(std::string_view name) const {
    auto const at = file_of_.find(std::string(name));
    return at == file_of_.end() ? std::nullopt : files_[at->second].locate(name);
  }

  /// visitor(StoredTensor) for every tensor, file by file, in order of offset.
  template <class Visitor>
  void visit(Visitor&& visitor) const {
    for (SafetensorsFile const& file : files_) file.visit(visitor);
  }

 private:
  Checkpoint() = default;

  Error add_file(std::filesystem::path const& path) {
    auto file = SafetensorsFile::open(path);
    if (!file) return file.error();
    for (TensorInfo const& tensor : file->tensors())
      if (!file_of_.emplace(tensor.name, files_.size()).second)
        return {
            {Errc::duplicate_name}, tensor.name + " in " + path.string(), "another shard has it"};
    files_.push_back(std::move(*file));
    return {};
  }

  Error add_shards(std::filesystem::path const& folder) {
    auto const path = folder / index_name;
    auto const text = MappedFile::open(path);
    if (!text) return text.error();
    auto const index = parse_safetensors_index(text->bytes(), path.string());
    if (!index) return index.error();
    sharded_ = true;
    std::map<std::string, std::size_t> shards;  // name -> position
    for (auto const& [tensor, file] : index->weight_map) shards.emplace(file, 0);
    for (auto& [name, position] : shards) {
      position = files_.size();
      if (Error e = add_file(folder / name)) return e;
    }
    for (auto const& [tensor, file] : index->weight_map) {
      auto const at = file_of_.find(tensor);
      if (at == file_of_.end() || at->second != shards[file])
        return {{Errc::not_found}, tensor + " in " + (folder / file).string(), "it is missing"};
    }
    if (file_of_.size() == index->weight_map.size()) return {};
    for (SafetensorsFile const& file : files_)
      for (TensorInfo const& tensor : file.tensors())
        if (!index->weight_map.contains(tensor.name))
          return {{Errc::invalid_header}, tensor.name + " in " + file.path(), "the index lacks it"};
    return {};
  }

  std::deque<SafetensorsFile> files_;  // a deque: what points into a file stays where it is
  std::unordered_map<std::string, std::size_t> file_of_;
  bool sharded_ = false;
};

}  // namespace qfmt::inline v0::io
