// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What the command line asks for, and the functions that do it. Each returns the exit code or
// throws a Failure; data goes to stdout, everything else to stderr.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace app {

struct InfoOptions {
  std::filesystem::path file;
  bool validate = false;
  bool json = false;
};

/// Where output goes and how it gets there.
struct OutputOptions {
  bool force = false;
  bool resume = false;
  bool dry_run = false;
  int threads = 0;
  bool quiet = false;
  bool json = false;
};

/// Which scheme each tensor gets.
struct SchemeOptions {
  std::string format;  // empty: as `preset` says
  std::string preset;  // a preset's name or a config.json
  int block_size = 64;
  bool block_size_given = false;
  bool double_quant = false;
  std::vector<std::string> skip_modules;
  std::vector<std::string> rules;  // REGEX=SCHEME
  std::vector<std::string> transpose_modules;
  std::string quant_storage;  // PyTorch's name; empty: as `preset` says, else uint8
  bool native = false;
};

struct QuantizeOptions {
  std::filesystem::path input, output;
  SchemeOptions scheme;
  bool min_error = false;  // search each block's scale; see qfmt::MinError
  OutputOptions write;
};

struct DequantizeOptions {
  std::filesystem::path input, output;
  std::string dtype;  // PyTorch's name; empty: as the file says
  OutputOptions write;
};

struct CompareOptions {
  std::filesystem::path before, after;
  std::filesystem::path plot;  // empty: none
  bool force = false;          // replace the file of `plot`
  int threads = 0;
  bool json = false;
};

struct ShardOptions {
  std::filesystem::path input, output;
  int tensor_parallel = 0;  // ranks
  int fsdp = 0;             // ranks
  bool gather = false;
  std::vector<std::string> split_rows, split_cols;  // REGEX; empty: the usual names
  OutputOptions write;
};

struct MemoryOptions {
  std::filesystem::path config;
  std::vector<std::string> schemes;
  std::string dtype;       // of what stays unquantized; empty: as the config says
  std::string gpu_memory;  // "24GiB", "80GB"; empty: do not judge
  int ranks = 1;
  bool json = false;
};

struct DoctorOptions {
  bool json = false;
};

struct TableOptions {
  std::filesystem::path model;  // empty: random values alone
  std::string model_name;       // of its column
  bool json = false;
};

int info(InfoOptions const& options);
int quantize(QuantizeOptions const& options);
int dequantize(DequantizeOptions const& options);
int compare(CompareOptions const& options);
int shard(ShardOptions const& options);
int plan_memory(MemoryOptions const& options);
int doctor(DoctorOptions const& options);
int table(TableOptions const& options);

}  // namespace app
