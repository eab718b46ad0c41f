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

/// A folder with one file for each rank.
class RankFolder {
 public:
  /// Throws a Failure where it holds files already, without --force, or where the disk is too
  /// small.
  RankFolder(ShardOptions const& options, std::int64_t bytes);

  void write(OutputFile const& file,
             std::function<void(qfmt::io::SafetensorsWriter&)> const& fill) const;

 private:
  ShardOptions const& options_;
};

int shard_tensor_parallel(ShardOptions const& options);
int shard_flat(ShardOptions const& options);
int gather_flat_shards(ShardOptions const& options);

}  // namespace app
