// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Three things without a comment. Read by Doxygen in reference.py --self-test, never compiled.
#pragma once

namespace qfmt::host {

Status quantize(std::span<float const> in);

/// A pair.
struct Pair {
  int first;  // documented: the house's trailing comment
  int second;
  int sum() const;
};

}  // namespace qfmt::host
