/* SPDX-FileCopyrightText: 2026 qfmt authors
 * SPDX-License-Identifier: Apache-2.0
 *
 * An engine's plain C boundary around qfmt: C99, C++, or any language with a C interface. One C++20
 * translation unit (engine.cpp) stands behind it; nothing of C++ passes through: no exception, no
 * template, no standard library type. */
#ifndef ENGINE_H
#define ENGINE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ENGINE_ABI 2 /* grows with any change of this header: both sides must have the same */

/* 0 is success; qfmt::Errc's numbers are below 1000, the engine's own from there on. engine_message
 * tells either in words. */
typedef int32_t engine_status;
enum {
  ENGINE_NULL_POINTER = 1, /* qfmt::Errc::null_pointer */
  ENGINE_WRONG_ABI = 1000,
  ENGINE_WRONG_DESCRIPTION = 1001 /* null, another size, no format, or block_size with row_wise */
};
char const* engine_message(engine_status status);

/* 0 where this header is the one that the library was built with. Call it first. */
engine_status engine_check_version(int32_t abi);

/* What a checkpoint's metadata says of a tensor. */
typedef struct engine_scheme {
  uint32_t size;        /* sizeof(engine_scheme): any other is refused, as of another version */
  char const* format;   /* "nf4", "fp4", "int8" */
  int32_t block_size;   /* values per scale; must be 0 with row_wise */
  int32_t row_wise;     /* 1: one scale for each row */
  int32_t double_quant; /* 1: the scales are quantized, too */
} engine_scheme;

/* Bytes of storage for a tensor, which malloc aligns well enough; negative: minus a status. */
int64_t engine_storage_bytes(engine_scheme const* scheme, int64_t rows, int64_t cols);

/* values, out: (rows, cols). first_bad, where not null: the index of the first NaN or infinity, -1
 * where there is none. */
engine_status engine_quantize(engine_scheme const* scheme, int64_t rows, int64_t cols,
                              float const* values, void* storage, int64_t* first_bad);
engine_status engine_dequantize(engine_scheme const* scheme, int64_t rows, int64_t cols,
                                void const* storage, float* out);

/* y = x * w^T.   x: (m, cols), y: (m, rows) */
engine_status engine_matmul(engine_scheme const* scheme, int64_t rows, int64_t cols,
                            void const* storage, float const* x, int64_t m, float* y);

#ifdef __cplusplus
}
#endif
#endif
