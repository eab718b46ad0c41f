// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What every quantize call takes besides data, on the host and on a device.
#pragma once

#include "qfmt/layout/packing.hpp"

namespace qfmt::inline v0 {

/// Scratch memory that the caller owns, aligned to 4 bytes; null means none.
struct Workspace {
  void* data = nullptr;
  int64_t bytes = 0;
};

struct QuantizeOptions {
  /// false: a NaN or an infinity is an error on the host, found before anything is written.
  /// true: its block gets absmax NaN and decodes to NaN; under nested scales its group of 256
  /// blocks does. Devices always propagate.
  bool propagate_non_finite = false;

  /// Where not null: grows by the number of NaNs and infinities that were propagated.
  unsigned long long* non_finite_count = nullptr;
};

/// Bytes of workspace with which a nested quantize works each absmax out once instead of twice; 0
/// for other schemes, -1 for a negative size. size: values.
template <SchemeSpec S>
QFMT_HD constexpr int64_t quantize_workspace_bytes(int64_t size) {
  if (size < 0) return -1;
  return S::is_nested ? block_count<S>(size) * static_cast<int64_t>(sizeof(float)) : 0;
}

}  // namespace qfmt::inline v0
