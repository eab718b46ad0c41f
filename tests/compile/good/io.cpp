// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The io headers without exceptions and run-time types, and as CUDA: what they promise is called,
// so that every template is compiled.
#if __has_include(<nlohmann/json.hpp>)

#include "qfmt/io/bitsandbytes.hpp"
#include "qfmt/io/checkpoint.hpp"
#include "qfmt/io/quantization_config.hpp"
#include "qfmt/qfmt.hpp"

using namespace qfmt;

struct AF4 {
  static constexpr auto name = "af4";
  static constexpr Codebook codebook{-1.f, -.69f, -.51f, -.37f, -.26f, -.15f, -.05f, 0.f,
                                     .05f, .15f,  .26f,  .37f,  .51f,  .65f,  .8f,   1.f};
};

using Served = SchemeList<Scheme<Format<NF4>>, Scheme<Format<NF4>, DoubleQuant<true>>,
                          Scheme<Format<AF4>, BlockSize<32>>, Scheme<Format<Int8>, RowWise>>;

/// What an engine does with a folder: every weight it serves, decoded.
Status load(std::filesystem::path const& path) {
  auto const checkpoint = io::Checkpoint::open(path);
  if (!checkpoint) return checkpoint.error().status;
  auto const weights = io::find_quantized(*checkpoint);
  if (!weights) return weights.error().status;
  for (auto const& weight : *weights) {
    Status const status = dispatch(Served{}, weight.desc, [&]<SchemeSpec S>() {
      auto const matrix = io::view_matrix<S>(*checkpoint, weight);
      if (!matrix) return matrix.error().status;
      std::vector<bfloat16> values(static_cast<std::size_t>(matrix->rows * matrix->cols));
      return host::dequantize(*matrix, values);
    });
    if (!status) return status;
  }
  return {};
}

template <SchemeSpec S>
Status save(std::filesystem::path const& path, io::TensorInfo const& info,
            QuantizedSpan<S const> values) {
  auto const weight = io::described<S>(info, 0.f, {io::Dtype::BF16});
  auto const pieces = io::pieces_of(weight);
  if (!pieces) return pieces.error().status;
  auto writer = io::SafetensorsWriter::create(path, *pieces, {{"format", "pt"}});
  if (!writer) return writer.error().status;
  if (io::Error e = io::write_quantized<S>(*writer, weight, values)) return e.status;
  return writer->commit().status;
}
template Status save(std::filesystem::path const&, io::TensorInfo const&,
                     QuantizedSpan<Scheme<Format<FP4>, DoubleQuant<true>> const>);
template Status save(std::filesystem::path const&, io::TensorInfo const&,
                     QuantizedSpan<Scheme<Format<Int8>, RowWise> const>);

io::Json configured(std::span<std::byte const> config_json) {
  auto config = io::parse_model_config(config_json, "config.json");
  auto const wanted = config && *config ? **config : io::presets::production_memory();
  return wanted.skips("lm_head") ? io::Json() : io::to_json(wanted);
}

#endif
