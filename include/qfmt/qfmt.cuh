// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Everything that needs the CUDA Toolkit and no other library, and all of qfmt.hpp.
#pragma once

#include "qfmt/device/block/pair_table.cuh"
#include "qfmt/device/bnb_cuda.cuh"
#include "qfmt/device/grid/dequantize.cuh"
#include "qfmt/device/grid/gather.cuh"
#include "qfmt/device/grid/prepack.cuh"
#include "qfmt/device/grid/quantize.cuh"
#include "qfmt/ops/dequantized/columns.cuh"
#include "qfmt/ops/dequantized/rows.cuh"
#include "qfmt/ops/grouped_matmul.cuh"
#include "qfmt/ops/int8_matmul.cuh"
#include "qfmt/ops/matmul.cuh"
#include "qfmt/ops/matmul_prepacked.cuh"
#include "qfmt/ops/matmul_transposed.cuh"
#include "qfmt/ptx/bulk.cuh"
#include "qfmt/ptx/cluster.cuh"
#include "qfmt/ptx/mma.cuh"
#include "qfmt/ptx/packed.cuh"
#include "qfmt/ptx/shared.cuh"
#include "qfmt/ptx/tensor_map.cuh"
#include "qfmt/ptx/wgmma.cuh"
#include "qfmt/qfmt.hpp"
