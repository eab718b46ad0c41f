// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Checkpoints whose files are sound and whose quantized weights, index or config are not: which
// error each one gets and whom it names. The classes of fault are those that parsers of model files
// were attacked with: counts and lengths that lie, products that overflow, shapes that promise more
// than the file holds, narrowing, zero and absurd block sizes, deep nesting, names that lead out of
// their folder, double and unknown keys.
#include "qfmt/io/checkpoint.hpp"
#include "qfmt/io/quantization_config.hpp"

#include <catch2/catch_test_macros.hpp>

#include <functional>

#include "io/checkpoints.hpp"
#include "io/files.hpp"

using namespace io_test;
using namespace qfmt;
using qfmt::io::Dtype;

namespace {

/// What is wrong, the error, who must be named, words of the detail ("" for any), and the breaking.
struct Broken {
  std::string what;
  Errc expected;
  std::string subject;
  std::string detail;
  std::function<void(MemorySource&)> harm;
};
using Table = std::vector<Broken>;

std::string const state = "a.weight.quant_state.bitsandbytes__nf4";

/// a.weight: nested NF4, (40, 97) values; b: LLM.int8(), (6, 5).
MemorySource good() {
  MemorySource source;
  add_4bit(source, "a.weight", "nf4", true, "[40, 97]", 3880);
  add_int8(source, "b", 6, 5);
  source.add("c.bias", Dtype::F32, {1}, std::string(4, '\0'));
  return source;
}

std::string repeated(std::string const& text, std::size_t count) {
  std::string result;
  for (std::size_t i = 0; i < count; ++i) result += text;
  return result;
}

void set_state(MemorySource& source, std::string const& text) {
  source.add(state, Dtype::U8, {static_cast<std::int64_t>(text.size())}, text);
}

/// The good state with one text in it replaced.
auto edited(std::string const& from, std::string const& to) {
  return [=](MemorySource& source) {
    auto text = source.at(state).bytes;
    auto const at = text.find(from);
    if (at == text.npos) throw std::logic_error("the state lacks " + from);
    set_state(source, text.replace(at, from.size(), to));
  };
}

void add_state_json(Table& table) {
  auto const json = [&](std::string const& what, std::string const& text, std::string const& word,
                        Errc code = Errc::invalid_json) {
    table.push_back({what, code, state, word, [=](MemorySource& s) { set_state(s, text); }});
  };
  auto const whole = state_text("nf4", 64, "[40, 97]", nested_text);
  json("an empty state", "", "JSON");
  json("a state of blanks", "    ", "JSON");
  json("half a state", whole.substr(0, whole.size() / 2), "JSON");
  json("a state without its brace", whole.substr(0, whole.size() - 1), "JSON");
  json("text behind a state", whole + "x", "JSON");
  json("two states in one", whole + whole, "JSON");
  json("a NUL behind a state", whole + std::string(1, '\0'), "NUL");
  json("a NUL and garbage behind a state", whole + std::string("\0garbage", 8), "NUL");
  json("a byte-order mark", "\xEF\xBB\xBF" + whole, "byte-order mark");
  json("single quotes", "{'quant_type': 'nf4'}", "JSON");
  json("a list", "[1, 2]", "JSON object");
  json("a number", "64", "JSON object");
  json("null", "null", "JSON object");
  json("a text", "\"nf4\"", "JSON object");
  json("bytes that are no UTF-8", "{\"quant_type\": \"\xFF\xFE\"}", "JSON");
  json("half a surrogate pair", R"({"quant_type": "\ud800"})", "JSON");
  json("NaN where Python would not put it", R"({"blocksize": NaN})", "JSON");
  json("nested deeply", repeated("{\"a\":", 2000) + "1" + repeated("}", 2000), "deeply");
  json("lists nested deeply", "{\"shape\":" + repeated("[", 5000) + repeated("]", 5000) + "}",
       "deeply");
  json("longer than any state", whole + std::string(20000, ' '), "16 KiB", Errc::header_too_large);
  json("a field twice", "{\"blocksize\": 64, " + whole.substr(1), "twice", Errc::duplicate_name);
  json("the type twice", "{\"quant_type\": \"fp4\", " + whole.substr(1), "twice",
       Errc::duplicate_name);
}

void add_state_fields(Table& table) {
  auto const field = [&](std::string const& what, std::string const& from, std::string const& to,
                         std::string const& word, Errc code = Errc::invalid_header) {
    table.push_back({what, code, state, word, edited(from, to)});
  };
  field("an unknown field", "{", "{\"code\": 1, ", "unknown field 'code'");
  field("a field of qfmt's own files", "{", "{\"slice\": [1, 1, 1, 0], ", "unknown field 'slice'");
  field("a field with a control character", "{", "{\"a\\u001b[31m\": 1, ", "\\x1b");
  field("no type", "\"quant_type\": \"nf4\", ", "", "quant_type");
  field("a number as type", "\"quant_type\": \"nf4\"", "\"quant_type\": 4", "quant_type");
  field("null as type", "\"quant_type\": \"nf4\"", "\"quant_type\": null", "quant_type");
  field("a control character in the type", "\"nf4\"", "\"nf4\\u0007\"", "quant_type");
  field("an endless type", "\"nf4\"", "\"" + std::string(100, 'n') + "\"", "quant_type");
  field("another type than the name's", "\"nf4\"", "\"fp4\"", "not that of its name",
        Errc::unsupported_scheme);
  field("an unknown type", "\"nf4\"", "\"int4\"", "not that of its name", Errc::unsupported_scheme);
  field("no block size", "\"blocksize\": 64, ", "", "blocksize");
  for (std::string const bad :
       {"0", "-64", "1", "8", "63", "65", "100", "8192", "2147483648", "4294967360",
        "18446744073709551616", "64.0", "6.4e1", "\"64\"", "null", "true", "[64]", "{}"})
    field("a block size of " + bad, "\"blocksize\": 64", "\"blocksize\": " + bad, "blocksize");
  field("a block size that bitsandbytes lacks", "\"blocksize\": 64", "\"blocksize\": 16",
        "bitsandbytes knows no such scheme", Errc::unsupported_scheme);
  field("no dtype", "\"dtype\": \"bfloat16\", ", "", "dtype");
  for (std::string const bad :
       {"\"float64\"", "\"uint8\"", "\"torch.bfloat16\"", "\"\"", "16", "null", "\"Bfloat16\""})
    field("a dtype of " + bad, "\"bfloat16\"", bad, "dtype");
  field("no shape", "\"shape\": [40, 97], ", "", "shape");
  for (std::string const bad :
       {"null", "3880", "\"40x97\"", "[40, -97]", "[40, 97.0]", "[40, \"97\"]", "[40, null]",
        "[[40, 97]]", "{}", "[40, 18446744073709551615]", "[40, 9223372036854775808]", "[40, 1e2]",
        "[true]"})
    field("a shape of " + bad, "[40, 97]", bad, "shape");
  field("65 dimensions", "[40, 97]", "[40, 97" + repeated(", 1", 63) + "]", "shape");
}

void add_lying_shapes(Table& table) {
  auto const shape = [&](std::string const& text, Errc code, std::string const& subject) {
    table.push_back({"a shape of " + text, code, subject, "", edited("[40, 97]", text)});
  };
  // More than the file holds: the case in which an implementation read past its mapping.
  for (std::string const text :
       {"[40, 98]", "[41, 97]", "[40, 96]", "[39, 97]", "[3882]", "[1]", "[]", "[0]", "[40, 0]",
        "[40, 97, 2]", "[4294967296, 97]", "[1152921504606846976]", "[2305843009213693952, 2]",
        "[40, 4611686018427387904, 0]"})
    shape(text,
          text == "[2305843009213693952, 2]"       ? Errc::size_mismatch
          : text == "[40, 4611686018427387904, 0]" ? Errc::size_overflow
                                                   : Errc::size_mismatch,
          "a.weight");
  for (std::string const text : {"[4294967296, 4294967296]", "[4611686018427387904, 4]",
                                 "[2147483648, 2147483648, 8]", "[3037000500, 3037000500]"})
    shape(text, Errc::size_overflow, "a.weight");
}

void add_nested_fields(Table& table) {
  auto const field = [&](std::string const& from, std::string const& to, std::string const& word) {
    table.push_back({"nested: " + (to.empty() ? "no " + word : to), Errc::invalid_header, state,
                     word, edited(from, to)});
  };
  field(", \"nested_offset\": 0.5", "", "nested_offset");
  field("\"nested_blocksize\": 256, ", "", "nested_blocksize");
  field("\"nested_dtype\": \"float32\", ", "", "nested_dtype");
  for (std::string const bad : {"64", "0", "257", "\"256\"", "null", "256.5"})
    field("\"nested_blocksize\": 256", "\"nested_blocksize\": " + bad, "nested_blocksize");
  for (std::string const bad : {"\"float16\"", "\"bfloat16\"", "null", "32"})
    field("\"nested_dtype\": \"float32\"", "\"nested_dtype\": " + bad, "nested_dtype");
  for (std::string const bad : {"null", "\"0.5\"", "[0.5]", "1e39", "-1e39", "true"})
    field("\"nested_offset\": 0.5", "\"nested_offset\": " + bad, "nested_offset");
  table.push_back({"nested pieces of a plain state", Errc::unsupported_dtype, "a.weight.absmax",
                   "U8, not F32",
                   [](MemorySource& s) { set_state(s, state_text("nf4", 64, "[40, 97]")); }});
  table.push_back({"a nested state of plain pieces", Errc::unsupported_dtype, "a.weight.absmax",
                   "F32, not U8", [](MemorySource& s) {
                     s.add("a.weight.absmax", Dtype::F32, {61}, std::string(244, '\0'));
                   }});
}

void add_pieces(Table& table) {
  for (std::string const piece : {"a.weight", "a.weight.absmax", "a.weight.quant_map",
                                  "a.weight.nested_absmax", "a.weight.nested_quant_map"}) {
    table.push_back({piece + " is missing", Errc::not_found, piece, "missing",
                     [=](MemorySource& s) { s.tensors.erase(piece); }});
    table.push_back({piece + " of the wrong type", Errc::unsupported_dtype, piece, "",
                     [=](MemorySource& s) { s.at(piece).info.dtype = Dtype::I64; }});
    table.push_back({piece + " of one row more", Errc::size_mismatch, piece, "shape",
                     [=](MemorySource& s) { ++s.at(piece).info.shape[0]; }});
    table.push_back({piece + " of one row less", Errc::size_mismatch, piece, "shape",
                     [=](MemorySource& s) { --s.at(piece).info.shape[0]; }});
    table.push_back({piece + " without rows", Errc::size_mismatch, piece, "shape",
                     [=](MemorySource& s) { s.at(piece).info.shape = {0}; }});
    table.push_back({piece + " as a scalar", Errc::size_mismatch, piece, "shape",
                     [=](MemorySource& s) { s.at(piece).info.shape = {}; }});
    table.push_back({piece + " with a dimension more", Errc::size_mismatch, piece, "shape",
                     [=](MemorySource& s) { s.at(piece).info.shape.push_back(2); }});
  }
  table.push_back(
      {"codes as rows of two", Errc::size_mismatch, "a.weight", "", [](MemorySource& s) {
         s.at("a.weight").info.shape = {970, 2};
       }});
  table.push_back({"codes without a second dimension", Errc::size_mismatch, "a.weight", "",
                   [](MemorySource& s) { s.at("a.weight").info.shape = {1940}; }});
  for (Dtype const type : {Dtype::BOOL, Dtype::I16, Dtype::F8_E4M3, Dtype::C64, Dtype::I32})
    table.push_back({"codes stored as " + std::string(io::traits_of(type).name),
                     Errc::unsupported_dtype, "a.weight", "",
                     [=](MemorySource& s) { s.at("a.weight").info.dtype = type; }});
  table.push_back(
      {"half as many codes as bfloat16", Errc::size_mismatch, "a.weight", "", [](MemorySource& s) {
         s.at("a.weight").info = {"a.weight", Dtype::BF16, {969, 1}, 0, 1940};
       }});
  table.push_back({"a state of the wrong type", Errc::unsupported_dtype, state, "U8",
                   [](MemorySource& s) { s.at(state).info.dtype = Dtype::I8; }});
}

void add_surplus(Table& table) {
  for (std::string const piece : {"foo", "code", "SCB", "absmax.x", "nested_offset", "shape",
                                  "quant_type", "quant_mapp", "nested_absmax2", "weight"})
    table.push_back({"a piece called " + piece, Errc::invalid_header, "a.weight." + piece,
                     "no such piece", [=](MemorySource& s) {
                       s.add("a.weight." + piece, Dtype::F32, {1}, std::string(4, '\0'));
                     }});
  table.push_back({"nested pieces beside plain ones", Errc::invalid_header,
                   "d.weight.nested_absmax", "no such piece", [](MemorySource& s) {
                     add_4bit(s, "d.weight", "fp4", false, "[64]", 64);
                     s.add("d.weight.nested_absmax", Dtype::F32, {1}, std::string(4, '\0'));
                   }});
  table.push_back({"a second state", Errc::duplicate_name, "a.weight.quant_state", "second state",
                   [](MemorySource& s) {
                     auto const text = state_text("fp4", 64, "[40, 97]", nested_text);
                     s.add("a.weight.quant_state.qfmt__fp4", Dtype::U8,
                           {static_cast<std::int64_t>(text.size())}, text);
                   }});
  table.push_back({"a state under a name of another format", Errc::unsupported_scheme,
                   "bitsandbytes__int8", "not that of its name", [](MemorySource& s) {
                     s.rename(state, "a.weight.quant_state.bitsandbytes__int8");
                   }});
  table.push_back({"a state of a format that bitsandbytes lacks", Errc::unsupported_scheme,
                   "bitsandbytes__af4", "bitsandbytes knows no such scheme", [](MemorySource& s) {
                     auto const text = state_text("af4", 64, "[40, 97]", nested_text);
                     s.tensors.erase(state);
                     s.add("a.weight.quant_state.bitsandbytes__af4", Dtype::U8,
                           {static_cast<std::int64_t>(text.size())}, text);
                   }});
  table.push_back(
      {"a state without a format", Errc::unsupported_scheme, "bitsandbytes__", "",
       [](MemorySource& s) { s.rename(state, "a.weight.quant_state.bitsandbytes__"); }});
}

void add_int8(Table& table) {
  auto const weight = [&](std::string const& what, Errc code, std::string const& subject,
                          std::function<void(MemorySource&)> harm) {
    table.push_back({"int8: " + what, code, subject, "", std::move(harm)});
  };
  for (std::vector<std::int64_t> const& shape :
       {std::vector<std::int64_t>{5}, {7}, {6, 1}, {1, 6}, {}, {0}, {30}})
    weight("scales of shape " + io::detail::python_list(shape), Errc::size_mismatch, "b.SCB",
           [=](MemorySource& s) { s.at("b.SCB").info.shape = shape; });
  for (Dtype const type : {Dtype::F16, Dtype::U8, Dtype::F64, Dtype::I32})
    weight("scales of type " + std::string(io::traits_of(type).name), Errc::unsupported_dtype,
           "b.SCB", [=](MemorySource& s) { s.at("b.SCB").info.dtype = type; });
  weight("three dimensions", Errc::unsupported_shape, "b.weight", [](MemorySource& s) {
    s.at("b.weight").info.shape = {6, 5, 1};
  });
  weight("one dimension", Errc::unsupported_shape, "b.weight",
         [](MemorySource& s) { s.at("b.weight").info.shape = {30}; });
  weight("no dimension", Errc::unsupported_shape, "b.weight",
         [](MemorySource& s) { s.at("b.weight").info.shape = {}; });
  for (char const format : {'\1', '\2', '\3', '\xFF'})
    weight("format " + std::to_string(int{format}), Errc::unsupported_scheme, "b.weight_format",
           [=](MemorySource& s) { s.at("b.weight_format").bytes[0] = format; });
  weight("a format of two bytes", Errc::unsupported_dtype, "b.weight_format",
         [](MemorySource& s) { s.add("b.weight_format", Dtype::U8, {2}, std::string(2, '\0')); });
  weight("a format of no bytes", Errc::unsupported_dtype, "b.weight_format",
         [](MemorySource& s) { s.add("b.weight_format", Dtype::U8, {0}, ""); });
  weight("a format that is a float", Errc::unsupported_dtype, "b.weight_format",
         [](MemorySource& s) { s.at("b.weight_format").info.dtype = Dtype::F32; });
}

void add_native(Table& table) {
  auto const native = [&](std::string const& what, Errc code, std::string const& shape,
                          std::string const& slice, std::string const& word) {
    table.push_back({"native: " + what, code, "d.weight", word, [=](MemorySource& s) {
                       add_4bit(s, "d.weight", "nf4", false, "[640]", 640);
                       s.tensors.erase("d.weight.quant_state.bitsandbytes__nf4");
                       auto const text = state_text("nf4", 64, shape, ", \"slice\": " + slice);
                       s.add("d.weight.quant_state.qfmt__nf4", Dtype::U8,
                             {static_cast<std::int64_t>(text.size())}, text);
                     }});
  };
  native("a slice of three numbers", Errc::invalid_header, "[640]", "[4, 10, 64]", "slice");
  native("a slice of five numbers", Errc::invalid_header, "[640]", "[4, 10, 64, 0, 0]", "slice");
  native("a slice that is a number", Errc::invalid_header, "[640]", "4", "slice");
  native("a slice with a negative number", Errc::invalid_header, "[640]", "[4, 10, 64, -1]",
         "slice");
  native("a slice of a matrix", Errc::invalid_header, "[64, 10]", "[4, 10, 64, 0]", "slice");
  native("a slice past its values", Errc::size_mismatch, "[640]", "[10, 65, 64, 0]", "slice");
  native("a slice that begins past its values", Errc::size_mismatch, "[640]", "[1, 1, 64, 640]",
         "slice");
  native("rows times stride overflow", Errc::size_mismatch, "[640]",
         "[4611686018427387904, 1, 4611686018427387904, 0]", "slice");
  native("columns overflow", Errc::size_mismatch, "[640]",
         "[2, 4611686018427387904, 4611686018427387904, 4611686018427387904]", "slice");
}

/// Weights in the layouts of existing checkpoints: what is there of them is evidence enough.
void add_existing_layouts(Table& table) {
  auto const harm = [&](std::string const& what, Errc code, std::string const& piece,
                        std::string const& word, std::function<void(MemorySource&)> const& with) {
    table.push_back({what, code, piece, word, [=](MemorySource& s) {
                       add_nvfp4(s, "n", 4, 3);
                       add_mxfp4(s, "m", 4, 3);
                       with(s);
                     }});
  };
  for (std::string const piece : {"n", "n_scale", "n_scale_2"})
    harm("nvfp4 without " + piece, Errc::not_found, piece, "missing",
         [=](MemorySource& s) { s.tensors.erase(piece); });
  for (auto const& [piece, dtype] :
       {std::pair{"n", Dtype::I8}, std::pair{"n_scale", Dtype::U8},
        std::pair{"n_scale", Dtype::F8_E8M0}, std::pair{"n_scale", Dtype::F8_E5M2},
        std::pair{"n_scale_2", Dtype::F16}, std::pair{"m_blocks", Dtype::I8},
        std::pair{"m_scales", Dtype::F8_E8M0}})
    harm(std::string("a wrong type of ") + piece, Errc::unsupported_dtype, piece, "dtype",
         [piece = std::string(piece), dtype = dtype](MemorySource& s) {
           s.at(piece).info.dtype = dtype;
         });
  using Shape = std::vector<std::int64_t>;
  for (auto const& [piece, shape] :
       {std::pair{"n_scale", Shape{12}}, std::pair{"n_scale", Shape{3, 4}}, std::pair{"n", Shape{}},
        std::pair{"n_scale_2", Shape{2}}, std::pair{"n_scale_2", Shape{1, 1}},
        std::pair{"m_scales", Shape{12}}, std::pair{"m_scales", Shape{4, 3, 1}},
        std::pair{"m_blocks", Shape{4, 3, 8}}, std::pair{"m_blocks", Shape{4, 3, 32}}})
    harm(std::string("a wrong shape of ") + piece, Errc::size_mismatch, piece, "shape",
         [piece = std::string(piece), shape = shape](MemorySource& s) {
           s.at(piece).info.shape = shape;
         });
  harm("nvfp4 of broken blocks", Errc::unsupported_shape, "n", "multiple of 16",
       [](MemorySource& s) {
         s.at("n").info.shape = {4, 20};
       });
}

Table all() {
  Table table;
  add_existing_layouts(table);
  add_state_json(table);
  add_state_fields(table);
  add_lying_shapes(table);
  add_nested_fields(table);
  add_pieces(table);
  add_surplus(table);
  add_int8(table);
  add_native(table);
  return table;
}

}  // namespace

TEST_CASE("A checkpoint with a malformed weight is refused with its fault and its tensor", "[io]") {
  REQUIRE(io::find_quantized(good()));
  REQUIRE(io::find_quantized(good())->size() == 2);
  auto const table = all();
  CHECK(table.size() >= 150);
  for (auto const& row : table) {
    auto source = good();
    row.harm(source);
    auto const found = io::find_quantized(source);
    INFO(row.what << ": " << (found ? "accepted" : found.error().text()));
    REQUIRE_FALSE(found);
    CHECK(found.error().status.code == row.expected);
    CHECK(contains(found.error().subject, row.subject));
    CHECK(contains(found.error().text(), row.detail));
  }
}

TEST_CASE("Existing layouts are found once, and what is only called so is not", "[io]") {
  auto source = good();
  add_nvfp4(source, "n", 4, 3);
  add_mxfp4(source, "m", 4, 3);
  for (auto const& shape : {std::vector<std::int64_t>{}, std::vector<std::int64_t>{1}}) {
    source.at("n_scale_2").info.shape = shape;
    auto const found = io::find_quantized(source);
    REQUIRE(found);
    REQUIRE(found->size() == 4);
    CHECK((*found)[2].name == "m");
    CHECK((*found)[2].shape == std::vector<std::int64_t>{4, 96});
    CHECK((*found)[3].name == "n");
    CHECK((*found)[3].shape == std::vector<std::int64_t>{4, 48});
  }
  auto other = good();
  other.add("f", Dtype::F8_E4M3, {4}, std::string(4, '\0'));  // FP8 with one scale
  other.add("f_scale", Dtype::F32, {}, std::string(4, '\0'));
  other.add("g", Dtype::U8, {4}, std::string(4, '\0'));
  other.add("g_scale", Dtype::F32, {1}, std::string(4, '\0'));
  other.add("h_blocks", Dtype::U8, {4}, std::string(4, '\0'));
  other.add("h_scales", Dtype::F32, {1}, std::string(4, '\0'));
  for (std::string const lone : {"_scale", "_scale_2", "_scales", "_blocks", "i_scale", "k_scales"})
    other.add(lone, Dtype::U8, {1}, std::string(1, '\0'));
  auto const found = io::find_quantized(other);
  REQUIRE(found);
  CHECK(found->size() == 2);
}

TEST_CASE("A malformed index is refused with its fault", "[io]") {
  struct Row {
    std::string what, text, word;
    Errc code = Errc::invalid_header;
  };
  auto const mapped = [](std::string const& entry) {
    return "{\"metadata\": {}, \"weight_map\": {" + entry + "}}";
  };
  std::vector<Row> rows{
      {"nothing", "", "JSON", Errc::invalid_json},
      {"a list", "[]", "JSON object", Errc::invalid_json},
      {"no map", "{}", "weight_map"},
      {"no map but metadata", R"({"metadata": {"total_size": 1}})", "weight_map"},
      {"a map that is a list", R"({"weight_map": []})", "weight_map"},
      {"a map that is null", R"({"weight_map": null})", "weight_map"},
      {"an unknown field", R"({"weight_map": {}, "shards": 2})", "unknown field"},
      {"metadata that is a list", R"({"metadata": [], "weight_map": {}})", "metadata"},
      {"a negative size", R"({"metadata": {"total_size": -1}, "weight_map": {}})", "total_size"},
      {"a size as text", R"({"metadata": {"total_size": "1"}, "weight_map": {}})", "total_size"},
      {"a size of 2^63", R"({"metadata": {"total_size": 9223372036854775808}, "weight_map": {}})",
       "total_size"},
      {"a tensor twice", mapped(R"("a": "x.safetensors", "a": "y.safetensors")"), "twice",
       Errc::duplicate_name},
      {"a map twice", R"({"weight_map": {}, "weight_map": {}})", "twice", Errc::duplicate_name},
      {"a NUL", mapped(R"("a": "x.safetensors")") + std::string(1, '\0'), "NUL",
       Errc::invalid_json},
      {"a tensor without a name", mapped(R"("": "x.safetensors")"), "empty"},
      {"a control character in a name", mapped(R"("a\u001b": "x.safetensors")"), "control"},
      {"an endless name", mapped("\"" + std::string(5000, 'a') + R"(": "x.safetensors")"), "4096"},
      {"deep nesting", repeated("{\"a\":", 3000) + "1" + repeated("}", 3000), "deeply",
       Errc::invalid_json}};
  for (std::string const file :
       {"1", "null", "[\"x.safetensors\"]", "{}", "true", "\"\"", "\"../x.safetensors\"",
        "\"/etc/x.safetensors\"", "\"a/x.safetensors\"", "\"a\\\\x.safetensors\"", "\"..\"",
        "\".x.safetensors\"", "\"x.bin\"", "\"x.safetensors \"", "\"x.safetensors\\u0000\"",
        "\"x\\n.safetensors\""})
    rows.push_back({"a file of " + file, mapped("\"a\": " + file), "file"});
  rows.push_back({"an endless file name",
                  mapped("\"a\": \"" + std::string(300, 'x') + ".safetensors\""), "255"});
  for (Row const& row : rows) {
    auto const index = io::parse_safetensors_index(bytes_of(row.text), "index");
    INFO(row.what << ": " << (index ? "accepted" : index.error().text()));
    REQUIRE_FALSE(index);
    CHECK(index.error().status.code == row.code);
    CHECK(contains(index.error().text(), row.word));
  }
  CHECK(rows.size() >= 35);
}

TEST_CASE("A malformed quantization_config is refused with the field's name", "[io]") {
  struct Row {
    std::string field, value;
  };
  std::vector<Row> rows;
  auto const bad = [&](std::string const& field, std::vector<std::string> const& values) {
    for (auto const& value : values) rows.push_back({field, value});
  };
  bad("quant_method", {"\"gptq\"", "null", "4", "\"BitsAndBytes\""});
  for (char const* flag : {"load_in_4bit", "_load_in_4bit", "load_in_8bit", "_load_in_8bit",
                           "llm_int8_has_fp16_weight", "llm_int8_enable_fp32_cpu_offload",
                           "bnb_4bit_use_double_quant"})
    bad(flag, {"1", "\"true\"", "null", "[]"});
  bad("llm_int8_threshold", {"\"6.0\"", "null", "-1", "true", "1e39", "[]"});
  bad("llm_int8_skip_modules", {"\"lm_head\"", "{}", "[1]", "[null]", "[\"\"]", "[\"a|b\"]",
                                "[\"(a)\"]", "[\"a+\"]", "[\"[a]\"]", "[\"a**\"]", "[\"*\"]"});
  bad("bnb_4bit_quant_type", {"\"int4\"", "\"NF4\"", "null", "4", "\"\""});
  bad("bnb_4bit_compute_dtype",
      {"\"torch.bfloat16\"", "\"int8\"", "\"float64\"", "null", "16", "\"\""});
  bad("bnb_4bit_quant_storage", {"\"torch.uint8\"", "\"int32\"", "null", "8", "\"\""});
  bad("block_size", {"64"});
  for (Row const& row : rows) {
    auto const config =
        R"({"quantization_config": {)" +
        std::string(row.field == "quant_method" ? "" : R"("quant_method": "bitsandbytes", )") +
        "\"" + row.field + "\": " + row.value + "}}";
    auto const parsed = io::parse_model_config(bytes_of(config), "config.json");
    INFO(config << ": " << (parsed ? "accepted" : parsed.error().text()));
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().status.code == Errc::invalid_header);
    CHECK(contains(parsed.error().detail, row.field));
    CHECK(contains(parsed.error().subject, "config.json"));
  }
  for (auto const& [text, word, code] :
       {std::tuple{R"({"quantization_config": 4})", "quantization_config", Errc::invalid_header},
        {R"({"quantization_config": {}})", "quant_method", Errc::invalid_header},
        {R"({"quantization_config": {"load_in_4bit": false}})", "quant_method",
         Errc::invalid_header},
        {R"({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": true,
             "load_in_8bit": true}})",
         "both true", Errc::invalid_header},
        {R"({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": true,
             "_load_in_4bit": false}})",
         "contradict", Errc::invalid_header},
        {R"({"a": 1, "a": 2})", "twice", Errc::duplicate_name},
        {"{", "JSON", Errc::invalid_json}}) {
    auto const parsed = io::parse_model_config(bytes_of(text), "config.json");
    INFO(text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().status.code == code);
    CHECK(contains(parsed.error().text(), word));
  }
  CHECK(rows.size() >= 60);
}

TEST_CASE("Shards that do not belong together are refused by name", "[io]") {
  auto const shard = [](std::string const& name) {
    return file_of("{\"" + name + R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1);
  };
  auto const opened = [](Folder const& folder, std::string const& index) {
    save(folder / "model.safetensors.index.json", index);
    return io::Checkpoint::open(folder.path());
  };
  Folder folder;
  save(folder / "x.safetensors", shard("a"));
  save(folder / "y.safetensors", shard("b"));
  std::string const both = R"({"weight_map": {"a": "x.safetensors", "b": "y.safetensors"}})";
  auto const good = opened(folder, both);
  REQUIRE(good);
  CHECK(good->is_sharded());
  CHECK(good->locate("b"));
  CHECK_FALSE(good->locate("c"));

  auto const refused = [&](std::string const& index, Errc code, std::string const& subject) {
    auto const checkpoint = opened(folder, index);
    INFO(index << ": " << (checkpoint ? "accepted" : checkpoint.error().text()));
    REQUIRE_FALSE(checkpoint);
    CHECK(checkpoint.error().status.code == code);
    CHECK(contains(checkpoint.error().subject, subject));
  };
  refused(R"({"weight_map": {"a": "x.safetensors", "c": "y.safetensors"}})", Errc::not_found, "c");
  refused(R"({"weight_map": {"b": "x.safetensors", "a": "y.safetensors"}})", Errc::not_found, "");
  refused(R"({"weight_map": {"a": "x.safetensors", "b": "z.safetensors"}})", Errc::file_error, "z");
  save(folder / "y.safetensors", shard("a"));
  refused(both, Errc::duplicate_name, "a in");
  save(folder / "y.safetensors",
       file_of(R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
               R"("extra":{"dtype":"U8","shape":[0],"data_offsets":[1,1]}})",
               1));
  refused(both, Errc::invalid_header, "extra");
  save(folder / "y.safetensors", shard("b").substr(0, 20));
  refused(both, Errc::file_truncated, "y.safetensors");
  Folder const empty;
  auto const nothing = io::Checkpoint::open(empty.path());
  REQUIRE_FALSE(nothing);
  CHECK(nothing.error().status.code == Errc::not_found);
}
