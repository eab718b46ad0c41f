// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What the ways of sharding a model share.
#pragma once

#include <functional>

#include "commands.hpp"
#include "interrupt.hpp"
#include "output.hpp"

namespace app {

/// "rank-00002-of-00008.safetensors"
std::string rank_file_name(int rank, int ranks);

/// A folder with one file for each rank, or with those that ranks held the parts of. What --force
/// replaces stays until all new files are there.
class RankFolder {
 public:
  /// Throws a Failure where it holds files already, without --force, or where the disk is too
  /// small.
  RankFolder(ShardOptions const& options, std::int64_t bytes);
  RankFolder(RankFolder const&) = delete;
  ~RankFolder();

  void write(OutputFile const& file, std::function<void(qfmt::io::SafetensorsWriter&)> const& fill);

  /// Where a file that is written otherwise goes.
  std::filesystem::path add(std::string const& name);

  /// Replaces what --force replaces: the files of the same names, and those of other ranks.
  void finish();

 private:
  ShardOptions const& options_;
  Staging staging_;
  std::set<std::string> names_;
};

int shard_tensor_parallel(ShardOptions const& options);
int shard_flat(ShardOptions const& options);
int gather_flat_shards(ShardOptions const& options);

}  // namespace app
