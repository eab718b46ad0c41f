// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "round_trips.hpp"

#include <qfmt/format/formats.hpp>
#include <qfmt/host/dequantize.hpp>
#include <qfmt/host/quantize.hpp>
#include <qfmt/host/quantized_tensor.hpp>

#include <cmath>
#include <numbers>

namespace app {
namespace {

template <qfmt::SchemeSpec S>
double bits_per_value(std::int64_t count) {
  return qfmt::QuantizedTensor<S>(count).bits_per_value();
}

template <qfmt::SchemeSpec S>
RoundTrip round_trip(std::span<float const> values, qfmt::SimdLevel level) {
  auto const count = static_cast<std::int64_t>(values.size());
  RoundTrip result;
  qfmt::QuantizedTensor<S> tensor(count);
  result.status = tensor.status();
  if (result.status)
    result.status = qfmt::host::quantize(values, tensor.span(), qfmt::Nearest{}, {.simd = level});
  result.decoded.resize(values.size());
  if (result.status)
    result.status = qfmt::host::dequantize(tensor.span(), result.decoded, {.simd = level});
  if (!result.status) return result;
  result.bytes.assign(tensor.span().codes, tensor.span().codes + tensor.bytes());
  result.agrees = true;
  for (std::int64_t i = 0; i < std::min<std::int64_t>(count, 4096); ++i)
    result.agrees =
        result.agrees && qfmt::float_bits(qfmt::decode_at(tensor.span(), i)) ==
                             qfmt::float_bits(result.decoded[static_cast<std::size_t>(i)]);
  return result;
}

/// A number in (0, 1) of 53 bits for each index.
double uniform(std::uint64_t i) {
  std::uint64_t z = (i + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return (static_cast<double>((z ^ z >> 31) >> 11) + 0.5) * 0x1p-53;
}

double normal(std::uint64_t i) {
  return std::sqrt(-2. * std::log(uniform(2 * i))) *
         std::cos(2. * std::numbers::pi * uniform(2 * i + 1));
}

}  // namespace

std::vector<FormatEntry> format_entries() {
  std::vector<FormatEntry> entries;
  qfmt::for_each_format(qfmt::Formats{}, [&]<class F>() {
    using S = qfmt::Scheme<qfmt::Format<F>>;
    entries.push_back({qfmt::desc_of<S>, &bits_per_value<S>, &round_trip<S>});
  });
  return entries;
}

std::vector<float> random_values(Distribution distribution, std::size_t count) {
  std::vector<float> values(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    double x = 0.;
    if (distribution == Distribution::uniform) {
      x = std::sqrt(12.) * (uniform(i) - 0.5);
    } else if (distribution == Distribution::normal) {
      x = normal(i);
    } else {  // chi squared of 4 degrees is -2 log of a product of two uniform numbers
      double const chi = -2. * std::log(uniform(4 * i + 2) * uniform(4 * i + 3));
      x = normal(2 * i) / std::sqrt(chi / 4.);
    }
    values[i] = static_cast<float>(x);
  }
  return values;
}

}  // namespace app
