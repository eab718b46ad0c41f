// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What the command line asks for, and the functions that do it. Each returns the exit code or
// throws a Failure; data goes to stdout, everything else to stderr.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace app {

struct InfoOptions {
  std::filesystem::path file;
  bool json = false;
};

struct QuantizeOptions {
  std::filesystem::path input, output;
  std::string format;
  int block_size = 64;
  bool block_size_given = false;
  bool double_quant = false;
  std::vector<std::string> skip_modules;
  bool native = false;
  bool force = false;
  int threads = 0;
  bool quiet = false;
  bool json = false;
};

struct CompareOptions {
  std::filesystem::path before, after;
  int threads = 0;
  bool json = false;
};

int info(InfoOptions const& options);
int quantize(QuantizeOptions const& options);
int compare(CompareOptions const& options);

}  // namespace app
