// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "qfmt/io/bitsandbytes.hpp"

#include "qfmt/io/quantization_config.hpp"
#include "qfmt/qfmt.hpp"

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <filesystem>
#include <string>
#include <unistd.h>
#include <vector>

#include "io/checkpoints.hpp"
#include "io/files.hpp"

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

namespace {

/// A source whose scales of m.weight begin some bytes late.
struct Shifted {
  io_test::MemorySource const& source;
  std::size_t shift;

  std::optional<io::StoredTensor> locate(std::string_view name) const {
    auto tensor = source.locate(name);
    if (tensor && name == "m.weight.absmax") tensor->bytes = tensor->bytes.subspan(shift, 4);
    return tensor;
  }
  template <class Visitor>
  void visit(Visitor&& visitor) const {
    source.visit(visitor);
  }
};

struct AF4 {
  static constexpr auto name = "af4";
  static constexpr Codebook codebook{-1.f, -.69f, -.51f, -.37f, -.26f, -.15f, -.05f, 0.f,
                                     .05f, .15f,  .26f,  .37f,  .51f,  .65f,  .8f,   1.f};
};

template <SchemeSpec S>
io::Result<io::SafetensorsFile> written(File const& file, io::QuantizedWeight const& weight,
                                        QuantizedSpan<S const> view) {
  auto const pieces = io::pieces_of(weight);
  REQUIRE(pieces);
  auto writer = io::SafetensorsWriter::create(file.path, *pieces, {}, true);
  REQUIRE(writer);
  REQUIRE_FALSE(io::write_quantized<S>(*writer, weight, view));
  REQUIRE_FALSE(writer->commit());
  return io::SafetensorsFile::open(file.path);
}

template <SchemeSpec S>
bool same_bytes(QuantizedSpan<S const> const& a, QuantizedSpan<S const> const& b) {
  return a.size == b.size && std::equal(a.codes, a.codes + codes_bytes<S>(a.size), b.codes);
}

using FourBit =
    std::tuple<Scheme<Format<NF4>>, Scheme<Format<FP4>, BlockSize<32>>,
               Scheme<Format<NF4>, BlockSize<4096>, DoubleQuant<true>>,
               Scheme<Format<FP4>, DoubleQuant<true>>, Scheme<Format<NF4>, BlockSize<16>>,
               Scheme<Format<AF4>, BlockSize<128>, DoubleQuant<true>>>;

}  // namespace

TEMPLATE_LIST_TEST_CASE("Every form of a 4-bit weight comes back as it went, uncopied", "[io]",
                        FourBit) {
  using S = TestType;
  using io::Dtype;
  File const file;
  for (std::vector<std::int64_t> const& shape : std::initializer_list<std::vector<std::int64_t>>{
           {}, {0}, {1}, {7}, {0, 5}, {1, 1}, {5, 13}, {64, 33}, {3, 24, 65}, {2, 0, 4}}) {
    std::int64_t const count = *io::value_count("", shape);
    QuantizedTensor<S> tensor(count);
    REQUIRE(host::quantize(ramp(static_cast<std::size_t>(count)), tensor.span()));
    for (Dtype const storage :
         {Dtype::U8, Dtype::I8, Dtype::F16, Dtype::BF16, Dtype::F32, Dtype::F64})
      for (bool const transposed : {false, true}) {
        auto weight =
            io::described<S>({"a.weight", Dtype::BF16, shape}, 0.f, {storage, transposed});
        if constexpr (S::is_nested)
          if (count > 0) weight.offset = *tensor.span().scales.offset;
        auto const opened = written<S>(file, weight, tensor.span());
        REQUIRE(opened);
        auto const found = io::find_quantized(*opened);
        INFO((found ? "" : found.error().text()));
        REQUIRE((found && found->size() == 1));
        io::QuantizedWeight const& read = (*found)[0];
        CHECK(read.desc == desc_of<S>);
        CHECK((read.shape == shape && read.dtype == Dtype::BF16));
        CHECK(read.stored.dtype == storage);
        auto const view = io::view_quantized<S>(*opened, read);
        REQUIRE(view);
        CHECK(same_bytes<S>(*view, tensor.span()));
        auto const codes = opened->bytes(*opened->find("a.weight"));
        CHECK(reinterpret_cast<std::byte const*>(view->codes) == codes.data());
        // The bytes alone fill the type; what is left over is zero.
        auto const cell = static_cast<std::size_t>(io::traits_of(storage).bits / 8);
        auto const used = static_cast<std::size_t>(codes_bytes<S>(count));
        CHECK(codes.size() == (used + cell - 1) / cell * cell);
        for (std::size_t i = used; i < codes.size(); ++i) CHECK(codes[i] == std::byte{0});
        std::vector<float> ours(static_cast<std::size_t>(count)), theirs(ours);
        REQUIRE(host::dequantize(tensor.span(), ours));
        REQUIRE(host::dequantize(*view, theirs));
        CHECK(ours == theirs);
      }
  }
}

TEST_CASE("Codes of every 16-bit pattern survive every storage type", "[io]") {
  using S = Scheme<Format<NF4>, BlockSize<4096>>;
  File const file;
  std::vector<std::uint16_t> patterns(65536);
  for (std::size_t i = 0; i < patterns.size(); ++i) patterns[i] = static_cast<std::uint16_t>(i);
  std::int64_t const count = 65536 * 4;
  std::vector<float> const absmax(static_cast<std::size_t>(block_count<S>(count)), 1.f);
  QuantizedSpan<S const> view;
  view.codes = reinterpret_cast<std::uint8_t const*>(patterns.data());
  view.scales.absmax = absmax.data();
  view.size = count;
  for (auto const storage : {io::Dtype::F16, io::Dtype::BF16, io::Dtype::F32, io::Dtype::F64}) {
    auto const weight = io::described<S>({"a.weight", io::Dtype::F32, {count}}, 0.f, {storage});
    auto const opened = written<S>(file, weight, view);
    REQUIRE(opened);
    auto const bytes = opened->bytes(*opened->find("a.weight"));
    CHECK(std::memcmp(bytes.data(), patterns.data(), bytes.size()) == 0);
    auto const found = io::find_quantized(*opened);
    REQUIRE(found);
    auto const read = io::view_quantized<S>(*opened, (*found)[0]);
    REQUIRE(read);
    CHECK(same_bytes<S>(*read, view));
  }
}

TEST_CASE("Keys, types, shapes and text are bitsandbytes'", "[io]") {
  // Written down from its sources: json.dumps' separators, its order of fields, its shapes.
  auto const pieces = io::quantized_pieces<Nested>({"m.weight", io::Dtype::BF16, {40, 97}}, 0.5f);
  REQUIRE(pieces);
  io_test::MemorySource expected;
  io_test::add_4bit(expected, "m.weight", "nf4", true, "[40, 97]", 3880);
  REQUIRE(pieces->size() == expected.tensors.size());
  for (auto const& piece : *pieces) {
    auto const& info = expected.at(piece.name).info;
    CHECK((piece.dtype == info.dtype && piece.shape == info.shape));
  }
  auto const state = [](float offset) {
    io::QuantizedWeight weight{"m", desc_of<Nested>, io::Dtype::F16, {3}, offset};
    return io::serialize_quant_state(io::detail::state_of(weight));
  };
  std::string const head =
      R"({"quant_type": "nf4", "blocksize": 64, "dtype": "float16", "shape": [3], )"
      R"("nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": )";
  CHECK(state(0.5f) == head + "0.5}");
  CHECK(state(0.0289f) == head + "0.02889999933540821}");
  CHECK(state(1e-5f) == head + "9.999999747378752e-06}");
  CHECK(state(0.f) == head + "0.0}");
  CHECK(state(-0.f) == head + "-0.0}");
  CHECK(state(3e20f) == head + "3.000000060122632e+20}");
}

TEST_CASE("An offset that is no number comes back as Python spells it", "[io]") {
  for (std::string const word : {"NaN", "Infinity", "-Infinity"}) {
    io_test::MemorySource source;
    auto const text = io_test::state_text(
        "nf4", 64, "[64]",
        ", \"nested_blocksize\": 256, \"nested_dtype\": \"float32\", \"nested_offset\": " + word);
    io_test::add_4bit(source, "m", "nf4", true, "[64]", 64);
    source.add("m.quant_state.bitsandbytes__nf4", io::Dtype::U8,
               {static_cast<std::int64_t>(text.size())}, text);
    auto const found = io::find_quantized(source);
    REQUIRE(found);
    CHECK(io::serialize_quant_state(io::detail::state_of((*found)[0])) == text);
    CHECK(std::isnan((*found)[0].offset) == (word == "NaN"));
  }
}

TEST_CASE("A format that only its author knows is listed, and harms no other", "[io]") {
  using Mine = Scheme<Format<AF4>, BlockSize<32>>;
  File const file;
  QuantizedTensor<Mine> mine(10, 20);
  QuantizedTensor<Nested> known(10, 20);
  REQUIRE(host::quantize(ramp(200), mine.span()));
  REQUIRE(host::quantize(ramp(200), known.span()));
  auto const a = io::described<Mine>({"a.weight", io::Dtype::F32, {10, 20}});
  auto b = io::described<Nested>({"b.weight", io::Dtype::F32, {10, 20}});
  b.offset = *known.span().scales.offset;
  auto pieces = io::pieces_of(a), more = io::pieces_of(b);
  REQUIRE((pieces && more));
  pieces->insert(pieces->end(), more->begin(), more->end());
  auto writer = io::SafetensorsWriter::create(file.path, *pieces, {}, true);
  REQUIRE(writer);
  REQUIRE_FALSE(io::write_quantized<Mine>(*writer, a, mine.span()));
  REQUIRE_FALSE(io::write_quantized<Nested>(*writer, b, known.span()));
  REQUIRE_FALSE(writer->commit());
  auto const opened = io::SafetensorsFile::open(file.path);
  REQUIRE(opened);
  auto const found = io::find_quantized(*opened);
  REQUIRE((found && found->size() == 2));
  auto const& unknown = (*found)[(*found)[0].name == "a.weight" ? 0 : 1];
  CHECK(unknown.desc == SchemeDesc{"af4", 32, false, false});
  auto const view = io::view_quantized<Mine>(*opened, unknown);
  REQUIRE(view);
  CHECK(same_bytes<Mine>(*view, mine.span()));
  auto const other = io::view_quantized<Nested>(*opened, unknown);
  REQUIRE_FALSE(other);
  CHECK(other.error().status.code == Errc::unsupported_scheme);
}

TEST_CASE("Stored maps are used, and refused where they are not the format's", "[io]") {
  io_test::MemorySource source;
  io_test::add_4bit(source, "m.weight", "nf4", true, "[256]", 256);
  auto const map_error = [&](std::string const& piece, std::size_t index, std::uint32_t bits) {
    auto broken = source;
    std::memcpy(broken.at(piece).bytes.data() + 4 * index, &bits, 4);
    auto const found = io::find_quantized(broken);
    REQUIRE(found);
    auto const view = io::view_quantized<Nested>(broken, (*found)[0]);
    return view ? Errc::ok : view.error().status.code;
  };
  for (std::size_t i = 0; i < 16; ++i)  // one bit of one level
    CHECK(map_error("m.weight.quant_map", i, 0x3F000001u) == Errc::map_mismatch);
  for (std::uint32_t const bits : {0x7F800000u, 0xFF800000u, 0x7FC00000u, 0x7F800001u})
    CHECK(map_error("m.weight.nested_quant_map", 255, bits) == Errc::map_mismatch);
  CHECK(map_error("m.weight.nested_quant_map", 3, 0x3F000001u) == Errc::ok);
}

TEST_CASE("Weights whose floats lie at odd addresses are refused, not read", "[io]") {
  io_test::MemorySource source;
  io_test::add_4bit(source, "m.weight", "fp4", false, "[64]", 64);
  auto& absmax = source.at("m.weight.absmax");
  absmax.bytes.insert(absmax.bytes.begin(), 64, 'x');  // more than a small string holds
  for (std::size_t shift : {1u, 2u, 3u}) {
    Shifted const shifted{source, shift};
    auto const found = io::find_quantized(shifted);
    REQUIRE(found);
    using S = Scheme<Format<FP4>>;
    auto const view = io::view_quantized<S>(shifted, (*found)[0]);
    REQUIRE_FALSE(view);
    CHECK(view.error().status.code == Errc::misaligned);
  }
}

TEST_CASE("A packed slice goes into a native file and comes back as the slice", "[io]") {
  using S = Scheme<Format<NF4>>;
  File const file;
  QuantizedTensor<S> tensor(50, 100);
  REQUIRE(host::quantize(ramp(5000), tensor.span()));
  auto const part = slice(tensor.matrix(), {7, 20}, {33, 40});
  auto const layout = packed_layout(part);
  REQUIRE_FALSE(layout.bitsandbytes);
  QuantizedTensor<S> memory(layout.size);
  auto matrix = memory.matrix();
  REQUIRE(host::pack(part, matrix));
  auto weight = io::described<S>({"a.weight", io::Dtype::F32, {layout.size}});
  weight.slice = {part.rows, part.cols, layout.row_stride, layout.origin};
  auto const opened = written<S>(file, weight, matrix.values);
  REQUIRE(opened);
  CHECK(opened->find("a.weight.quant_state.qfmt__nf4") != nullptr);
  auto const found = io::find_quantized(*opened);
  REQUIRE((found && found->size() == 1));
  CHECK((*found)[0].slice == weight.slice);
  auto const read = io::view_matrix<S>(*opened, (*found)[0]);
  REQUIRE(read);
  std::vector<float> ours(800), theirs(800);
  REQUIRE(host::dequantize(part, ours));
  REQUIRE(host::dequantize(*read, theirs));
  CHECK(ours == theirs);
}

TEST_CASE("Presets and fields reach what acts on them", "[io]") {
  using namespace io::presets;
  CHECK(production_accuracy().scheme() == SchemeDesc{"int8", 0, true, false});
  CHECK(production_accuracy().threshold() == 6.f);
  CHECK(production_memory().scheme() == SchemeDesc{"nf4", 64, false, true});
  CHECK(qlora_single_gpu() == production_memory());
  CHECK(fsdp_qlora().stored().dtype == io::Dtype::BF16);
  CHECK(io::preset_named("fsdp-qlora") == fsdp_qlora());
  CHECK_FALSE(io::preset_named("best"));
  auto kept = production_accuracy();
  kept.llm_int8_has_fp16_weight = true;
  CHECK_FALSE(kept.scheme());
  CHECK_FALSE(io::QuantizationConfig{}.scheme());
  int bits = 0;
  CHECK(production_memory().with_compute_type([&]<Element T>() {
    bits = std::same_as<T, bfloat16> ? 16 : 0;
    return Status{};
  }));
  CHECK(bits == 16);
  for (auto const& preset : {production_accuracy(), production_memory(), fsdp_qlora(), kept}) {
    auto again = preset;
    again.llm_int8_skip_modules = {"lm_head", "a.b"};
    auto const parsed = io::parse_quantization_config(io::to_json(again), "test");
    REQUIRE(parsed);
    CHECK(*parsed == again);
  }
  auto const defaults = io::parse_model_config(
      io_test::bytes_of(R"({"quantization_config": {"quant_method": "bitsandbytes"}})"), "test");
  REQUIRE(defaults);
  CHECK(**defaults == io::QuantizationConfig{});
  auto const twin = io::parse_model_config(
      io_test::bytes_of(
          R"({"quantization_config": {"quant_method": "bitsandbytes", "_load_in_4bit": true}})"),
      "test");
  REQUIRE(twin);
  CHECK((*twin)->scheme() == SchemeDesc{"fp4", 64, false, false});
  auto const inferred = io::parse_model_config(
      io_test::bytes_of(R"({"quantization_config": {"load_in_8bit": true}})"), "test");
  REQUIRE(inferred);
  CHECK((*inferred)->scheme() == SchemeDesc{"int8", 0, true, false});
  auto const plain =
      io::parse_model_config(io_test::bytes_of(R"({"model_type": "llama"})"), "test");
  REQUIRE(plain);
  CHECK_FALSE(*plain);
}

TEST_CASE("A config's numbers that only Python writes are read and written back", "[io]") {
  std::string const text = R"({
  "a": [
    0.0,
    Infinity,
    -Infinity
  ],
  "b": NaN,
  "c": "NaN, \"Infinity]\\"
}
)";
  auto const config = io::parse_python_json(text, "test", 4);
  REQUIRE(config);
  CHECK(io::python_json_text(*config) == text);
  auto const model = io::parse_model_config(io_test::bytes_of(text), "test");
  REQUIRE(model);
  CHECK_FALSE(*model);
  for (char const* bad : {"{\"a\": Nan}", "{\"a\": +Infinity}", "{\"a\": NaNNaN}", "{\"a\": -NaN}",
                          "{\"a\": \"NaN}", "{NaN: 1}", "{\"a\": 1}NaN", "{NaN}", "NaN", "[NaN]"}) {
    INFO(bad);
    auto const parsed = io::parse_python_json(bad, "test", 4);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().status.code == Errc::invalid_json);
  }
}

TEST_CASE("Modules are skipped as transformers skips them", "[io]") {
  struct Row {
    char const *pattern, *module;
    bool skipped;
  };
  for (Row const& row : std::initializer_list<Row>{
           {"lm_head", "lm_head", true},
           {"lm_head", "model.lm_head", true},  // an ending
           {"fc1", "model.decoder.layers.23.fc1", true},
           {"c1", "model.decoder.layers.23.fc1", true},  // of any kind
           {"layer.1", "layer.1.attn", true},
           {"layer.1", "layer.11.attn", false},
           {"layer.1", "layer.1", true},
           {"layer.*", "layer.11.attn", true},
           {"mlp.gate", "mlp.gate_proj", false},
           {"model.layers", "model.layers.3.mlp", true},
           {"layers", "model.layers.3.mlp", false},
           {"model.layers.", "model.layers.3.mlp", true},
           {"model.layers.*.mlp", "model.layers.3.mlp.up_proj", true},
           {"model.layers.*.mlp", "model.layers.3.attn.up_proj", false},
           {"model.layers.3.*", "model.layers.3.mlp", true},
           {"a.c", "abc", true},  // '.' is any character
           {"a.c", "a.c.d", true},
           {"a.c", "abcd", false},
           {"a.*.*.*z", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaay", false},
           {"", "anything", true}}) {
    INFO(row.pattern << " and " << row.module);
    CHECK(io::skips_module(row.pattern, row.module) == row.skipped);
  }
}
