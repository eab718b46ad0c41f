// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Reading and writing safetensors files.
#pragma once

#include "qfmt/io/mapped_file.hpp"
#include "qfmt/io/safetensors_header.hpp"

#include <concepts>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>
#include <unordered_map>

namespace qfmt::inline v0::io {

/// A tensor of a file with its bytes, valid while the file lives.
struct StoredTensor {
  TensorInfo const* info;            ///< name, type, shape
  std::span<std::byte const> bytes;  ///< any alignment
  std::string const* file;           // its path

  /// What errors call it: "NAME in FILE".
  std::string subject() const { return info->name + " in " + *file; }
};

namespace detail {
struct AnyVisitor {
  void operator()(StoredTensor const&) const {}
};
}  // namespace detail

/// Anything that holds tensors by name: a file, or the files of a sharded checkpoint.
template <class Source>
concept TensorSource = requires(Source const& source, std::string const& name) {
  { source.locate(name) } -> std::same_as<std::optional<StoredTensor>>;
  source.visit(detail::AnyVisitor{});
};

/// A safetensors file, mapped and checked; its tensors are views of the mapping. Move-only.
class SafetensorsFile {
 public:
  /// Errors: file_error, and whatever rule of the format the file breaks, with the file's or the
  /// tensor's name as subject.
  static Result<SafetensorsFile> open(std::filesystem::path const& path) {
    auto file = MappedFile::open(path);
    if (!file) return file.error();
    auto header = parse_safetensors(file->bytes(), file->path());
    if (!header) return header.error();
    return SafetensorsFile(std::move(*file), std::move(*header));
  }

  /// As it was opened.
  std::string const& path() const { return file_.path(); }
  /// The strings of __metadata__, in file order.
  Metadata const& metadata() const { return header_.metadata; }
  /// All tensors by offset.
  std::vector<TensorInfo> const& tensors() const { return header_.tensors; }  // by offset
  /// Where the data part begins.
  std::int64_t header_bytes() const { return header_.data_begin; }
  /// Of the whole file.
  std::int64_t file_bytes() const { return static_cast<std::int64_t>(file_.bytes().size()); }

  /// The tensor of that name, or null.
  TensorInfo const* find(std::string_view name) const {
    auto const at = index_.find(std::string(name));
    return at == index_.end() ? nullptr : &header_.tensors[at->second];
  }

  /// The bytes of one of this file's tensors, valid while the file lives. A file may put a tensor
  /// at any byte: alignment is not promised.
  std::span<std::byte const> bytes(TensorInfo const& tensor) const {
    return file_.bytes().subspan(static_cast<std::size_t>(header_.data_begin + tensor.begin),
                                 static_cast<std::size_t>(tensor.bytes()));
  }

  /// The tensor of that name with its bytes, if there is one.
  std::optional<StoredTensor> locate(std::string_view name) const {
    TensorInfo const* const tensor = find(name);
    if (tensor == nullptr) return std::nullopt;
    return StoredTensor{tensor, bytes(*tensor), &file_.path()};
  }

  /// visitor(StoredTensor) for every tensor, in order of offset.
  template <class Visitor>
  void visit(Visitor&& visitor) const {
    for (TensorInfo const& tensor : header_.tensors)
      visitor(StoredTensor{&tensor, bytes(tensor), &file_.path()});
  }

  /// Errors: file_truncated if the file has been cut since it was opened; file_error.
  [[nodiscard]] Error check_unchanged() const { return file_.check_unchanged(); }

  /// Says that the file will be read from its beginning to its end.
  void expect_reading_in_order() const { file_.expect_reading_in_order(); }

  /// Gives the memory under these bytes of the file back; they stay readable.
  void release(std::span<std::byte const> bytes) const { file_.release(bytes); }

 private:
  SafetensorsFile(MappedFile file, SafetensorsHeader header)
      : file_(std::move(file)), header_(std::move(header)) {
    for (std::size_t i = 0; i < header_.tensors.size(); ++i)
      index_.emplace(header_.tensors[i].name, i);
  }

  MappedFile file_;
  SafetensorsHeader header_;
  std::unordered_map<std::string, std::size_t> index_;
};

/// Writes a safetensors file: under a temporary name beside the final one, which appears only when
/// commit() has put every byte on disk. Destroyed before that, it leaves nothing behind. Move-only.
class SafetensorsWriter {
 public:
  /// Lays the file out and reserves its space on disk, so that a full disk shows here.
  /// Errors: file_exists unless `overwrite`; file_error; duplicate_name, size_overflow,
  /// header_too_large.
  static Result<SafetensorsWriter> create(std::filesystem::path const& path,
                                          std::vector<TensorInfo> tensors, Metadata const& metadata,
                                          bool overwrite = false) {
    SafetensorsWriter writer;
    writer.path_ = path;
    writer.overwrite_ = overwrite;
    writer.tensors_ = std::move(tensors);
    std::error_code ignored;  // what cannot be looked up cannot be created either
    if (!overwrite && std::filesystem::exists(path, ignored)) return writer.exists();
    auto const head = serialize_safetensors(writer.tensors_, metadata, path.string());
    if (!head) return head.error();
    writer.data_begin_ = static_cast<std::int64_t>(head->size());
    if (Error e = writer.open_temporary()) return e;
    if (Error e = writer.reserve()) return e;
    if (Error e = writer.write_at(0, std::as_bytes(std::span(*head)))) return e;
    for (std::size_t i = 0; i < writer.tensors_.size(); ++i)
      writer.index_.emplace(writer.tensors_[i].name, i);
    writer.written_.assign(writer.tensors_.size(), 0);
    return Result<SafetensorsWriter>(std::move(writer));  // nvcc moves into it only when told
  }

  /// Takes the unfinished file over.
  SafetensorsWriter(SafetensorsWriter&& other) noexcept { swap(other); }
  /// Swaps; the other deletes what this had, if unfinished.
  SafetensorsWriter& operator=(SafetensorsWriter&& other) noexcept {
    swap(other);
    return *this;
  }
  ~SafetensorsWriter() {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
  }

  /// All tensors in file order.
  std::vector<TensorInfo> const& tensors() const { return tensors_; }  // in file order
  /// Of the whole file when it is complete.
  std::int64_t file_bytes() const {
    return data_begin_ + (tensors_.empty() ? 0 : tensors_.back().end);
  }

  /// Writes the next bytes of a tensor; tensors may come in any order, each from its beginning.
  /// Errors: not_found, size_mismatch where the bytes exceed the tensor, file_error.
  [[nodiscard]] Error write(std::string const& name, std::span<std::byte const> bytes) {
    auto const at = index_.find(name);
    if (at == index_.end())
      return {{Errc::not_found}, subject_of(name), "it was not announced to the writer"};
    TensorInfo const& tensor = tensors_[at->second];
    std::int64_t& done = written_[at->second];
    auto const count = static_cast<std::int64_t>(bytes.size());
    if (count > tensor.bytes() - done)
      return {
          {Errc::size_mismatch}, subject_of(name), "more bytes were written than its shape holds"};
    if (Error e = write_at(data_begin_ + tensor.begin + done, bytes)) return e;
    done += count;
    return {};
  }

  /// Checks that every tensor is whole, puts the file on disk and gives it its name.
  /// Errors: size_mismatch naming an unfinished tensor, file_exists, file_error.
  [[nodiscard]] Error commit() {
    for (std::size_t i = 0; i < tensors_.size(); ++i)
      if (written_[i] != tensors_[i].bytes())
        return {
            {Errc::size_mismatch}, subject_of(tensors_[i].name), "it was not written to its end"};
    if (::fsync(fd_.get()) != 0) return system_error(temporary_, "writing it to disk");
    if (Error e = overwrite_ ? rename() : link()) return e;
    temporary_.clear();
    return sync_folder();
  }

 private:
  SafetensorsWriter() = default;

  void swap(SafetensorsWriter& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(temporary_, other.temporary_);
    std::swap(overwrite_, other.overwrite_);
    std::swap(fd_, other.fd_);
    std::swap(tensors_, other.tensors_);
    std::swap(written_, other.written_);
    std::swap(index_, other.index_);
    std::swap(data_begin_, other.data_begin_);
  }

  std::string subject_of(std::string const& name) const {
    return detail::printable(name) + " in " + path_.string();
  }
  Error exists() const { return {{Errc::file_exists}, path_.string(), "it exists already"}; }

  Error open_temporary() {
    for (int i = 0; i < 100; ++i) {
      std::string const name =
          path_.string() + ".partial." + std::to_string(::getpid()) + "." + std::to_string(i);
      int const fd = ::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (fd < 0 && errno == EEXIST) continue;
      if (fd < 0) return system_error(name, "creating it");
      temporary_ = name;
      fd_ = FileDescriptor(fd);
      return {};
    }
    return {{Errc::file_exists}, path_.string(), "100 unfinished files stand beside it"};
  }

  Error reserve() const {
    int failed = EINTR;
    while (failed == EINTR) failed = ::posix_fallocate(fd_.get(), 0, file_bytes());
    if (failed == 0) return {};
    errno = failed;
    if (failed != EOPNOTSUPP && failed != EINVAL)
      return system_error(temporary_, "reserving space");
    if (::ftruncate(fd_.get(), file_bytes()) != 0)
      return system_error(temporary_, "setting its size");
    return {};
  }

  Error write_at(std::int64_t offset, std::span<std::byte const> bytes) const {
    while (!bytes.empty()) {
      ssize_t const n = ::pwrite(fd_.get(), bytes.data(), bytes.size(), offset);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return system_error(temporary_, "writing to it");
      start_writing(offset, n);
      bytes = bytes.subspan(static_cast<std::size_t>(n));
      offset += n;
    }
    return {};
  }

  /// Sends large pieces on their way to the disk while the next ones are made, so that commit()
  /// waits for little. Without an effect on what is written, and nothing depends on it.
  void start_writing([[maybe_unused]] std::int64_t offset,
                     [[maybe_unused]] std::int64_t count) const {
#ifdef SYNC_FILE_RANGE_WRITE
    constexpr std::int64_t large = 1 << 20;
    if (count >= large) ::sync_file_range(fd_.get(), offset, count, SYNC_FILE_RANGE_WRITE);
#endif
  }

  Error rename() const {
    if (::rename(temporary_.c_str(), path_.c_str()) == 0) return {};
    return system_error(path_.string(), "renaming to it");
  }

  /// Gives the file its name unless something has it, which rename would replace.
  Error link() const {
    if (::link(temporary_.c_str(), path_.c_str()) == 0) {
      ::unlink(temporary_.c_str());
      return {};
    }
    if (errno == EEXIST) return exists();
    bool const has_no_links = errno == EPERM || errno == EOPNOTSUPP || errno == EMLINK;
    if (!has_no_links) return system_error(path_.string(), "linking to it");
    struct stat info {};  // such a file system leaves only a test and a rename
    return ::lstat(path_.c_str(), &info) == 0 ? exists() : rename();
  }

  /// The name itself is on disk only when its folder is.
  Error sync_folder() const {
    auto const folder = path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
    FileDescriptor const fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd) ::fsync(fd.get());  // some file systems cannot; the file is whole all the same
    return {};
  }

  std::filesystem::path path_;
  std::string temporary_;  // empty once committed
  bool overwrite_ = false;
  FileDescriptor fd_;
  std::vector<TensorInfo> tensors_;
  std::vector<std::int64_t> written_;  // bytes
  std::unordered_map<std::string, std::size_t> index_;
  std::int64_t data_begin_ = 0;
};

}  // namespace qfmt::inline v0::io
