// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The checkpoint of the examples beside this folder: the two linear layers of a feed-forward block,
// NF4 with nested scales, `up.weight` (inner, hidden) and `down.weight` (hidden, inner), their
// codes declared as BF16 as FSDP wants them.
#pragma once

#include <qfmt/format/nf4.hpp>
#include <qfmt/host/quantize.hpp>
#include <qfmt/host/quantized_tensor.hpp>
#include <qfmt/io/bitsandbytes.hpp>

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

namespace examples {

using Weights = qfmt::Scheme<qfmt::Format<qfmt::NF4>, qfmt::DoubleQuant<true>>;
using Matrix = qfmt::QuantizedMatrix<Weights const>;

inline constexpr char const* up_name = "up.weight";
inline constexpr char const* down_name = "down.weight";

/// Prints an error, where there is one; false then.
inline bool fine(qfmt::io::Error const& error) {
  if (error) std::fprintf(stderr, "%s\n", error.text().c_str());
  return !error;
}

/// Values between -1 and 1, by their index the same on every rank.
inline float value_at(std::int64_t i, float phase) {
  return std::sin(phase + 0.37f * static_cast<float>(i % 65521));
}

/// A file with both weights.
inline bool make_pair_file(std::string const& path, std::int64_t hidden, std::int64_t inner) {
  qfmt::QuantizedTensor<Weights> up(inner, hidden), down(hidden, inner);
  std::vector<qfmt::io::QuantizedWeight> weights;
  std::vector<qfmt::io::TensorInfo> pieces;
  for (auto* tensor : {&up, &down}) {
    std::vector<float> values(static_cast<std::size_t>(hidden * inner));
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = value_at(static_cast<std::int64_t>(i), tensor == &up ? 0.f : 1.f);
    if (!tensor->status() || !qfmt::host::quantize(values, tensor->span())) return false;
    bool const first = tensor == &up;
    auto weight =
        qfmt::io::described<Weights>({first ? up_name : down_name, qfmt::io::Dtype::BF16,
                                      first ? std::vector<std::int64_t>{inner, hidden}
                                            : std::vector<std::int64_t>{hidden, inner}},
                                     *tensor->span().scales.offset, {qfmt::io::Dtype::BF16});
    auto const more = qfmt::io::pieces_of(weight);
    if (!more) return fine(more.error());
    pieces.insert(pieces.end(), more->begin(), more->end());
    weights.push_back(weight);
  }
  auto writer = qfmt::io::SafetensorsWriter::create(path, pieces, {}, true);
  if (!writer) return fine(writer.error());
  return fine(qfmt::io::write_quantized<Weights>(*writer, weights[0], up.span())) &&
         fine(qfmt::io::write_quantized<Weights>(*writer, weights[1], down.span())) &&
         fine(writer->commit());
}

/// The file, mapped: opening it reads its header, and a view of a weight the weight's description.
/// Codes and scales are read where somebody uses them.
class PairFile {
 public:
  explicit PairFile(std::string const& path) : file_(qfmt::io::SafetensorsFile::open(path)) {
    if (!file_) {
      fine(file_.error());
      return;
    }
    auto found = qfmt::io::find_quantized(*file_);
    if (!found) {
      fine(found.error());
      return;
    }
    weights_ = std::move(*found);
    good_ = view(up_name, up_) && view(down_name, down_);
  }

  bool good() const { return good_; }
  Matrix const& up() const { return up_; }
  Matrix const& down() const { return down_; }

 private:
  bool view(char const* name, Matrix& matrix) {
    for (auto const& weight : weights_) {
      if (weight.name != name) continue;
      auto const seen = qfmt::io::view_matrix<Weights>(*file_, weight);
      if (!seen) return fine(seen.error());
      matrix = *seen;
      return true;
    }
    std::fprintf(stderr, "there is no quantized %s\n", name);
    return false;
  }

  qfmt::io::Result<qfmt::io::SafetensorsFile> file_;
  std::vector<qfmt::io::QuantizedWeight> weights_;
  Matrix up_, down_;
  bool good_ = false;
};

}  // namespace examples
