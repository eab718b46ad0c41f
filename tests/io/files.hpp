// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What the tests of io/ share: files in memory and on disk.
#pragma once

#include "qfmt/io/safetensors.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include <sys/mman.h>

namespace io_test {

/// The 8 bytes of a length, least significant first.
inline std::string length_bytes(std::uint64_t length) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(length >> (8 * i) & 0xFF);
  return bytes;
}

/// A file with this header and so many bytes of data, all blanks: a wrong length then takes them
/// for JSON.
inline std::string file_of(std::string const& json, std::size_t data = 0) {
  return length_bytes(json.size()) + json + std::string(data, ' ');
}

inline std::span<std::byte const> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

inline std::string text_of(std::span<std::byte const> bytes) {
  return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

/// Holds bytes right before a page that may not be touched: reading one too many faults.
class GuardedBytes {
 public:
  explicit GuardedBytes(std::size_t capacity)
      : page_(static_cast<std::size_t>(::sysconf(_SC_PAGESIZE))),
        size_((capacity / page_ + 1) * page_),
        data_(::mmap(nullptr, size_ + page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                     -1, 0)) {
    if (data_ == MAP_FAILED || ::mprotect(begin() + size_, page_, PROT_NONE) != 0)
      throw std::runtime_error("no guard page");
  }
  GuardedBytes(GuardedBytes const&) = delete;
  GuardedBytes& operator=(GuardedBytes const&) = delete;
  ~GuardedBytes() { ::munmap(data_, size_ + page_); }

  std::span<std::byte const> hold(std::string_view text) {
    if (text.size() > size_) throw std::length_error("the guarded bytes are too few");
    std::byte* const at = begin() + (size_ - text.size());
    if (!text.empty()) std::memcpy(at, text.data(), text.size());
    return {at, text.size()};
  }

 private:
  std::byte* begin() const { return static_cast<std::byte*>(data_); }

  std::size_t page_, size_;
  void* data_;
};

/// A new folder, gone with all it holds at the end.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "qfmt_io_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  Folder(Folder const&) = delete;
  Folder& operator=(Folder const&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::filesystem::path operator/(std::string const& name) const { return path_ / name; }
  std::filesystem::path const& path() const { return path_; }
  std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path_), {}));
  }

 private:
  std::filesystem::path path_;
};

inline void save(std::filesystem::path const& path, std::string_view content) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  out.close();
  if (!out) throw std::runtime_error("cannot write " + path.string());
}

inline std::string load(std::filesystem::path const& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// Bytes of a tensor as its shape and type say, by another route than the library's. -1 where they
/// are no whole number or more than 2^63.
inline std::int64_t expected_bytes(qfmt::io::TensorInfo const& tensor) {
  long double bits = qfmt::io::traits_of(tensor.dtype).bits;
  unsigned __int128 exact = static_cast<unsigned>(qfmt::io::traits_of(tensor.dtype).bits);
  for (std::int64_t const d : tensor.shape) {
    if (d < 0) return -1;
    bits *= static_cast<long double>(d);
    exact *= static_cast<std::uint64_t>(d);
    if (bits > 0x1p66L) return -1;
  }
  return exact % 8 == 0 ? static_cast<std::int64_t>(exact / 8) : -1;
}

/// Whether the tensors lie one after another from the first byte of the data part to its last.
inline bool tiles(std::vector<qfmt::io::TensorInfo> const& tensors, std::int64_t data_bytes) {
  std::int64_t at = 0;
  for (auto const& tensor : tensors) {
    if (tensor.begin != at || tensor.end - tensor.begin != expected_bytes(tensor)) return false;
    at = tensor.end;
  }
  return at == data_bytes;
}

}  // namespace io_test
