// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What a caller sees of a launch that the CUDA runtime refuses.
#include "qfmt/device/launch.cuh"

#include <catch2/catch_test_macros.hpp>

namespace {
__global__ void nothing() {}
}  // namespace

TEST_CASE("trouble: the CUDA runtime refuses a launch", "[docs][trouble]") {
  using namespace qfmt;
  Status const refused = device::launch(nothing, {.blocks = 1, .threads = 4096}, nullptr);
  CHECK(refused.code == Errc::device_error);
  CHECK(refused.native == static_cast<int>(cudaErrorInvalidConfiguration));
  CHECK(device::launch(nothing, {.blocks = 1, .threads = 32}, nullptr));
}
