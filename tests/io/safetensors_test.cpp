// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Files on disk: what the writer leaves behind, byte by byte and failure by failure, and what the
// reader makes of it.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <map>
#include <random>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "io/files.hpp"
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <sys/stat.h>

#ifdef QFMT_HAS_RAPIDCHECK
#include <rapidcheck.h>
#endif

using namespace io_test;
using qfmt::Errc;
using qfmt::io::Dtype, qfmt::io::Error, qfmt::io::MappedFile, qfmt::io::Metadata,
    qfmt::io::SafetensorsFile, qfmt::io::SafetensorsWriter, qfmt::io::TensorInfo;

static_assert(!std::is_copy_constructible_v<MappedFile> &&
              !std::is_copy_constructible_v<SafetensorsFile> &&
              !std::is_copy_constructible_v<SafetensorsWriter>);

namespace {

TensorInfo info(std::string name, Dtype dtype, std::vector<std::int64_t> shape) {
  TensorInfo result;
  result.name = std::move(name);
  result.dtype = dtype;
  result.shape = std::move(shape);
  return result;
}

/// Bytes in which no two neighbours are alike.
std::string pattern(std::size_t size, unsigned seed = 1) {
  std::string result;
  for (std::size_t i = 0; i < size; ++i) result += static_cast<char>(i * 7 + seed * 31);
  return result;
}

using Contents = std::map<std::string, std::string>;

/// Writes the file and checks that nothing went wrong.
void write_file(std::filesystem::path const& path, std::vector<TensorInfo> tensors,
                Metadata const& metadata, Contents const& contents, bool overwrite = false) {
  auto writer = SafetensorsWriter::create(path, std::move(tensors), metadata, overwrite);
  if (!writer) FAIL(writer.error().text());
  for (auto const& [name, bytes] : contents) REQUIRE(!writer->write(name, bytes_of(bytes)));
  if (Error const e = writer->commit()) FAIL(e.text());
  REQUIRE(static_cast<std::uintmax_t>(writer->file_bytes()) == std::filesystem::file_size(path));
}

#if defined(__SANITIZE_ADDRESS__)
constexpr bool is_sanitized = true;
#elif defined(__has_feature)
constexpr bool is_sanitized = __has_feature(address_sanitizer);
#else
constexpr bool is_sanitized = false;
#endif

std::size_t open_descriptors() {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

/// No file may grow beyond this size while it lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    rlimit const limit{bytes, old_.rlim_max};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) throw std::runtime_error("no limit");
  }
  FileSizeLimit(FileSizeLimit const&) = delete;
  FileSizeLimit& operator=(FileSizeLimit const&) = delete;
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit old_{};
  void (*handler_)(int);
};

}  // namespace

// --- Writer: the layout ------------------------------------------------------------------------

TEST_CASE("A file of one tensor is, byte for byte, what safetensors 0.5.3 writes", "[io]") {
  Folder const folder;
  auto const path = folder / "one.safetensors";
  std::string const data = pattern(24);
  write_file(path, {info("name", Dtype::F32, {2, 3})}, {{"format", "pt"}}, {{"name", data}});
  std::string const header =
      R"({"__metadata__":{"format":"pt"},"name":{"dtype":"F32","shape":[2,3],)"
      R"("data_offsets":[0,24]}}     )";
  REQUIRE(header.size() == 0x60);
  CHECK(load(path) == std::string("\x60\0\0\0\0\0\0\0", 8) + header + data);
}

TEST_CASE("A file of three tensors is, byte for byte, what safetensors 0.5.3 writes", "[io]") {
  Folder const folder;
  auto const path = folder / "three.safetensors";
  write_file(path,
             {info("b\"\\\xC3\xA9\xE6\x97\xA5/", Dtype::U8, {1}), info("a", Dtype::U8, {}),
              info("z", Dtype::I16, {0})},
             {}, {{"b\"\\\xC3\xA9\xE6\x97\xA5/", "\1"}, {"a", "\2"}});
  std::string const header = R"({"z":{"dtype":"I16","shape":[0],"data_offsets":[0,0]},)"
                             R"("a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},)"
                             "\"b\\\"\\\\\xC3\xA9\xE6\x97\xA5/\":"
                             R"({"dtype":"U8","shape":[1],"data_offsets":[1,2]}} )";
  REQUIRE(header.size() == 0xA8);
  CHECK(load(path) == std::string("\xA8\0\0\0\0\0\0\0", 8) + header + "\2\1");
}

TEST_CASE("Metadata is escaped as safetensors 0.5.3 does, and a full header gets no padding",
          "[io]") {
  Folder const folder;
  auto const path = folder / "metadata.safetensors";
  write_file(path, {info("a", Dtype::U8, {1})}, {{"q\"\n\x01", std::string("\x7F\xC3\xA9\b\f\t")}},
             {{"a", "\1"}});
  std::string const header =
      "{\"__metadata__\":{\"q\\\"\\n\\u0001\":\"\x7F\xC3\xA9\\b\\f\\t\"},"
      R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  REQUIRE(header.size() == 0x60);
  CHECK(load(path) == std::string("\x60\0\0\0\0\0\0\0", 8) + header + "\1");
}

TEST_CASE("A file without tensors is 16 bytes long", "[io]") {
  Folder const folder;
  auto const path = folder / "empty.safetensors";
  write_file(path, {}, {}, {});
  CHECK(load(path) == std::string("\x08\0\0\0\0\0\0\0{}      ", 16));
  auto const file = SafetensorsFile::open(path);
  REQUIRE(file);
  CHECK(file->tensors().empty());
  CHECK(file->metadata().empty());
  CHECK(file->header_bytes() == 16);
  CHECK(file->file_bytes() == 16);
}

TEST_CASE("Metadata without tensors keeps its order", "[io]") {
  Folder const folder;
  auto const path = folder / "metadata.safetensors";
  Metadata const metadata{{"z", "1"}, {"a", ""}, {"", "3"}};
  write_file(path, {}, metadata, {});
  CHECK(load(path).substr(8) == "{\"__metadata__\":{\"z\":\"1\",\"a\":\"\",\"\":\"3\"}}");
  auto const file = SafetensorsFile::open(path);
  REQUIRE(file);
  CHECK(file->metadata() == metadata);
}

TEST_CASE("Every element type passes through untouched, in the order of safetensors 0.8.0",
          "[io]") {
  struct Row {
    std::string dtype;
    std::size_t bytes;  // of 4 values
  };
  // The reference knows no F6 tensor in Python; its enumeration has them between F4 and U8.
  std::vector<Row> const order{
      {"U64", 32},    {"I64", 32},        {"F64", 32},        {"C64", 32},    {"F32", 16},
      {"U32", 16},    {"I32", 16},        {"BF16", 8},        {"F16", 8},     {"U16", 8},
      {"I16", 8},     {"F8_E5M2FNUZ", 4}, {"F8_E4M3FNUZ", 4}, {"F8_E8M0", 4}, {"F8_E4M3", 4},
      {"F8_E5M2", 4}, {"I8", 4},          {"U8", 4},          {"F6_E3M2", 3}, {"F6_E2M3", 3},
      {"F4", 2},      {"BOOL", 4},
  };
  REQUIRE(order.size() == qfmt::io::dtype_table.size());
  std::vector<TensorInfo> tensors;
  Contents contents;
  for (auto const& row : order) {
    auto const dtype = qfmt::io::dtype_named(row.dtype);
    REQUIRE(dtype);
    CHECK(qfmt::io::traits_of(*dtype).name == row.dtype);
    // Two names of each, the later first.
    tensors.push_back(info(row.dtype + ".2", *dtype, {4}));
    tensors.push_back(info(row.dtype + ".1", *dtype, {2, 2}));
    contents[row.dtype + ".1"] = pattern(row.bytes, static_cast<unsigned>(tensors.size()));
    contents[row.dtype + ".2"] = pattern(row.bytes, static_cast<unsigned>(tensors.size()) + 100);
  }
  std::mt19937 random(5);
  std::shuffle(tensors.begin(), tensors.end(), random);
  Folder const folder;
  auto const path = folder / "types.safetensors";
  write_file(path, tensors, {}, contents);

  std::string header, data;
  for (auto const& row : order)
    for (std::string const suffix : {".1", ".2"}) {
      auto const name = row.dtype + suffix;
      auto const begin = data.size();
      data += contents[name];
      header += (header.empty() ? "{\"" : ",\"") + name + "\":{\"dtype\":\"" + row.dtype +
                "\",\"shape\":" + (suffix == ".1" ? "[2,2]" : "[4]") + ",\"data_offsets\":[" +
                std::to_string(begin) + "," + std::to_string(data.size()) + "]}";
    }
  header += "}";
  while (header.size() % 8 != 0) header += ' ';
  CHECK(load(path) == length_bytes(header.size()) + header + data);

  auto const file = SafetensorsFile::open(path);
  REQUIRE(file);
  REQUIRE(file->tensors().size() == tensors.size());
  for (auto const& t : tensors) {
    CAPTURE(t.name);
    auto const* const found = file->find(t.name);
    REQUIRE(found != nullptr);
    CHECK(found->dtype == t.dtype);
    CHECK(found->shape == t.shape);
    CHECK(text_of(file->bytes(*found)) == contents[t.name]);
  }
}

TEST_CASE("The writer tells its layout before anything is written", "[io]") {
  Folder const folder;
  auto const writer = SafetensorsWriter::create(
      folder / "a", {info("a", Dtype::U8, {3}), info("b", Dtype::F64, {2})}, {});
  REQUIRE(writer);
  REQUIRE(writer->tensors().size() == 2);
  CHECK((writer->tensors()[0].name == "b" && writer->tensors()[0].begin == 0 &&
         writer->tensors()[0].end == 16));
  CHECK((writer->tensors()[1].name == "a" && writer->tensors()[1].begin == 16 &&
         writer->tensors()[1].end == 19));
  CHECK(writer->file_bytes() == 8 + 112 + 19);
}

TEST_CASE("The data part begins at a multiple of 8 whatever the length of the names", "[io]") {
  Folder const folder;
  for (std::size_t n = 1; n <= 16; ++n) {
    auto const path = folder / std::to_string(n);
    std::string const name(n, 'n');
    write_file(path, {info(name, Dtype::U8, {3})}, {}, {{name, "abc"}});
    auto const file = SafetensorsFile::open(path);
    REQUIRE(file);
    auto const json = static_cast<std::int64_t>(52 + n);
    CHECK(file->header_bytes() == 8 + (json + 7) / 8 * 8);
    CHECK(text_of(file->bytes(file->tensors()[0])) == "abc");
  }
}

TEST_CASE("Names and metadata of any text come back as they went", "[io]") {
  std::vector<std::string> const texts{"plain",
                                       "",
                                       " ",
                                       "\"",
                                       "\\",
                                       "\\\\\"",
                                       "\\u0041",
                                       "a/b",
                                       "{\"a\":1}",
                                       "]},",
                                       "\xC3\xA9",
                                       "e\xCC\x81",
                                       "\xEF\xBF\xBD",
                                       "\xEF\xBB\xBF"
                                       "bom",
                                       "\xF0\x9F\x98\x80",
                                       "\xE2\x80\xAE",
                                       "__metadata",
                                       "%s%n",
                                       "\xC2\xA0",
                                       std::string(4096, 'n')};
  std::vector<TensorInfo> tensors;
  Metadata metadata;
  Contents contents;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    tensors.push_back(info(texts[i], Dtype::U8, {1}));
    metadata.emplace_back(texts[i], texts[texts.size() - 1 - i]);
    contents[texts[i]] = std::string(1, static_cast<char>(i));
  }
  metadata.emplace_back(std::string("\0\x1B\r\n\x7F", 5), std::string("\0", 1));
  Folder const folder;
  auto const path = folder / "names.safetensors";
  write_file(path, tensors, metadata, contents);
  auto const file = SafetensorsFile::open(path);
  if (!file) FAIL(file.error().text());
  CHECK(file->metadata() == metadata);
  CHECK(file->tensors().size() == texts.size());
  for (auto const& text : texts) {
    CAPTURE(text);
    REQUIRE(file->find(text) != nullptr);
    CHECK(file->find(text)->name == text);
    CHECK(text_of(file->bytes(*file->find(text))) == contents[text]);
  }
}

TEST_CASE("Tensors are written in any order and in pieces of any size", "[io]") {
  Folder const folder;
  auto const path = folder / "pieces.safetensors";
  Contents const contents{{"a", pattern(1000, 1)}, {"b", pattern(4096, 2)}, {"c", pattern(64, 3)}};
  {
    auto writer =
        SafetensorsWriter::create(path,
                                  {info("a", Dtype::U8, {1000}), info("b", Dtype::F32, {1024}),
                                   info("c", Dtype::F64, {8}), info("d", Dtype::U8, {0})},
                                  {});
    REQUIRE(writer);
    std::map<std::string, std::size_t> done;
    std::mt19937 random(3);
    for (bool more = true; more;) {  // round robin, last name first, pieces of 0 to 99 bytes
      more = false;
      for (auto at = contents.rbegin(); at != contents.rend(); ++at) {
        auto const& [name, bytes] = *at;
        auto const piece = bytes.substr(done[name], random() % 100);
        REQUIRE(!writer->write(name, bytes_of(piece)));
        done[name] += piece.size();
        more = more || done[name] < bytes.size();
      }
    }
    REQUIRE(!writer->write("d", {}));
    REQUIRE(!writer->commit());
  }
  auto const file = SafetensorsFile::open(path);
  REQUIRE(file);
  for (auto const& [name, bytes] : contents) {
    CAPTURE(name);
    CHECK(text_of(file->bytes(*file->find(name))) == bytes);
  }
  CHECK(file->bytes(*file->find("d")).empty());
}

TEST_CASE("The same tensors make the same file", "[io]") {
  Folder const folder;
  std::vector<TensorInfo> tensors{info("a", Dtype::F32, {2}), info("b", Dtype::U8, {3}),
                                  info("c", Dtype::F32, {1})};
  Contents const contents{{"a", pattern(8)}, {"b", pattern(3)}, {"c", pattern(4)}};
  write_file(folder / "1", tensors, {{"k", "v"}}, contents);
  std::reverse(tensors.begin(), tensors.end());
  tensors[0].begin = 77;  // offsets that come in do not matter
  tensors[0].end = 3;
  write_file(folder / "2", tensors, {{"k", "v"}}, contents);
  CHECK(load(folder / "1") == load(folder / "2"));
}

// --- Writer: refusals --------------------------------------------------------------------------

TEST_CASE("The writer refuses what the reader would refuse, and creates nothing", "[io]") {
  struct Row {
    std::string what;
    std::vector<TensorInfo> tensors;
    Metadata metadata;
    Errc expected;
    std::string tensor;
    std::string detail;
  };
  auto const name = [](std::string text) {
    return std::vector{info("good", Dtype::F32, {1}), info(std::move(text), Dtype::U8, {1})};
  };
  auto const shape = [](Dtype dtype, std::vector<std::int64_t> dims) {
    return std::vector{info("t", dtype, std::move(dims))};
  };
  std::int64_t const most = (std::int64_t{1} << 60) - 1;  // bytes whose bits fit 63 bits
  std::vector<TensorInfo> eight, nine;
  for (int i = 0; i < 9; ++i) {
    if (i < 8) eight.push_back(info(std::to_string(i), Dtype::U8, {most}));
    nine.push_back(info(std::to_string(i), Dtype::U8, {most}));
  }
  std::vector<Row> const rows{
      {"two of a name", name("good"), {}, Errc::duplicate_name, "good", "taken"},
      {"the reserved name",
       name("__metadata__"),
       {},
       Errc::duplicate_name,
       "__metadata__",
       "taken"},
      {"no UTF-8: continuation", name("\x80"), {}, Errc::invalid_header, "", "not UTF-8"},
      {"no UTF-8: cut", name("a\xC3"), {}, Errc::invalid_header, "", "not UTF-8"},
      {"no UTF-8: overlong", name("\xC0\xAF"), {}, Errc::invalid_header, "", "not UTF-8"},
      {"no UTF-8: surrogate", name("\xED\xA0\x80"), {}, Errc::invalid_header, "", "not UTF-8"},
      {"no UTF-8: too large", name("\xF4\x90\x80\x80"), {}, Errc::invalid_header, "", "not UTF-8"},
      {"no UTF-8: FF", name("\xFF"), {}, Errc::invalid_header, "", "not UTF-8"},
      {"a line break", name("a\nb"), {}, Errc::invalid_header, "a\\x0ab", "control characters"},
      {"an ESC", name("\x1B[2J"), {}, Errc::invalid_header, "\\x1b[2J", "control characters"},
      {"a NUL",
       name(std::string("a\0b", 3)),
       {},
       Errc::invalid_header,
       "a\\x00b",
       "control characters"},
      {"a CSI",
       name("\xC2\x9B"
            "2J"),
       {},
       Errc::invalid_header,
       "\\xc2\\x9b2J",
       "control characters"},
      {"a long name",
       name(std::string(4097, 'n')),
       {},
       Errc::invalid_header,
       std::string(200, 'n'),
       "4096"},
      {"65 dimensions",
       shape(Dtype::U8, std::vector<std::int64_t>(65, 1)),
       {},
       Errc::invalid_header,
       "t",
       "64 dimensions"},
      {"a negative dimension",
       shape(Dtype::U8, {2, -1}),
       {},
       Errc::invalid_header,
       "t",
       "negative"},
      {"a negative dimension in an empty shape",
       shape(Dtype::U8, {0, -1}),
       {},
       Errc::invalid_header,
       "t",
       "negative"},
      {"values overflow",
       shape(Dtype::U8, {std::int64_t{1} << 32, std::int64_t{1} << 31}),
       {},
       Errc::size_overflow,
       "t",
       "2^63 values"},
      {"bits overflow",
       shape(Dtype::U64, {std::int64_t{1} << 57}),
       {},
       Errc::size_overflow,
       "t",
       "2^63 bits"},
      {"half a byte", shape(Dtype::F4, {3}), {}, Errc::invalid_header, "t", "whole bytes"},
      {"the sum overflows", nine, {}, Errc::size_overflow, "", "2^63 bytes"},
      {"the sum and the header overflow", eight, {}, Errc::size_overflow, "", "2^63 bytes"},
      {"a metadata key twice",
       {},
       {{"a", "1"}, {"b", ""}, {"a", "2"}},
       Errc::invalid_header,
       "",
       "twice"},
      {"a metadata key that is no UTF-8", {}, {{"\xFF", ""}}, Errc::invalid_header, "", "UTF-8"},
      {"metadata that is no UTF-8", {}, {{"a", "\xC3"}}, Errc::invalid_header, "", "UTF-8"},
      {"too many tensors",
       std::vector<TensorInfo>(1'000'001),
       {},
       Errc::header_too_large,
       "",
       "million"},
      {"too long a header",
       {},
       {{"a", std::string(100'000'000, 'x')}},
       Errc::header_too_large,
       "",
       "100 MB"},
  };
  Folder const folder;
  auto const path = folder / "refused.safetensors";
  for (Row const& row : rows) {
    CAPTURE(row.what);
    auto const writer = SafetensorsWriter::create(path, row.tensors, row.metadata);
    CHECK(!writer);
    CHECK(folder.entries() == 0);
    if (writer) continue;
    CHECK(writer.error().status.code == row.expected);
    CHECK(writer.error().subject ==
          (row.tensor.empty() ? path.string() : row.tensor + " in " + path.string()));
    CHECK(contains(writer.error().detail, row.detail));
  }
}

TEST_CASE("Too much, too little and the unknown are refused by name", "[io]") {
  Folder const folder;
  auto const path = folder / "a.safetensors";
  {
    auto writer = SafetensorsWriter::create(
        path, {info("a", Dtype::U8, {8}), info("b", Dtype::U8, {8}), info("z", Dtype::U8, {0})},
        {});
    REQUIRE(writer);
    auto const refused = [&](Error const& e, Errc code, std::string const& name,
                             std::string const& detail) {
      CHECK(e.status.code == code);
      CHECK(e.subject == name + " in " + path.string());
      CHECK(contains(e.detail, detail));
      CHECK(!std::filesystem::exists(path));
    };
    refused(writer->write("c", bytes_of("x")), Errc::not_found, "c", "not announced");
    refused(writer->write("\x1B", {}), Errc::not_found, "\\x1b", "not announced");
    refused(writer->write("a", bytes_of(pattern(9))), Errc::size_mismatch, "a", "more bytes");
    refused(writer->write("z", bytes_of("x")), Errc::size_mismatch, "z", "more bytes");
    refused(writer->commit(), Errc::size_mismatch, "a", "not written to its end");
    REQUIRE(!writer->write("a", bytes_of(pattern(7))));
    refused(writer->write("a", bytes_of("xy")), Errc::size_mismatch, "a", "more bytes");
    refused(writer->commit(), Errc::size_mismatch, "a", "not written to its end");
    REQUIRE(!writer->write("a", bytes_of(pattern(8).substr(7))));
    refused(writer->write("a", bytes_of("x")), Errc::size_mismatch, "a", "more bytes");
    refused(writer->commit(), Errc::size_mismatch, "b", "not written to its end");
    // None of it did any harm.
    REQUIRE(!writer->write("b", bytes_of(pattern(8, 9))));
    REQUIRE(!writer->commit());
  }
  auto const file = SafetensorsFile::open(path);
  REQUIRE(file);
  CHECK(text_of(file->bytes(*file->find("a"))) == pattern(8));
  CHECK(text_of(file->bytes(*file->find("b"))) == pattern(8, 9));
  CHECK(folder.entries() == 1);
}

TEST_CASE("After commit() the writer touches the file no more", "[io]") {
  Folder const folder;
  auto const path = folder / "a.safetensors";
  auto writer = SafetensorsWriter::create(path, {info("a", Dtype::U8, {2})}, {});
  REQUIRE(writer);
  REQUIRE(!writer->write("a", bytes_of("ab")));
  REQUIRE(!writer->commit());
  auto const content = load(path);
  CHECK(writer->write("a", bytes_of("c")).status.code == Errc::size_mismatch);
  CHECK(writer->commit());
  CHECK(load(path) == content);
  CHECK(folder.entries() == 1);
}

// --- Writer: nothing half-written ---------------------------------------------------------------

TEST_CASE("Without commit() neither a file nor its temporary stays", "[io]") {
  Folder const folder;
  auto const path = folder / "a.safetensors";
  auto const descriptors = open_descriptors();
  {
    auto writer = SafetensorsWriter::create(path, {info("a", Dtype::U8, {8})}, {});
    REQUIRE(writer);
    CHECK(folder.entries() == 1);
    CHECK(!std::filesystem::exists(path));
    REQUIRE(!writer->write("a", bytes_of(pattern(8))));
    CHECK(!std::filesystem::exists(path));
  }
  CHECK(folder.entries() == 0);
  CHECK(open_descriptors() == descriptors);
}

TEST_CASE("A moved writer goes on and cleans up once", "[io]") {
  Folder const folder;
  auto const tensors = std::vector{info("a", Dtype::U8, {1})};
  {
    auto first = SafetensorsWriter::create(folder / "1", tensors, {});
    auto second = SafetensorsWriter::create(folder / "2", tensors, {});
    REQUIRE(first);
    REQUIRE(second);
    CHECK(folder.entries() == 2);
    SafetensorsWriter moved = std::move(*first);
    REQUIRE(!moved.write("a", bytes_of("1")));
    REQUIRE(!moved.commit());
    CHECK(load(folder / "1").back() == '1');
    moved = std::move(*second);
    REQUIRE(!moved.write("a", bytes_of("2")));
    REQUIRE(!moved.commit());
  }
  CHECK(folder.entries() == 2);
  CHECK(load(folder / "2").back() == '2');
}

TEST_CASE("A file that exists is not overwritten unless asked", "[io]") {
  Folder const folder;
  auto const path = folder / "a.safetensors";
  save(path, "precious");
  auto const refused = SafetensorsWriter::create(path, {}, {});
  REQUIRE(!refused);
  CHECK(refused.error().status.code == Errc::file_exists);
  CHECK(refused.error().subject == path.string());
  CHECK(load(path) == "precious");
  CHECK(folder.entries() == 1);
}

TEST_CASE("A file that comes to exist before commit() is not overwritten", "[io]") {
  Folder const folder;
  auto const path = folder / "a.safetensors";
  {
    auto writer = SafetensorsWriter::create(path, {}, {});
    REQUIRE(writer);
    save(path, "precious");
    Error const e = writer->commit();
    CHECK(e.status.code == Errc::file_exists);
    CHECK(e.subject == path.string());
  }
  CHECK(load(path) == "precious");
  CHECK(folder.entries() == 1);
}

TEST_CASE("A link that leads nowhere counts as a file that exists", "[io]") {
  Folder const folder;
  auto const path = folder / "a.safetensors";
  std::filesystem::create_symlink(folder / "nowhere", path);
  {
    auto writer = SafetensorsWriter::create(path, {}, {});
    Error const e = writer ? writer->commit() : writer.error();
    CHECK(e.status.code == Errc::file_exists);
  }
  CHECK(folder.entries() == 1);
  CHECK(std::filesystem::is_symlink(path));
}

TEST_CASE("An overwritten file keeps its content until commit() and its mappings after", "[io]") {
  Folder const folder;
  auto const path = folder / "a.safetensors";
  std::string const before = pattern(100'000, 1), after = pattern(50, 2);
  write_file(path, {info("a", Dtype::U8, {100'000})}, {}, {{"a", before}});
  auto const content = load(path);
  auto const old = SafetensorsFile::open(path);
  REQUIRE(old);
  {
    auto writer = SafetensorsWriter::create(path, {info("a", Dtype::U8, {50})}, {}, true);
    REQUIRE(writer);
    REQUIRE(!writer->write("a", bytes_of(after)));
    CHECK(load(path) == content);
    CHECK(text_of(old->bytes(*old->find("a"))) == before);
    REQUIRE(!writer->commit());
  }
  CHECK(folder.entries() == 1);
  CHECK(!old->check_unchanged());
  CHECK(text_of(old->bytes(*old->find("a"))) == before);
  auto const fresh = SafetensorsFile::open(path);
  REQUIRE(fresh);
  CHECK(text_of(fresh->bytes(*fresh->find("a"))) == after);
}

TEST_CASE("An overwriting that is given up leaves the old file", "[io]") {
  Folder const folder;
  auto const path = folder / "a.safetensors";
  save(path, "precious");
  {
    auto writer = SafetensorsWriter::create(path, {info("a", Dtype::U8, {2})}, {}, true);
    REQUIRE(writer);
    REQUIRE(!writer->write("a", bytes_of("x")));
    CHECK(writer->commit().status.code == Errc::size_mismatch);
  }
  CHECK(load(path) == "precious");
  CHECK(folder.entries() == 1);
}

TEST_CASE("Overwriting needs no file to overwrite", "[io]") {
  Folder const folder;
  write_file(folder / "a", {}, {}, {}, true);
  CHECK(folder.entries() == 1);
}

TEST_CASE("Temporaries of others are left alone", "[io]") {
  Folder const folder;
  auto const path = folder / "a.safetensors";
  auto const other = path.string() + ".partial." + std::to_string(::getpid()) + ".0";
  save(other, "precious");
  {
    auto first = SafetensorsWriter::create(path, {}, {});
    auto second = SafetensorsWriter::create(path, {}, {});
    REQUIRE(first);
    REQUIRE(second);
    CHECK(folder.entries() == 3);
    REQUIRE(!first->commit());
    CHECK(second->commit().status.code == Errc::file_exists);
  }
  CHECK(folder.entries() == 2);
  CHECK(load(other) == "precious");
}

TEST_CASE("A writer that is done removes no temporary of a later one", "[io]") {
  Folder const folder;
  auto const path = folder / "a.safetensors";
  auto first = SafetensorsWriter::create(path, {}, {});
  REQUIRE(first);
  REQUIRE(!first->commit());
  auto second = SafetensorsWriter::create(path, {info("a", Dtype::U8, {1})}, {}, true);
  REQUIRE(second);
  { auto const gone = std::move(*first); }
  CHECK(folder.entries() == 2);
  REQUIRE(!second->write("a", bytes_of("x")));
  REQUIRE(!second->commit());
  CHECK(folder.entries() == 1);
  CHECK(load(path).back() == 'x');
}

TEST_CASE("A path that cannot be written gives errno and leaves nothing", "[io]") {
  Folder const folder;
  save(folder / "file", "");
  std::filesystem::create_directory(folder / "folder");
  std::filesystem::create_symlink("loop", folder / "loop");
  struct Row {
    std::filesystem::path path;
    int number;
  };
  auto const entries = folder.entries();
  for (Row const& row :
       {Row{folder / "missing" / "a", ENOENT}, Row{folder / "file" / "a", ENOTDIR},
        Row{folder / std::string(300, 'n'), ENAMETOOLONG}, Row{folder / "loop" / "a", ELOOP},
        Row{folder / std::string(250, 'n'), ENAMETOOLONG}})  // with its temporary suffix
    for (bool const overwrite : {false, true}) {
      CAPTURE(row.path.string(), overwrite);
      auto const writer = SafetensorsWriter::create(row.path, {}, {}, overwrite);
      CHECK(!writer);
      if (writer) continue;
      CHECK(writer.error().status.code == Errc::file_error);
      CHECK(writer.error().status.native == row.number);
      CHECK(contains(writer.error().subject, row.path.string()));
      CHECK(contains(writer.error().detail, std::strerror(row.number)));
    }
  {
    auto writer = SafetensorsWriter::create(folder / "folder", {}, {}, true);
    REQUIRE(writer);
    Error const e = writer->commit();
    CHECK(e.status.code == Errc::file_error);
    CHECK(e.status.native == EISDIR);
    CHECK(e.subject == (folder / "folder").string());
  }
  auto const taken = SafetensorsWriter::create(folder / "folder", {}, {});
  REQUIRE(!taken);
  CHECK(taken.error().status.code == Errc::file_exists);
  CHECK(folder.entries() == entries);
}

TEST_CASE("A folder that may not be searched gives EACCES", "[io]") {
  Folder const folder;
  save(folder / "old", "precious");
  std::filesystem::permissions(folder.path(), std::filesystem::perms::none);
  auto const user = ::setfsuid(65534);  // root may search everywhere
  bool const is_root = ::geteuid() == 0;
  bool const dropped = ::setfsuid(65534) == 65534;
  auto const fresh = SafetensorsWriter::create(folder / "a", {}, {});
  auto const over = SafetensorsWriter::create(folder / "old", {}, {}, true);
  auto const read = SafetensorsFile::open(folder / "old");
  ::setfsuid(static_cast<uid_t>(user));
  std::filesystem::permissions(folder.path(), std::filesystem::perms::owner_all);
  if (is_root && !dropped) SKIP("this root cannot be anyone else");
  REQUIRE(!fresh);
  REQUIRE(!over);
  REQUIRE(!read);
  CHECK(fresh.error().status.code == Errc::file_error);
  CHECK(fresh.error().status.native == EACCES);
  CHECK(over.error().status.native == EACCES);
  CHECK(read.error().status.native == EACCES);
  CHECK(read.error().subject == (folder / "old").string());
  CHECK(load(folder / "old") == "precious");
  CHECK(folder.entries() == 1);
}

TEST_CASE("A disk without room shows before anything is written and keeps nothing", "[io]") {
  Folder const folder;
  auto const path = folder / "a.safetensors";
  auto const descriptors = open_descriptors();
  FileSizeLimit const limit(1 << 16);
  auto const writer = SafetensorsWriter::create(path, {info("a", Dtype::U8, {1 << 16})}, {});
  REQUIRE(!writer);
  CHECK(writer.error().status.code == Errc::file_error);
  CHECK(writer.error().status.native == EFBIG);
  CHECK(contains(writer.error().subject, path.string()));
  CHECK(folder.entries() == 0);
  CHECK(open_descriptors() == descriptors);
}

TEST_CASE("A file too large for any disk is refused and keeps nothing", "[io]") {
  Folder const folder;
  auto const path = folder / "a.safetensors";
  auto const writer =
      SafetensorsWriter::create(path, {info("a", Dtype::U8, {(std::int64_t{1} << 60) - 1})}, {});
  REQUIRE(!writer);
  CHECK(writer.error().status.code == Errc::file_error);
  CHECK((writer.error().status.native == EFBIG || writer.error().status.native == ENOSPC));
  CHECK(folder.entries() == 0);
}

TEST_CASE("A disk that runs full while data is written keeps nothing", "[io]") {
  Folder const folder;
  auto const path = folder / "a.safetensors";
  {
    auto writer = SafetensorsWriter::create(path, {info("a", Dtype::U8, {1 << 16})}, {});
    REQUIRE(writer);
    Error e;
    {
      FileSizeLimit const limit(1 << 15);  // the first half is written, then the call fails
      e = writer->write("a", bytes_of(pattern(1 << 16)));
    }
    CHECK(e.status.code == Errc::file_error);
    CHECK(e.status.native == EFBIG);
    CHECK(contains(e.subject, path.string()));
    CHECK(writer->commit().status.code == Errc::size_mismatch);
    CHECK(!std::filesystem::exists(path));
  }
  CHECK(folder.entries() == 0);
}

// --- Reader -------------------------------------------------------------------------------------

TEST_CASE("What is no file to read is refused with its name", "[io]") {
  Folder const folder;
  save(folder / "empty", "");
  save(folder / "file", "x");
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  auto const descriptors = open_descriptors();
  struct Row {
    std::filesystem::path path;
    Errc expected;
    int number;
    std::string detail;
  };
  for (Row const& row : {Row{folder / "missing", Errc::file_error, ENOENT, std::strerror(ENOENT)},
                         Row{folder / "file" / "a", Errc::file_error, ENOTDIR, "opening"},
                         Row{folder.path(), Errc::file_error, 0, "not a regular file"},
                         Row{folder / "pipe", Errc::file_error, 0, "not a regular file"},
                         Row{"/dev/null", Errc::file_error, 0, "not a regular file"},
                         Row{"", Errc::file_error, ENOENT, "opening"},
                         Row{folder / "empty", Errc::file_truncated, 0, "8 bytes"}}) {
    CAPTURE(row.path.string());
    auto const file = SafetensorsFile::open(row.path);
    CHECK(!file);
    if (file) continue;
    CHECK(file.error().status.code == row.expected);
    CHECK(file.error().status.native == row.number);
    CHECK(file.error().subject == row.path.string());
    CHECK(contains(file.error().detail, row.detail));
  }
  CHECK(open_descriptors() == descriptors);
}

TEST_CASE("find() and bytes()", "[io]") {
  Folder const folder;
  auto const path = folder / "a.safetensors";
  write_file(path,
             {info("b", Dtype::U8, {3}), info("a", Dtype::U8, {2}), info("w", Dtype::F16, {1, 2})},
             {{"k", "v"}}, {{"a", "aa"}, {"b", "bbb"}, {"w", "wwww"}});
  auto opened = SafetensorsFile::open(path);
  REQUIRE(opened);
  SafetensorsFile const file = std::move(*opened);  // views go with it
  CHECK(file.path() == path.string());
  CHECK(file.file_bytes() == static_cast<std::int64_t>(std::filesystem::file_size(path)));
  CHECK(file.header_bytes() + 9 == file.file_bytes());
  CHECK(file.find("c") == nullptr);
  CHECK(file.find("") == nullptr);
  CHECK(file.find("__metadata__") == nullptr);
  CHECK(file.find(std::string_view("a\0", 2)) == nullptr);
  REQUIRE(file.tensors().size() == 3);
  CHECK(file.find("w") == &file.tensors()[0]);
  CHECK(file.find("a") == &file.tensors()[1]);
  CHECK(file.find("b") == &file.tensors()[2]);
  CHECK(text_of(file.bytes(*file.find("w"))) == "wwww");
  CHECK(text_of(file.bytes(*file.find("a"))) == "aa");
  CHECK(text_of(file.bytes(*file.find("b"))) == "bbb");
  CHECK(file.metadata() == Metadata{{"k", "v"}});
}

TEST_CASE("A file that is cut or grows after it was opened", "[io]") {
  Folder const folder;
  auto const path = folder / "a.safetensors";
  write_file(path, {info("a", Dtype::U8, {10'000})}, {}, {{"a", pattern(10'000)}});
  auto const size = std::filesystem::file_size(path);
  auto const file = SafetensorsFile::open(path);
  REQUIRE(file);
  CHECK(!file->check_unchanged());
  std::filesystem::resize_file(path, size + 1);
  CHECK(!file->check_unchanged());  // what was mapped is still there
  std::filesystem::resize_file(path, size - 1);
  Error const e = file->check_unchanged();
  CHECK(e.status.code == Errc::file_truncated);
  CHECK(e.subject == path.string());
  CHECK(contains(e.detail, "was cut"));
  std::filesystem::remove(path);
}

TEST_CASE("A removed file stays readable while it is open, and is closed after", "[io]") {
  Folder const folder;
  auto const path = folder / "a.safetensors";
  write_file(path, {info("a", Dtype::U8, {10'000})}, {}, {{"a", pattern(10'000)}});
  auto const descriptors = open_descriptors();
  {
    auto const file = SafetensorsFile::open(path);
    REQUIRE(file);
    std::filesystem::remove(path);
    CHECK(!file->check_unchanged());
    CHECK(text_of(file->bytes(*file->find("a"))) == pattern(10'000));
  }
  CHECK(open_descriptors() == descriptors);
}

TEST_CASE("20,000 tensors are written and opened in two seconds", "[io]") {
  constexpr int count = 20'000;
  Folder const folder;
  auto const path = folder / "many.safetensors";
  std::vector<TensorInfo> tensors;
  for (int i = 0; i < count; ++i)
    tensors.push_back(info("model.layers." + std::to_string(i) + ".weight", Dtype::F32, {2, 2}));
  std::clock_t const start = std::clock();  // processor time: other programs do not count
  auto writer = SafetensorsWriter::create(path, tensors, {});
  REQUIRE(writer);
  bool ok = true;
  for (int i = 0; i < count; ++i)
    ok = ok && !writer->write(tensors[static_cast<std::size_t>(i)].name,
                              bytes_of(pattern(16, static_cast<unsigned>(i))));
  CHECK(ok);
  REQUIRE(!writer->commit());
  auto const file = SafetensorsFile::open(path);
  REQUIRE(file);
  REQUIRE(file->tensors().size() == count);
  for (int i = 0; i < count; ++i) {
    auto const* const t = file->find(tensors[static_cast<std::size_t>(i)].name);
    ok = ok && t != nullptr && text_of(file->bytes(*t)) == pattern(16, static_cast<unsigned>(i));
  }
  CHECK(ok);
  double const seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  CHECK(seconds < (is_sanitized ? 20 : 2));
}

// --- Round trips --------------------------------------------------------------------------------

#ifdef QFMT_HAS_RAPIDCHECK
namespace {

/// A code point of every length in UTF-8; control characters only where they are allowed.
rc::Gen<std::string> text(bool controls) {
  auto const range = [](int from, int to) { return rc::gen::inRange(from, to + 1); };
  auto const point = rc::gen::map(
      rc::gen::oneOf(range(controls ? 0 : 0x20, 0x7E), range(0x22, 0x22), range(0x5C, 0x5C),
                     range(0xA0, 0x7FF), range(0x800, 0xD7FF), range(0xE000, 0xFFFF),
                     range(0x10000, 0x10FFFF)),
      [](int c) {
        auto const byte = [](int b) { return static_cast<char>(b); };
        std::string s;
        if (c < 0x80) {
          s = {byte(c)};
        } else if (c < 0x800) {
          s = {byte(0xC0 | c >> 6), byte(0x80 | (c & 63))};
        } else if (c < 0x10000) {
          s = {byte(0xE0 | c >> 12), byte(0x80 | (c >> 6 & 63)), byte(0x80 | (c & 63))};
        } else {
          s = {byte(0xF0 | c >> 18), byte(0x80 | (c >> 12 & 63)), byte(0x80 | (c >> 6 & 63)),
               byte(0x80 | (c & 63))};
        }
        return s;
      });
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(point), [](auto const& parts) {
    std::string all;
    for (auto const& part : parts) all += part;
    return all;
  });
}

}  // namespace

TEST_CASE("Whatever is written is read again", "[io]") {
  Folder const folder;
  auto const path = folder / "random.safetensors";
  auto const round_trip = [&] {
    auto const names = *rc::gen::unique<std::vector<std::string>>(text(false));
    std::vector<TensorInfo> tensors;
    Contents contents;
    for (auto const& name : names) {
      RC_PRE(name != "__metadata__");
      auto const dtype =
          static_cast<Dtype>(*rc::gen::inRange(0, static_cast<int>(qfmt::io::dtype_table.size())));
      auto shape = *rc::gen::resize(
          4, rc::gen::container<std::vector<std::int64_t>>(rc::gen::inRange<std::int64_t>(0, 7)));
      if (qfmt::io::traits_of(dtype).bits < 8) shape.push_back(4);  // whole bytes
      tensors.push_back(info(name, dtype, shape));
      contents[name] = pattern(static_cast<std::size_t>(expected_bytes(tensors.back())),
                               *rc::gen::inRange(0u, 200u));
    }
    Metadata metadata;
    for (auto const& key : *rc::gen::unique<std::vector<std::string>>(text(true)))
      metadata.emplace_back(key, *text(true));

    auto writer = SafetensorsWriter::create(path, tensors, metadata, true);
    RC_ASSERT(bool(writer));
    for (auto const& [name, bytes] : contents) {
      auto const middle = bytes.size() / 3;
      RC_ASSERT(!writer->write(name, bytes_of(bytes.substr(0, middle))));
      RC_ASSERT(!writer->write(name, bytes_of(bytes.substr(middle))));
    }
    RC_ASSERT(!writer->commit());

    auto const file = SafetensorsFile::open(path);
    RC_ASSERT(bool(file));
    RC_ASSERT(file->metadata() == metadata);
    RC_ASSERT(file->tensors().size() == tensors.size());
    RC_ASSERT(tiles(file->tensors(), file->file_bytes() - file->header_bytes()));
    RC_ASSERT(file->header_bytes() % 8 == 0);
    for (auto const& t : tensors) {
      auto const* const found = file->find(t.name);
      RC_ASSERT(found != nullptr);
      RC_ASSERT(found->name == t.name);
      RC_ASSERT(found->dtype == t.dtype);
      RC_ASSERT(found->shape == t.shape);
      RC_ASSERT(text_of(file->bytes(*found)) == contents[t.name]);
    }
  };
  CHECK(rc::check("round trip", round_trip));
  CHECK(folder.entries() == 1);
}
#endif
