/* SPDX-FileCopyrightText: 2026 qfmt authors
 * SPDX-License-Identifier: Apache-2.0
 *
 * The engine from C99: quantize, decode, multiply, and what errors look like.
 *
 *     cc -std=c99 examples/c_api/use_from_c.c -L . -lengine -lm -o use_from_c
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine.h"

enum { rows = 8, cols = 128, m = 2 };

static float values[rows * cols], decoded[rows * cols], x[m * cols], y[m * rows];

static int check(engine_scheme const* scheme) {
  int64_t const bytes = engine_storage_bytes(scheme, rows, cols);
  void* const storage = bytes > 0 ? malloc((size_t)bytes) : NULL;
  double worst = 0;
  int i, r, c;
  if (storage == NULL) return 1;
  if (engine_quantize(scheme, rows, cols, values, storage, NULL) != 0) return 2;
  if (engine_dequantize(scheme, rows, cols, storage, decoded) != 0) return 3;
  if (engine_matmul(scheme, rows, cols, storage, x, m, y) != 0) return 4;
  for (i = 0; i < m; ++i)
    for (r = 0; r < rows; ++r) {
      double sum = 0, magnitude = 0;
      for (c = 0; c < cols; ++c) {
        double const product = (double)x[i * cols + c] * decoded[r * cols + c];
        sum += product;
        magnitude += fabs(product);
      }
      worst = fmax(worst, fabs(y[i * rows + r] - sum) / magnitude);
    }
  printf("%s%s: %lld bytes, matmul within %.0e of the f64 product\n", scheme->format,
         scheme->double_quant ? ", double quantization" : "", (long long)bytes, worst);
  free(storage);
  return worst < 1e-5 ? 0 : 5;
}

/* Whether a description is refused for this reason, by every call in the same number. */
static int refused(engine_scheme const* scheme, engine_status reason) {
  static double storage[1 << 10];
  int64_t const bytes = engine_storage_bytes(scheme, rows, cols);
  engine_status const status = engine_dequantize(scheme, rows, cols, storage, decoded);
  printf("%lld: \"%s\"\n", (long long)bytes, engine_message(status));
  return bytes == -(int64_t)reason && status == reason;
}

int main(void) {
  engine_scheme const nf4 = {sizeof(engine_scheme), "nf4", 64, 0, 1};
  engine_scheme const int8 = {sizeof(engine_scheme), "int8", 0, 1, 0};
  engine_scheme const unknown = {sizeof(engine_scheme), "nf0", 64, 0, 0};
  engine_scheme const older = {sizeof(engine_scheme) - 4, "nf4", 64, 0, 0};
  engine_scheme const nameless = {sizeof(engine_scheme), NULL, 64, 0, 0};
  engine_scheme const both = {sizeof(engine_scheme), "int8", 64, 1, 0};
  int64_t first_bad = -1;
  static double storage[1 << 13];
  int i;
  if (engine_check_version(ENGINE_ABI) != 0 || engine_check_version(ENGINE_ABI + 1) == 0) return 10;
  for (i = 0; i < rows * cols; ++i) values[i] = (float)sin(0.7 * i);
  for (i = 0; i < m * cols; ++i) x[i] = (float)cos(1.3 * i);
  if (check(&nf4) != 0 || check(&int8) != 0) return 11;

  if (!refused(&unknown, 6) || !refused(NULL, ENGINE_WRONG_DESCRIPTION)) return 12;
  if (!refused(&older, ENGINE_WRONG_DESCRIPTION) || !refused(&both, ENGINE_WRONG_DESCRIPTION) ||
      !refused(&nameless, ENGINE_WRONG_DESCRIPTION))
    return 12;
  if (engine_quantize(&nf4, rows, cols, NULL, storage, NULL) != ENGINE_NULL_POINTER ||
      engine_dequantize(&nf4, rows, cols, storage, NULL) != ENGINE_NULL_POINTER ||
      engine_matmul(&nf4, rows, cols, storage, x, m, NULL) != ENGINE_NULL_POINTER ||
      engine_matmul(&nf4, rows, cols, NULL, x, m, y) != ENGINE_NULL_POINTER)
    return 14;
  values[77] = NAN;
  engine_status const status = engine_quantize(&nf4, rows, cols, values, storage, &first_bad);
  printf("value %d is a NaN: \"%s\", at %lld\n", 77, engine_message(status), (long long)first_bad);
  return status != 0 && first_bad == 77 ? 0 : 13;
}
