// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Files that break the format: which error each one gets, and whom it names.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include "io/files.hpp"

using namespace io_test;
using qfmt::Errc;
using qfmt::io::parse_safetensors, qfmt::io::SafetensorsFile, qfmt::io::TensorInfo;

namespace {

/// A broken file: what is wrong, which error, the tensor it must name ("" where the fault is the
/// file's), words of the detail, the bytes.
struct Broken {
  std::string what;
  Errc expected;
  std::string tensor;
  std::string detail;
  std::string bytes;
};

std::string const good_fields = R"("dtype":"F32","shape":[1],"data_offsets":[0,4])";

std::string tensor(std::string const& name, std::string const& dtype, std::string const& shape,
                   std::string const& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":[" + shape +
         "],\"data_offsets\":[" + offsets + "]}";
}
std::string good(std::string const& name) { return tensor(name, "F32", "1", "0,4"); }
/// A file of one tensor of 4 bytes called t.
std::string fields(std::string const& text) { return file_of("{\"t\":{" + text + "}}", 4); }
std::string shaped(std::string const& dtype, std::string const& shape, std::string const& offsets,
                   std::size_t data) {
  return file_of("{" + tensor("t", dtype, shape, offsets) + "}", data);
}
std::string repeat(std::string const& text, std::size_t count) {
  std::string result;
  for (std::size_t i = 0; i < count; ++i) result += text;
  return result;
}

using Rows = std::vector<Broken>;

void add_lengths(Rows& rows) {
  for (std::size_t n = 0; n < 8; ++n)
    rows.push_back({"a file of " + std::to_string(n) + " bytes", Errc::file_truncated, "",
                    "shorter than the 8 bytes", file_of("{}").substr(0, n)});
  auto const too_large = [&](std::uint64_t length) {
    rows.push_back({"a length of " + std::to_string(length), Errc::header_too_large, "", "100 MB",
                    length_bytes(length) + "{}"});
  };
  too_large(100'000'001);
  too_large(std::uint64_t{1} << 32);
  too_large((std::uint64_t{1} << 63) - 1);
  too_large(std::uint64_t{1} << 63);
  too_large(~std::uint64_t{0} - 8);  // 8 more overflow
  too_large(~std::uint64_t{0} - 7);
  too_large(~std::uint64_t{0});
  for (std::uint64_t const length : {std::uint64_t{3}, std::uint64_t{100'000'000}})
    rows.push_back({"a length of " + std::to_string(length) + " in a file of 10 bytes",
                    Errc::file_truncated, "", "ends within its header",
                    length_bytes(length) + "{}"});
  rows.push_back({"big-endian length", Errc::header_too_large, "", "100 MB",
                  std::string("\0\0\0\0\0\0\0\2{}", 10)});
}

void add_json(Rows& rows) {
  auto const json = [&](std::string const& what, std::string const& text) {
    rows.push_back({what, Errc::invalid_json, "", "not valid JSON", file_of(text)});
  };
  auto const in_tensor = [&](std::string const& what, std::string const& text) {
    rows.push_back({what, Errc::invalid_json, "t", "not valid JSON", fields(text)});
  };
  json("no header", "");
  json("a header of blanks", "        ");
  json("no closing brace", "{");
  json("no opening brace", "}");
  json("garbage", "PK\x03\x04");
  json("a letter after the header", "{}x");
  json("a second object after the header", "{}{}");
  json("an array after the header", "{} []");
  json("a comma after the header", "{},");
  json("a brace too many", "{" + good("t") + "}}");
  json("a form feed is no blank", "\f{}");
  json("a no-break space is no blank", "\xC2\xA0{}");
  json("a comment", "/* */{}");
  json("a line comment", "{}//");
  json("a comma at the end", "{" + good("t") + ",}");
  json("two commas", "{" + good("t") + ",," + good("u") + "}");
  json("no comma", "{" + good("t") + good("u") + "}");
  json("a name in single quotes", "{'t':{}}");
  json("a name without quotes", "{t:{}}");
  json("a number as name", "{1:{}}");
  json("a name without an end", "{\"t");
  json("a raw line break in a name", "{\"a\nb\":{}}");
  json("a raw ESC in a name", "{\"a\033b\":{}}");
  json("an unknown escape", R"({"a\x41":{}})");
  json("a short escape", R"({"a\u12":{}})");
  json("half a byte-order mark", "\xEF\xBB{}");
  json("a byte-order mark after a blank", " \xEF\xBB\xBF{}");
  json("UTF-16", std::string("\xFF\xFE{") + "}");
  in_tensor("no value", "\"dtype\":");
  in_tensor("no colon", "\"dtype\" \"F32\"");
  in_tensor("a comma after the fields", good_fields + ",");
  in_tensor("an array without an end", R"("dtype":"F32","shape":[1)");
  in_tensor("a bracket for a brace", "\"shape\":[1}");

  std::string const nul(1, '\0');
  for (auto const& text :
       {nul, nul + "{}", "{}" + nul, "{" + nul + "}", "{" + good("t") + "}" + nul + "garbage",
        "{\"a" + nul + "b\":{}}", "{}" + nul + nul})
    rows.push_back({"a NUL byte", Errc::invalid_json, "", "NUL", file_of(text, 4)});
  rows.push_back(
      {"a byte-order mark", Errc::invalid_json, "", "byte-order mark", file_of("\xEF\xBB\xBF{}")});

  for (std::string const text : {"\x80",
                                 "\xBF",
                                 "\xC0\xAF",
                                 "\xC1\xBF",
                                 "\xC3",
                                 "\xC3(",
                                 "\xE0\x80\x80",
                                 "\xE0\x9F\xBF",
                                 "\xE2\x82",
                                 "\xED\xA0\x80",
                                 "\xED\xBF\xBF",
                                 "\xF0\x80\x80\x80",
                                 "\xF0\x8F\xBF\xBF",
                                 "\xF0\x9F\x92",
                                 "\xF4\x90\x80\x80",
                                 "\xF5\x80\x80\x80",
                                 "\xF8\x88\x80\x80\x80",
                                 "\xFE",
                                 "\xFF",
                                 "\\ud800",
                                 "\\udc00",
                                 "\\ud800\\u0041",
                                 "\\ud800\\ud800"}) {
    std::string spelled;
    for (char const c : text) spelled += ' ' + std::to_string(static_cast<unsigned char>(c));
    json("no UTF-8 in a name:" + spelled, "{\"" + text + "\":{" + good_fields + "}}");
    json("no UTF-8 in a metadata key:" + spelled, "{\"__metadata__\":{\"" + text + "\":\"\"}}");
    json("no UTF-8 in metadata:" + spelled, "{\"__metadata__\":{\"a\":\"" + text + "\"}}");
    in_tensor("no UTF-8 in a dtype:" + spelled, "\"dtype\":\"" + text + "\"");
  }
}

/// Every value where another kind must stand.
void add_kinds(Rows& rows) {
  struct Place {
    std::string name, before, after, tensor;
    std::vector<std::string> values;
  };
  std::vector<std::string> const everywhere{"null", "true", "false", "-1", "1.5", "1e2"};
  std::vector<Place> const places{
      {"header", "", "", "", {"1", R"("x")", "[]", "[{}]"}},
      {"tensor", R"({"t":)", "}", "t", {"1", R"("x")", "[]", "[{}]"}},
      {"dtype", R"({"t":{"dtype":)", "}}", "t", {"1", "[]", R"(["F32"])", "{}"}},
      {"shape", R"({"t":{"shape":)", "}}", "t", {"1", R"("x")", "[[]]", "[{}]", "{}"}},
      {"dimension", R"({"t":{"shape":[2,)", "]}}", "t", {R"("1")", "[]", "[1]", "{}"}},
      {"data_offsets", R"({"t":{"data_offsets":)", "}}", "t", {"1", R"("x")", "[[]]", "{}"}},
      {"offset", R"({"t":{"data_offsets":[0,)", "]}}", "t", {R"("4")", "[]", "[4]", "{}"}},
      {"__metadata__", R"({"__metadata__":)", "}", "", {"1", R"("x")", "[]", "[{}]"}},
      {"metadata", R"({"__metadata__":{"a":)", "}}", "", {"1", "[]", R"(["x"])", "{}"}},
      {"late metadata", "{" + good("t") + R"(,"__metadata__":{"a":)", "}}", "", {"1", "[]", "{}"}},
  };
  for (Place const& place : places) {
    auto values = everywhere;
    values.insert(values.end(), place.values.begin(), place.values.end());
    for (auto const& value : values)
      rows.push_back({value + " as " + place.name, Errc::invalid_header, place.tensor,
                      "stands where the format has none",
                      file_of(place.before + value + place.after)});
  }
  std::size_t const deep = 100'000;
  for (auto const& [what, before] :
       std::vector<std::pair<std::string, std::string>>{{"header", ""},
                                                        {"tensor", R"({"t":)"},
                                                        {"shape", R"({"t":{"shape":)"},
                                                        {"metadata", R"({"__metadata__":{"a":)"}}) {
    std::string const name = contains(before, "\"t\"") ? "t" : "";
    rows.push_back({"deep arrays as " + what, Errc::invalid_header, name, "an array stands",
                    file_of(before + repeat("[", deep))});
    if (what == "shape" || what == "metadata")
      rows.push_back({"deep objects as " + what, Errc::invalid_header, name, "an object stands",
                      file_of(before + repeat("{\"a\":", deep))});
  }
  rows.push_back({"deep objects as tensor", Errc::invalid_header, "t", "it has a field 'a'",
                  file_of("{\"t\":" + repeat("{\"a\":", deep))});
}

void add_numbers(Rows& rows) {
  struct Number {
    std::string text;
    Errc expected;
    std::string detail;
  };
  for (Number const& n : std::vector<Number>{
           {"NaN", Errc::invalid_json, "JSON"},
           {"Infinity", Errc::invalid_json, "JSON"},
           {"+1", Errc::invalid_json, "JSON"},
           {"01", Errc::invalid_json, "JSON"},
           {"0x4", Errc::invalid_json, "JSON"},
           {".5", Errc::invalid_json, "JSON"},
           {"4.", Errc::invalid_json, "JSON"},
           {"4e", Errc::invalid_json, "JSON"},
           {"-", Errc::invalid_json, "JSON"},
           {"1e999", Errc::invalid_json, "JSON"},
           {"-0", Errc::invalid_header, "negative"},
           {"-4", Errc::invalid_header, "negative"},
           {"-9223372036854775808", Errc::invalid_header, "negative"},
           {"-9223372036854775809", Errc::invalid_header, "no integer of 64 bits"},
           {"4.0", Errc::invalid_header, "no integer of 64 bits"},
           {"4e0", Errc::invalid_header, "no integer of 64 bits"},
           {"1e300", Errc::invalid_header, "no integer of 64 bits"},
           {"9223372036854775808", Errc::size_overflow, "63 bits"},
           {"18446744073709551615", Errc::size_overflow, "63 bits"},
           {"18446744073709551616", Errc::invalid_header, "no integer of 64 bits"},
           {"18446744073709551620", Errc::invalid_header, "no integer of 64 bits"},  // 4 + 2^64
           {repeat("9", 1000), Errc::invalid_json, "JSON"}}) {
    std::string const what = n.text.substr(0, 30);
    rows.push_back(
        {what + " as dimension", n.expected, "t", n.detail, shaped("F32", n.text, "0,4", 4)});
    rows.push_back(
        {what + " as begin", n.expected, "t", n.detail, shaped("F32", "1", n.text + ",4", 4)});
    rows.push_back(
        {what + " as end", n.expected, "t", n.detail, shaped("F32", "1", "0," + n.text, 4)});
  }
}

void add_entries(Rows& rows) {
  auto const refuse = [&](std::string const& what, Errc expected, std::string const& name,
                          std::string const& detail, std::string const& json) {
    rows.push_back({what, expected, name, detail, file_of(json, 4)});
  };
  // Twice the same.
  refuse("two tensors of one name", Errc::duplicate_name, "t", "stands twice",
         "{" + good("t") + "," + good("t") + "}");
  refuse("two tensors of one name, others between", Errc::duplicate_name, "t", "stands twice",
         "{" + good("t") + "," + good("u") + "," + good("t") + "}");
  refuse("one name spelled in two ways", Errc::duplicate_name, "t", "stands twice",
         "{" + good("t") + "," + good("\\u0074") + "}");
  refuse("two tensors without a name", Errc::duplicate_name, "", "stands twice",
         "{" + good("") + "," + good("") + "}");
  refuse("__metadata__ twice", Errc::duplicate_name, "__metadata__", "stands twice",
         R"({"__metadata__":{},"__metadata__":{}})");
  refuse("a metadata key twice", Errc::duplicate_name, "", "'a' twice",
         R"({"__metadata__":{"a":"1","a":"1"}})");
  refuse("a metadata key spelled in two ways", Errc::duplicate_name, "", "'a' twice",
         R"({"__metadata__":{"a":"1","b":"","\u0061":"2"}})");
  refuse("a metadata key twice after a tensor", Errc::duplicate_name, "", "'a' twice",
         "{" + good("t") + R"(,"__metadata__":{"a":"1","a":"1"}})");
  for (std::string const field : {R"("dtype":"F32")", R"("shape":[1])", R"("data_offsets":[0,4])"})
    refuse(field + " twice", Errc::duplicate_name, "t", "stands twice",
           "{\"t\":{" + good_fields + "," + field + "}}");
  refuse("a field spelled in two ways", Errc::duplicate_name, "t", "'dtype' stands twice",
         "{\"t\":{" + good_fields + R"(,"\u0064type":"F32"}})");

  // Fields.
  std::string const missing = "is missing";
  refuse("no fields", Errc::invalid_header, "t", missing, R"({"t":{}})");
  refuse("no dtype", Errc::invalid_header, "t", missing,
         R"({"t":{"shape":[1],"data_offsets":[0,4]}})");
  refuse("no shape", Errc::invalid_header, "t", missing,
         R"({"t":{"dtype":"F32","data_offsets":[0,4]}})");
  refuse("no data_offsets", Errc::invalid_header, "t", missing,
         R"({"t":{"dtype":"F32","shape":[1]}})");
  refuse("no dtype in a second tensor", Errc::invalid_header, "u", missing,
         "{" + good("t") + R"(,"u":{"shape":[0],"data_offsets":[4,4]}})");
  refuse("an unknown field", Errc::invalid_header, "t", "'strides'",
         "{\"t\":{" + good_fields + R"(,"strides":[1]}})");
  refuse("a field in capitals", Errc::invalid_header, "t", "'Dtype'",
         R"({"t":{"Dtype":"F32","shape":[1],"data_offsets":[0,4]}})");
  refuse("an unknown field with an escape sequence", Errc::invalid_header, "t", "'\\x1b[31m'",
         R"({"t":{"\u001b[31m":1}})");
  refuse("no offsets", Errc::invalid_header, "t", "fewer than two",
         "{" + tensor("t", "F32", "1", "") + "}");
  refuse("one offset", Errc::invalid_header, "t", "fewer than two",
         "{" + tensor("t", "F32", "1", "0") + "}");
  refuse("three offsets", Errc::invalid_header, "t", "more than two",
         "{" + tensor("t", "F32", "1", "0,4,4") + "}");

  // Element types.
  for (std::string const dtype : {"", "f32", "F32 ", " F32", "F", "F3", "F32F", "float32", "F128",
                                  "I4", "U4", "F8", "F6_E3M2FN", "Q4_0", "C128", "BF8", "STRING"})
    refuse("the dtype '" + dtype + "'", Errc::unsupported_dtype, "t", "'" + dtype + "' is unknown",
           "{" + tensor("t", dtype, "1", "0,4") + "}");
  refuse("a dtype with an escape sequence", Errc::unsupported_dtype, "t", "'\\x1b[2J'",
         "{" + tensor("t", "\\u001b[2J", "1", "0,4") + "}");
  refuse("a dtype that ends in NUL", Errc::unsupported_dtype, "t", "'F32\\x00'",
         "{" + tensor("t", "F32\\u0000", "1", "0,4") + "}");
  refuse("a dtype of a megabyte", Errc::unsupported_dtype, "t", "' is unknown",
         "{" + tensor("t", repeat("F", 1'000'000), "1", "0,4") + "}");

  // Names.
  auto const bad_name = [&](std::string const& escaped, std::string const& shown) {
    refuse("a control character in a name", Errc::invalid_header, shown, "control characters",
           "{" + good(escaped) + "}");
  };
  bad_name("a\\u0000b", "a\\x00b");
  bad_name("\\u0000", "\\x00");
  bad_name("a\\nb", "a\\x0ab");
  bad_name("a\\tb", "a\\x09b");
  bad_name("\\u001b[31mred", "\\x1b[31mred");
  bad_name("a\\u001f", "a\\x1f");
  bad_name("a\\u007f", "a\\x7f");
  bad_name("a\x7F", "a\\x7f");
  bad_name("a\\u0080", "a\\xc2\\x80");
  bad_name("a\\u009b31m", "a\\xc2\\x9b31m");
  bad_name("a\xC2\x9B", "a\\xc2\\x9b");
  bad_name("a\\u009f", "a\\xc2\\x9f");
  bad_name(repeat("n", 250) + "\\u001b", repeat("n", 200));
  bad_name(repeat("n", 199) + "\\u009b", repeat("n", 199));
  bad_name("a\\u00e9" + repeat("n", 4092) + "\\n", "a\xC3\xA9" + repeat("n", 197));
  refuse("a name of 4097 bytes", Errc::invalid_header, repeat("n", 200), "longer than 4096",
         "{" + good(repeat("n", 4097)) + "}");
  refuse("a name of 4097 bytes that is cut within a character", Errc::invalid_header,
         "n" + repeat("\xC3\xA9", 99), "longer than 4096",
         "{" + good("n" + repeat("\xC3\xA9", 2048)) + "}");

  // Rank.
  refuse("65 dimensions", Errc::invalid_header, "t", "64 dimensions",
         "{" + tensor("t", "F32", repeat("1,", 64) + "1", "0,4") + "}");
  refuse("a million dimensions", Errc::invalid_header, "t", "64 dimensions",
         "{" + tensor("t", "F32", repeat("0,", 999'999) + "0", "0,0") + "}");
}

void add_sizes(Rows& rows) {
  auto const size = [&](Errc expected, std::string const& detail, std::string const& dtype,
                        std::string const& shape, std::string const& offsets, std::size_t data) {
    rows.push_back({dtype + " [" + shape + "] at " + offsets, expected, "t", detail,
                    shaped(dtype, shape, offsets, data)});
  };
  std::string const values = "more than 2^63 values", bits = "more than 2^63 bits";
  // Products that are 0, 4 or the like modulo 2^64.
  size(Errc::size_overflow, values, "U8", "4294967296,4294967296", "0,0", 0);
  size(Errc::size_overflow, values, "F32", "4294967296,4294967296", "0,0", 0);
  size(Errc::size_overflow, values, "U8", "4294967296,2147483648", "0,4", 4);
  size(Errc::size_overflow, values, "F32", "9223372036854775807,3", "0,4", 4);
  size(Errc::size_overflow, values, "U8", "6148914691236517206,3", "0,2", 2);
  size(Errc::size_overflow, values, "U8", "4611686018427387904,4,0", "0,0", 0);
  size(Errc::size_overflow, values, "U8", "4611686018427387904,0,4", "0,0", 0);
  size(Errc::size_overflow, values, "U8", "0,4611686018427387904,4", "0,0", 0);
  size(Errc::size_overflow, bits, "F32", "1073741824,1073741824", "0,0", 0);
  size(Errc::size_overflow, bits, "U8", "1152921504606846976", "0,0", 0);
  size(Errc::size_overflow, bits, "U8", "2305843009213693953", "0,1", 1);
  size(Errc::size_overflow, bits, "U64", "144115188075855872", "0,0", 0);
  size(Errc::size_overflow, bits, "F4", "2305843009213693952", "0,0", 0);
  size(Errc::size_overflow, bits, "F4", "9223372036854775807", "0,0", 0);
  size(Errc::size_overflow, bits, "BOOL", "9223372036854775807", "0,9223372036854775807", 0);
  // Just below the limit the size is right and the file too short.
  size(Errc::file_truncated, "after the end", "U8", "1152921504606846975", "0,1152921504606846975",
       4);
  size(Errc::file_truncated, "after the end", "F4", "2305843009213693950", "0,1152921504606846975",
       4);

  std::string const whole = "whole bytes";
  size(Errc::invalid_header, whole, "F4", "1", "0,1", 1);
  size(Errc::invalid_header, whole, "F4", "3,5", "0,8", 8);
  size(Errc::invalid_header, whole, "F4", "3,5", "0,7", 7);
  size(Errc::invalid_header, whole, "F4", "", "0,1", 1);
  for (std::string const f6 : {"F6_E2M3", "F6_E3M2"}) {
    size(Errc::invalid_header, whole, f6, "1", "0,1", 1);
    size(Errc::invalid_header, whole, f6, "2", "0,2", 2);
    size(Errc::invalid_header, whole, f6, "3", "0,3", 3);
    size(Errc::invalid_header, whole, f6, "3,3", "0,7", 7);
  }

  std::string const span = "its offsets span";
  size(Errc::invalid_offsets, span, "F32", "1", "0,3", 3);
  size(Errc::invalid_offsets, span, "F32", "1", "0,5", 5);
  size(Errc::invalid_offsets, span, "F32", "1", "0,0", 0);
  size(Errc::invalid_offsets, span, "F32", "", "0,0", 0);
  size(Errc::invalid_offsets, span, "F32", "0", "0,4", 4);
  size(Errc::invalid_offsets, span, "F16", "2", "0,8", 8);
  size(Errc::invalid_offsets, span, "BF16", "2", "0,2", 2);
  size(Errc::invalid_offsets, span, "F64", "1", "0,4", 4);
  size(Errc::invalid_offsets, span, "C64", "1", "0,16", 16);
  size(Errc::invalid_offsets, span, "F6_E2M3", "4", "0,4", 4);
  size(Errc::invalid_offsets, span, "F4", "4", "0,4", 4);
  size(Errc::invalid_offsets, span, "BOOL", "8", "0,1", 1);
  size(Errc::invalid_offsets, span, "U8", "4", "0,9223372036854775807", 4);
}

void add_offsets(Rows& rows) {
  auto const place = [&](std::string const& what, Errc expected, std::string const& name,
                         std::string const& detail, std::vector<std::string> const& tensors,
                         std::size_t data) {
    std::string json;
    for (auto const& t : tensors) json += (json.empty() ? "{" : ",") + t;
    rows.push_back({what, expected, name, detail, file_of(json + "}", data)});
  };
  auto const u8 = [](std::string const& name, int begin, int end) {
    return tensor(name, "U8", std::to_string(end - begin),
                  std::to_string(begin) + "," + std::to_string(end));
  };
  auto const offsets = Errc::invalid_offsets;
  place("a hole at the beginning", offsets, "t", "hole", {u8("t", 1, 5)}, 5);
  place("a hole between", offsets, "u", "hole", {u8("t", 0, 4), u8("u", 5, 9)}, 9);
  place("a hole before what stands first", offsets, "u", "hole", {u8("u", 5, 9), u8("t", 0, 4)}, 9);
  place("a zero-size tensor after a hole", offsets, "u", "hole", {u8("t", 0, 4), u8("u", 5, 5)}, 5);
  place("a zero-size tensor behind the end", offsets, "u", "hole", {u8("t", 0, 4), u8("u", 8, 8)},
        4);
  place("a zero-size tensor that does not begin at 0", offsets, "t", "hole", {u8("t", 4, 4)}, 0);
  place("overlap", offsets, "u", "overlap", {u8("t", 0, 4), u8("u", 3, 7)}, 7);
  place("a tensor within another", offsets, "u", "overlap", {u8("t", 0, 8), u8("u", 2, 4)}, 8);
  place("a zero-size tensor within another", offsets, "u", "overlap",
        {u8("t", 0, 8), u8("u", 4, 4)}, 8);
  place("two at one place", offsets, "u", "overlap", {u8("t", 0, 4), u8("u", 0, 4)}, 4);
  place("two at one place, one longer", offsets, "u", "overlap", {u8("u", 0, 8), u8("t", 0, 4)}, 8);
  place("an end before the beginning", offsets, "t", "hole", {tensor("t", "U8", "4", "4,0")}, 4);
  place("a second end before the beginning", offsets, "u", "ends before it begins",
        {u8("t", 0, 4), tensor("u", "U8", "0", "4,3")}, 4);
  place("an end before the beginning that brings back the sum", Errc::file_truncated, "t",
        "after the end", {u8("t", 0, 8), tensor("u", "U8", "4", "8,4")}, 4);
  place("one byte follows", Errc::file_has_trailing_bytes, "", "1 bytes follow", {u8("t", 0, 4)},
        5);
  place("a page follows", Errc::file_has_trailing_bytes, "", "4096 bytes follow", {u8("t", 0, 4)},
        4100);
  place("bytes follow a zero-size tensor", Errc::file_has_trailing_bytes, "", "4 bytes follow",
        {u8("t", 0, 0)}, 4);
  rows.push_back({"bytes follow a file without tensors", Errc::file_has_trailing_bytes, "",
                  "1 bytes follow", file_of("{}", 1)});
  rows.push_back({"bytes follow a file with nothing but metadata", Errc::file_has_trailing_bytes,
                  "", "1 bytes follow", file_of(R"({"__metadata__":{"a":"b"}})", 1)});
  place("one byte is lost", Errc::file_truncated, "t", "after the end", {u8("t", 0, 4)}, 3);
  place("all data is lost", Errc::file_truncated, "t", "after the end", {u8("t", 0, 4)}, 0);
  place("the second tensor is lost", Errc::file_truncated, "u", "after the end",
        {u8("u", 4, 8), u8("t", 0, 4)}, 4);
}

Rows broken_files() {
  Rows rows;
  add_lengths(rows);
  add_json(rows);
  add_kinds(rows);
  add_numbers(rows);
  add_entries(rows);
  add_sizes(rows);
  add_offsets(rows);
  return rows;
}

/// Fit for a terminal and for JSON: UTF-8, no control characters, not endless.
bool presentable(std::string const& text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto const c = static_cast<unsigned char>(text[i]);
    auto const next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0u;
    if (c < 0x20 || c == 0x7F || (c == 0xC2 && next < 0xA0)) return false;
  }
  auto const json = nlohmann::json::parse("\"" + text + "\"", nullptr, false);
  return (!json.is_discarded() || contains(text, "\\") || contains(text, "\"")) &&
         text.size() < 1000;
}

void check_error(qfmt::io::Error const& error, Broken const& row, std::string const& file) {
  CHECK(error.status.code == row.expected);
  CHECK(error.status.native == 0);
  CHECK(error.subject == (row.tensor.empty() ? file : row.tensor + " in " + file));
  INFO("detail: " << error.detail);
  CHECK(contains(error.detail, row.detail));
  CHECK(error.text() == error.subject + ": " + error.detail);
  CHECK(presentable(error.text()));
}

/// Names of every kind, every shape of interest, an empty tensor, all shuffled.
std::string small_file() {
  return file_of(
      "{\"__metadata__\":{\"format\":\"pt\",\"note\":\"\\u00e9\"}," +
          tensor("model.b", "F16", "2,3", "8,20") + "," + tensor("a.\xC3\xA9", "F32", "2", "0,8") +
          "," + tensor("empty", "U8", "0,4", "20,20") + "," + tensor("scalar", "I8", "", "20,21") +
          "," + tensor("six", "F6_E3M2", "4", "21,24") + "}  ",
      24);
}

}  // namespace

TEST_CASE("A malformed file is refused with the rule that it breaks and with whose fault it is",
          "[io]") {
  auto const rows = broken_files();
  CHECK(rows.size() > 300);
  GuardedBytes memory(8'000'000);
  Folder const folder;
  for (Broken const& row : rows) {
    CAPTURE(row.what);
    auto const parsed = parse_safetensors(memory.hold(row.bytes), "in memory");
    CHECK(!parsed);
    if (parsed) continue;
    check_error(parsed.error(), row, "in memory");

    auto const path = folder / "file.safetensors";
    save(path, row.bytes);
    auto const opened = SafetensorsFile::open(path);
    CHECK(!opened);
    if (!opened) check_error(opened.error(), row, path.string());
  }
}

TEST_CASE("What the format allows is accepted", "[io]") {
  struct Sound {
    std::string what, bytes;
    std::vector<std::string> names;  // by offset
  };
  std::string const ones = repeat("1,", 63) + "1";
  std::string const long_name = repeat("n", 4096), accents = repeat("\xC3\xA9", 2048);
  std::vector<Sound> const rows{
      {"no tensors", file_of("{}"), {}},
      {"no tensors but metadata", file_of(R"({"__metadata__":{"a":"b"}})"), {}},
      {"empty metadata", file_of(R"({"__metadata__":{}})"), {}},
      {"metadata last", file_of("{" + good("t") + R"(,"__metadata__":{"t":"t"}})", 4), {"t"}},
      {"metadata with control characters", file_of(R"({"__metadata__":{"\u0000":"\u001b"}})"), {}},
      {"blanks around", file_of(" \t\r\n{" + good("t") + "} \t\r\n", 4), {"t"}},
      {"a page of blanks before", file_of(repeat(" ", 4096) + "{" + good("t") + "}", 4), {"t"}},
      {"blanks within",
       file_of("{ \"t\" :\n{ \"dtype\" : \"U8\" , \"shape\" : [ 1 ] , \"data_offsets\" : [ 0 , 1 ] "
               "} }",
               1),
       {"t"}},
      {"fields in another order",
       file_of(R"({"t":{"data_offsets":[0,4],"shape":[1],"dtype":"F32"}})", 4),
       {"t"}},
      {"rank 0", shaped("F32", "", "0,4", 4), {"t"}},
      {"zero size", shaped("F32", "0", "0,0", 0), {"t"}},
      {"zero size and a large dimension", shaped("U8", "0,1152921504606846975", "0,0", 0), {"t"}},
      {"rank 64", shaped("F32", ones, "0,4", 4), {"t"}},
      {"four bits", shaped("F4", "3,2", "0,3", 3), {"t"}},
      {"six bits", shaped("F6_E2M3", "2,2", "0,3", 3), {"t"}},
      {"six bits", shaped("F6_E3M2", "8", "0,6", 6), {"t"}},
      {"offsets that are not aligned",
       file_of("{" + tensor("t", "U8", "1", "0,1") + "," + tensor("u", "F64", "1", "1,9") + "}", 9),
       {"t", "u"}},
      {"another order than that of the data",
       file_of("{" + tensor("t", "U8", "1", "2,3") + "," + tensor("u", "U8", "2", "0,2") + "}", 3),
       {"u", "t"}},
      {"zero-size tensors share an offset",
       file_of("{" + tensor("d", "U8", "0", "2,2") + "," + tensor("c", "U8", "0,2", "2,2") + "," +
                   tensor("b", "U8", "2", "0,2") + "," + tensor("a", "F64", "0", "0,0") + "," +
                   tensor("e", "U8", "1", "2,3") + "," + tensor("f", "U8", "0", "3,3") + "}",
               3),
       {"a", "b", "c", "d", "e", "f"}},
      {"no name", file_of("{" + good("") + "}", 4), {""}},
      {"a name of 4096 bytes", file_of("{" + good(long_name) + "}", 4), {long_name}},
      {"a name of 2048 characters", file_of("{" + good(accents) + "}", 4), {accents}},
      {"a name with escapes",
       file_of("{" + good(R"(a\"\\\/\u00e9\ud83d\ude00)") + "}", 4),
       {"a\"\\/\xC3\xA9\xF0\x9F\x98\x80"}},
      {"no-break space is no control character",
       file_of("{" + good("\xC2\xA0") + "}", 4),
       {"\xC2\xA0"}},
      {"names that differ in case or in normal form",
       file_of("{" + tensor("T", "U8", "1", "0,1") + "," + tensor("t", "U8", "1", "1,2") + "," +
                   tensor("\xC3\xA9", "U8", "1", "2,3") + "," +
                   tensor("e\xCC\x81", "U8", "1", "3,4") + "}",
               4),
       {"T", "t", "\xC3\xA9", "e\xCC\x81"}},
      {"a tensor called metadata", file_of("{" + good("metadata") + "}", 4), {"metadata"}},
  };
  GuardedBytes memory(1 << 16);
  for (Sound const& row : rows) {
    CAPTURE(row.what);
    auto const parsed = parse_safetensors(memory.hold(row.bytes), "in memory");
    if (!parsed) FAIL_CHECK(parsed.error().text());
    if (!parsed) continue;
    std::vector<std::string> names;
    for (TensorInfo const& t : parsed->tensors) names.push_back(t.name);
    CHECK(names == row.names);
    CHECK(tiles(parsed->tensors, static_cast<std::int64_t>(row.bytes.size()) - parsed->data_begin));
  }
}

TEST_CASE("What a header says comes through", "[io]") {
  auto const bytes = small_file();
  auto const parsed = parse_safetensors(bytes_of(bytes), "in memory");
  REQUIRE(parsed);
  CHECK(parsed->metadata == qfmt::io::Metadata{{"format", "pt"}, {"note", "\xC3\xA9"}});
  CHECK(parsed->data_begin == static_cast<std::int64_t>(bytes.size()) - 24);
  auto const& t = parsed->tensors;
  REQUIRE(t.size() == 5);
  CHECK((t[0].name == "a.\xC3\xA9" && t[0].dtype == qfmt::io::Dtype::F32));
  CHECK((t[1].name == "model.b" && t[1].dtype == qfmt::io::Dtype::F16));
  CHECK((t[2].name == "empty" && t[2].dtype == qfmt::io::Dtype::U8));
  CHECK((t[3].name == "scalar" && t[3].dtype == qfmt::io::Dtype::I8));
  CHECK((t[4].name == "six" && t[4].dtype == qfmt::io::Dtype::F6_E3M2));
  CHECK(t[0].shape == std::vector<std::int64_t>{2});
  CHECK(t[1].shape == std::vector<std::int64_t>{2, 3});
  CHECK(t[2].shape == std::vector<std::int64_t>{0, 4});
  CHECK(t[3].shape.empty());
  CHECK((t[1].begin == 8 && t[1].end == 20 && t[1].bytes() == 12));
  CHECK((t[2].begin == 20 && t[2].bytes() == 0));
  CHECK((t[4].begin == 21 && t[4].end == 24));
}

TEST_CASE("A header of a million tensors is accepted, one more is not", "[io]") {
  for (std::size_t const count : {std::size_t{1'000'000}, std::size_t{1'000'001}}) {
    std::string json = "{";
    json.reserve(60'000'000);
    for (std::size_t i = 0; i < count; ++i) {
      if (i != 0) json += ',';
      json += "\"" + std::to_string(i) + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
    }
    auto const bytes = file_of(json + "}");
    auto const parsed = parse_safetensors(bytes_of(bytes), "in memory");
    if (count == 1'000'000) {
      REQUIRE(parsed);
      CHECK(parsed->tensors.size() == count);
    } else {
      REQUIRE(!parsed);
      CHECK(parsed.error().status.code == Errc::header_too_large);
      CHECK(parsed.error().subject == "1000000 in in memory");
    }
  }
}

TEST_CASE("A header of 100,000,000 bytes is accepted", "[io]") {
  std::string json = "{}";
  json.resize(100'000'000, ' ');
  auto const bytes = file_of(json);
  CHECK(parse_safetensors(bytes_of(bytes), "in memory"));
}

TEST_CASE("A file cut at any byte is refused as cut", "[io]") {
  auto const whole = small_file();
  REQUIRE(parse_safetensors(bytes_of(whole), "whole"));
  GuardedBytes memory(whole.size());
  Folder const folder;
  auto const path = folder / "cut.safetensors";
  save(path, whole);
  REQUIRE(SafetensorsFile::open(path));
  for (std::size_t size = whole.size(); size-- > 0;) {
    CAPTURE(size);
    auto const parsed = parse_safetensors(memory.hold(whole.substr(0, size)), "cut");
    REQUIRE(!parsed);
    CHECK(parsed.error().status.code == Errc::file_truncated);
    CHECK(contains(parsed.error().subject, "cut"));

    std::filesystem::resize_file(path, size);
    auto const opened = SafetensorsFile::open(path);
    REQUIRE(!opened);
    CHECK(opened.error().status.code == Errc::file_truncated);
    CHECK(contains(opened.error().subject, path.string()));
  }
  auto const longer = parse_safetensors(memory.hold(whole + " "), "longer");
  REQUIRE(!longer);
  CHECK(longer.error().status.code == Errc::file_has_trailing_bytes);
}

TEST_CASE("A header with one bit flipped is refused or still describes all of the data", "[io]") {
  auto const whole = small_file();
  std::size_t const header = whole.size() - 24;
  GuardedBytes memory(whole.size());
  std::size_t refused = 0, accepted = 0;
  for (std::size_t bit = 0; bit < header * 8; ++bit) {
    CAPTURE(bit);
    auto flipped = whole;
    flipped[bit / 8] =
        static_cast<char>(static_cast<unsigned char>(flipped[bit / 8]) ^ 1u << bit % 8);
    auto const parsed = parse_safetensors(memory.hold(flipped), "flipped");
    if (!parsed) {
      ++refused;
      CHECK(parsed.error().status.code != Errc::ok);
      CHECK(contains(parsed.error().subject, "flipped"));
      CHECK(presentable(parsed.error().text()));
      continue;
    }
    ++accepted;
    CHECK(bit >= 64);  // the length has one right value
    CHECK(parsed->data_begin == static_cast<std::int64_t>(header));
    CHECK(parsed->tensors.size() == 5);
    CHECK(tiles(parsed->tensors, 24));
  }
  CHECK(refused > 1000);
  CHECK(accepted > 50);  // letters of names and metadata
}
