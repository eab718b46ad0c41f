// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Pictures of what quantizing did: for each scheme the distribution of its errors, how often each
// code is used, and the distribution of scales. SVG, by no library.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace app {

/// The codes and scales of a weight, counted.
struct Usage {
  std::vector<std::int64_t> codes;  // by code
  std::vector<float> scales;        // of each block, as decoding multiplies by them
};

/// What is known of one scheme, over all its weights.
class SchemeFigures {
 public:
  /// Errors relative to the root mean square of the weight's own values; of both those that are
  /// finite.
  void add_errors(std::span<float const> original, std::span<float const> decoded);
  void add(Usage const& usage);

  static constexpr int error_bins = 4001;         // over [-2, 2]
  static constexpr int scale_bins = 4 * 300 + 1;  // quarters of an octave, 2^-150 to 2^150

  std::array<std::int64_t, error_bins> errors{};
  std::array<std::int64_t, scale_bins> scales{};
  std::vector<std::int64_t> codes;
  double squared_error = 0., squared_value = 0.;
  std::int64_t non_finite = 0;  // errors, left out of all the above
};

/// Writes the picture of the schemes, by name. Throws a Failure where it cannot be written.
void write_plot(std::filesystem::path const& path,
                std::map<std::string, SchemeFigures> const& schemes);

}  // namespace app
