// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What the host operations share: ranges of blocks, and the checks before any work.
#pragma once

#include "qfmt/codec/options.hpp"
#include "qfmt/layout/check.hpp"

#include <ranges>
#include <span>

namespace qfmt::inline v0::host {

/// Blocks [first, last) of a tensor, or rows of a row-wise one. The values of different blocks
/// share no byte, so ranges that do not overlap may be worked on at the same time.
struct BlockRange {
  int64_t first = 0;  ///< the first block
  int64_t last = 0;   ///< one past the last
};

template <class R>
concept ElementRange = std::ranges::contiguous_range<R> && std::ranges::sized_range<R> &&
    Element<std::ranges::range_value_t<R>>;

namespace detail {
template <class R>
using value_reference_t = std::ranges::range_value_t<R>&;
}  // namespace detail

/// Vectors, arrays and spans that can be written through.
template <class R>
concept OutputElementRange = ElementRange<R> &&
    std::same_as<std::ranges::range_reference_t<R>, detail::value_reference_t<R>>;

/// The range as a span of dynamic extent; of const elements where the range is const.
template <ElementRange R>
constexpr auto as_span(R&& range) {
  return std::span<std::remove_reference_t<std::ranges::range_reference_t<R>>>(
      std::ranges::data(range), std::ranges::size(range));
}

/// Blocks of a valid view.
template <SchemeSpec S>
constexpr int64_t block_count_of(QuantizedSpan<S> const& view) {
  if constexpr (S::is_row_wise) {
    return block_count<S>(view.size, view.scales.row_length);
  } else {
    return block_count<S>(view.size);
  }
}

/// Values of a full block of a valid view.
template <SchemeSpec S>
constexpr int64_t block_length_of(QuantizedSpan<S> const& view) {
  if constexpr (S::is_row_wise) {
    return view.scales.row_length;
  } else {
    return S::block_size;
  }
}

namespace detail {

struct ValueRange {
  int64_t first;
  int64_t count;
};

/// The values of one block of a valid view.
template <SchemeSpec S>
constexpr ValueRange values_of(QuantizedSpan<S> const& view, int64_t block) {
  int64_t const length = block_length_of(view);
  int64_t const first = block * length;
  return {first, view.size - first < length ? view.size - first : length};
}

/// The view itself, and values of the same count.
template <SchemeSpec S, class T>
constexpr Status check_call(std::span<T> values, QuantizedSpan<S> const& view) {
  if (Errc const e = check(view); e != Errc::ok) return {e};
  if (static_cast<int64_t>(values.size()) != view.size) return {Errc::size_mismatch};
  if (view.size == 0) return {};
  return {check_pointer(values.data())};
}

template <SchemeSpec S>
constexpr Status check_range(QuantizedSpan<S> const& view, BlockRange range) {
  bool const inside =
      0 <= range.first && range.first <= range.last && range.last <= block_count_of(view);
  return {inside ? Errc::ok : Errc::size_mismatch};
}

template <SchemeSpec S>
constexpr Status check_workspace(int64_t size, Workspace workspace) {
  if (workspace.data == nullptr || !S::is_nested || size == 0) return {};
  int64_t const floats = block_count<S>(size);  // the sums behind them are a device's
  if (workspace.bytes / static_cast<int64_t>(sizeof(float)) < floats)
    return {Errc::workspace_too_small};
  return {check_pointer(static_cast<float const*>(workspace.data))};
}

}  // namespace detail
}  // namespace qfmt::inline v0::host
