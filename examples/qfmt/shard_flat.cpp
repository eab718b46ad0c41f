// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// `qfmt shard --fsdp N`: all bytes of a checkpoint, scales and headers included, cut into N equal
// shards, and put together again. Every rank's file also holds all headers, so that it knows which
// bytes of which tensors it has.
#include <fmt/core.h>

#include <fstream>

#include "shard.hpp"
#include "text.hpp"

namespace app {
namespace {

namespace fs = std::filesystem;
using qfmt::io::MappedFile, qfmt::io::SafetensorsFile, qfmt::io::SafetensorsWriter;
constexpr std::int64_t alignment = 16;  // of shards: whole values of every storage type

/// The checkpoint's files as one run of bytes.
struct Whole {
  std::vector<MappedFile> files;
  std::vector<std::int64_t> header_bytes;
  Json list = Json::array();  // [name, bytes, header bytes]
  std::int64_t bytes = 0, headers = 0;

  explicit Whole(Model const& model) {
    for (auto const& file : model.checkpoint.files()) {
      files.push_back(value_or_fail(MappedFile::open(file.path()), exit_bad_input));
      header_bytes.push_back(file.header_bytes());
      list.push_back(
          {fs::path(file.path()).filename().string(), file.file_bytes(), file.header_bytes()});
      bytes += file.file_bytes();
      headers += file.header_bytes();
    }
  }

  /// fn(bytes) for the runs that make up a part.
  template <class Fn>
  void for_part(qfmt::Part part, Fn const& fn) const {
    std::int64_t begin = 0;
    for (auto const& file : files) {
      auto const size = static_cast<std::int64_t>(file.bytes().size());
      std::int64_t const first = std::max(part.first, begin);
      std::int64_t const last = std::min(part.first + part.count, begin + size);
      if (first < last)
        fn(file.bytes().subspan(static_cast<std::size_t>(first - begin),
                                static_cast<std::size_t>(last - first)));
      begin += size;
    }
  }
};

void write_shard(SafetensorsWriter& writer, Whole const& whole, qfmt::Part part,
                 std::int64_t shard_bytes) {
  auto const put = [&](char const* name, std::span<std::byte const> bytes) {
    auto const error = writer.write(name, bytes);
    fail_on(error, code_of(error));
  };
  whole.for_part(part, [&](auto bytes) {
    check_interrupted();
    put("flat", bytes);
  });
  std::vector<std::byte> const padding(static_cast<std::size_t>(shard_bytes - part.count));
  put("flat", padding);
  for (std::size_t i = 0; i < whole.files.size(); ++i)
    put("headers", whole.files[i].bytes().first(static_cast<std::size_t>(whole.header_bytes[i])));
}

/// One rank's file, with what its metadata says.
struct Shard {
  SafetensorsFile file;
  int rank, ranks;
  Json list;
};

std::string metadata_of(SafetensorsFile const& file, std::string const& key) {
  for (auto const& [name, value] : file.metadata())
    if (name == "qfmt.fsdp." + key) return value;
  throw Failure(exit_bad_input, file.path() + ": it is no shard of `qfmt shard --fsdp`");
}

Shard open_shard(fs::path const& path) {
  auto file = value_or_fail(SafetensorsFile::open(path), exit_bad_input);
  auto const number = [&](char const* key) {
    auto const text = metadata_of(file, key);
    bool const digits =
        !text.empty() && text.size() < 8 && text.find_first_not_of("0123456789") == text.npos;
    if (!digits) throw Failure(exit_bad_input, file.path() + ": its " + key + " is no number");
    return std::stoi(text);
  };
  int const rank = number("rank"), ranks = number("ranks");
  auto const list = Json::parse(metadata_of(file, "files"), nullptr, false);
  if (!list.is_array() || list.empty())
    throw Failure(exit_bad_input, file.path() + ": its list of files cannot be read");
  for (auto const& entry : list) {
    bool const good = entry.is_array() && entry.size() == 3 && entry[0].is_string() &&
                      entry[1].is_number_unsigned() && entry[2].is_number_unsigned() &&
                      entry[1].get<std::uint64_t>() < (std::uint64_t{1} << 56) &&
                      qfmt::io::detail::fault_of_file_name(entry[0].get<std::string>()) == nullptr;
    if (!good) throw Failure(exit_bad_input, file.path() + ": its list of files cannot be read");
  }
  return {std::move(file), rank, ranks, list};
}

/// The shards of a folder in the order of their ranks, all there and of one checkpoint.
std::vector<Shard> open_shards(fs::path const& folder) {
  std::error_code error;
  std::vector<fs::path> paths;
  for (auto const& entry : fs::directory_iterator(folder, error))
    if (entry.path().filename().string().starts_with("rank-")) paths.push_back(entry.path());
  if (error) throw Failure(exit_bad_input, folder.string() + ": " + error.message());
  std::ranges::sort(paths);
  std::vector<Shard> shards;
  for (auto const& path : paths) shards.push_back(open_shard(path));
  if (shards.empty()) throw Failure(exit_bad_input, folder.string() + ": it holds no shards");
  std::int64_t total = 0;
  for (auto const& entry : shards[0].list)
    if (__builtin_add_overflow(total, entry[1].get<std::int64_t>(), &total))
      throw Failure(exit_bad_input, folder.string() + ": its files are larger than 2^63 bytes");
  auto const ranks = static_cast<int>(shards.size());
  for (int i = 0; i < ranks; ++i) {
    Shard const& shard = shards[static_cast<std::size_t>(i)];
    auto const* const flat = shard.file.find("flat");
    if (shard.rank != i || shard.ranks != ranks || shard.list != shards[0].list ||
        flat == nullptr || flat->bytes() != qfmt::flat_shard_bytes(total, ranks, alignment))
      throw Failure(exit_bad_input, shard.file.path() + ": it does not belong to the others");
  }
  return shards;
}

/// Bytes [first, last) of the whole, from the shards into a file.
void gather_file(std::vector<Shard> const& shards, std::int64_t total, std::int64_t first,
                 std::int64_t last, fs::path const& path) {
  auto const partial = path.string() + ".partial";
  std::ofstream out(partial, std::ios::binary | std::ios::trunc);
  for (auto const& shard : shards) {
    auto const part = qfmt::flat_part(total, shard.ranks, shard.rank, alignment);
    std::int64_t const from = std::max(first, part.first);
    std::int64_t const to = std::min(last, part.first + part.count);
    if (from >= to) continue;
    fail_on(shard.file.check_unchanged(), exit_bad_input);
    auto const bytes = shard.file.bytes(*shard.file.find("flat"));
    out.write(reinterpret_cast<char const*>(bytes.data()) + (from - part.first), to - from);
  }
  out.close();
  std::error_code error;
  if (out) fs::rename(partial, path, error);
  if (!out || error) throw Failure(exit_cannot_write, path.string() + ": writing failed");
}

}  // namespace

int shard_flat(ShardOptions const& options) {
  auto const model = open_model(options.input);
  Whole const whole(model);
  std::int64_t const shard_bytes = qfmt::flat_shard_bytes(whole.bytes, options.fsdp, alignment);
  if (!options.write.dry_run) {
    RankFolder folder(options, options.fsdp * (shard_bytes + whole.headers));
    for (int rank = 0; rank < options.fsdp; ++rank) {
      OutputFile const file{rank_file_name(rank, options.fsdp),
                            {{"flat", qfmt::io::Dtype::U8, {shard_bytes}},
                             {"headers", qfmt::io::Dtype::U8, {whole.headers}}},
                            {{"format", "pt"},
                             {"qfmt.fsdp.rank", std::to_string(rank)},
                             {"qfmt.fsdp.ranks", std::to_string(options.fsdp)},
                             {"qfmt.fsdp.files", whole.list.dump()}}};
      folder.write(file, [&](SafetensorsWriter& writer) {
        write_shard(writer, whole, qfmt::flat_part(whole.bytes, options.fsdp, rank, alignment),
                    shard_bytes);
      });
    }
    folder.finish();
  }
  if (options.write.json) {
    print_json({{"schema_version", json_schema_version},
                {"dry_run", options.write.dry_run},
                {"ranks", options.fsdp},
                {"shard_bytes", shard_bytes},
                {"padding_bytes", options.fsdp * shard_bytes - whole.bytes}});
  } else {
    fmt::print("{} ranks of {} bytes, {} of them padding in all\n", options.fsdp, shard_bytes,
               options.fsdp * shard_bytes - whole.bytes);
  }
  return exit_ok;
}

int gather_flat_shards(ShardOptions const& options) {
  auto const shards = open_shards(options.input);
  std::int64_t total = 0, begin = 0;
  for (auto const& entry : shards[0].list) total += entry[1].get<std::int64_t>();
  RankFolder folder(options, total);
  for (auto const& entry : shards[0].list) {
    std::int64_t const end = begin + entry[1].get<std::int64_t>();
    gather_file(shards, total, begin, end, folder.add(entry[0].get<std::string>()));
    begin = end;
  }
  folder.finish();
  if (!options.write.json)
    fmt::print("{} files, {} bytes, from {} shards\n", shards[0].list.size(), total, shards.size());
  return exit_ok;
}

}  // namespace app
