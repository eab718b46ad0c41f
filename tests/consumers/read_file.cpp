// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// read_file FILE NONE: what MappedFile gives of a file, after moves and releases, and of no file.
#include <qfmt/io/mapped_file.hpp>

#include <cstdint>
#include <cstdio>
#include <utility>

int main(int argc, char** argv) {
  if (argc < 3) return 0;
  auto opened = qfmt::io::MappedFile::open(argv[1]);
  if (!opened) return std::puts(opened.error().text().c_str()), 1;
  qfmt::io::MappedFile file = std::move(*opened), other = std::move(file);
  std::swap(file, other);
  file.expect_reading_in_order();
  file.release(file.bytes().first(5000));
  std::uint64_t digest = 0xCBF29CE484222325u;  // FNV-1a
  for (std::byte const b : file.bytes())
    digest = (digest ^ static_cast<std::uint64_t>(b)) * 0x100000001B3u;
  std::printf("%zu bytes, %016llx, %s\n", file.bytes().size(),
              static_cast<unsigned long long>(digest), file.check_unchanged() ? "cut" : "whole");
  auto const none = qfmt::io::MappedFile::open(argv[2]);
  std::printf("%d %d\n", static_cast<int>(none.error().status.code), none.error().status.native);
  return none ? 1 : 0;
}
