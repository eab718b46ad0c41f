// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "output.hpp"

#include <fmt/core.h>

#include <fstream>

#include "interrupt.hpp"

namespace app {
namespace {

namespace fs = std::filesystem;
constexpr char const* job_name = ".qfmt-unfinished.json";

bool is_weights(fs::path const& path) {
  auto const name = path.filename().string();
  for (char const* ending : {".safetensors", ".safetensors.index.json", ".bin", ".bin.index.json",
                             ".pt", ".pth", ".gguf", ".h5", ".msgpack"})
    if (name.ends_with(ending)) return true;
  return name == "config.json" || name.starts_with('.');
}

std::string text_of(fs::path const& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void refuse_same(fs::path const& input, fs::path const& output) {
  std::error_code ignored;  // what cannot be looked up is not the same
  if (fs::equivalent(input, output, ignored) ||
      fs::weakly_canonical(input, ignored) == fs::weakly_canonical(output, ignored))
    throw Failure(exit_usage, "IN and OUT are the same file: " + output.string());
}

}  // namespace

qfmt::io::Metadata with_format(qfmt::io::Metadata metadata) {
  for (auto const& entry : metadata)
    if (entry.first == "format") return metadata;
  metadata.emplace_back("format", "pt");
  return metadata;
}

ExitCode code_of(qfmt::io::Error const& error) {
  bool const disk =
      error.status.code == qfmt::Errc::file_error || error.status.code == qfmt::Errc::file_exists;
  return disk ? exit_cannot_write : exit_cannot_quantize;
}

void check_input(qfmt::io::SafetensorsFile const& file) {
  check_interrupted();
  fail_on(file.check_unchanged(), exit_bad_input);
}

qfmt::io::SafetensorsIndex index_of(std::vector<OutputFile> const& files) {
  qfmt::io::SafetensorsIndex index;
  index.total_size = data_bytes(files);
  for (auto const& file : files)
    for (auto const& tensor : file.tensors) index.weight_map.emplace(tensor.name, file.name);
  return index;
}

std::int64_t data_bytes(std::vector<OutputFile> const& files) {
  std::int64_t sum = 0;
  for (auto const& file : files)
    for (auto const& t : file.tensors)
      sum += value_or_fail(qfmt::io::byte_count(t.name, t.dtype, t.shape), exit_cannot_quantize);
  return sum;
}

std::string megabytes(std::int64_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

Output::Output(Model const& input, fs::path path, OutputOptions const& options, std::string job,
               std::int64_t bytes)
    : input_(input), path_(std::move(path)), options_(options), folder_(input.is_folder) {
  refuse_same(input.path, path_);
  if (folder_) {
    begin_folder(job);
  } else {
    std::error_code ignored;  // the writer meets what cannot be looked up
    if (options_.resume)
      throw Failure(exit_usage, "--resume is for folders: a single file is written anew");
    if (!options_.force && fs::exists(path_, ignored))
      throw Failure(exit_cannot_write, path_.string() + ": it exists already; --force replaces it");
  }
  check_space(bytes);
  if (folder_) put(job_name, job);
  catch_interrupts(folder_ ? "interrupted; --resume finishes the folder"
                           : "interrupted; nothing was written");
}

void Output::begin_folder(std::string const& job) {
  std::error_code ignored;
  bool const exists = fs::exists(path_, ignored);
  if (exists && !fs::is_directory(path_, ignored))
    throw Failure(exit_cannot_write, path_.string() + ": it is no folder, as the input is");
  if (exists && !fs::is_empty(path_, ignored) && !options_.force && !options_.resume)
    throw Failure(exit_cannot_write, path_.string() +
                                         ": it holds files already; --force replaces those of the "
                                         "same names, --resume finishes what was interrupted");
  std::error_code error;
  fs::create_directory(path_, error);
  if (error) throw Failure(exit_cannot_write, path_.string() + ": " + error.message());
  bool const begun = fs::exists(path_ / job_name, ignored);
  if (options_.resume && begun && text_of(path_ / job_name) != job)
    throw Failure(exit_usage, path_.string() +
                                  ": it was begun with other options or another input; --force "
                                  "begins anew");
  if (options_.resume && exists && !begun && !fs::is_empty(path_, ignored))
    throw Failure(exit_usage, path_.string() + ": nothing unfinished is there to resume");
  for (auto const& entry : fs::directory_iterator(path_)) {
    auto const name = entry.path().filename().string();
    bool const partial = name.find(".safetensors.partial.") != name.npos;
    bool const index = name == qfmt::io::Checkpoint::index_name;
    if ((partial && options_.resume) || (index && options_.force)) fs::remove(entry.path());
    if (options_.resume && name.ends_with(".safetensors")) finished_.insert(name);
  }
}

void Output::check_space(std::int64_t bytes) const {
  std::error_code ignored;
  for (auto const& name : finished_)
    bytes -= static_cast<std::int64_t>(fs::file_size(path_ / name, ignored));
  auto const folder = folder_                   ? path_
                      : path_.has_parent_path() ? path_.parent_path()
                                                : fs::path(".");
  std::error_code error;
  auto const space = fs::space(folder, error);
  if (error || bytes <= 0 || space.available >= static_cast<std::uintmax_t>(bytes)) return;
  throw Failure(exit_cannot_write,
                fmt::format("{}: {} are needed and {} free", folder.string(), megabytes(bytes),
                            megabytes(static_cast<std::int64_t>(space.available))));
}

std::int64_t Output::write(OutputFile const& file,
                           std::function<void(qfmt::io::SafetensorsWriter&)> const& fill) {
  auto writer = qfmt::io::SafetensorsWriter::create(place(file.name), file.tensors, file.metadata,
                                                    options_.force);
  if (!writer) throw Failure(code_of(writer.error()), writer.error().text());
  fill(*writer);
  check_interrupted();
  qfmt::io::Error const error = writer->commit();
  fail_on(error, code_of(error));
  return writer->file_bytes();
}

void Output::finish(qfmt::io::Json const& config, qfmt::io::SafetensorsIndex const* index) {
  if (!folder_) return;
  copy_others();
  if (!config.is_null()) put("config.json", config.dump(2) + "\n");
  if (index != nullptr)
    put(qfmt::io::Checkpoint::index_name, qfmt::io::serialize_safetensors_index(*index));
  std::error_code ignored;
  fs::remove(path_ / job_name, ignored);
}

void Output::copy_others() {
  for (auto const& entry : fs::directory_iterator(input_.path)) {
    if (!entry.is_regular_file() || is_weights(entry.path())) continue;
    std::error_code error;
    fs::copy_file(entry.path(), path_ / entry.path().filename(),
                  fs::copy_options::overwrite_existing, error);
    if (error)
      throw Failure(exit_cannot_write, entry.path().filename().string() + ": " + error.message());
  }
}

/// Whole or not at all, as the shards are.
void Output::put(std::string const& name, std::string const& text) const {
  auto const partial = path_ / (name + ".partial");
  std::ofstream out(partial, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  std::error_code error;
  if (out) fs::rename(partial, path_ / name, error);
  if (!out || error) throw Failure(exit_cannot_write, (path_ / name).string() + ": writing failed");
}

}  // namespace app
