// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The one C++20 translation unit behind engine.h. The list of schemes is the engine's: only these
// are instantiated, and a scheme it does not hold is an error code, not a link error.
//
//     F="-std=c++20 -O2 -fvisibility=hidden -I include -shared -fPIC"
//     g++ $F examples/c_api/engine.cpp -o libengine.so
#include "engine.h"

#include <qfmt/qfmt.hpp>

#include <span>

#define ENGINE_CALL extern "C" __attribute__((visibility("default")))

namespace {

using Served = qfmt::SchemeList<qfmt::Scheme<qfmt::Format<qfmt::NF4>>,
                                qfmt::Scheme<qfmt::Format<qfmt::NF4>, qfmt::DoubleQuant<true>>,
                                qfmt::Scheme<qfmt::Format<qfmt::FP4>>,
                                qfmt::Scheme<qfmt::Format<qfmt::Int8>, qfmt::RowWise>>;

static_assert(ENGINE_NULL_POINTER == static_cast<engine_status>(qfmt::Errc::null_pointer));

/// fn.operator()<S>() for the scheme that is meant, as a number.
template <class Fn>
engine_status with_scheme(engine_scheme const* scheme, Fn&& fn, qfmt::int64_t* index = nullptr) {
  if (index != nullptr) *index = -1;
  if (scheme == nullptr || scheme->size != sizeof(engine_scheme) || scheme->format == nullptr ||
      (scheme->row_wise != 0 && scheme->block_size != 0))
    return ENGINE_WRONG_DESCRIPTION;
  qfmt::SchemeDesc const desc{scheme->format, scheme->block_size, scheme->row_wise != 0,
                              scheme->double_quant != 0};
  qfmt::Status const status = qfmt::dispatch(Served{}, desc, fn);
  if (index != nullptr) *index = status.index;
  return static_cast<engine_status>(status.code);
}

/// The tensor that lies in `storage`; what is wrong with its shape, or with a null storage or
/// values.
template <qfmt::SchemeSpec S>
qfmt::Status find(void const* storage, void const* values, qfmt::int64_t rows, qfmt::int64_t cols,
                  qfmt::QuantizedMatrix<S>& matrix) {
  if (storage == nullptr || values == nullptr) return {qfmt::Errc::null_pointer};
  if (qfmt::storage_bytes<S>(rows, cols) < 0) return {qfmt::Errc::unsupported_shape};
  matrix = qfmt::place<S>(const_cast<void*>(storage), rows, cols);
  return {};
}

/// The tensor's values at `p`.
template <class T>
std::span<T> values_of(T* p, auto const& matrix) {
  return {p, static_cast<std::size_t>(matrix.values.size)};
}

}  // namespace

ENGINE_CALL char const* engine_message(engine_status status) {
  if (status == ENGINE_WRONG_ABI) return "engine.h is not the one this library was built with";
  if (status == ENGINE_WRONG_DESCRIPTION)
    return "the description of the scheme is null, of another size or contradicts itself";
  return qfmt::message(static_cast<qfmt::Errc>(status));
}

ENGINE_CALL engine_status engine_check_version(int32_t abi) {
  return abi == ENGINE_ABI ? 0 : ENGINE_WRONG_ABI;
}

ENGINE_CALL int64_t engine_storage_bytes(engine_scheme const* scheme, int64_t rows, int64_t cols) {
  int64_t bytes = 0;
  engine_status const status = with_scheme(scheme, [&]<qfmt::SchemeSpec S>() -> qfmt::Status {
    bytes = qfmt::storage_bytes<S>(rows, cols);
    return {bytes < 0 ? qfmt::Errc::unsupported_shape : qfmt::Errc::ok};
  });
  return status == 0 ? bytes : -int64_t{status};
}

ENGINE_CALL engine_status engine_quantize(engine_scheme const* scheme, int64_t rows, int64_t cols,
                                          float const* values, void* storage, int64_t* first_bad) {
  return with_scheme(
      scheme,
      [&]<qfmt::SchemeSpec S>() -> qfmt::Status {
        qfmt::QuantizedMatrix<S> matrix;
        if (auto const status = find(storage, values, rows, cols, matrix); !status) return status;
        return qfmt::host::quantize(values_of(values, matrix), matrix.values);
      },
      first_bad);
}

ENGINE_CALL engine_status engine_dequantize(engine_scheme const* scheme, int64_t rows, int64_t cols,
                                            void const* storage, float* out) {
  return with_scheme(scheme, [&]<qfmt::SchemeSpec S>() -> qfmt::Status {
    qfmt::QuantizedMatrix<S> matrix;
    if (auto const status = find(storage, out, rows, cols, matrix); !status) return status;
    return qfmt::host::dequantize(matrix.values, values_of(out, matrix));
  });
}

ENGINE_CALL engine_status engine_matmul(engine_scheme const* scheme, int64_t rows, int64_t cols,
                                        void const* storage, float const* x, int64_t m, float* y) {
  return with_scheme(scheme, [&]<qfmt::SchemeSpec S>() -> qfmt::Status {
    qfmt::QuantizedMatrix<S> matrix;
    if (auto const status = find(storage, x, rows, cols, matrix); !status) return status;
    return qfmt::host::matmul(matrix, x, m, y);
  });
}
