// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The command line of tensor_parallel, on any place and communicator.
//
//     PROGRAM --make FILE HIDDEN INNER     writes a checkpoint; one process
//     PROGRAM [--m M] FILE...              every rank: multiplies; rank 0 also compares with the
//                                          product of the whole, and prints
//     PROGRAM --time N [--m M] FILE...     N repetitions, without comparing
//
// Exit status: 0 all equal, 1 not, 2 usage, 3 a call failed.
#pragma once

#include "tensor_parallel.hpp"

namespace examples {

/// Largest error of y against the product alone, relative to the sum of the magnitudes of an
/// element's products, and what is allowed: 2^-20 for sums in f32, whatever their order; and of T a
/// rounding for each rank's share, for each addition of shares and for the product alone.
struct Accuracy {
  double worst = 0, bound = 0;
};

template <class T>
Accuracy accuracy_of(std::vector<T> const& y, Alone<T> const& alone, Matrix const& down,
                     std::int64_t m, int ranks) {
  std::vector<float> w(static_cast<std::size_t>(down.rows * down.cols));
  Accuracy a;
  if (!qfmt::host::dequantize(down, w)) return {1, 0};
  for (std::int64_t i = 0; i < m * down.rows; ++i) {
    double magnitude = 0;
    for (std::int64_t k = 0; k < down.cols; ++k) {
      auto const at = [](std::int64_t j) { return static_cast<std::size_t>(j); };
      magnitude +=
          std::fabs(static_cast<double>(w[at(i % down.rows * down.cols + k)]) *
                    static_cast<double>(float(alone.inner[at(i / down.rows * down.cols + k)])));
    }
    double const error =
        std::fabs(static_cast<double>(float(y[static_cast<std::size_t>(i)])) -
                  static_cast<double>(float(alone.y[static_cast<std::size_t>(i)])));
    if (error > 0) a.worst = std::fmax(a.worst, error / magnitude);
  }
  double const unit = sizeof(T) == 4 ? 0x1p-24 : 0x1p-9;
  a.bound = 0x1p-20 + (2 * ranks + 1) * unit;
  return a;
}

/// The inner values of all ranks, in place of their own: (m, inner) on every rank. Parts differ in
/// width, so each travels as wide as the widest.
template <class T, class Place, class Comm>
std::vector<T> gather_inner(Place const& place, Comm& comm, std::vector<T> const& mine,
                            std::int64_t m, std::int64_t inner) {
  std::int64_t const widest = qfmt::part_of(inner, comm.ranks(), 0).count;
  std::vector<T> padded(static_cast<std::size_t>(m * widest));
  std::copy(mine.begin(), mine.end(), padded.begin());
  auto const from = place.upload(std::as_bytes(std::span(padded)));
  auto const bytes = static_cast<std::int64_t>(from.size());
  auto all = place.template allocate<std::byte>(bytes * comm.ranks());
  if (!comm.all_gather(from.data(), bytes, all.data()) || !place.wait()) return {};
  auto const gathered = place.download(all);
  std::vector<T> whole(static_cast<std::size_t>(m * inner));
  for (int r = 0; r < comm.ranks(); ++r) {
    auto const part = qfmt::part_of(inner, comm.ranks(), r);
    for (std::int64_t i = 0; part.count > 0 && i < m; ++i)
      std::memcpy(static_cast<void*>(whole.data() + i * inner + part.first),
                  gathered.data() + r * bytes + i * part.count * std::int64_t{sizeof(T)},
                  static_cast<std::size_t>(part.count) * sizeof(T));
  }
  return whole;
}

struct Options {
  std::int64_t m = 3;
  int repetitions = 0;
};

/// Milliseconds of one of `n` runs of fn, after one that does not count.
template <class Place, class Fn>
double milliseconds(Place const& place, int n, Fn const& fn) {
  fn();
  place.wait();
  auto const start = std::chrono::steady_clock::now();
  for (int i = 0; i < n; ++i) fn();
  place.wait();
  std::chrono::duration<double, std::milli> const taken = std::chrono::steady_clock::now() - start;
  return taken.count() / n;
}

template <class T, class Place, class Comm>
int run_file(Place const& place, Comm& comm, std::string const& path, Options options) {
  PairFile const file(path);
  if (!file.good()) return 3;
  Matrix const &up = file.up(), &down = file.down();
  std::int64_t const m = options.m;
  Block<T, Place, Comm> block(place, comm, up, down);
  auto const x = activations<T>(m * up.cols);
  auto const from = place.upload(std::span<T const>(x));
  auto inner = place.template allocate<T>(m * block.part().count);
  auto y = place.template allocate<T>(m * down.rows);
  auto const multiply = [&] { return block.multiply(from.data(), m, inner.data(), y.data()); };
  auto const reduce = [&] { return block.reduce(y.data(), m); };
  if (!multiply() || !reduce() || !place.wait()) return 3;

  if (options.repetitions > 0) {
    double const both = milliseconds(place, options.repetitions, [&] { multiply(), reduce(); });
    double const apart = milliseconds(place, options.repetitions, reduce);
    if (comm.rank() == 0)
      std::printf("%s: m %lld, %d ranks: %.4f ms, of it all-reduce alone %.4f ms\n", path.c_str(),
                  static_cast<long long>(m), comm.ranks(), both, apart);
    return 0;
  }
  auto const whole = gather_inner<T>(place, comm, place.download(inner), m, up.rows);
  std::printf("%s: rank %d of %d: %lld of %lld inner values, %lld bytes\n", path.c_str(),
              comm.rank(), comm.ranks(), static_cast<long long>(block.part().count),
              static_cast<long long>(up.rows), static_cast<long long>(block.bytes()));
  if (comm.rank() != 0) return 0;

  auto const alone = multiply_alone<T>(place, up, down, x, m);
  if (alone.y.empty() || whole.size() != alone.inner.size()) return 3;
  bool const same = std::memcmp(whole.data(), alone.inner.data(), whole.size() * sizeof(T)) == 0;
  auto const accuracy = accuracy_of(place.download(y), alone, down, m, comm.ranks());
  bool const close = accuracy.worst <= accuracy.bound;
  std::printf("%s: up split by rows: %s; down split by columns: within %.1e, allowed %.1e%s\n",
              path.c_str(), same ? "the bits of one rank" : "OTHER BITS", accuracy.worst,
              accuracy.bound, close ? "" : ": TOO FAR");
  return same && close ? 0 : 1;
}

inline int usage() {
  std::fputs("usage: --make FILE HIDDEN INNER | [--m M] [--time N] FILE...\n", stderr);
  return 2;
}

/// --make, where it is asked for; -1 where it is not.
inline int make_if_asked(int argc, char** argv) {
  if (argc < 2 || std::strcmp(argv[1], "--make") != 0) return -1;
  if (argc != 5) return usage();
  return make_pair_file(argv[2], std::atoll(argv[3]), std::atoll(argv[4])) ? 0 : 3;
}

template <class T, class Place, Communicator<T> Comm>
int run(Place const& place, Comm& comm, int argc, char** argv) {
  Options options;
  int i = 1;
  for (; i + 1 < argc && std::strncmp(argv[i], "--", 2) == 0; i += 2) {
    if (std::strcmp(argv[i], "--m") == 0) options.m = std::atoll(argv[i + 1]);
    if (std::strcmp(argv[i], "--time") == 0) options.repetitions = std::atoi(argv[i + 1]);
  }
  if (i >= argc || options.m < 1) return usage();
  int worst = 0;
  for (; i < argc; ++i) worst = std::max(worst, run_file<T>(place, comm, argv[i], options));
  return worst;
}

}  // namespace examples
