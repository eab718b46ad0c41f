// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Where and when a table was made.
#pragma once

#include <string>

namespace engine {

/// The processor's name, where the system tells.
std::string machine();

/// The day in UTC, as year-month-day.
std::string today();

}  // namespace engine
