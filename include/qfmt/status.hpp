// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// How every call of the library reports: a value, never an exception, a print or an abort.
#pragma once

#include "qfmt/config.hpp"

namespace qfmt::inline v0 {

/// Why a call did not do what it was asked to. A new reason is added at the end of its part.
enum class Errc : int {
  ok,                   ///< nothing is wrong
  null_pointer,         ///< memory is asked for and none was given
  size_mismatch,        ///< sizes, counts or ranges that do not belong together
  non_finite,           ///< NaN or infinity to quantize; `index` is the first
  misaligned,           ///< floats, or a workspace, at an address that their type forbids
  map_mismatch,         ///< stored levels that are not the format's
  unsupported_scheme,   ///< not in the SchemeList; or a checkpoint's weight of another scheme
  unsupported_shape,    ///< a shape that cannot be laid out, sliced or launched
  workspace_too_small,  ///< less than the size query says
  out_of_memory,        ///< QuantizedTensor could not allocate
  device_error,         ///< `native` is the cudaError_t (cuBLASLt: the cublasStatus_t)
  // Files, from io/.
  file_error,               ///< the system refused; `native` is the errno
  file_exists,              ///< and overwriting was not asked for
  file_truncated,           ///< shorter than its header says
  file_has_trailing_bytes,  ///< longer than its header says
  header_too_large,         ///< above SafetensorsLimits
  invalid_json,             ///< no JSON, or none that is safe to read
  invalid_header,           ///< JSON with a field that breaks a rule
  duplicate_name,           ///< a tensor or field twice
  unsupported_dtype,        ///< an element type that is unknown, or not this piece's
  invalid_offsets,          ///< holes, overlaps, or a span that its shape contradicts
  size_overflow,            ///< a product of dimensions beyond 63 bits
  not_found,                ///< no such tensor, piece or file
  // Operations.
  invalid_threshold,  ///< an outlier threshold that is NaN or negative
};

/// What a call came to. True means ok. Trivially copyable.
struct [[nodiscard]] Status {
  Errc code = Errc::ok;  ///< why
  /// First offending value, counted in the whole tensor; -1 where none applies.
  int64_t index = -1;
  /// The cudaError_t or errno behind `code`; 0 where none applies.
  int native = 0;

  /// True where the call succeeded.
  QFMT_HD constexpr explicit operator bool() const { return code == Errc::ok; }
};

/// One sentence for a person. The text may change between versions; the code does not.
QFMT_HD constexpr char const* message(Errc code) {
  switch (code) {
    case Errc::ok: return "ok";
    case Errc::null_pointer: return "a pointer that must point to memory is null";
    case Errc::size_mismatch: return "the sizes of two arguments do not belong together";
    case Errc::non_finite: return "the input holds a NaN or an infinity";
    case Errc::misaligned: return "a pointer is not aligned for its element type";
    case Errc::map_mismatch: return "the stored map of levels is not the one this format defines";
    case Errc::unsupported_scheme:
      return "the scheme is not in the list this program was built for";
    case Errc::unsupported_shape: return "the shape cannot be laid out under this scheme";
    case Errc::workspace_too_small: return "the workspace is smaller than the size query asks for";
    case Errc::out_of_memory: return "memory could not be allocated";
    case Errc::device_error: return "the CUDA runtime reported an error";
    case Errc::file_error: return "the operating system refused a file operation";
    case Errc::file_exists: return "the file to write exists already";
    case Errc::file_truncated: return "the file ends before what its header promises";
    case Errc::file_has_trailing_bytes: return "the file goes on after what its header describes";
    case Errc::header_too_large: return "the header is larger than any sound file's";
    case Errc::invalid_json: return "the text is not valid JSON";
    case Errc::invalid_header: return "the header does not have the form it must have";
    case Errc::duplicate_name: return "a name stands twice where it must be unique";
    case Errc::unsupported_dtype: return "the element type is unknown or not supported here";
    case Errc::invalid_offsets: return "the data offsets leave a hole, overlap or lie about a size";
    case Errc::size_overflow: return "a size does not fit 64 bits";
    case Errc::not_found: return "there is nothing of that name";
    case Errc::invalid_threshold: return "the outlier threshold is negative or not a number";
  }
  return "unknown error code";
}

}  // namespace qfmt::inline v0
