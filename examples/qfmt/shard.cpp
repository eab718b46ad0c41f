// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// `qfmt shard --tensor-parallel N`: one file for each rank, with its part of every weight.
#include "shard.hpp"

#include <fmt/core.h>

#include <regex>

#include "names.hpp"
#include "output.hpp"
#include "text.hpp"
#include "weights.hpp"

namespace app {
namespace {

using qfmt::Part, qfmt::io::QuantizedWeight, qfmt::io::SafetensorsWriter, qfmt::io::TensorInfo;

enum class Split { none, rows, cols };

/// Which way each weight is cut: by the options' expressions, or by the names that transformer
/// layers usually have.
class Splits {
 public:
  explicit Splits(ShardOptions const& options) {
    static char const* const usual_rows =
        R"((^|\.)(q_proj|k_proj|v_proj|gate_proj|up_proj|query|key|value|c_fc|fc1|intermediate\.dense|embed_tokens|word_embeddings|lm_head)\.(weight|bias)$)";
    static char const* const usual_cols =
        R"((^|\.)(o_proj|down_proj|fc2|attention\.output\.dense|output\.dense)\.weight$)";
    bool const given = !options.split_rows.empty() || !options.split_cols.empty();
    add(given ? options.split_rows : std::vector<std::string>{usual_rows}, rows_);
    add(given ? options.split_cols : std::vector<std::string>{usual_cols}, cols_);
  }

  Split of(TensorInfo const& tensor) const {
    if (tensor.shape.empty()) return Split::none;
    if (matches(rows_, tensor.name)) return Split::rows;
    return tensor.shape.size() == 2 && matches(cols_, tensor.name) ? Split::cols : Split::none;
  }

 private:
  static void add(std::vector<std::string> const& texts, std::vector<std::regex>& to) {
    for (auto const& text : texts) try {
        to.emplace_back(text);
      } catch (std::regex_error const& error) {
        throw Failure(exit_usage, text + ": " + error.what());
      }
  }
  static bool matches(std::vector<std::regex> const& patterns, std::string const& name) {
    return std::ranges::any_of(patterns, [&](auto const& p) { return std::regex_search(name, p); });
  }

  std::vector<std::regex> rows_, cols_;
};

/// A rank's part of a tensor.
struct Piece {
  qfmt::io::StoredTensor tensor;
  Weight const* weight = nullptr;  // null: not quantized
  Cut cut = {};
  QuantizedWeight packed = {};  // of a quantized one
  TensorInfo info = {};         // of another
};

class Job {
 public:
  Job(ShardOptions const& options, Model const& model, Weights const& weights)
      : options_(options), model_(model), weights_(weights), splits_(options) {}

  std::vector<Piece> pieces(int rank) const {
    std::vector<Piece> pieces;
    model_.checkpoint.visit([&](qfmt::io::StoredTensor const& tensor) {
      if (!weights_.is_side_piece(tensor.info->name)) pieces.push_back(piece_of(tensor, rank));
    });
    return pieces;
  }

  OutputFile layout(std::vector<Piece> const& pieces, int rank) const {
    OutputFile file{rank_file_name(rank, options_.tensor_parallel), {}, {{"format", "pt"}}};
    file.metadata.emplace_back("qfmt.tensor_parallel.rank", std::to_string(rank));
    file.metadata.emplace_back("qfmt.tensor_parallel.ranks",
                               std::to_string(options_.tensor_parallel));
    for (Piece const& piece : pieces) {
      if (piece.weight == nullptr) {
        file.tensors.push_back(piece.info);
        continue;
      }
      auto tensors = value_or_fail(qfmt::io::pieces_of(piece.packed), exit_cannot_quantize);
      std::move(tensors.begin(), tensors.end(), std::back_inserter(file.tensors));
    }
    return file;
  }

  void write(SafetensorsWriter& writer, Piece const& piece) const {
    check_interrupted();
    for (auto const& file : model_.checkpoint.files())
      fail_on(file.check_unchanged(), exit_bad_input);
    auto const error = piece.weight == nullptr ? write_plain(writer, piece)
                                               : piece.weight->codec->write_packed(
                                                     writer, model_.checkpoint,
                                                     piece.weight->stored, piece.packed, piece.cut);
    fail_on(error, code_of(error));
  }

 private:
  /// Heads stay whole where config.json tells their size.
  std::int64_t multiple_of(std::string const& name) const {
    static std::regex const heads(R"((^|\.)(q_proj|k_proj|v_proj|o_proj)\.(weight|bias)$)");
    if (!model_.config.is_object() || !std::regex_search(name, heads)) return 1;
    auto const number = [&](char const* key) -> std::int64_t {
      auto const at = model_.config.find(key);
      bool const fits = at != model_.config.end() && at->is_number_unsigned() &&
                        at->get<std::uint64_t>() < (1u << 30);
      return fits ? at->get<std::int64_t>() : 0;
    };
    std::int64_t const given = number("head_dim");
    std::int64_t const count = number("num_attention_heads");
    return std::max<std::int64_t>(1, given > 0   ? given
                                     : count > 0 ? number("hidden_size") / count
                                                 : 1);
  }

  Piece piece_of(qfmt::io::StoredTensor const& tensor, int rank) const {
    Piece piece{tensor, weights_.find_known(tensor.info->name)};
    TensorInfo shaped = *tensor.info;
    if (piece.weight != nullptr) {
      auto const& stored = piece.weight->stored;
      if (stored.slice || stored.shape.empty())
        throw Failure(exit_cannot_quantize, stored.name + ": it is a shard already");
      shaped.shape = stored.shape;
      if (stored.stored.transposed)
        throw Failure(exit_cannot_quantize, stored.name + ": it is stored transposed");
    }
    std::int64_t const rows = shaped.shape.empty() ? 1 : shaped.shape[0];
    std::int64_t const cols = rows == 0 ? 0 : count_of(shaped.shape) / rows;
    auto const split = splits_.of(shaped);
    auto const part = [&](std::int64_t extent) {
      return qfmt::part_of(extent, options_.tensor_parallel, rank, multiple_of(shaped.name));
    };
    piece.cut.rows = split == Split::rows ? part(rows) : Part{0, rows};
    piece.cut.cols = split == Split::cols ? part(cols) : Part{0, cols};
    if (piece.weight == nullptr) {
      piece.info = shaped;
      if (split == Split::rows) piece.info.shape[0] = piece.cut.rows.count;
      if (split == Split::cols) piece.info.shape[1] = piece.cut.cols.count;
    } else if (split == Split::none) {
      piece.packed = piece.weight->stored;
    } else {
      piece.packed = value_or_fail(
          piece.weight->codec->packed(model_.checkpoint, piece.weight->stored, piece.cut),
          exit_bad_input);
    }
    return piece;
  }

  qfmt::io::Error write_plain(SafetensorsWriter& writer, Piece const& piece) const {
    auto const bytes = piece.tensor.bytes;
    if (piece.tensor.info->shape == piece.info.shape) return writer.write(piece.info.name, bytes);
    std::int64_t const rows = piece.tensor.info->shape[0];
    std::int64_t const row = rows == 0 ? 0 : static_cast<std::int64_t>(bytes.size()) / rows;
    std::int64_t const cols =
        piece.tensor.info->shape.size() == 1
            ? 1
            : count_of(piece.tensor.info->shape) / std::max<std::int64_t>(1, rows);
    std::int64_t const cell = cols == 0 ? 0 : row / cols;
    auto const at = [&](std::int64_t first, std::int64_t count) {
      return bytes.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    };
    if (piece.cut.cols.count == cols)
      return writer.write(piece.info.name,
                          at(piece.cut.rows.first * row, piece.cut.rows.count * row));
    for (std::int64_t r = 0; r < rows; ++r)
      if (auto e = writer.write(piece.info.name, at(r * row + piece.cut.cols.first * cell,
                                                    piece.cut.cols.count * cell)))
        return e;
    return {};
  }

  ShardOptions const& options_;
  Model const& model_;
  Weights const& weights_;
  Splits splits_;
};

/// Whether rank_file_name gives that name, for some number of ranks.
bool is_rank_file(std::string const& name) {
  static std::regex const pattern(R"(rank-\d{5,}-of-\d{5,}\.safetensors)");
  return std::regex_match(name, pattern);
}

Json piece_json(Piece const& piece) {
  auto const& to = piece.packed;
  return {{"name", to.name},
          {"rows", {piece.cut.rows.first, piece.cut.rows.count}},
          {"cols", {piece.cut.cols.first, piece.cut.cols.count}},
          {"scheme", scheme_json(to.desc)},
          {"layout", to.slice || !qfmt::io::bitsandbytes_loads(to.desc) ? "qfmt" : "bitsandbytes"}};
}

}  // namespace

std::string rank_file_name(int rank, int ranks) {
  return fmt::format("rank-{:05}-of-{:05}.safetensors", rank, ranks);
}

int shard_tensor_parallel(ShardOptions const& options) {
  auto const model = open_model(options.input);
  Weights const weights(model.checkpoint);
  Job const job(options, model, weights);
  std::vector<OutputFile> files;
  Json ranks = Json::array();
  std::int64_t native = 0, cut = 0;
  for (int rank = 0; rank < options.tensor_parallel; ++rank) {
    auto const pieces = job.pieces(rank);
    files.push_back(job.layout(pieces, rank));
    Json entry{{"rank", rank}, {"bytes", data_bytes({files.back()})}, {"weights", Json::array()}};
    for (Piece const& piece : pieces) {
      if (piece.weight == nullptr) continue;
      entry["weights"].push_back(piece_json(piece));
      native += piece.packed.slice.has_value();
      ++cut;
    }
    ranks.push_back(std::move(entry));
  }
  if (!options.write.dry_run) {
    RankFolder folder(options, data_bytes(files));
    for (int rank = 0; rank < options.tensor_parallel; ++rank) {
      auto const pieces = job.pieces(rank);
      folder.write(files[static_cast<std::size_t>(rank)], [&](SafetensorsWriter& writer) {
        for (Piece const& piece : pieces) job.write(writer, piece);
      });
    }
    folder.finish();
  }
  if (options.write.json) {
    print_json({{"schema_version", json_schema_version},
                {"dry_run", options.write.dry_run},
                {"ranks", ranks}});
  } else {
    for (auto const& rank : ranks)
      fmt::print("{}: {}\n", rank_file_name(rank["rank"], options.tensor_parallel),
                 megabytes(rank["bytes"]));
    fmt::print("{} parts of weights, {} in bitsandbytes' layout, {} in qfmt's own\n", cut,
               cut - native, native);
  }
  return exit_ok;
}

int shard(ShardOptions const& options) {
  int const asked = (options.tensor_parallel > 0) + (options.fsdp > 0) + options.gather;
  if (asked != 1)
    throw Failure(exit_usage, "give one of --tensor-parallel N, --fsdp N and --gather");
  if (options.tensor_parallel > 0) return shard_tensor_parallel(options);
  return options.fsdp > 0 ? shard_flat(options) : gather_flat_shards(options);
}

RankFolder::RankFolder(ShardOptions const& options, std::int64_t bytes)
    : options_(options), staging_(options.output) {
  namespace fs = std::filesystem;
  std::error_code error;
  bool const exists = fs::exists(options.output, error);
  bool const fresh =
      !exists || (fs::is_directory(options.output, error) && fs::is_empty(options.output, error));
  if (!fresh && !options.write.force)
    throw Failure(exit_cannot_write, options.output.string() +
                                         ": it exists already; --force replaces files of the same "
                                         "names in it");
  fs::create_directory(options.output, error);
  if (error) throw Failure(exit_cannot_write, options.output.string() + ": " + error.message());
  auto const space = fs::space(options.output, error);
  if (!error && space.available < static_cast<std::uintmax_t>(bytes))
    throw Failure(
        exit_cannot_write,
        fmt::format("{}: {} are needed and {} free", options.output.string(), megabytes(bytes),
                    megabytes(static_cast<std::int64_t>(space.available))));
  if (!fresh) staging_.begin();
  catch_interrupts(fresh ? "interrupted; the files of finished ranks stay"
                         : "interrupted; nothing was replaced");
}

RankFolder::~RankFolder() {
  if (!staging_.is_complete()) staging_.discard();
}

std::filesystem::path RankFolder::add(std::string const& name) {
  names_.insert(name);
  return staging_.place(name);
}

void RankFolder::write(OutputFile const& file,
                       std::function<void(SafetensorsWriter&)> const& fill) {
  auto writer = SafetensorsWriter::create(add(file.name), file.tensors, file.metadata);
  if (!writer) throw Failure(code_of(writer.error()), writer.error().text());
  fill(*writer);
  auto const error = writer->commit();
  fail_on(error, code_of(error));
}

void RankFolder::finish() {
  if (!staging_.waits()) return;
  staging_.replace(names_, "", [&](std::filesystem::path const&) {
    std::set<std::string> ranks;
    for (auto const& entry : std::filesystem::directory_iterator(options_.output))
      if (auto const name = entry.path().filename().string(); is_rank_file(name))
        ranks.insert(name);
    return ranks;
  });
  staging_.discard();
}

}  // namespace app
