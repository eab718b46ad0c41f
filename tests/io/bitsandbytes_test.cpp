// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "qfmt/io/bitsandbytes.hpp"

#include "qfmt/qfmt.hpp"

#include <catch2/catch_test_macros.hpp>

#include <filesystem>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

using namespace qfmt;
using Nested = Scheme<Format<NF4>, DoubleQuant<true>>;
using Rows = Scheme<Format<Int8>, RowWise>;

/// A file that goes when this does.
struct File {
  std::filesystem::path path = std::filesystem::temp_directory_path() /
                               ("qfmt_bitsandbytes_test." + std::to_string(::getpid()));
  ~File() { std::filesystem::remove(path); }
};

std::vector<float> ramp(std::size_t n) {
  std::vector<float> values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = static_cast<float>((i * 37) % 201) - 100.f;
  return values;
}

template <SchemeSpec S>
io::Error write(File const& file, io::TensorInfo const& weight, QuantizedSpan<S const> view,
                float offset = 0.f, std::vector<io::TensorInfo> more = {}) {
  auto pieces = io::quantized_pieces<S>(weight, offset);
  if (!pieces) return pieces.error();
  pieces->insert(pieces->end(), more.begin(), more.end());
  auto writer = io::SafetensorsWriter::create(file.path, *pieces, {}, true);
  if (!writer) return writer.error();
  if (io::Error e = io::write_quantized<S>(*writer, weight, view)) return e;
  return writer->commit();
}

}  // namespace

TEST_CASE("a view of another shape than the weight is refused before it is read", "[io]") {
  File const file;
  QuantizedTensor<Rows> tensor(10, 100);
  REQUIRE(host::quantize(ramp(1000), tensor.span()));
  QuantizedSpan<Rows const> const view = tensor.span();
  CHECK(write<Rows>(file, {"a.weight", io::Dtype::F32, {1000, 1}}, view).status.code ==
        Errc::size_mismatch);
  CHECK(write<Rows>(file, {"a.weight", io::Dtype::F32, {10, 99}}, view).status.code ==
        Errc::size_mismatch);
  CHECK_FALSE(write<Rows>(file, {"a.weight", io::Dtype::F32, {10, 100}}, view));
  QuantizedTensor<Rows> const empty(1000, 0);
  CHECK_FALSE(write<Rows>(file, {"a.weight", io::Dtype::F32, {1000, 0}}, empty.span()));
}

TEST_CASE("a weight read with its file's map is written back with that map", "[io]") {
  File const file, copy{file.path.string() + ".copy"};
  auto const values = ramp(64 * 300);
  QuantizedTensor<Nested> tensor(300, 64);
  REQUIRE(host::quantize(values, tensor.span()));
  std::vector<float> map(Dynamic8::codebook.level, Dynamic8::codebook.level + 256);
  for (float& level : map) level *= 1.001f;
  QuantizedSpan<Nested const> view = tensor.span();
  view.scales.absmax.scales.levels = map.data();
  io::TensorInfo const weight{"a.weight", io::Dtype::F32, {300, 64}};
  REQUIRE_FALSE(write<Nested>(file, weight, view, *view.scales.offset));

  auto const opened = io::SafetensorsFile::open(file.path);
  REQUIRE(opened);
  auto const found = io::find_quantized(*opened);
  REQUIRE(found);
  REQUIRE(found->size() == 1);
  auto const read = io::view_quantized<Nested>(*opened, (*found)[0]);
  REQUIRE(read);
  REQUIRE_FALSE(write<Nested>(copy, weight, *read, (*found)[0].offset));

  std::vector<float> first(values.size()), second(values.size());
  auto const again = io::SafetensorsFile::open(copy.path);
  REQUIRE(again);
  auto const found_again = io::find_quantized(*again);
  REQUIRE(found_again);
  auto const read_again = io::view_quantized<Nested>(*again, (*found_again)[0]);
  REQUIRE(read_again);
  REQUIRE(host::dequantize(view, first));
  REQUIRE(host::dequantize(*read_again, second));
  CHECK(first == second);
}

TEST_CASE("int8 weights permuted for old GPUs are refused", "[io]") {
  File const file;
  QuantizedTensor<Rows> tensor(4, 8);
  REQUIRE(host::quantize(ramp(32), tensor.span()));
  io::TensorInfo const weight{"a.weight", io::Dtype::F32, {4, 8}};
  auto const pieces = io::quantized_pieces<Rows>(weight);
  REQUIRE(pieces);
  for (unsigned char const format : {0, 1, 3}) {
    auto writer = io::SafetensorsWriter::create(file.path, *pieces, {}, true);
    REQUIRE(writer);
    QuantizedSpan<Rows const> const view = tensor.span();
    REQUIRE_FALSE(writer->write("a.weight", io::detail::as_bytes(view.codes, 32)));
    REQUIRE_FALSE(writer->write("a.SCB", io::detail::as_bytes(view.scales.absmax, 16)));
    REQUIRE_FALSE(writer->write("a.weight_format", io::detail::as_bytes(&format, 1)));
    REQUIRE_FALSE(writer->commit());
    auto const opened = io::SafetensorsFile::open(file.path);
    REQUIRE(opened);
    auto const found = io::find_quantized(*opened);
    CHECK(static_cast<bool>(found) == (format == 0));
    if (!found) CHECK(found.error().status.code == Errc::unsupported_scheme);
  }
}
