// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs a grid: cluster after cluster, every CUDA thread a fiber of this OS thread.
#pragma once

#include <cstddef>
#include <functional>

#include "gpu_free/settings.hpp"
#include "gpu_free/vector_types.hpp"

namespace gpu_free {

struct Shape {
  dim3 grid;
  dim3 block;
  dim3 cluster;
  std::size_t dynamic_bytes = 0;
};

/// Throws the Fault of the first thread that made one. `thread_body` is what one thread does.
void run_grid(Shape const& shape, std::function<void()> const& thread_body);

/// Brackets the kernel itself inside thread_body: only what lies between is the kernel's doing.
void enter_kernel();
void leave_kernel();

}  // namespace gpu_free
