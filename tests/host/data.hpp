// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Test data from a seed. All of it is finite.
#pragma once

#include <random>

#include "host/buffers.hpp"

namespace host_test {

enum class Shape { normal, uniform, any_scale, any_bits, constant, thresholds };
inline constexpr std::array all_shapes{Shape::normal,   Shape::uniform,  Shape::any_scale,
                                       Shape::any_bits, Shape::constant, Shape::thresholds};

inline char const* name_of(Shape shape) {
  switch (shape) {
    case Shape::normal: return "normal";
    case Shape::uniform: return "uniform";
    case Shape::any_scale: return "any scale";
    case Shape::any_bits: return "any bits";
    case Shape::constant: return "constant";
    case Shape::thresholds: return "thresholds";
  }
  return "?";
}

/// Where the decisions of a format lie, relative to absmax, and their neighbours.
inline std::vector<float> near_thresholds(reference::Kind kind) {
  std::vector<float> at;
  if (kind == reference::Kind::nf4)
    for (uint32_t const bits : reference::nf4_thresholds) at.push_back(reference::as_float(bits));
  if (kind == reference::Kind::fp4)
    for (uint32_t const bits : reference::fp4_thresholds) at.push_back(reference::as_float(bits));
  if (kind == reference::Kind::dynamic8)
    at.assign(reference::dynamic8_midpoints.begin(), reference::dynamic8_midpoints.end());
  if (kind == reference::Kind::int8)
    for (int k = 0; k < 127; ++k) at.push_back((static_cast<float>(k) + 0.5f) / 127.f);
  std::vector<float> near{0.f, -0.f};
  for (float const t : at)
    for (float const x : {t, std::nextafter(t, 2.f), std::nextafter(t, -2.f)}) {
      near.push_back(x);
      near.push_back(-x);
    }
  return near;
}

/// T's value nearest to x; the largest finite one where that is infinite.
template <class T>
T finite(float x) {
  T const y = nearest<T>(x);
  if (std::isfinite(reference::widen(type_of<T>, bits_of(y)))) return y;
  uint32_t const infinity = reference::round_to(type_of<T>, std::numeric_limits<float>::infinity());
  return from_bits<T>(infinity - 1);
}

template <class T>
std::vector<T> make_values(Shape shape, reference::Kind kind, int64_t size, uint64_t seed) {
  std::mt19937_64 random(seed * 6364136223846793005u + static_cast<uint64_t>(shape));
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> uniform(-1.f, 1.f);
  bool const half = type_of<T> == reference::Type::f16;
  std::uniform_int_distribution<int> exponents(half ? -24 : -149, half ? 15 : 127);
  std::vector<float> const near =
      shape == Shape::thresholds ? near_thresholds(kind) : std::vector<float>{};
  constexpr std::array constants{0.f, -0.f, 1.f, -3.7f, 1e-45f, -3e38f, 6e-8f, 65504.f};
  float const constant = constants[random() % constants.size()];
  int scale = static_cast<int>(random() % 9) - 4;
  std::vector<T> values;
  values.reserve(static_cast<size_t>(size));
  for (int64_t i = 0; i < size; ++i) {
    if (i % 16 == 0 && shape == Shape::any_scale) scale = exponents(random);
    T x{};
    switch (shape) {
      case Shape::normal: x = finite<T>(normal(random)); break;
      case Shape::uniform: x = finite<T>(uniform(random)); break;
      case Shape::any_scale: x = finite<T>(std::ldexp(normal(random), scale)); break;
      case Shape::any_bits:  // each exponent as likely as another
        do x = from_bits<T>(static_cast<uint32_t>(random()));
        while (!std::isfinite(reference::widen(type_of<T>, bits_of(x))));
        break;
      case Shape::constant: x = finite<T>(constant); break;
      case Shape::thresholds:  // absmax is a power of two: products are exact
        x = finite<T>(std::ldexp(i % 16 != 0         ? near[random() % near.size()]
                                 : random() % 2 == 0 ? 1.f
                                                     : -1.f,
                                 scale));
        break;
    }
    values.push_back(x);
  }
  return values;
}

inline constexpr std::array<int64_t, 17> all_sizes{
    0, 1, 2, 3, 15, 16, 17, 63, 64, 65, 255, 256, 257, 4095, 4096, 4097, 64 * 257 + 5};

}  // namespace host_test
