// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// A feed-forward block over several ranks. `up` is split by rows, so each rank computes some of the
// inner values, to the bit what one rank alone computes; `down` is split by the same columns, so
// each rank multiplies just those, and one all-reduce adds what the ranks have. A rank copies the
// bytes under its two slices from the file, and nothing else of it.
#pragma once

#include <qfmt/host/shards.hpp>

#include <chrono>
#include <cstring>

#include "../collectives/communicator.hpp"
#include "../collectives/pair.hpp"

namespace examples {

/// A rank's own copy of a slice, in its place's memory. Nested scales stay nested where the slice
/// can have them.
template <class Place>
class Shard {
 public:
  Shard(Place const& place, Matrix const& slice)
      : bytes_(qfmt::packed_layout(slice).nested ? pack<Weights>(place, slice, nested_)
                                                 : pack<Plain>(place, slice, plain_)) {
    is_nested_ = qfmt::packed_layout(slice).nested;
  }

  /// Bytes held.
  std::int64_t bytes() const { return static_cast<std::int64_t>(bytes_.size()); }

  /// y = x times the slice, transposed.
  template <class T>
  bool matmul(Place const& place, T const* x, std::int64_t m, T* y) const {
    return is_nested_ ? place.matmul(nested_, x, m, y) : place.matmul(plain_, x, m, y);
  }

 private:
  using Plain = qfmt::PlainOf<Weights>;
  using Bytes = typename Place::template Buffer<std::byte>;

  template <qfmt::SchemeSpec P>
  static Bytes pack(Place const& place, Matrix const& slice, qfmt::QuantizedMatrix<P const>& view) {
    qfmt::QuantizedTensor<P> copy(qfmt::packed_layout(slice, P::is_nested).size);
    qfmt::QuantizedMatrix<P> packed = copy.matrix();
    if (!copy.status() || !qfmt::host::pack(slice, packed))
      return place.template allocate<std::byte>(0);
    auto const* const first = reinterpret_cast<std::byte const*>(copy.span().codes);
    Bytes bytes = place.upload(std::span(first, static_cast<std::size_t>(copy.bytes())));
    packed.values = qfmt::place<P>(bytes.data(), 1, packed.values.size).values;
    view = packed;
    return bytes;
  }

  qfmt::QuantizedMatrix<Weights const> nested_;
  qfmt::QuantizedMatrix<Plain const> plain_;
  bool is_nested_ = false;
  Bytes bytes_;
};

/// One rank's part of the block.
template <class T, class Place, Communicator<T> Comm>
class Block {
 public:
  Block(Place const& place, Comm& comm, Matrix const& up, Matrix const& down)
      : place_(place),
        comm_(comm),
        part_(qfmt::part_of(up.rows, comm.ranks(), comm.rank())),
        hidden_(up.cols),
        up_(place, qfmt::slice_rows(up, part_)),
        down_(place, qfmt::slice_cols(down, part_)) {}

  qfmt::Part part() const { return part_; }
  std::int64_t bytes() const { return up_.bytes() + down_.bytes(); }

  /// This rank's columns of inner = x up^T, and its share of inner down^T.
  ///     x: (m, hidden), inner: (m, part().count), y: (m, hidden)
  bool multiply(T const* x, std::int64_t m, T* inner, T* y) const {
    return up_.matmul(place_, x, m, inner) && down_.matmul(place_, inner, m, y);
  }
  /// y becomes the sum over ranks.
  bool reduce(T* y, std::int64_t m) { return comm_.all_reduce_sum(y, m * hidden_); }

 private:
  Place const& place_;
  Comm& comm_;
  qfmt::Part part_;
  std::int64_t hidden_;
  Shard<Place> up_, down_;
};

template <class T>
std::vector<T> activations(std::int64_t count) {
  std::vector<T> x;
  for (std::int64_t i = 0; i < count; ++i) x.push_back(T(value_at(i, 2.f)));
  return x;
}

/// What one rank computes from the whole weights.
template <class T>
struct Alone {
  std::vector<T> inner, y;  // (m, up.rows), (m, hidden)
};

template <class T, class Place>
Alone<T> multiply_alone(Place const& place, Matrix const& up, Matrix const& down,
                        std::vector<T> const& x, std::int64_t m) {
  Shard<Place> const whole_up(place, up), whole_down(place, down);
  auto const from = place.upload(std::span<T const>(x));
  auto inner = place.template allocate<T>(m * up.rows);
  auto y = place.template allocate<T>(m * down.rows);
  bool const done = whole_up.matmul(place, from.data(), m, inner.data()) &&
                    whole_down.matmul(place, inner.data(), m, y.data()) && place.wait();
  return done ? Alone<T>{place.download(inner), place.download(y)} : Alone<T>{};
}

}  // namespace examples
