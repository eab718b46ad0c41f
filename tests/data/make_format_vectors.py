#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Writes formats/NAME.txt, 300 values and what each format makes of them, by numpy and ml_dtypes alone.

    make_format_vectors.py [NAME...]        needs numpy and ml_dtypes

Lines: `values` (f32 bits), `codes` (one each, not packed), `scales` (bits as stored), `tensor` (f32 bits),
`zeros` (zero points), `decoded` (f32 bits).
"""
import pathlib
import sys
from statistics import NormalDist

import ml_dtypes
import numpy as np

F = np.float32
FOLDER = pathlib.Path(__file__).parent / "formats"


def values():
    random = np.random.default_rng(11)
    x = random.standard_normal(300) * 0.02
    x[32:64] *= 1e4
    x[64:96] *= 1e-6
    x[96:128] = 0
    x[128:160] = random.uniform(-1, 1, 32)
    x[160:176] = np.abs(x[160:176])
    x[176:192] = [-0.0, 0.25, -0.25, 0.75, -0.75, 1.25, -1.25, 1.75, 2.5, -2.5, 3.5, 5.0, -5.0, 6.0, -6.0, 4.0]
    x[256:260] = [1e-38, -2e-38, 3e-39, 0.0]
    return x.astype(ml_dtypes.bfloat16).astype(F)


def blocks(x, size):
    return [x[i:i + size] for i in range(0, len(x), size)]


def codebook(levels, size):
    def encode(x):
        table = np.array(levels, F)
        points = ((table[:-1] + table[1:]) * F(0.5)).astype(F)
        codes, scales, decoded = [], [], []
        for block in blocks(x, size):
            absmax = np.abs(block).max()
            t = block * (F(1) / absmax) if absmax > 0 else block
            code = np.searchsorted(points, t, "left")
            codes.extend(code)
            scales.append(absmax)
            decoded.extend(table[code] * absmax)
        return {"codes": codes, "scales": np.array(scales, F).view(np.uint32), "decoded": decoded}
    return encode


def normal_float(bits):
    """QLoRA's construction."""
    n = 2 ** bits
    top = 1 - (1 / (2 * n) + 1 / (2 * n - 2)) / 2
    quantile = NormalDist().inv_cdf
    side = lambda count: [quantile(p) for p in np.linspace(top, 0.5, count + 1)[:-1]]
    levels = sorted([-q for q in side(n // 2 - 1)] + [0.0] + side(n // 2))
    return [level / max(levels) for level in levels]


AF4 = [-1.0, -0.69441008, -0.51243739, -0.3736951, -0.25607552, -0.14982478, -0.04934812, 0.0,
       0.04273164, 0.12934483, 0.21961274, 0.31675666, 0.42563882, 0.55496234, 0.72424863, 1.0]


def elements(dtype, largest, size, scale_of, stored, tensor=False):
    """Elements of `dtype` under scales that scale_of(absmax) gives and `stored` rounds."""
    def encode(x):
        whole = F(np.abs(x).max()) / F(largest * 448) if tensor else F(1)
        codes, scales, decoded = [], [], []
        for block in blocks(x, size):
            kept = stored(F(scale_of(F(np.abs(block).max())) / whole))
            scales.append(kept)
            scale = F(np.array(kept).astype(F) * whole)
            t = np.clip(block / scale if scale > 0 else block * 0, -largest, largest).astype(F)
            code = t.astype(dtype)
            codes.extend(code.view(np.uint8))
            decoded.extend(code.astype(F) * scale)
        bits = {1: np.uint8, 2: np.uint16, 4: np.uint32}[np.array(scales).dtype.itemsize]
        out = {"codes": codes, "scales": np.array(scales).view(bits), "decoded": decoded}
        if tensor:
            out["tensor"] = [np.array(whole).view(np.uint32)]
        return out
    return encode


def power_below(largest):
    def scale_of(absmax):
        exponent = np.frexp(absmax)[1] - np.frexp(F(largest))[1] if absmax > 0 else -127
        return F(np.ldexp(F(1), max(-127, exponent)))
    return scale_of


def nvfp4_scale(scale):
    return ml_dtypes.float8_e4m3fn(max(scale, F(2.0 ** -9)) if scale > 0 else 0)


def int4(x):
    codes, scales, decoded = [], [], []
    for block in blocks(x, 128):
        scale = (np.abs(block).max() / F(7)).astype(ml_dtypes.bfloat16)
        q = np.clip(np.rint(block / F(scale)), -8, 7).astype(np.int64)  # no -0
        codes.extend(q & 15)
        scales.append(scale)
        decoded.extend(q.astype(F) * F(scale))
    return {"codes": codes, "scales": np.array(scales).view(np.uint16), "decoded": decoded}


def int4_asymmetric(x):
    codes, scales, zeros, decoded = [], [], [], []
    for block in blocks(x, 128):
        low, high = F(min(block.min(), 0)), F(max(block.max(), 0))
        scale = (high / F(15) - low / F(15)).astype(ml_dtypes.bfloat16)
        zero = np.clip(np.rint(-low / F(scale)), 0, 15)
        q = np.clip(np.rint(block / F(scale)) + zero, 0, 15)
        codes.extend(q.astype(np.int64))
        scales.append(scale)
        zeros.append(int(zero))
        decoded.extend(((q - zero) * F(scale)).astype(F))
    return {"codes": codes, "scales": np.array(scales).view(np.uint16), "zeros": zeros, "decoded": decoded}


FORMATS = {
    "af4": codebook(AF4, 64),
    "nf3": codebook(normal_float(3), 64),
    "nf2": codebook(normal_float(2), 64),
    "fp8_e4m3": elements(ml_dtypes.float8_e4m3fn, 448, 128, lambda a: a / F(448), F),
    "fp8_e5m2": elements(ml_dtypes.float8_e5m2, 57344, 128, lambda a: a / F(57344), F),
    "mxfp4": elements(ml_dtypes.float4_e2m1fn, 6, 32, power_below(6), ml_dtypes.float8_e8m0fnu),
    "nvfp4": elements(ml_dtypes.float4_e2m1fn, 6, 16, lambda a: a / F(6), nvfp4_scale, tensor=True),
    "int4": int4,
    "int4_asymmetric": int4_asymmetric,
}


def main():
    FOLDER.mkdir(exist_ok=True)
    x = values()
    for name in sys.argv[1:] or FORMATS:
        made = {"values": x.view(np.uint32), **FORMATS[name](x)}
        made["decoded"] = np.array(made["decoded"], F).view(np.uint32)
        lines = [f"{key} " + " ".join(format(int(v), "x") for v in made[key]) + "\n" for key in made]
        (FOLDER / f"{name}.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
