// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What the whole operations share before they launch: checks that touch no device memory, and one
// element type per format of number, whoever's name for it the caller uses.
#pragma once

#include "qfmt/codec/options.hpp"
#include "qfmt/layout/check.hpp"

namespace qfmt::inline v0::device {

/// The type kernels are instantiated for: a caller's __half and float16 share one kernel, and the
/// kernels need no CUDA half header.
template <Element T>
using kernel_element_t =
    stl::conditional_t<Float16Like<T>, float16, stl::conditional_t<Bfloat16Like<T>, bfloat16, T>>;

/// The same pointer, to the kernels' type of the same layout.
template <Element T>
QFMT_HD kernel_element_t<T> const* as_kernel_elements(T const* p) {
  return reinterpret_cast<kernel_element_t<T> const*>(p);
}
/// The same pointer, to the kernels' type of the same layout.
template <Element T>
QFMT_HD kernel_element_t<T>* as_kernel_elements(T* p) {
  return reinterpret_cast<kernel_element_t<T>*>(p);
}

/// True if p is a multiple of `bytes`.
QFMT_HD inline bool is_aligned(void const* p, int64_t bytes) {
  return reinterpret_cast<uintptr_t>(p) % static_cast<uintptr_t>(bytes) == 0;
}

/// What must hold of a view and of the values at `values`: (view.size): an error of the view;
/// null_pointer; misaligned.
template <SchemeSpec S, Element T>
QFMT_HD constexpr Errc check_tensor(QuantizedSpan<S> const& view, T const* values) {
  if (Errc const e = check(view); e != Errc::ok) return e;
  return view.size == 0 ? Errc::ok : check_pointer(values);
}

}  // namespace qfmt::inline v0::device
