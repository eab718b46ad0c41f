// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What MinError gains over Nearest on the matrices of a model, and how much of what the best scales
// would gain: a table in Markdown.
//
//   min_error_table MODEL.safetensors [SKIP]      tensors whose names hold SKIP are left out
//   min_error_table                               normally distributed values
//
// Exit status: 0; 1 where MinError is not better than Nearest on every tensor; 3 bad input.

#include "qfmt/codec/min_error.hpp"
#include "qfmt/io/safetensors.hpp"
#include "qfmt/qfmt.hpp"
#include "support/best_scale.hpp"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace qfmt;
using Values = std::vector<float>;

struct Named {
  std::string name;
  Values values;
};

/// Sums of squared errors, and seconds that the encoders took.
struct Sums {
  double count = 0., nearest = 0., found = 0., best = 0., worse = 0.;
  double nearest_seconds = 0., found_seconds = 0.;

  void add(Sums const& other) {
    count += other.count;
    nearest += other.nearest;
    found += other.found;
    best += other.best;
    worse += other.worse;
    nearest_seconds += other.nearest_seconds;
    found_seconds += other.found_seconds;
  }
};

template <SchemeSpec S, class Encoder>
double encode(Values const& values, Encoder encoder, Values& decoded) {
  auto const size = static_cast<std::int64_t>(values.size());
  QuantizedTensor<S> tensor(size);
  Values room(static_cast<std::size_t>(block_count<S>(size)));
  Workspace const workspace{room.data(), size / S::block_size * 4 + 4};
  using Clock = std::chrono::steady_clock;
  double least = 1e9;
  for (int round = 0; round < 3; ++round) {
    auto const start = Clock::now();
    if (!host::quantize(values, tensor.span(), encoder, {}, workspace)) std::exit(3);
    least = std::min(least, std::chrono::duration<double>(Clock::now() - start).count());
    if (std::same_as<Encoder, MinError>) break;
  }
  decoded.resize(values.size());
  if (!host::dequantize(tensor.span(), decoded)) std::exit(3);
  return least;
}

double squared(double x) { return x * x; }

template <SchemeSpec S>
Sums measure(Values const& values, MinError encoder) {
  using F = typename S::format;
  constexpr std::size_t length = S::block_size;
  std::vector<double> levels;
  if constexpr (CodebookFormat<F>)
    for (int c = 0; c < F::codebook.count; ++c)
      levels.push_back(static_cast<double>(F::codebook.level[c]));
  levels = oracle::ascending(levels);
  Values nearest, found;
  Sums sums;
  sums.count = static_cast<double>(values.size());
  sums.nearest_seconds = encode<S>(values, Nearest{}, nearest);
  sums.found_seconds = encode<S>(values, encoder, found);
  for (std::size_t i = 0; i < values.size(); i += length) {
    std::size_t const end = std::min(values.size(), i + length);
    double a = 0., b = 0.;
    for (std::size_t k = i; k < end; ++k) {
      a += squared(static_cast<double>(values[k]) - static_cast<double>(nearest[k]));
      b += squared(static_cast<double>(values[k]) - static_cast<double>(found[k]));
    }
    sums.nearest += a;
    sums.found += b;
    sums.worse += b > a ? 1. : 0.;
    if constexpr (CodebookFormat<F>)
      sums.best +=
          oracle::least_error(levels, Values(values.begin() + static_cast<std::ptrdiff_t>(i),
                                             values.begin() + static_cast<std::ptrdiff_t>(end)));
  }
  return sums;
}

template <SchemeSpec S>
void print(std::string const& name, Sums const& s) {
  double const blocks = std::ceil(s.count / S::block_size);
  std::printf("| %s | %.0f | %.4e | %.4e | %.2f %% |", name.c_str(), s.count,
              std::sqrt(s.nearest / s.count), std::sqrt(s.found / s.count),
              100. * (1. - std::sqrt(s.found / s.nearest)));
  if (s.best > 0.)
    std::printf(" %.2f %% | %.4f |", 100. * (1. - std::sqrt(s.best / s.nearest)),
                (s.nearest - s.found) / (s.nearest - s.best));
  else
    std::printf(" - | - |");
  std::printf(" %.2f %% |\n", 100. * s.worse / blocks);
}

/// The table of one scheme; whether MinError is better on every tensor.
template <SchemeSpec S>
bool table(char const* title, std::vector<Named> const& tensors, bool every,
           MinError encoder = {}) {
  std::printf(
      "\n### %s\n\n| tensor | values | RMSE, Nearest | RMSE, MinError | lower by | at best | "
      "share of the gain | blocks worse |\n|---|---|---|---|---|---|---|---|\n",
      title);
  Sums total;
  bool better = true;
  for (Named const& tensor : tensors) {
    Sums const sums = measure<S>(tensor.values, encoder);
    if (every) print<S>(tensor.name, sums);
    better = better && sums.found < sums.nearest;
    total.add(sums);
    std::fflush(stdout);
  }
  print<S>("**all**", total);
  std::printf("\nEncoding, one thread: %.1f M values/s, %.0f times Nearest's time.%s\n",
              total.count / total.found_seconds / 1e6, total.found_seconds / total.nearest_seconds,
              better ? " Better on every tensor." : " NOT BETTER ON EVERY TENSOR.");
  return better;
}

std::vector<Named> read(char const* path, char const* skip) {
  auto const file = io::SafetensorsFile::open(path);
  if (!file) {
    std::fprintf(stderr, "%s: cannot be read\n", path);
    std::exit(3);
  }
  std::vector<Named> tensors;
  for (auto const& info : file->tensors()) {
    bool const skipped = skip != nullptr && info.name.find(skip) != std::string::npos;
    if (info.dtype != io::Dtype::F32 || info.shape.size() != 2 || skipped) continue;
    auto const bytes = file->bytes(info);
    tensors.push_back({info.name, Values(bytes.size() / 4)});
    std::memcpy(tensors.back().values.data(), bytes.data(), bytes.size());
  }
  return tensors;
}

std::vector<Named> made_up() {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<Named> tensors{{"normal", Values(1 << 20)}};
  for (float& x : tensors[0].values) x = normal(random);
  return tensors;
}

template <class F, int N, bool Double = false>
using Blocks = Scheme<Format<F>, BlockSize<N>, DoubleQuant<Double>>;

}  // namespace

int main(int argc, char** argv) {
  auto const tensors = argc > 1 ? read(argv[1], argc > 2 ? argv[2] : nullptr) : made_up();
  bool good = table<Blocks<NF4, 64>>("NF4, blocks of 64", tensors, true);
  good &= table<Blocks<NF4, 64, true>>("NF4, blocks of 64, double quantization", tensors, true);
  good &= table<Blocks<NF4, 64, true>>("The same, positive scales alone", tensors, false,
                                       {.positive_scales = true});
  good &= table<Blocks<FP4, 64>>("FP4, blocks of 64", tensors, false);
  good &= table<Blocks<FP4, 64, true>>("FP4, blocks of 64, double quantization", tensors, false);
  good &= table<Blocks<NF4, 32>>("NF4, blocks of 32", tensors, false);
  good &= table<Blocks<NF4, 128>>("NF4, blocks of 128", tensors, false);
  good &= table<Blocks<NF4, 256>>("NF4, blocks of 256", tensors, false);
  good &= table<Blocks<Int8, 64>>("Int8, blocks of 64", tensors, false);
  return good ? 0 : 1;
}
