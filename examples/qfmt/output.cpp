// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "output.hpp"

#include <fmt/core.h>

#include <algorithm>

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

/// "model-00002-of-00003.safetensors", or what was to become it.
bool is_shard(std::string const& name) {
  constexpr std::string_view pattern = "model-00000-of-00000.safetensors";
  auto const like = [](char c, char p) { return p == '0' ? c >= '0' && c <= '9' : c == p; };
  return name.size() >= pattern.size() &&
         std::equal(pattern.begin(), pattern.end(), name.begin(),
                    [&](char p, char c) { return like(c, p); }) &&
         (name.size() == pattern.size() || name.compare(pattern.size(), 9, ".partial.") == 0);
}

/// The weights that are in a folder, as far as a loader would take them for a model's.
std::set<std::string> weights_of(fs::path const& folder, fs::path const& index_path) {
  std::set<std::string> names;
  if (auto const text = qfmt::io::MappedFile::open(index_path))
    if (auto const index = qfmt::io::parse_safetensors_index(text->bytes(), index_path.string()))
      for (auto const& [tensor, file] : index->weight_map) names.insert(file);
  for (auto const& entry : fs::directory_iterator(folder))
    if (auto const name = entry.path().filename().string();
        name == qfmt::io::Checkpoint::file_name || is_shard(name))
      names.insert(name);
  return names;
}

void refuse_same(fs::path const& input, fs::path const& output) {
  std::error_code ignored;  // what cannot be looked up is not the same
  if (fs::equivalent(input, output, ignored) ||
      fs::weakly_canonical(input, ignored) == fs::weakly_canonical(output, ignored))
    throw Failure(exit_usage, "IN and OUT are the same file: " + output.string());
}

qfmt::io::SafetensorsIndex index_of(std::vector<OutputFile> const& files) {
  qfmt::io::SafetensorsIndex index;
  index.total_size = data_bytes(files);
  for (auto const& file : files)
    for (auto const& tensor : file.tensors) index.weight_map.emplace(tensor.name, file.name);
  return index;
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

qfmt::io::Json inputs_of(Model const& model) {
  qfmt::io::Json inputs = qfmt::io::Json::object();
  for (auto const& file : model.checkpoint.files()) {
    std::error_code ignored;
    auto const time = fs::last_write_time(file.path(), ignored);
    inputs[fs::path(file.path()).filename().string()] = {file.file_bytes(),
                                                         time.time_since_epoch().count()};
  }
  return inputs;
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
    : input_(input),
      path_(std::move(path)),
      options_(options),
      folder_(input.is_folder),
      staging_(path_) {
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
  if (folder_) put_file(path_ / job_name, job);
  catch_interrupts(folder_ ? "interrupted; --resume finishes the folder"
                           : "interrupted; nothing was written");
}

void Output::begin_folder(std::string const& job) {
  std::error_code ignored;
  if (fs::exists(path_, ignored) && !fs::is_directory(path_, ignored))
    throw Failure(exit_cannot_write, path_.string() + ": it is no folder, as the input is");
  bool const begun = fs::exists(path_ / job_name, ignored);
  bool const bare = is_bare(path_);
  bool const resumes = options_.resume && begun && text_of(path_ / job_name) == job;
  if (!bare && !options_.force && !options_.resume)
    throw Failure(exit_cannot_write, path_.string() +
                                         ": it holds files already; --force replaces its model, "
                                         "--resume finishes what was interrupted");
  if (options_.resume && !resumes && !options_.force && !bare)
    throw Failure(exit_usage,
                  path_.string() + (begun ? ": it was begun with other options or another input; "
                                            "--force begins anew"
                                          : ": nothing unfinished is there to resume"));
  std::error_code error;
  fs::create_directory(path_, error);
  if (error) throw Failure(exit_cannot_write, path_.string() + ": " + error.message());
  if (!resumes && !bare) staging_.begin();
  if (resumes) find_finished();
}

/// What an earlier run finished; what it did not is removed.
void Output::find_finished() {
  for (auto const& path : staging_.files()) {
    auto const name = path.filename().string();
    if (name.find(".safetensors.partial.") != name.npos) fs::remove(path);
    if (name.ends_with(".safetensors")) finished_.insert(name);
  }
}

void Output::check_space(std::int64_t bytes) const {
  std::error_code ignored;
  for (auto const& name : finished_)
    bytes -= static_cast<std::int64_t>(fs::file_size(place(name), ignored));
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
                                                    !folder_ && options_.force);
  if (!writer) throw Failure(code_of(writer.error()), writer.error().text());
  fill(*writer);
  check_interrupted();
  qfmt::io::Error const error = writer->commit();
  fail_on(error, code_of(error));
  return writer->file_bytes();
}

void Output::finish(qfmt::io::Json const& config, std::vector<OutputFile> const& files) {
  if (!folder_) return;
  constexpr char const* index_name = qfmt::io::Checkpoint::index_name;
  if (staging_.waits()) {
    std::set<std::string> names;
    for (auto const& file : files) names.insert(file.name);
    staging_.replace(names, index_name,
                     [&](fs::path const& index) { return weights_of(path_, index); });
  }
  copy_others();
  if (!config.is_null()) put_file(path_ / "config.json", qfmt::io::python_json_text(config));
  if (input_.checkpoint.is_sharded())
    put_file(path_ / index_name, qfmt::io::serialize_safetensors_index(index_of(files)));
  staging_.discard();
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

}  // namespace app
