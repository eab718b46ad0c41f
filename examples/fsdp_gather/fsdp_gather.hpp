// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Quantized weights under fully sharded data parallelism. FSDP knows tensors of one floating-point
// type and cuts them anywhere. So codes and scales lie in storage typed BF16 that means nothing as
// BF16: each rank holds an equal run of the bytes, an all-gather puts them together for the layer
// that is computed next, and they are freed afterwards. The bytes must travel as bytes: many pairs
// of codes are NaNs as BF16, and arithmetic on a NaN, even a conversion and back, may change it.
#pragma once

#include <qfmt/host/shards.hpp>

#include "../collectives/communicator.hpp"
#include "../collectives/pair.hpp"

namespace examples {

using Storage = qfmt::bfloat16;  // what the shards are typed as

/// One rank's shard of some bytes, and the bytes again when they are wanted.
template <class Place, class Comm>
class FlatShard {
 public:
  using Gathered = typename Place::template Buffer<std::byte>;

  /// Copies this rank's part of `whole`, which it reads nothing else of.
  FlatShard(Place const& place, Comm& comm, std::span<std::byte const> whole)
      : place_(place),
        comm_(comm),
        shard_(place.upload(std::span<Storage const>(cut(comm, whole)))) {}

  std::int64_t shard_bytes() const {
    return static_cast<std::int64_t>(shard_.size() * sizeof(Storage));
  }

  /// The whole, and the padding of the last shards behind it, on every rank. Empty after an error.
  Gathered gather() const {
    auto all = place_.template allocate<std::byte>(shard_bytes() * comm_.ranks());
    auto const* const mine = reinterpret_cast<std::byte const*>(shard_.data());
    if (comm_.all_gather(mine, shard_bytes(), all.data()) && place_.wait()) return all;
    return place_.template allocate<std::byte>(0);
  }

 private:
  static std::vector<Storage> cut(Comm const& comm, std::span<std::byte const> whole) {
    auto const bytes = static_cast<std::int64_t>(whole.size());
    std::int64_t const mine = qfmt::flat_shard_bytes(bytes, comm.ranks(), sizeof(Storage));
    std::vector<Storage> shard(static_cast<std::size_t>(mine) / sizeof(Storage));
    auto const to = std::as_writable_bytes(std::span(shard));
    if (!qfmt::host::scatter_flat(whole, comm.ranks(), comm.rank(), to, sizeof(Storage))) return {};
    return shard;
  }

  Place const& place_;
  Comm& comm_;
  typename Place::template Buffer<Storage> shard_;
};

/// The four runs of bytes that a weight with nested scales consists of.
struct Pieces {
  std::span<std::byte const> codes, absmax, absmax2, offset;

  explicit Pieces(Matrix const& weight) {
    auto const& scales = weight.values.scales;
    std::int64_t const blocks = scales.absmax.size;
    codes = run(weight.values.codes, qfmt::codes_bytes<Weights>(weight.values.size));
    absmax = run(scales.absmax.codes, blocks);
    absmax2 = run(scales.absmax.scales.absmax, qfmt::block_count<qfmt::AbsmaxScheme>(blocks) * 4);
    offset = run(scales.offset, 4);
  }

 private:
  static std::span<std::byte const> run(void const* data, std::int64_t bytes) {
    return {static_cast<std::byte const*>(data), static_cast<std::size_t>(bytes)};
  }
};

/// A weight of which each rank holds its part of codes and scales.
template <class Place, class Comm>
class ShardedWeight {
 public:
  using Flat = FlatShard<Place, Comm>;

  ShardedWeight(Place const& place, Comm& comm, Matrix const& weight)
      : rows_(weight.rows),
        cols_(weight.cols),
        pieces_{weight},
        codes_(place, comm, pieces_.codes),
        absmax_(place, comm, pieces_.absmax),
        absmax2_(place, comm, pieces_.absmax2),
        offset_(place, comm, pieces_.offset) {}

  /// Bytes that this rank holds.
  std::int64_t bytes() const {
    return codes_.shard_bytes() + absmax_.shard_bytes() + absmax2_.shard_bytes() +
           offset_.shard_bytes();
  }

  /// The whole weight in this rank's memory, and its view.
  struct Whole {
    typename Flat::Gathered codes, absmax, absmax2, offset;
    std::int64_t rows, cols;

    Matrix view() const {
      auto const* const floats = reinterpret_cast<float const*>(absmax2.data());
      auto const bytes_of = [](auto const& b) {
        return reinterpret_cast<std::uint8_t const*>(b.data());
      };
      std::int64_t const size = rows * cols, blocks = qfmt::block_count<Weights>(size);
      qfmt::QuantizedSpan<Weights const> values;
      values.codes = bytes_of(codes);
      values.scales.absmax = {bytes_of(absmax), {floats}, blocks};
      values.scales.offset = reinterpret_cast<float const*>(offset.data());
      values.size = size;
      return {values, rows, cols};
    }
  };
  Whole gather() const {
    return {codes_.gather(), absmax_.gather(), absmax2_.gather(), offset_.gather(), rows_, cols_};
  }

 private:
  std::int64_t rows_, cols_;
  Pieces pieces_;
  Flat codes_, absmax_, absmax2_, offset_;
};

}  // namespace examples
