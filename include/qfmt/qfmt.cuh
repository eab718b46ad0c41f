// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Everything that needs the CUDA Toolkit and no other library, and all of qfmt.hpp.
#pragma once

#include "qfmt/device/bnb_cuda.cuh"
#include "qfmt/device/grid/dequantize.cuh"
#include "qfmt/device/grid/gather.cuh"
#include "qfmt/device/grid/quantize.cuh"
#include "qfmt/qfmt.hpp"
