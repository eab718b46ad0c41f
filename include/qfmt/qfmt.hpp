// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
//
// Everything that needs no third-party library and no CUDA. Ranks 0 to 4 also compile in device
// code and under NVRTC; host/ does not.
#pragma once

#include "qfmt/codec/block_codec.hpp"
#include "qfmt/codec/decode.hpp"
#include "qfmt/codec/encode.hpp"
#include "qfmt/codec/encoders.hpp"
#include "qfmt/codec/key_table.hpp"
#include "qfmt/codec/nested.hpp"
#include "qfmt/codec/options.hpp"
#include "qfmt/codec/step_table.hpp"
#include "qfmt/dtype.hpp"
#include "qfmt/format/codebook.hpp"
#include "qfmt/format/concepts.hpp"
#include "qfmt/format/dynamic8.hpp"
#include "qfmt/format/fp4.hpp"
#include "qfmt/format/int8.hpp"
#include "qfmt/format/nf4.hpp"
#include "qfmt/host/dequantize.hpp"
#include "qfmt/host/executor.hpp"
#include "qfmt/host/quantize.hpp"
#include "qfmt/host/quantize_range.hpp"
#include "qfmt/host/quantized_tensor.hpp"
#include "qfmt/host/shards.hpp"
#include "qfmt/layout/check.hpp"
#include "qfmt/layout/placement.hpp"
#include "qfmt/layout/quantized_matrix.hpp"
#include "qfmt/layout/quantized_span.hpp"
#include "qfmt/layout/shards.hpp"
#include "qfmt/scheme/scheme.hpp"
#include "qfmt/scheme/scheme_list.hpp"
#include "qfmt/status.hpp"
#include "qfmt/version.hpp"
