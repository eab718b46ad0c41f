// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// What tensor_parallel and fsdp_gather ask of a communication library. qfmt brings none: mpi.hpp
// and nccl.hpp are two that fit, and an engine's own takes their place.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

namespace examples {

/// One rank among several, each a process. Every rank makes the same calls in the same order.
/// Pointers are into the memory of the place the ranks compute in: the host's or a GPU's.
///
///     all_reduce_sum(values, n)    values[i] becomes the sum over ranks of values[i]
///     all_gather(mine, n, all)     all[r * n, (r + 1) * n) becomes rank r's n bytes, as they are
///
/// Both return false after an error, which they have printed. What they do is complete once the
/// place's wait() has returned.
template <class C, class T>
concept Communicator = requires(C& c, T* values, std::byte const* mine, std::byte* all,
                                std::int64_t n) {
  { c.rank() } -> std::same_as<int>;
  { c.ranks() } -> std::same_as<int>;
  { c.all_reduce_sum(values, n) } -> std::same_as<bool>;
  { c.all_gather(mine, n, all) } -> std::same_as<bool>;
};

}  // namespace examples
