// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Whole tensors against the reference, for any scheme.
#pragma once

#include <catch2/catch_test_macros.hpp>

#include "host/data.hpp"

namespace host_test {

template <class S, class T>
void check_decoded(Buffers<S>& in, int64_t size, std::vector<float> const& expected) {
  Guarded<T> out(size);
  qfmt::QuantizedSpan<S const> const view = in.view();
  qfmt::Status const status = qfmt::host::dequantize<S, T>(view, std::span(out.data(), out.size()));
  CAPTURE(type_of<T>);
  REQUIRE(status.code == qfmt::Errc::ok);
  REQUIRE(compare_values(out, expected) == "");
}

/// The values' bytes and scales are the reference's, and decode to what it decodes.
template <class S, class T>
void check_tensor(std::vector<T> const& values, int64_t row_length = 0) {
  auto const size = static_cast<int64_t>(values.size());
  reference::Plan const plan = plan_of<S>(row_length);
  reference::Result const expected = reference::quantize(plan, widened(values));

  Buffers<S> out(size, row_length);
  qfmt::Status const status = qfmt::host::quantize(values, out.view());
  CAPTURE(S::block_size, S::is_nested, type_of<T>, size, row_length);
  REQUIRE(status.code == qfmt::Errc::ok);
  REQUIRE(status.index == -1);
  REQUIRE(compare(out, expected, S::is_nested) == "");

  std::vector<float> const decoded = reference::dequantize(plan, expected, values.size());
  check_decoded<S, float>(out, size, decoded);
  check_decoded<S, qfmt::float16>(out, size, decoded);
  check_decoded<S, qfmt::bfloat16>(out, size, decoded);
}

template <class S, class T>
void check_all_data() {
  uint64_t seed = 0;
  for (Shape const shape : all_shapes)
    for (int64_t const size : all_sizes) {
      CAPTURE(name_of(shape));
      check_tensor<S>(make_values<T>(shape, kind_of<typename S::format>, size, ++seed));
    }
}

template <class S>
void check_all_types() {
  check_all_data<S, float>();
  check_all_data<S, qfmt::float16>();
  check_all_data<S, qfmt::bfloat16>();
}

template <class F, int... block_sizes>
void check_block_sizes(std::integer_sequence<int, block_sizes...>) {
  using qfmt::BlockSize, qfmt::DoubleQuant, qfmt::Format, qfmt::Scheme;
  (check_all_types<Scheme<Format<F>, BlockSize<block_sizes>>>(), ...);
  (check_all_types<Scheme<Format<F>, BlockSize<block_sizes>, DoubleQuant<true>>>(), ...);
}

using AllBlockSizes = std::integer_sequence<int, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096>;

}  // namespace host_test
