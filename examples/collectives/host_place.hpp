// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// A place has memory and does arithmetic. This one is the host; device_place.cuh is a GPU.
#pragma once

#include <qfmt/host/dequantize.hpp>
#include <qfmt/host/matmul.hpp>

#include <cstring>
#include <span>
#include <vector>

namespace examples {

class HostPlace {
 public:
  template <class T>
  using Buffer = std::vector<T>;

  template <class T>
  Buffer<T> allocate(std::int64_t count) const {
    return Buffer<T>(static_cast<std::size_t>(count));
  }
  template <class T>
  Buffer<T> upload(std::span<T const> values) const {
    return {values.begin(), values.end()};
  }
  template <class T>
  std::vector<T> download(Buffer<T> const& buffer) const {
    return buffer;
  }

  /// y = x w^T.     x: (m, w.cols), y: (m, w.rows)
  template <qfmt::SchemeSpec S, class T>
  bool matmul(qfmt::QuantizedMatrix<S const> w, T const* x, std::int64_t m, T* y) const {
    return static_cast<bool>(qfmt::host::matmul(w, x, m, y));
  }
  /// out: (in.size)
  template <qfmt::SchemeSpec S, class T>
  bool dequantize(qfmt::QuantizedSpan<S const> in, T* out) const {
    return static_cast<bool>(
        qfmt::host::dequantize(in, std::span(out, static_cast<std::size_t>(in.size))));
  }
  bool wait() const { return true; }
};

}  // namespace examples
