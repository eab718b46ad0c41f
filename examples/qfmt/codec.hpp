// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// From a scheme known at run time to the library's functions for it.
#pragma once

#include <qfmt/host/executor.hpp>
#include <qfmt/io/bitsandbytes.hpp>
#include <qfmt/io/checkpoint.hpp>

#include <string>
#include <vector>

#include "plot.hpp"
#include "values.hpp"

namespace app {

/// Nested scales, once their weight has been read: their offset, and the scales themselves as far
/// as memory was granted to keep them.
struct Scales {
  float offset = 0.f;
  std::vector<float> absmax;  // (blocks), or empty
};

/// How values become codes.
struct Encoding {
  qfmt::host::Threads threads;
  bool min_error = false;
};

/// What one rank gets of a weight.
struct Cut {
  qfmt::Part rows, cols;
};

/// Bytes that one rank's part of a weight takes.
struct Footprint {
  std::int64_t codes = 0, scales = 0;
};

/// What the program does under one scheme. Tensors are worked on in chunks, so that memory does not
/// grow with them.
struct Codec {
  qfmt::SchemeDesc desc;

  /// Whether MinError serves it: not where scales have a type of their own.
  bool searches_scales;

  /// Bits of codes and scales that values of this shape take.
  std::int64_t (*bits)(std::vector<std::int64_t> const& shape);

  /// Bytes of a packed copy of a part of a matrix; bits / 8 for the whole.
  Footprint (*footprint)(std::int64_t rows, std::int64_t cols, Cut cut);

  /// Reads a weight for the offset of its nested scales; keeps the scales if they take no more than
  /// `keep` bytes. Null where scales are not nested.
  qfmt::io::Result<Scales> (*scan)(Tensor const& values, std::int64_t keep, Encoding how);

  /// Quantizes a weight and writes its pieces; `scales` as scan found them.
  qfmt::io::Error (*write)(qfmt::io::SafetensorsWriter& writer,
                           qfmt::io::QuantizedWeight const& weight, Tensor const& values,
                           Scales const& scales, Encoding how);

  /// Decodes values [first, first + out.size()) of a weight, row-major; first as next_chunk says.
  qfmt::io::Error (*decode)(qfmt::io::Checkpoint const& source,
                            qfmt::io::QuantizedWeight const& weight, std::int64_t first,
                            std::span<float> out, qfmt::host::Threads threads);

  /// Counts the codes of a weight, and gives its scales.
  qfmt::io::Error (*usage)(qfmt::io::Checkpoint const& source,
                           qfmt::io::QuantizedWeight const& weight, Usage& usage);

  /// The description of a packed copy of a part of the weight.
  qfmt::io::Result<qfmt::io::QuantizedWeight> (*packed)(qfmt::io::Checkpoint const& source,
                                                        qfmt::io::QuantizedWeight const& weight,
                                                        Cut cut);

  /// Packs the part and writes its pieces; `to` is its description.
  qfmt::io::Error (*write_packed)(qfmt::io::SafetensorsWriter& writer,
                                  qfmt::io::Checkpoint const& source,
                                  qfmt::io::QuantizedWeight const& weight,
                                  qfmt::io::QuantizedWeight const& to, Cut cut);
};

/// Null where this program was not built for the scheme.
Codec const* find_codec(qfmt::SchemeDesc const& desc);

/// "nf4/64", "fp4/128/double", "int8/row".
std::string scheme_text(qfmt::SchemeDesc const& desc);

/// The scheme of such a text; block sizes and "/row" may be left out. Nothing where it is none.
std::optional<qfmt::SchemeDesc> scheme_named(std::string_view text);

/// For an error about a scheme's text: "; int4 takes blocks of 32, 64, 128, 256", or "" where its
/// format has no blocks or is unknown.
std::string block_sizes_hint(std::string_view scheme);

/// The formats that this program quantizes to, by name.
std::vector<std::string> format_names();

/// Values of the chunk that begins at `first`: whole rows, or whole groups of blocks, about 4
/// million; or all that is left.
std::int64_t chunk_at(std::int64_t first, std::int64_t count, std::int64_t row_length);

}  // namespace app
