// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What examples/troubleshooting.md says happens, provoked: one case for each of its rows, by name.
#include "support/sweep.hpp"
#include <qfmt/io/bitsandbytes.hpp>
#include <qfmt/io/checkpoint.hpp>
#include <qfmt/io/quantization_config.hpp>
#include <qfmt/qfmt.hpp>

#include <catch2/catch_test_macros.hpp>

#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "io/files.hpp"

namespace {

using namespace qfmt;
using Nf4 = Scheme<Format<NF4>>;
using Nf4Nested = Scheme<Format<NF4>, DoubleQuant<true>>;
using Fp4 = Scheme<Format<FP4>>;
using Rows = Scheme<Format<Int8>, RowWise>;
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

std::vector<float> ramp(std::size_t n) {
  std::vector<float> x(n);
  for (std::size_t i = 0; i < n; ++i) x[i] = static_cast<float>(i % 29) - 14.f;
  return x;
}

/// The error of a safetensors file with this header and so many bytes of data.
Errc opened(std::string const& json, std::size_t data = 0) {
  auto const file = io_test::file_of(json, data);
  auto const header = io::parse_safetensors(io_test::bytes_of(file), "t.safetensors");
  return header ? Errc::ok : header.error().status.code;
}

constexpr char const* one_tensor = R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";

}  // namespace

// --- Quantization failed
// --------------------------------------------------------------------------

TEST_CASE("trouble: a NaN among the weights", "[docs][trouble]") {
  auto x = ramp(200);
  x[130] = not_a_number;
  QuantizedTensor<Nf4> tensor(200);
  Status const status = host::quantize(x, tensor.span());
  CHECK(status.code == Errc::non_finite);
  CHECK(status.index == 130);
  unsigned long long count = 0;
  QuantizeOptions const propagate{.propagate_non_finite = true, .non_finite_count = &count};
  CHECK(host::quantize(x, tensor.span(), Nearest{}, propagate));
  CHECK(count == 1);
}

TEST_CASE("trouble: no memory behind a view", "[docs][trouble]") {
  QuantizedSpan<Nf4> view;
  view.size = 64;
  CHECK(host::quantize(ramp(64), view).code == Errc::null_pointer);
}

TEST_CASE("trouble: more values than the view holds", "[docs][trouble]") {
  QuantizedTensor<Nf4> tensor(64);
  CHECK(host::quantize(ramp(65), tensor.span()).code == Errc::size_mismatch);
  QuantizedTensor<Nf4> unread(-1);
  CHECK(host::quantize(ramp(64), unread.span()).code == Errc::size_mismatch);
  CHECK(unread.status().code == Errc::unsupported_shape);
}

TEST_CASE("trouble: scales at an odd address", "[docs][trouble]") {
  alignas(16) unsigned char bytes[64]{};
  QuantizedSpan<Nf4> view{.codes = bytes, .size = 64};
  view.scales.absmax = reinterpret_cast<float*>(bytes + 33);
  CHECK(host::quantize(ramp(64), view).code == Errc::misaligned);
}

TEST_CASE("trouble: rows that do not divide the tensor", "[docs][trouble]") {
  QuantizedTensor<Rows> tensor(4, 16);
  auto view = tensor.span();
  view.scales.row_length = 15;
  CHECK(host::quantize(ramp(64), view).code == Errc::unsupported_shape);
  CHECK(storage_bytes<Rows>(std::int64_t{1} << 40, std::int64_t{1} << 40) == -1);
}

TEST_CASE("trouble: a tensor larger than memory", "[docs][trouble]") {
  if (sweep::sanitized) SKIP("the sanitizer's allocator ends the process instead");
  QuantizedTensor<Nf4> const tensor(std::int64_t{1} << 29, std::int64_t{1} << 29);
  CHECK(tensor.status().code == Errc::out_of_memory);
  CHECK(tensor.bytes() == 0);
}

TEST_CASE("trouble: a workspace of half the size", "[docs][trouble]") {
  std::vector<float> const x = ramp(64 * 64);
  QuantizedTensor<Nf4Nested> tensor(64, 64);
  std::vector<float> room(32);
  Workspace const half{room.data(), 32 * 4};
  CHECK(host::quantize(x, tensor.span(), Nearest{}, {}, half).code == Errc::workspace_too_small);
}

TEST_CASE("trouble: a scheme that the program was not built for", "[docs][trouble]") {
  SchemeDesc const fp4{.format = "fp4", .block_size = 128};
  auto const never = []<SchemeSpec S>() { return Status{}; };
  CHECK(dispatch(SchemeList<Nf4, Nf4Nested>{}, fp4, never).code == Errc::unsupported_scheme);
}

TEST_CASE("trouble: levels that are not the format's", "[docs][trouble]") {
  auto levels = Dynamic8::codebook;
  levels.level[3] += .001f;
  QuantizedTensor<Nf4Nested> tensor(64);
  auto view = tensor.span();
  view.scales.absmax.scales.levels = levels.level;  // as a file may bring them
  CHECK(host::quantize(ramp(64), view).code == Errc::map_mismatch);
  std::vector<float> out(64);
  CHECK(host::dequantize(view, out));  // reading with them is right
}

// --- Numerical instability
// ------------------------------------------------------------------------

TEST_CASE("trouble: infinities in float16 results", "[docs][trouble]") {
  std::vector<float> const w(64, 1000.f);
  QuantizedTensor<Nf4> tensor(1, 64);
  REQUIRE(host::quantize(w, tensor.span()));
  std::vector<float16> const half(64, float16(2.f));
  float16 y16{};
  REQUIRE(host::matmul(tensor.matrix(), half.data(), 1, &y16));
  CHECK(std::isinf(static_cast<float>(y16)));  // 128000
  std::vector<bfloat16> const brain(64, bfloat16(2.f));
  bfloat16 yb{};
  REQUIRE(host::matmul(tensor.matrix(), brain.data(), 1, &yb));
  CHECK(static_cast<float>(yb) == 128000.f);
}

TEST_CASE("trouble: a block or a group of 256 blocks is NaN", "[docs][trouble]") {
  auto x = ramp(64 * 600);
  x[64 * 300 + 5] = not_a_number;
  QuantizeOptions const propagate{.propagate_non_finite = true};
  auto const damaged = [&]<SchemeSpec S>() {
    QuantizedTensor<S> tensor(64 * 600);
    REQUIRE(host::quantize(x, tensor.span(), Nearest{}, propagate));
    std::vector<float> out(x.size());
    REQUIRE(host::dequantize(tensor.span(), out));
    std::int64_t count = 0;
    for (float const v : out) count += std::isnan(v);
    return count;
  };
  CHECK(damaged.template operator()<Nf4>() == 64);
  CHECK(damaged.template operator()<Nf4Nested>() == 64 * 256);
}

TEST_CASE("trouble: Int8 of a huge scale decodes to infinity", "[docs][trouble]") {
  float const scale = 0x1p122f;  // above FLT_MAX / 127
  CHECK(std::isinf(decode<Int8>(127, scale)));
  CHECK(decode<Int8>(31, scale) < 0x1p121f);
}

TEST_CASE("trouble: other bytes than bitsandbytes wrote", "[docs][trouble]") {
  QuantizedTensor<Nf4> tensor(64);
  REQUIRE(host::quantize(std::vector<float>(64, 0.f), tensor.span()));
  CHECK(tensor.span().codes[0] == 0x77);  // bitsandbytes' CUDA: 00, which nested scales move from 0
}

TEST_CASE("trouble: a result that depends on threads", "[docs][trouble]") {
  std::vector<float> const x = ramp(64 * 3000);
  QuantizedTensor<Nf4Nested> one(64 * 3000), many(64 * 3000);
  REQUIRE(host::quantize(x, one.span()));
  REQUIRE(host::quantize_parallel(host::Threads{5}, x, many.span()));
  CHECK(std::bit_cast<std::uint32_t>(*one.span().scales.offset) ==
        std::bit_cast<std::uint32_t>(*many.span().scales.offset));
  CHECK(std::equal(one.span().codes, one.span().codes + 32 * 3000, many.span().codes));
}

// --- FSDP errors
// ----------------------------------------------------------------------------------

TEST_CASE("trouble: shards of another dtype than the model", "[docs][trouble]") {
  auto const config = io::presets::fsdp_qlora();
  CHECK(config.stored().dtype == io::Dtype::BF16);
  io::TensorInfo const weight{"w.weight", io::Dtype::BF16, {64, 128}};
  auto const pieces = io::quantized_pieces<Nf4>(weight, 0.f, config.stored());
  REQUIRE(pieces);
  CHECK(pieces->front().dtype == io::Dtype::BF16);  // four codes to a value
  CHECK(pieces->front().shape == std::vector<std::int64_t>{64 * 128 / 4, 1});
}

TEST_CASE("trouble: NaN after shards were gathered", "[docs][trouble]") {
  std::vector<std::byte> whole(1000);  // signalling NaNs of bfloat16, which a cast rewrites
  for (std::size_t i = 0; i < whole.size(); ++i) whole[i] = std::byte(i % 2 != 0 ? 0x7F : 0x81);
  std::vector<std::byte> back(whole.size());
  for (std::int64_t rank = 0; rank < 3; ++rank) {
    std::vector<std::byte> shard(static_cast<std::size_t>(flat_shard_bytes(1000, 3, 16)));
    REQUIRE(host::scatter_flat(whole, 3, rank, shard, 16));
    REQUIRE(host::gather_flat(shard, 3, rank, back, 16));
  }
  CHECK(back == whole);
}

TEST_CASE("trouble: a shard of the wrong length", "[docs][trouble]") {
  std::vector<std::byte> const whole(1000);
  std::vector<std::byte> shard(333);
  CHECK(host::scatter_flat(whole, 3, 0, shard).code == Errc::size_mismatch);
  CHECK(flat_shard_bytes(1000, 3) == 334);
}

TEST_CASE("trouble: a cut inside a block or a group", "[docs][trouble]") {
  QuantizedTensor<Nf4Nested> parent(128, 96);
  REQUIRE(host::quantize(ramp(128 * 96), parent.span()));
  auto const half = slice_cols(parent.matrix(), part_of(96, 2, 1));  // columns 48 to 95
  CHECK(packed_layout(half, true).size == -1);                       // no copy with nested scales
  QuantizedTensor<Nf4Nested> other(128 * 96);
  QuantizedMatrix<Nf4Nested> out = other.matrix();
  CHECK(host::pack(half, out).code == Errc::unsupported_shape);
  CHECK(packed_layout(half).size > 0);            // one with f32 scales there is,
  CHECK_FALSE(packed_layout(half).bitsandbytes);  // but not in bitsandbytes' layout
}

// --- Files
// ----------------------------------------------------------------------------------------

TEST_CASE("trouble: a file that is not there", "[docs][trouble]") {
  auto const file = io::SafetensorsFile::open("no/such/file.safetensors");
  REQUIRE_FALSE(file);
  CHECK(file.error().status.code == Errc::file_error);
  CHECK(file.error().status.native == ENOENT);
}

TEST_CASE("trouble: a folder without a model", "[docs][trouble]") {
  io_test::Folder const folder;
  auto const model = io::Checkpoint::open(folder.path());
  REQUIRE_FALSE(model);
  CHECK(model.error().status.code == Errc::not_found);
}

TEST_CASE("trouble: the output exists", "[docs][trouble]") {
  io_test::Folder const folder;
  auto const path = folder.path() / "m.safetensors";
  std::ofstream(path) << "mine";
  auto const writer = io::SafetensorsWriter::create(path, {}, {});
  REQUIRE_FALSE(writer);
  CHECK(writer.error().status.code == Errc::file_exists);
}

TEST_CASE("trouble: a download that was cut", "[docs][trouble]") {
  CHECK(opened(one_tensor, 3) == Errc::file_truncated);
  CHECK(opened(one_tensor, 4) == Errc::ok);
}

TEST_CASE("trouble: a download that goes on too long", "[docs][trouble]") {
  CHECK(opened(one_tensor, 5) == Errc::file_has_trailing_bytes);
}

TEST_CASE("trouble: something else than a safetensors file", "[docs][trouble]") {
  std::string const pickle = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
  auto const header = io::parse_safetensors(io_test::bytes_of(pickle), "model.bin");
  REQUIRE_FALSE(header);
  CHECK(header.error().status.code == Errc::header_too_large);
  CHECK(opened("{'t': 1}") == Errc::invalid_json);
}

TEST_CASE("trouble: a header or config that breaks a rule", "[docs][trouble]") {
  CHECK(opened(R"({"t":{"dtype":"F32","shape":[1]}})", 4) == Errc::invalid_header);
  auto const config = io::parse_model_config(
      io_test::bytes_of(
          R"({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": true,
              "bnb_4bit_quant_type": "int4"}})"),
      "config.json");
  REQUIRE_FALSE(config);
  CHECK(config.error().status.code == Errc::invalid_header);
  CHECK(config.error().text().find("bnb_4bit_quant_type") != std::string::npos);
}

TEST_CASE("trouble: a name twice", "[docs][trouble]") {
  CHECK(opened(R"({"t":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
               R"("t":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})") == Errc::duplicate_name);
}

TEST_CASE("trouble: an element type that is unknown", "[docs][trouble]") {
  CHECK(opened(R"({"t":{"dtype":"F12","shape":[1],"data_offsets":[0,4]}})", 4) ==
        Errc::unsupported_dtype);
}

TEST_CASE("trouble: offsets that leave a hole", "[docs][trouble]") {
  CHECK(opened(R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8) ==
        Errc::invalid_offsets);
}

TEST_CASE("trouble: dimensions that multiply beyond 63 bits", "[docs][trouble]") {
  CHECK(opened(R"({"t":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})") ==
        Errc::size_overflow);
}
