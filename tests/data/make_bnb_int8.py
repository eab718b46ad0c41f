#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""LLM.int8() products of bitsandbytes' CPU back end, for tests/host/bnb_int8_test.cpp.

    make_bnb_int8.py > bnb_int8.txt      with tests/real_client/requirements.txt installed

A line for each element type and threshold: both; FNV-1a 64 of the codes of x (5, 499) and of w
(7, 499); the outlier columns, separated by commas; the bits of absmax of x, of absmax of w and of
y (5, 7) with a bias, 8 digits an f32 and 4 an f16 or bf16. w is quantized in float16, as
bitsandbytes does. Inputs: mix as in README.md, x first (every 1005th value 60 times as large), w
behind it, the bias behind w.
"""
import sys

import bitsandbytes  # noqa: F401
import numpy as np
import torch

M, N, K = 5, 7, 499
U64 = np.uint64
OPS = torch.ops.bitsandbytes


def mix(seed, i):
    with np.errstate(over="ignore"):
        z = U64(seed) + (i + U64(1)) * U64(0x9E3779B97F4A7C15)
        z = (z ^ z >> U64(30)) * U64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> U64(27)) * U64(0x94D049BB133111EB)
        return z ^ z >> U64(31)


def inputs(first, count):
    """The sum of four 16-bit lanes, less their mean, over 2^16: about normal, exact in f32."""
    bits = mix(1, np.arange(first, first + count, dtype=U64))
    lanes = sum((bits >> U64(16 * k) & U64(0xFFFF)).astype(np.int64) for k in range(4))
    return torch.from_numpy(((lanes - 131070) / 65536).astype(np.float32))


def fnv(tensor):
    h = 0xCBF29CE484222325
    for byte in tensor.contiguous().view(torch.uint8).numpy().tobytes():
        h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{h:016X}"


def hexes(tensor):
    kind, digits = (torch.int32, 8) if tensor.element_size() == 4 else (torch.int16, 4)
    mask = 16**digits - 1
    return "".join(f"{v & mask:0{digits}X}" for v in tensor.contiguous().view(kind).flatten().tolist())


def main():
    x = inputs(0, M * K)
    x[::499 * 2 + 7] *= 60
    w, bias = inputs(M * K, N * K).view(N, K), inputs(M * K + N * K, N)
    print(f"# bitsandbytes {bitsandbytes.__version__}, torch {torch.__version__}, CPU")
    for name, dtype in (("fp32", torch.float32), ("fp16", torch.float16), ("bf16", torch.bfloat16)):
        for threshold in (0.0, 6.0):
            a, b = x.view(M, K).to(dtype), bias.to(dtype)
            cw, sw, _ = OPS.int8_vectorwise_quant(w.half())
            ca, sa, columns = OPS.int8_vectorwise_quant(a.clone(), threshold)
            y, _ = OPS.int8_mixed_scaled_mm(a, ca, cw, sa, sw, columns, b)
            found = "-" if columns is None else ",".join(map(str, columns.tolist()))
            print(name, threshold, fnv(ca), fnv(cw), found, hexes(sa), hexes(sw), hexes(y))


if __name__ == "__main__":
    sys.exit(main())
