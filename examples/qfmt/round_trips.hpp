// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Every format of the library on values in memory, under the scheme that it asks for: what the
// self-test and the table of errors are made of.
#pragma once

#include <qfmt/codec/options.hpp>

#include <cstdint>
#include <span>
#include <vector>

#include "codec.hpp"

namespace app {

/// What a format made of some values.
struct RoundTrip {
  qfmt::Status status;
  std::vector<std::uint8_t> bytes;  // codes and scales
  std::vector<float> decoded;
  bool agrees = false;  // decoding value by value gives the same bits
};

struct FormatEntry {
  qfmt::SchemeDesc desc;
  double (*bits_per_value)(std::int64_t count);
  RoundTrip (*round_trip)(std::span<float const> values, qfmt::SimdLevel level);
};

/// One for each format, in the list's order.
std::vector<FormatEntry> format_entries();

enum class Distribution { normal, uniform, student_t };  // student_t with 4 degrees of freedom

/// Values of a distribution with variance 1 (student_t: 2), the same on every machine but for the
/// last digits of its logarithm and cosine.
std::vector<float> random_values(Distribution distribution, std::size_t count);

}  // namespace app
