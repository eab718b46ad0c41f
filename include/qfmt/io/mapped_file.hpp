// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The one header that maps files, or reads them whole where that cannot be; POSIX.
#pragma once

#include "qfmt/io/error.hpp"

#include <cstddef>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <new>
#include <span>
#include <unistd.h>
#include <utility>

#include <sys/mman.h>
#include <sys/stat.h>

namespace qfmt::inline v0::io {

/// A file open for as long as this lives; move-only.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  /// Owns the descriptor from here on; negative: none.
  explicit FileDescriptor(int fd) : fd_(fd) {}
  /// Takes the descriptor over.
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  /// Swaps; the other closes what this had.
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  /// The descriptor, or -1.
  int get() const { return fd_; }
  /// True where a file is open.
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// A whole file, read-only in memory. Move-only.
class MappedFile {
 public:
  /// Maps a regular file. Errors: file_error with the errno.
  static Result<MappedFile> open(std::filesystem::path const& path) {
    MappedFile file;
    file.path_ = path.string();
    file.fd_ = FileDescriptor(
        ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // no wait for a pipe
    if (!file.fd_) return system_error(file.path_, "opening it");
    struct stat info {};
    if (::fstat(file.fd_.get(), &info) != 0) return system_error(file.path_, "reading its size");
    if (!S_ISREG(info.st_mode)) return Error{{Errc::file_error}, file.path_, "not a regular file"};
    file.size_ = static_cast<std::size_t>(info.st_size);
    if (file.size_ == 0) return Result<MappedFile>(std::move(file));
    if (!file.map()) {
      if (Error e = file.read_whole()) return e;
    }
    return Result<MappedFile>(std::move(file));
  }

  /// Takes the mapping over.
  MappedFile(MappedFile&& other) noexcept
      : path_(std::move(other.path_)),
        fd_(std::move(other.fd_)),
        copy_(std::move(other.copy_)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  /// Swaps; the other unmaps what this had.
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(fd_, other.fd_);
    std::swap(copy_, other.copy_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~MappedFile() {
    if (is_mapped()) ::munmap(const_cast<std::byte*>(data_), size_);
  }

  /// As it was opened.
  std::string const& path() const { return path_; }
  /// The file, valid while this lives.
  std::span<std::byte const> bytes() const { return {data_, size_}; }

  /// Says that the file will be read from its beginning to its end: the system reads ahead, and
  /// takes these pages first when it needs room in its cache.
  void expect_reading_in_order() const {
    if (!is_mapped()) return;
    ::madvise(const_cast<std::byte*>(data_), size_, MADV_SEQUENTIAL);
    ::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_NOREUSE);
  }

  /// Gives the memory under these bytes of the file back; they stay readable, and the system's
  /// cache keeps them as long as it likes.
  void release(std::span<std::byte const> bytes) const {
    auto const page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    auto const begin = static_cast<std::size_t>(bytes.data() - data_);
    std::size_t const first = (begin + page - 1) / page * page;  // whole pages of these bytes only
    std::size_t const last = (begin + bytes.size()) / page * page;
    if (!is_mapped() || bytes.empty() || first >= last) return;
    ::madvise(const_cast<std::byte*>(data_) + first, last - first, MADV_DONTNEED);
  }

  /// file_truncated if the file has been cut since it was opened: touching what is gone would raise
  /// SIGBUS. Else errors are file_error. Ask before reading far into a file that another process
  /// may change.
  [[nodiscard]] Error check_unchanged() const {
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0) return system_error(path_, "reading its size");
    if (static_cast<std::size_t>(info.st_size) < size_)
      return {{Errc::file_truncated}, path_, "it was cut while it was being read"};
    return {};
  }

 private:
  MappedFile() = default;

  bool is_mapped() const { return data_ != nullptr && copy_ == nullptr; }

  /// False where this system or file system maps no files. QFMT_NO_MMAP, which a test defines,
  /// makes every system one of these.
  bool map() {
#if defined(QFMT_NO_MMAP)
    return false;
#else
    void* const data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd_.get(), 0);
    if (data == MAP_FAILED) return false;
    data_ = static_cast<std::byte const*>(data);
    return true;
#endif
  }

  /// The portable form: the file copied into memory of our own.
  Error read_whole() {
    copy_.reset(new (std::nothrow) std::byte[size_]);
    if (copy_ == nullptr)
      return {{Errc::out_of_memory}, path_, "it can be neither mapped nor read"};
    for (std::size_t done = 0; done < size_;) {
      ::ssize_t const got = ::read(fd_.get(), copy_.get() + done, size_ - done);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return system_error(path_, "reading it");
      if (got == 0) return {{Errc::file_truncated}, path_, "it was cut while it was being read"};
      done += static_cast<std::size_t>(got);
    }
    data_ = copy_.get();
    return {};
  }

  std::string path_;
  FileDescriptor fd_;
  std::unique_ptr<std::byte[]> copy_;  // where the file could not be mapped
  std::byte const* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace qfmt::inline v0::io
