// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// The one C++20 translation unit behind engine.h. The list of schemes is the engine's: only these
// are instantiated, and a scheme it does not hold is an error code, not a link error.
//
//     g++ -std=c++20 -O2 -fvisibility=hidden -I include -shared -fPIC examples/c_api/engine.cpp -o
//     libengine.so
#include "engine.h"

#include <qfmt/qfmt.hpp>

#include <span>

#define ENGINE_CALL extern "C" __attribute__((visibility("default")))

namespace {

using Served = qfmt::SchemeList<qfmt::Scheme<qfmt::Format<qfmt::NF4>>,
                                qfmt::Scheme<qfmt::Format<qfmt::NF4>, qfmt::DoubleQuant<true>>,
                                qfmt::Scheme<qfmt::Format<qfmt::FP4>>,
                                qfmt::Scheme<qfmt::Format<qfmt::Int8>, qfmt::RowWise>>;

constexpr engine_status wrong_abi = -1, wrong_description = -2;

/// fn.operator()<S>() for the scheme that is meant, as a number.
template <class Fn>
engine_status with_scheme(engine_scheme const* scheme, Fn&& fn, qfmt::int64_t* index = nullptr) {
  if (scheme == nullptr || scheme->size < sizeof(engine_scheme) || scheme->format == nullptr)
    return wrong_description;
  qfmt::SchemeDesc const desc{scheme->format, scheme->block_size, scheme->row_wise != 0,
                              scheme->double_quant != 0};
  qfmt::Status const status = qfmt::dispatch(Served{}, desc, fn);
  if (index != nullptr) *index = status.index;
  return static_cast<engine_status>(status.code);
}

/// The tensor that lies in `storage`; without a value where the shape or the pointer is no good.
template <qfmt::SchemeSpec S>
qfmt::Status find(void const* storage, qfmt::int64_t rows, qfmt::int64_t cols,
                  qfmt::QuantizedMatrix<S>& matrix) {
  if (storage == nullptr) return {qfmt::Errc::null_pointer};
  if (qfmt::storage_bytes<S>(rows, cols) < 0) return {qfmt::Errc::unsupported_shape};
  matrix = qfmt::place<S>(const_cast<void*>(storage), rows, cols);
  return {};
}

template <class T>
std::span<T> values_of(T* p, auto const& matrix) {
  return {p, p == nullptr ? 0 : static_cast<std::size_t>(matrix.values.size)};
}

}  // namespace

ENGINE_CALL char const* engine_message(engine_status status) {
  if (status == wrong_abi) return "engine.h is not the one this library was built with";
  if (status == wrong_description) return "the description of the scheme is null or too small";
  return qfmt::message(static_cast<qfmt::Errc>(status));
}

ENGINE_CALL engine_status engine_check_version(int32_t abi) {
  return abi == ENGINE_ABI ? 0 : wrong_abi;
}

ENGINE_CALL int64_t engine_storage_bytes(engine_scheme const* scheme, int64_t rows, int64_t cols) {
  int64_t bytes = 0;
  engine_status const status = with_scheme(scheme, [&]<qfmt::SchemeSpec S>() -> qfmt::Status {
    bytes = qfmt::storage_bytes<S>(rows, cols);
    return {bytes < 0 ? qfmt::Errc::unsupported_shape : qfmt::Errc::ok};
  });
  return status == 0 ? bytes : -int64_t{status < 0 ? -status : status};
}

ENGINE_CALL engine_status engine_quantize(engine_scheme const* scheme, int64_t rows, int64_t cols,
                                          float const* values, void* storage, int64_t* first_bad) {
  return with_scheme(
      scheme,
      [&]<qfmt::SchemeSpec S>() -> qfmt::Status {
        qfmt::QuantizedMatrix<S> matrix;
        if (auto const status = find(storage, rows, cols, matrix); !status) return status;
        return qfmt::host::quantize(values_of(values, matrix), matrix.values);
      },
      first_bad);
}

ENGINE_CALL engine_status engine_dequantize(engine_scheme const* scheme, int64_t rows, int64_t cols,
                                            void const* storage, float* out) {
  return with_scheme(scheme, [&]<qfmt::SchemeSpec S>() -> qfmt::Status {
    qfmt::QuantizedMatrix<S> matrix;
    if (auto const status = find(storage, rows, cols, matrix); !status) return status;
    return qfmt::host::dequantize(matrix.values, values_of(out, matrix));
  });
}

ENGINE_CALL engine_status engine_matmul(engine_scheme const* scheme, int64_t rows, int64_t cols,
                                        void const* storage, float const* x, int64_t m, float* y) {
  return with_scheme(scheme, [&]<qfmt::SchemeSpec S>() -> qfmt::Status {
    qfmt::QuantizedMatrix<S> matrix;
    if (auto const status = find(storage, rows, cols, matrix); !status) return status;
    return qfmt::host::matmul(matrix, x, m, y);
  });
}
