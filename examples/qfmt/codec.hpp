// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// From a scheme known at run time to the library's functions for it.
#pragma once

#include <qfmt/host/executor.hpp>
#include <qfmt/io/bitsandbytes.hpp>

#include <string>
#include <vector>

#include "values.hpp"

namespace app {

/// What the program does under one scheme.
struct Codec {
  qfmt::SchemeDesc desc;
  bool bitsandbytes_loads;

  /// Bits of codes and scales that values of this shape take.
  std::int64_t (*bits)(std::vector<std::int64_t> const& shape);

  /// The tensors a weight becomes.
  qfmt::io::Result<std::vector<qfmt::io::TensorInfo>> (*pieces)(qfmt::io::TensorInfo const& weight,
                                                                float offset);

  /// The offset of a weight's nested scales. Null where scales are not nested.
  qfmt::io::Result<float> (*offset)(Tensor const& weight, qfmt::host::Threads threads);

  /// Quantizes a weight and writes its pieces.
  qfmt::io::Error (*write)(qfmt::io::SafetensorsWriter& writer, Tensor const& weight,
                           qfmt::host::Threads threads);

  /// Decodes a weight of a file; out: (values).
  qfmt::io::Error (*decode)(qfmt::io::SafetensorsFile const& file,
                            qfmt::io::QuantizedWeight const& weight, std::span<float> out,
                            qfmt::host::Threads threads);
};

/// Null where this program was not built for the scheme.
Codec const* find_codec(qfmt::SchemeDesc const& desc);

/// "nf4/64", "fp4/128/double", "int8/row".
std::string scheme_text(qfmt::SchemeDesc const& desc);

}  // namespace app
