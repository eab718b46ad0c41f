// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Nested tensors long enough that the work is split into several tasks, for block sizes at which a
// task of the usual length would hold less than one group of 256 scales.
#include "host/quantize_cases.hpp"

using namespace host_test;
using qfmt::BlockSize, qfmt::DoubleQuant, qfmt::Format, qfmt::FP4, qfmt::Int8, qfmt::NF4,
    qfmt::Scheme;

namespace {

/// Two groups and a bit, cut short in the middle of a block.
template <class S>
constexpr int64_t long_size = int64_t{S::block_size} * (2 * 256 + 37) + 5;

template <class S, class T>
void check_long(Shape shape, uint64_t seed) {
  auto const values = make_values<T>(shape, kind_of<typename S::format>, long_size<S>, seed);
  check_tensor<S>(values);

  Buffers<S> serial(long_size<S>);
  REQUIRE(qfmt::host::quantize(values, serial.view()));
  for (int const threads : {1, 2, 3, 8}) {
    Buffers<S> parallel(long_size<S>);
    REQUIRE(qfmt::host::quantize_parallel(qfmt::host::Threads{threads}, values, parallel.view()));
    CAPTURE(S::block_size, threads);
    REQUIRE(parallel.bytes() == serial.bytes());
  }
}

}  // namespace

TEST_CASE("Nested: groups of 256 scales stay whole however long the blocks are", "[host][nested]") {
  check_long<Scheme<Format<NF4>, BlockSize<512>, DoubleQuant<true>>, float>(Shape::normal, 1);
  check_long<Scheme<Format<FP4>, BlockSize<1024>, DoubleQuant<true>>, qfmt::bfloat16>(
      Shape::any_scale, 2);
  if (sanitized) return;  // the paths are the same, and the tensors long
  check_long<Scheme<Format<NF4>, BlockSize<4096>, DoubleQuant<true>>, float>(Shape::any_scale, 3);
  check_long<Scheme<Format<Int8>, BlockSize<2048>, DoubleQuant<true>>, qfmt::float16>(Shape::normal,
                                                                                      4);
}
