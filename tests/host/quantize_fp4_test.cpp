// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "host/quantize_cases.hpp"

TEST_CASE("FP4: bytes, scales and decoded values are the reference's for every block size",
          "[host][quantize]") {
  host_test::check_block_sizes<qfmt::FP4>(host_test::AllBlockSizes{});
}
