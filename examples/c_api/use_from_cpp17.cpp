// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The same engine from a C++17 program, which could not include qfmt itself.
//
//     g++ -std=c++17 examples/c_api/use_from_cpp17.cpp -L . -lengine -o use_from_cpp17
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine.h"

static_assert(__cplusplus < 202002L, "this file shows a C++17 program");

namespace {

void check(engine_status status) {
  if (status != 0) throw std::runtime_error(engine_message(status));
}

}  // namespace

int main() try {
  check(engine_check_version(ENGINE_ABI));
  engine_scheme const fp4{sizeof(engine_scheme), "fp4", 64, 0, 0};
  std::int64_t const rows = 3, cols = 64;
  std::vector<float> values(static_cast<std::size_t>(rows * cols), -1.5f), decoded(values.size());
  std::vector<char> storage(static_cast<std::size_t>(engine_storage_bytes(&fp4, rows, cols)));
  check(engine_quantize(&fp4, rows, cols, values.data(), storage.data(), nullptr));
  check(engine_dequantize(&fp4, rows, cols, storage.data(), decoded.data()));
  if (decoded != values) return 1;  // the block's largest value is a level

  try {
    check(engine_dequantize(&fp4, rows, cols, nullptr, decoded.data()));
    return 2;
  } catch (std::runtime_error const& error) {
    std::printf("fp4: %zu bytes; without storage: \"%s\"\n", storage.size(), error.what());
  }
  return 0;
} catch (std::exception const& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 3;
}
