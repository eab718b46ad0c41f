// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace app {

/// One rule of a checkpoint's formats, and whether a model keeps it.
struct RuleResult {
  enum class Outcome { pass, fail, not_reached };
  std::string file, rule;
  Outcome outcome;
  std::string detail;  // of a failure
};

/// Every rule that the readers check, for a file or for the index and each shard of a folder. Rules
/// behind the first that fails are not reached.
std::vector<RuleResult> validate(std::filesystem::path const& path);

}  // namespace app
