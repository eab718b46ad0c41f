// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The command line of fsdp_gather, on any place and communicator.
//
//     PROGRAM FILE...     files of tensor_parallel --make: every rank holds its shards, gathers,
//                         and compares bytes, decoded values and products with the whole's
//
// Exit status: 0 all equal, 1 not, 2 usage, 3 a call failed.
#pragma once

#include <algorithm>
#include <cstring>

#include "fsdp_gather.hpp"

namespace examples {

template <class T>
bool same_bytes(std::vector<T> const& a, std::vector<T> const& b) {
  return a.size() == b.size() && !a.empty() &&
         std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

/// Whether gathered bytes begin with those of the file; padding is what follows them.
inline bool begins_with(std::vector<std::byte> const& gathered, std::span<std::byte const> whole) {
  return gathered.size() >= whole.size() &&
         std::memcmp(gathered.data(), whole.data(), whole.size()) == 0;
}

/// Decoded values and the product with m rows of x.
template <class T>
struct Used {
  std::vector<T> decoded, product;
};

template <class T, class Place>
Used<T> use(Place const& place, Matrix const& w, std::int64_t m) {
  std::vector<T> x;
  for (std::int64_t i = 0; i < m * w.cols; ++i) x.push_back(T(value_at(i, 2.f)));
  auto const from = place.upload(std::span<T const>(x));
  auto decoded = place.template allocate<T>(w.rows * w.cols);
  auto y = place.template allocate<T>(m * w.rows);
  bool const done = place.dequantize(w.values, decoded.data()) &&
                    place.matmul(w, from.data(), m, y.data()) && place.wait();
  return done ? Used<T>{place.download(decoded), place.download(y)} : Used<T>{};
}

/// The file's bytes in the place's memory, as a rank alone would have them.
template <class T, class Place>
Used<T> use_whole(Place const& place, Matrix const& w, std::int64_t m) {
  Pieces const pieces(w);
  auto const codes = place.upload(pieces.codes), absmax = place.upload(pieces.absmax);
  auto const absmax2 = place.upload(pieces.absmax2), offset = place.upload(pieces.offset);
  Matrix view = w;
  view.values.codes = reinterpret_cast<std::uint8_t const*>(codes.data());
  view.values.scales.absmax.codes = reinterpret_cast<std::uint8_t const*>(absmax.data());
  view.values.scales.absmax.scales = {reinterpret_cast<float const*>(absmax2.data())};
  view.values.scales.offset = reinterpret_cast<float const*>(offset.data());
  return use<T>(place, view, m);
}

/// Of the words of BF16 that codes are stored as, those that are NaNs.
inline std::int64_t count_nans(std::span<std::byte const> bytes) {
  std::int64_t nans = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    auto const word = std::to_integer<unsigned>(bytes[i]) | std::to_integer<unsigned>(bytes[i + 1])
                                                                << 8;
    nans += (word & 0x7FFFu) > 0x7F80u;
  }
  return nans;
}

template <class T, class Place, class Comm>
int run_weight(Place const& place, Comm& comm, std::string const& name, Matrix const& w) {
  ShardedWeight<Place, Comm> const sharded(place, comm, w);
  auto const whole = sharded.gather();
  Pieces const pieces(w);
  bool const bytes = begins_with(place.download(whole.codes), pieces.codes) &&
                     begins_with(place.download(whole.absmax), pieces.absmax) &&
                     begins_with(place.download(whole.absmax2), pieces.absmax2) &&
                     begins_with(place.download(whole.offset), pieces.offset);
  constexpr std::int64_t m = 3;
  auto const gathered = use<T>(place, whole.view(), m), alone = use_whole<T>(place, w, m);
  if (alone.product.empty()) return 3;
  bool const decoded = same_bytes(gathered.decoded, alone.decoded);
  bool const product = same_bytes(gathered.product, alone.product);
  std::printf(
      "%s: rank %d of %d held %lld of %zu bytes; %lld words of its codes are NaNs; bytes %s, "
      "decoded %s, product %s\n",
      name.c_str(), comm.rank(), comm.ranks(), static_cast<long long>(sharded.bytes()),
      pieces.codes.size() + pieces.absmax.size() + pieces.absmax2.size() + 4,
      static_cast<long long>(count_nans(pieces.codes)), bytes ? "equal" : "DIFFER",
      decoded ? "equal" : "DIFFERS", product ? "equal" : "DIFFERS");
  return bytes && decoded && product ? 0 : 1;
}

template <class T, class Place, Communicator<T> Comm>
int run(Place const& place, Comm& comm, int argc, char** argv) {
  if (argc < 2) return std::fputs("usage: fsdp_gather FILE...\n", stderr), 2;
  int worst = 0;
  for (int i = 1; i < argc; ++i) {
    PairFile const file(argv[i]);
    if (!file.good()) return 3;
    worst = std::max(worst, run_weight<T>(place, comm, std::string(argv[i]) + " up", file.up()));
    worst =
        std::max(worst, run_weight<T>(place, comm, std::string(argv[i]) + " down", file.down()));
  }
  return worst;
}

}  // namespace examples
