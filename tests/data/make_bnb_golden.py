#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Golden vectors from the real bitsandbytes package. README.md beside this file says what they hold.

  make_bnb_golden.py dump cuda DIR      needs torch, bitsandbytes and an NVIDIA GPU: raw_cuda.npz, rows_cuda.json
  CUDA_VISIBLE_DEVICES= TORCHDYNAMO_DISABLE=1 \\
  make_bnb_golden.py dump cpu DIR       needs torch and bitsandbytes: raw_cpu.npz, rows_cpu.json
  make_bnb_golden.py build DIR          needs numpy: from those, the files beside this script

Deterministic: inputs come from integer arithmetic. `build` restates three rules independently of qfmt (qfmt's Nearest,
the CUDA kernels, the package's CPU code), asserts that the last two give the package's bytes throughout, and names the
reason of every code in which the package differs from Nearest; it fails on a difference it cannot explain.
"""
import hashlib
import json
import multiprocessing
import os
import sys
import time
import zlib

import numpy as np

COUNT = 4097
BLOCKS = (32, 64, 128, 256, 512, 1024, 2048, 4096)
DTYPES = ("fp32", "fp16", "bf16")
TYPES = ("nf4", "fp4")
BACKENDS = ("cuda", "cpu")
NESTED_COUNT = 64 * 300
REASONS = (
    "threshold",  # the package's CPU code decides at the float midpoint of two levels
    "fp4 negative tie",  # ... and breaks ties by signed order: away from zero for negative values
    "fp4 sign of zero",  # ... and gives code 8 to small positive, 0 to small negative values
    "tail division",  # ... and divides a short last block by absmax instead of multiplying by 1/absmax
    "tail division and threshold",
    "approximate reciprocal",  # the CUDA kernels multiply by rcp.approx.ftz(absmax)
    "absmax below 1e-38",  # the CPU code divides by no less than 1e-38
    "zero block",
    "padded nibble",
)

U64 = np.uint64


# ------------------------------------------------------------------------------------------------ inputs
def mix(seed, index):
    """splitmix64 of a counter: 64 bits from (seed, index)."""
    with np.errstate(over="ignore"):
        z = U64(seed) + (index.astype(U64) + U64(1)) * U64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> U64(30))) * U64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> U64(27))) * U64(0x94D049BB133111EB)
        return z ^ (z >> U64(31))


def inputs_f32(count):
    """Near-normal values in [-16, 16], exact in f32; the scale changes every 37 values."""
    i = np.arange(count, dtype=U64)
    z = mix(1, i)
    lanes = [(z >> U64(16 * k)) & U64(0xFFFF) for k in range(4)]
    v = sum(lane.astype(np.int64) for lane in lanes) - 131070
    k = (mix(2, i // U64(37)) % U64(7)).astype(np.int64) - 3
    return np.ldexp(v.astype(np.float64), k - 16).astype(np.float32)


def to_bits(x, dtype):
    """Bits of f32 values rounded to nearest even."""
    if dtype == "fp32":
        return x.view(np.uint32)
    if dtype == "fp16":
        with np.errstate(over="ignore"):
            return x.astype(np.float16).view(np.uint16)
    u = x.view(np.uint32).astype(np.uint64)
    r = ((u + 0x7FFF + ((u >> 16) & 1)) >> 16).astype(np.uint16)
    return np.where(np.isnan(x), (u >> 16).astype(np.uint16) | 0x40, r)


def from_bits(bits, dtype):
    if dtype == "fp32":
        return bits.view(np.float32)
    if dtype == "fp16":
        return bits.view(np.float16).astype(np.float32)
    return (bits.astype(np.uint32) << 16).view(np.float32)


def f32(*bits):
    return np.array(bits, dtype=np.uint32).view(np.float32)


NF4_LEVELS = f32(0xBF800000, 0xBF3239B1, 0xBF066B30, 0xBECA32A0, 0xBE91A24D, 0xBE3D353F, 0xBDBA7871, 0x00000000,
                 0x3DA2FAFF, 0x3E24CAE3, 0x3E7C04DD, 0x3EAD033A, 0x3EE1A4B8, 0x3F1007AB, 0x3F3913B3, 0x3F800000)
FP4_MAGNITUDES = f32(0x00000000, 0x3BAAAAAB, 0x3F2AAAAB, 0x3F800000, 0x3EAAAAAB, 0x3F000000, 0x3E2AAAAB, 0x3E800000)
NF4_CUDA = f32(0xBF591CD9, 0xBF1C5270, 0xBEEB8480, 0xBEADEA76, 0xBE703CEC, 0xBE0D38BC, 0xBD3A7871, 0x3D22FAFF,
               0x3DF64863, 0x3E5067E0, 0x3E9582D4, 0x3EC753F9, 0x3F006D03, 0x3F248DAF, 0x3F5C89D9)
FP4_CUDA = f32(0x3B2AAAB9, 0x3DB00000, 0x3E555555, 0x3E955555, 0x3ED55556, 0x3F155550, 0x3F555555)
FP4_RANKS = np.array([0, 1, 6, 7, 4, 5, 2, 3], np.uint8)  # rank of a magnitude -> its code
FP4_ORDER = np.array([11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3], np.uint8)
ZERO_CODE = {"nf4": 7, "fp4": 0}


def default_bounds(kind):
    if kind == "nf4":
        return (NF4_LEVELS[:-1] + NF4_LEVELS[1:]) / np.float32(2)
    levels = np.concatenate([FP4_MAGNITUDES, -FP4_MAGNITUDES])[FP4_ORDER]
    return (levels[:-1] + levels[1:]) / np.float32(2)


def edge_rows():
    """Blocks of 64 f32 values by name."""
    inf, nan = np.float32(np.inf), np.float32(np.nan)

    def block(*head, fill=0.0):
        b = np.full(64, fill, np.float32)
        b[: len(head)] = np.array(head, np.float32)
        return b

    def around(points):
        return np.concatenate([[np.nextafter(p, np.float32(-2)), p, np.nextafter(p, np.float32(2))] for p in points])

    fp4_cuda = np.concatenate([FP4_CUDA, -FP4_CUDA])
    fp4_mid = np.array([b for b in default_bounds("fp4") if b != 0], np.float32)
    ramp = ((np.arange(64) - 32) / 32).astype(np.float32)
    rows = {
        "zero": block(),
        "negative zero": block(fill=-0.0),
        "one positive": block(3.0),
        "one negative": block(-3.0),
        "all 0.1": block(fill=0.1),
        "ramp": ramp,
        "ramp 0.75": ramp * np.float32(0.75),
        "ramp 0.1": ramp * np.float32(0.1),
        "nf4 cuda thresholds": block(1.0, *around(NF4_CUDA)),
        "nf4 cuda thresholds times 3": block(3.0, *(3 * around(NF4_CUDA))),
        "nf4 midpoints": block(1.0, *around(default_bounds("nf4"))),
        "fp4 cuda thresholds": block(1.0, *around(fp4_cuda)),
        "fp4 cuda thresholds times 3": block(3.0, *(3 * around(fp4_cuda))),
        "fp4 midpoints": block(1.0, *around(fp4_mid)),
        "fp4 fractions of 24": block(1.0, *[s * k / 24 for k in range(1, 24) for s in (1, -1)]),
        "fp4 fractions of 72": block(3.0, *[s * k / 24 for k in range(1, 31) for s in (1, -1)]),
        "tiny": block(1.0, -1e-3, 1e-3, -1e-9, 1e-9, -1e-30, 1e-30, -1e-40, 1e-40, -0.0, 0.0),
        "subnormal": block(1e-40, -1e-41, 5e-40, 1e-45),
        "largest subnormal": block(f32(0x007FFFFF)[0], 5e-39, -9e-39),
        "smallest normal": block(f32(0x00800000)[0], 5e-39, -9e-39),
        "second normal": block(f32(0x00800001)[0], 5e-39, -9e-39),
        "1e-38": block(1e-38, -5e-39),
        "1e-37": block(1e-37, -5e-38, 2e-38, 1e-39),
        "2^126": block(2.0**126, 2.0**125, -(2.0**126), 2.0**124),
        "above 2^126": block(f32(0x7E800001)[0], 2.0**125, -(2.0**126), 2.0**124),
        "largest": block(f32(0x7F7FFFFF)[0], 1e38, -3e38, 2e37),
        "half range": block(65504.0, -65504.0, 32768.0, 1e-3, 6e-8),
        "half subnormals": block(6.1e-5, 6e-8, -1.2e-7, 3e-5),
        "infinity": block(inf, 1.0, -2.0),
        "negative infinity": block(-inf, 1.0, -2.0),
        "both infinities": block(inf, -inf, 1.0),
        "nan first": block(nan, 1.0, -2.0, 0.5),
        "nan last": np.concatenate([block(1.0, -2.0, 0.5)[:63], [nan]]).astype(np.float32),
        "all nan": block(fill=nan),
        "nan and infinity": block(nan, inf, 1.0),
        "nan and zero": block(nan),
    }
    x = inputs_f32(256)
    for i in range(4):
        rows[f"random {i}"] = x[64 * i : 64 * i + 64]
    return rows


def short_rows():
    """Tensors whose last block is short."""
    one = np.float32(1)
    z = np.zeros
    return {
        "1 zero": z(1, np.float32),
        "3 zeros": z(3, np.float32),
        "63 zeros": z(63, np.float32),
        "64 ones, 1 zero": np.concatenate([np.full(64, one), z(1, np.float32)]),
        "64 ones, 63 zeros": np.concatenate([np.full(64, one), z(63, np.float32)]),
        "64 zeros, 3 ones": np.concatenate([z(64, np.float32), np.full(3, one)]),
        "5 subnormals": np.full(5, 1e-40, np.float32),
        "5 largest": np.full(5, 3e38, np.float32),
        "3 with nan": np.array([1, np.nan, -1], np.float32),
        "3 with infinity": np.array([1, np.inf, -1], np.float32),
    }


def eight_bit_rows(levels):
    """Midpoints of the map and their neighbours, absmax 1: rows of 64."""
    mid = (levels[:-1] + levels[1:]) * np.float32(0.5)
    v = np.concatenate([[np.nextafter(m, np.float32(-2)), m, np.nextafter(m, np.float32(2))] for m in mid])
    v = np.concatenate([v, np.zeros(-len(v) % 63, np.float32)]).reshape(-1, 63)
    return np.concatenate([np.ones((len(v), 1), np.float32), v], 1).astype(np.float32)


def grid_absmax():
    named = f32(0x00000000, 0x00000001, 0x00000002, 0x00000100, 0x00010000, 0x003FFFFF, 0x00400000, 0x007FFFFF,
                0x00800000, 0x00800001, 0x00FFFFFF, 0x01000000, 0x02000000, 0x10000000, 0x33000000, 0x33800000,
                0x38000000, 0x387FE000, 0x38800000, 0x3A800000, 0x3DCCCCCD, 0x3E800000, 0x3EAAAAAB, 0x3F000000,
                0x3F7FFFFF, 0x3F800000, 0x3F800001, 0x3FFFFFFF, 0x40000000, 0x40400000, 0x40490FDB, 0x42C80000,
                0x477FE000, 0x477FF000, 0x47800000, 0x48000000, 0x60000000, 0x7E7FFFFF, 0x7E800000, 0x7E800001,
                0x7F000000, 0x7F7F0000, 0x7F7F7FFF, 0x7F7F8000, 0x7F7FFFFF, 0x7F800000, 0x7FC00000, 0xBF000000)
    rest = 64 - len(named)
    random = np.abs(inputs_f32(rest)) + f32(0x3A83126F)[0]
    return np.concatenate([named, random.astype(np.float32)])


# ------------------------------------------------------------------------------------------------ helpers
def fnv(data, state=0xCBF29CE484222325):
    for b in bytes(data):
        state = ((state ^ b) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return state


def fnv_rows(rows, lengths, state=None):
    """FNV-1a 64 of the first lengths[i] bytes of every row, all rows at once."""
    h = np.full(len(rows), 0xCBF29CE484222325, U64) if state is None else state.copy()
    columns = np.ascontiguousarray(rows.T)
    order = lengths.max(initial=0)
    with np.errstate(over="ignore"):
        for j in range(order):
            live = lengths > j
            h = np.where(live, (h ^ columns[j].astype(U64)) * U64(0x100000001B3), h)
    return h


def hexes(a):
    """Bits of an array as one string of upper-case digits, most significant digit first."""
    a = np.ascontiguousarray(a)
    unsigned = a.view({1: np.uint8, 2: np.uint16, 4: np.uint32}[a.itemsize])
    return unsigned.astype(unsigned.dtype.newbyteorder(">")).tobytes().hex().upper()


def unhex(text, size):
    return np.frombuffer(bytes.fromhex(text), np.dtype(f">u{size}")).astype(f"u{size}")


def fold(a):
    """Consecutive rows share most bytes: keeps their differences, which compress."""
    b = a.copy()
    b[1:] ^= a[:-1]
    return np.frombuffer(zlib.compress(b.tobytes(), 3), np.uint8)


def unfold(z, shape, dtype):
    b = np.frombuffer(zlib.decompress(z.tobytes()), dtype).reshape(shape)
    return np.bitwise_xor.accumulate(b, axis=0)


# ------------------------------------------------------------------------------------------------ dump
def tensor_of(x, dtype, device):
    import torch

    bits = to_bits(np.ascontiguousarray(x, np.float32), dtype)
    if dtype == "fp32":
        return torch.from_numpy(bits.view(np.int32).copy()).view(torch.float32).to(device)
    return torch.from_numpy(bits.view(np.int16).copy()).view(
        torch.float16 if dtype == "fp16" else torch.bfloat16).to(device)


def array_of(t):
    """Bits of a torch tensor."""
    import torch

    t = t.detach().contiguous().cpu()
    if t.dtype in (torch.float32, torch.int32):
        return t.view(torch.int32).numpy().view(np.uint32)
    if t.dtype in (torch.float16, torch.bfloat16):
        return t.view(torch.int16).numpy().view(np.uint16)
    return t.view(torch.uint8).numpy()


def sweep(job):
    """Every prefix of the inputs for one (backend, type, dtype, block size)."""
    import torch

    backend, kind, dtype, block = job
    quantize = torch.ops.bitsandbytes.quantize_4bit.default
    x = tensor_of(inputs_f32(COUNT), dtype, backend)
    blocks = -(-COUNT // block)
    codes = torch.zeros(COUNT, (COUNT + 1) // 2, dtype=torch.uint8, device=backend)
    absmax = torch.zeros(COUNT, blocks, dtype=torch.float32, device=backend)
    for n in range(1, COUNT + 1):
        p, a = quantize(x[:n], block, kind, torch.uint8)
        codes[n - 1, : (n + 1) // 2] = p.view(-1)
        absmax[n - 1, : a.numel()] = a
    c, a = array_of(codes), array_of(absmax)
    for n in range(1, COUNT + 1):  # complete blocks are those of the whole run; an absmax belongs to its block
        whole = n // block
        assert (c[n - 1, : whole * block // 2] == c[COUNT - 1, : whole * block // 2]).all()
        assert (a[n - 1, :whole] == a[COUNT - 1, :whole]).all()
    return "_".join(map(str, job)), fold(c), fold(a)


def one_thread():
    import torch
    import bitsandbytes  # noqa: F401

    torch.set_num_threads(1)


def rcp_approx(x):
    """rcp.approx.ftz.f32, the CUDA kernels' reciprocal, of an array of f32."""
    import importlib.util
    import tempfile

    import torch

    source = '''
import triton
import triton.language as tl

@triton.jit
def rcp(x, y, n, BLOCK: tl.constexpr):
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    v = tl.load(x + o, mask=o < n, other=1.0)
    r = tl.inline_asm_elementwise("rcp.approx.ftz.f32 $0, $1;", "=f,f", [v], dtype=tl.float32, is_pure=True, pack=1)
    tl.store(y + o, r, mask=o < n)
'''
    path = os.path.join(tempfile.mkdtemp(), "golden_rcp.py")
    with open(path, "w") as f:
        f.write(source)
    spec = importlib.util.spec_from_file_location("golden_rcp", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    v = tensor_of(x, "fp32", "cuda")
    y = torch.empty_like(v)
    module.rcp[(-(-v.numel() // 1024),)](v, y, v.numel(), BLOCK=1024)
    return array_of(y)


def dump_rows(backend):
    """Everything but the sweep, as a dictionary of hexadecimal strings."""
    import bitsandbytes.functional as F
    import torch

    ops = torch.ops.bitsandbytes
    torch_type = dict(fp32=torch.float32, fp16=torch.float16, bf16=torch.bfloat16)
    signed, unsigned = F.create_dynamic_map(), F.create_dynamic_map(signed=False)
    levels = signed.numpy().copy()
    out = dict(map_signed=hexes(levels), map_unsigned=hexes(unsigned.numpy()),
               map_signed_sha256=hashlib.sha256(levels.tobytes()).hexdigest(),
               map_unsigned_sha256=hashlib.sha256(unsigned.numpy().tobytes()).hexdigest())
    signed, unsigned = signed.to(backend), unsigned.to(backend)

    def quantize(x, kind, block):
        if kind == "dynamic8":
            return ops.quantize_blockwise(x, signed, block)
        return ops.quantize_4bit(x, block, kind, torch.uint8)

    def dequantize(q, a, kind, block, n, dtype):
        if kind == "dynamic8":
            return ops.dequantize_blockwise(q, a, signed, block, torch_type[dtype])
        return ops.dequantize_4bit(q, a, block, kind, [n], torch_type[dtype])

    # Edge blocks, one block of 64 each.
    out["edges"] = []
    for dtype in DTYPES:
        rows = {k: v for k, v in edge_rows().items()}
        x = tensor_of(np.concatenate(list(rows.values())), dtype, backend)
        cases = [(kind, x, list(rows)) for kind in ("nf4", "fp4", "dynamic8")]
        if dtype == "fp32":
            more = eight_bit_rows(levels)
            cases.append(("dynamic8", tensor_of(more.reshape(-1), dtype, backend),
                          [f"map midpoints {i}" for i in range(len(more))]))
        for kind, values, names in cases:
            q, a = quantize(values, kind, 64)
            d = dequantize(q, a, kind, 64, values.numel(), "fp32")
            q, a, d = (array_of(t).reshape(len(names), -1) for t in (q, a, d))
            for i, name in enumerate(names):
                out["edges"].append(dict(type=kind, dtype=dtype, block=64, name=name,
                                         values=hexes(array_of(values).reshape(len(names), -1)[i]),
                                         codes=hexes(q[i]), absmax=hexes(a[i]), decoded=hexes(d[i])))
        for name, row in short_rows().items():
            values = tensor_of(row, dtype, backend)
            for kind in ("nf4", "fp4", "dynamic8"):
                q, a = quantize(values, kind, 64)
                out["edges"].append(dict(type=kind, dtype=dtype, block=64, name=name, values=hexes(array_of(values)),
                                         codes=hexes(array_of(q).reshape(-1)), absmax=hexes(array_of(a))))

    # 8-bit blockwise, whole codes.
    out["blockwise8"] = []
    for dtype in DTYPES:
        x = tensor_of(inputs_f32(COUNT), dtype, backend)
        for block in (256, 4096):
            for name, level, values in (("signed", signed, x), ("unsigned", unsigned, x.abs())):
                q, a = ops.quantize_blockwise(values, level, block)
                out["blockwise8"].append(dict(map=name, dtype=dtype, block=block, codes=hexes(array_of(q)),
                                              absmax=hexes(array_of(a))))

    # LLM.int8(): rows of 64 (edges) and of 256, f16 only as the CUDA kernel is.
    out["int8"] = []
    edges = np.stack(list(edge_rows().values()))
    tables = [("edges", edges), ("random", inputs_f32(64 * 256).reshape(64, 256)),
              ("halves", np.stack([np.concatenate([[127 * s], (np.arange(63) - 31) * s + s / 2])
                                   for s in (0.25, 0.5, 1, 2)]).astype(np.float32))]
    for name, table in tables:
        for threshold in (0.0, 6.0):
            x = tensor_of(table, "fp16", backend)
            q, s, columns = ops.int8_vectorwise_quant(x, threshold)
            out["int8"].append(dict(name=name, threshold=threshold, rows=len(table), columns=table.shape[1],
                                    values=hexes(array_of(x)), codes=hexes(array_of(q)), absmax=hexes(array_of(s)),
                                    outlier_columns=[] if columns is None else columns.cpu().tolist()))
    acc = (mix(5, np.arange(256, dtype=U64)) % U64(2000001)).astype(np.int64) - 1000000
    rs, cs = np.abs(inputs_f32(16)) + np.float32(0.5), np.abs(inputs_f32(32)[16:]) + np.float32(0.25)
    a32 = torch.from_numpy(acc.astype(np.int32)).view(16, 16).to(backend)
    bias = tensor_of(inputs_f32(16), "fp16", backend)
    args = a32, tensor_of(rs, "fp32", backend), tensor_of(cs, "fp32", backend)
    out["int8_mm_dequant"] = dict(
        accumulators=hexes(acc.astype(np.int32)), row_absmax=hexes(rs), column_absmax=hexes(cs),
        bias=hexes(array_of(bias)), plain=hexes(array_of(ops.int8_mm_dequant(*args, dtype=torch.float16))),
        with_bias=hexes(array_of(ops.int8_mm_dequant(*args, dtype=torch.float16, bias=bias))))

    # Double quantization: 300 blocks of 64.
    out["nested"] = []
    for variant in ("plain", "zero block"):
        values = inputs_f32(NESTED_COUNT)
        if variant == "zero block":
            values[64 * 7 : 64 * 8] = 0
            values[64 * 299 :] = 0
        for kind in TYPES:
            for dtype in DTYPES:
                if variant != "plain" and dtype != "fp32":
                    continue
                x = tensor_of(values, dtype, backend)
                _, absmax = quantize(x, kind, 64)
                q, s = F.quantize_4bit(x, blocksize=64, quant_type=kind, compress_statistics=True)
                item = dict(variant=variant, type=kind, dtype=dtype, count=NESTED_COUNT, codes=hexes(array_of(q)),
                            absmax_before=hexes(array_of(absmax)), absmax=hexes(array_of(s.absmax)),
                            nested_absmax=hexes(array_of(s.state2.absmax)),
                            nested_blocksize=s.state2.blocksize, offset=hexes(array_of(s.offset.view(1))),
                            nested_map_is_map_signed=hexes(array_of(s.state2.code)) == out["map_signed"])
                scales = F.dequantize_blockwise(s.absmax, s.state2) + s.offset
                item["absmax_after"] = hexes(array_of(scales))
                for to in DTYPES:
                    s.dtype = torch_type[to]
                    bits = array_of(F.dequantize_4bit(q, s))
                    item[f"decoded_{to}_fnv"] = f"{fnv(bits.tobytes()):016X}"
                if variant != "plain":
                    s.dtype = torch.float32
                    item["decoded_zero_block"] = hexes(array_of(F.dequantize_4bit(q, s))[64 * 7 : 64 * 8])
                out["nested"].append(item)

    # Decoding: every code times 64 scales, and the inputs' own codes.
    scales = grid_absmax()
    out["grid_absmax"] = hexes(scales)
    out["grids"] = []
    a = tensor_of(scales, "fp32", backend)
    for kind in ("nf4", "fp4", "dynamic8"):
        count = 256 if kind == "dynamic8" else 16
        block = max(64, count)
        c = np.tile(np.arange(block) % count, 64).astype(np.uint8)
        q = torch.from_numpy(c if kind == "dynamic8" else (c[::2] << 4 | c[1::2])[:, None]).to(backend)
        for dtype in DTYPES:
            d = array_of(dequantize(q, a, kind, block, len(c), dtype)).reshape(64, block)
            item = dict(type=kind, dtype=dtype, fnv=f"{fnv(np.ascontiguousarray(d[:, :count]).tobytes()):016X}")
            for r in range(block // count):
                assert (d[:, r * count : (r + 1) * count] == d[:, :count]).all()
            item["decoded"] = hexes(np.ascontiguousarray(d[:, :count]))
            out["grids"].append(item)
    out["decoded_fnv"] = {}
    for kind in TYPES:
        for dtype in DTYPES:
            x = tensor_of(inputs_f32(COUNT - 1), dtype, backend)
            for block in BLOCKS:
                q, s = quantize(x, kind, block)
                for to in DTYPES:
                    bits = array_of(dequantize(q, s, kind, block, COUNT - 1, to))
                    out["decoded_fnv"][f"{kind} {dtype} {block} {to}"] = f"{fnv(bits.tobytes()):016X}"
    return out


def all_absmax():
    """Every absmax the sweep, the edges and the nested quantizer can meet (f32, sorted)."""
    values = [np.maximum.accumulate(np.abs(from_bits(to_bits(inputs_f32(COUNT)[i : i + 4096], d), d)))
              for d in DTYPES for i in range(0, COUNT, 32)]
    rows = list(edge_rows().values()) + list(short_rows().values())
    for d in DTYPES:
        values += [np.abs(from_bits(to_bits(r, d), d)) for r in rows]
        values.append(np.abs(from_bits(to_bits(inputs_f32(NESTED_COUNT), d), d)).reshape(-1, 64).max(1))
    v = np.concatenate(values)
    return np.unique(v[np.isfinite(v)])


def cpu_name():
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return ""


def dump(backend, folder):
    import bitsandbytes
    import torch
    from bitsandbytes.cextension import lib

    start = time.time()
    jobs = [(backend, k, d, b) for k in TYPES for d in DTYPES for b in BLOCKS]
    meta = dict(bitsandbytes=bitsandbytes.__version__, torch=torch.__version__, processor=cpu_name(),
                cpu_capability=torch.backends.cpu.get_cpu_capability(), library=type(lib).__name__)
    raw = {}
    if backend == "cuda":
        meta["card"] = torch.cuda.get_device_name(0)
        meta["cuda"] = torch.version.cuda
        results = map(sweep, jobs)
        a = all_absmax()
        raw["rcp_of"], raw["rcp"] = a.view(np.uint32), rcp_approx(a)
    else:
        pool = multiprocessing.get_context("spawn").Pool(max(1, (os.cpu_count() or 2) - 2), one_thread)
        results = pool.imap(sweep, jobs)
    for name, codes, absmax in results:
        raw[name + "_codes"], raw[name + "_absmax"] = codes, absmax
    print(backend, "sweep", round(time.time() - start, 1), "s", flush=True)
    np.savez(os.path.join(folder, f"raw_{backend}.npz"), **raw)
    out = dict(made_with=meta, **dump_rows(backend))
    with open(os.path.join(folder, f"rows_{backend}.json"), "w") as f:
        json.dump(out, f)
    print(backend, "all", round(time.time() - start, 1), "s", meta, out["map_signed_sha256"], flush=True)


# ------------------------------------------------------------------------------------------------ build
def ftz(x):
    """Subnormals to zeros of the same sign."""
    x = np.asarray(x, np.float32)
    return np.where(np.abs(x) < f32(0x00800000)[0], np.copysign(np.float32(0), x), x)


def nf4_code(t, thresholds):
    return sum((t > b).astype(np.uint8) for b in thresholds)


def fp4_code(t):
    rank = sum((np.abs(t) > b).astype(np.uint8) for b in FP4_CUDA)
    return FP4_RANKS[rank] | (np.uint8(8) * (t < 0))


def code_of(t, kind):
    """By the CUDA kernels' decision points; NaN compares false everywhere."""
    return nf4_code(t, NF4_CUDA) if kind == "nf4" else fp4_code(t)


def dynamic8_code(t, levels):
    """Nearest level by f32 midpoints, ties to the even code, NaN to 0."""
    mid = (levels[:-1] + levels[1:]) * np.float32(0.5)
    lower, upper = np.searchsorted(mid, t, "left"), np.searchsorted(mid, t, "right")
    code = np.where((lower != upper) & (lower % 2 == 1), upper, lower)
    return np.where(np.isnan(t), 0, code).astype(np.uint8)


def nearest_scaled(x, absmax):
    """qfmt's Nearest: x * (1/absmax) in IEEE f32, x / absmax where 1/absmax is no normal finite number."""
    with np.errstate(all="ignore"):
        divides = (absmax < np.float32(2.0**-126)) | (absmax > np.float32(2.0**126))
        return np.where(divides, x / absmax, x * (np.float32(1) / absmax)).astype(np.float32)


def nearest(x, absmax, kind, tail):
    zero = np.full(np.shape(x), ZERO_CODE[kind], np.uint8)
    return np.where(absmax == 0, zero, code_of(nearest_scaled(x, absmax), kind))


def divided(x, absmax, kind):
    with np.errstate(all="ignore"):
        return code_of((x / absmax).astype(np.float32), kind)


def by_default_bounds(t, kind):
    q = np.searchsorted(default_bounds(kind), np.clip(t, np.float32(-1), np.float32(1)), "left")
    return (q if kind == "nf4" else FP4_ORDER[q]).astype(np.uint8)


class Reciprocals:
    """rcp.approx.ftz.f32, as the GPU gave it for every absmax met."""

    def __init__(self, of, value):
        self.of, self.value = of, value.view(np.float32)

    def __call__(self, absmax):
        bits = np.asarray(absmax, np.float32).view(np.uint32)
        at = np.clip(np.searchsorted(self.of, bits), 0, len(self.of) - 1)
        found = self.of[at] == bits
        with np.errstate(all="ignore"):
            r = np.where(found, self.value[at], ftz(np.float32(1) / np.asarray(absmax, np.float32)))
        assert (found | ~np.isfinite(absmax) | (np.abs(absmax) > 3e38)).all(), "an absmax the GPU did not invert"
        return r.astype(np.float32)


def cuda_rule(rcp):
    def rule(x, absmax, kind, tail):
        with np.errstate(all="ignore"):
            return code_of(ftz(ftz(x) * rcp(absmax)), kind)

    return rule


def cpu_rule(x, absmax, kind, tail):
    with np.errstate(all="ignore"):
        a = np.where(absmax < np.float32(1e-38), np.float32(1e-38), absmax).astype(np.float32)
        t = np.where(tail, x / a, x * (np.float32(1) / a)).astype(np.float32)
    return by_default_bounds(t, kind)


def prefix_absmax(x, block):
    """absmax of the last block of every prefix."""
    return np.concatenate([np.maximum.accumulate(np.abs(x[i : i + block])) for i in range(0, len(x), block)])


def expected(x, most, kind, block, rule):
    """Codes of every prefix by a rule: [n - 1, index], 0 behind the end."""
    n = len(x)
    out = np.zeros((n, n + 1), np.uint8)
    for start in range(0, n, block):
        end = min(start + block, n)
        v, m = x[start:end], most[start:end]
        records = np.flatnonzero(np.concatenate([[True], m[1:] != m[:-1]]))
        for first, last in zip(records, np.append(records[1:], len(m))):
            out[start + first : start + last, start:end] = rule(v, m[first], kind, True)
        if end - start == block:
            out[end - 1 :, start:end] = rule(v, m[-1], kind, False)
    out[np.arange(n + 1)[None, :] > np.arange(n)[:, None]] = 0
    return out


def unpacked(codes):
    out = np.empty((len(codes), codes.shape[1] * 2), np.uint8)
    out[:, ::2], out[:, 1::2] = codes >> 4, codes & 15
    return out


def reasons_of(backend, x, absmax, tail, kind, got, want):
    """Index into REASONS of every difference; -1 where none explains it."""
    x, absmax = x.astype(np.float32), absmax.astype(np.float32)
    reason = np.full(len(x), -1)
    if backend == "cuda":
        reason[:] = REASONS.index("approximate reciprocal")  # the caller has checked cuda_rule on every code
    else:
        t = nearest_scaled(x, absmax)
        by_bounds = by_default_bounds(t, kind) == got
        by_division = tail & (divided(x, absmax, kind) == got)
        tie = (kind == "fp4") & (t < 0) & np.isin(np.abs(t), np.abs(default_bounds("fp4")))
        # Later lines win.
        reason[tail] = REASONS.index("tail division and threshold")
        reason[by_division] = REASONS.index("tail division")
        reason[by_bounds] = REASONS.index("threshold")
        reason[by_bounds & tie] = REASONS.index("fp4 negative tie")
        if kind == "fp4":
            reason[(got & 7 == 0) & (want & 7 == 0)] = REASONS.index("fp4 sign of zero")
        reason[absmax < np.float32(1e-38)] = REASONS.index("absmax below 1e-38")
    reason[absmax == 0] = REASONS.index("zero block")
    return reason


def build_sweep(raw, here, rcp):
    hashes, lines, table = [], [], {}
    n_of = np.arange(1, COUNT + 1)
    for backend in BACKENDS:
        rule = cuda_rule(rcp) if backend == "cuda" else cpu_rule
        for kind in TYPES:
            for dtype in DTYPES:
                x = from_bits(to_bits(inputs_f32(COUNT), dtype), dtype)
                for block in BLOCKS:
                    key = f"{backend}_{kind}_{dtype}_{block}"
                    blocks = -(-COUNT // block)
                    packed = unfold(raw[backend][key + "_codes"], (COUNT, (COUNT + 1) // 2), np.uint8)
                    absmax = unfold(raw[backend][key + "_absmax"], (COUNT, blocks), np.uint32)
                    h = fnv_rows(packed, (n_of + 1) // 2)
                    h = fnv_rows(absmax.view(np.uint8), -(-n_of // block) * 4, h)
                    hashes.append(h)

                    most = prefix_absmax(x, block)
                    last = np.minimum(n_of[:, None], np.arange(1, blocks + 1)[None, :] * block) - 1
                    exact = np.where(np.arange(blocks)[None, :] * block < n_of[:, None], most.view(np.uint32)[last], 0)
                    assert (absmax == exact).all(), key + ": absmax differs"

                    got = unpacked(packed)
                    live = np.arange(COUNT + 1)[None, :] < n_of[:, None]
                    assert (got[live] == expected(x, most, kind, block, rule)[live]).all(), key + ": unexplained"
                    odd = n_of[n_of % 2 == 1]
                    pads = got[odd - 1, odd]
                    want = expected(x, most, kind, block, nearest)
                    j, n = np.nonzero(((got != want) & live).T)
                    n += 1
                    end = np.minimum(n, (j // block + 1) * block)
                    g, w = got[n - 1, j], want[n - 1, j]
                    reason = reasons_of(backend, x[j], most[end - 1], end < (j // block + 1) * block, kind, g, w)
                    at = np.flatnonzero(pads != ZERO_CODE[kind])
                    j, n = np.append(j, odd[at]), np.append(n, odd[at])
                    g, w = np.append(g, pads[at]), np.append(w, np.full(len(at), ZERO_CODE[kind], np.uint8))
                    reason = np.append(reason, np.full(len(at), REASONS.index("padded nibble")))
                    assert (reason >= 0).all(), key + ": a difference without a reason"
                    for r in np.unique(reason):
                        table[backend, kind, dtype, REASONS[r]] = (
                            table.get((backend, kind, dtype, REASONS[r]), 0) + int((reason == r).sum()))
                    if not len(j):
                        continue
                    new = np.concatenate([[True], (np.diff(j) != 0) | (np.diff(n) != 1) | (np.diff(g.astype(int)) != 0)
                                          | (np.diff(w.astype(int)) != 0) | (np.diff(reason) != 0)])
                    first = np.flatnonzero(new)
                    stop = np.append(first[1:], len(j)) - 1
                    for a, b in zip(first, stop):
                        lines.append(f"{backend} {kind} {dtype} {block} {j[a]} {n[a]} {n[b]} {g[a]} {w[a]} "
                                     f"{REASONS[reason[a]].replace(' ', '-')}")
    with open(os.path.join(here, "bnb_sweep.bin"), "wb") as f:
        f.write(np.stack(hashes).astype("<u8").tobytes())
    with open(os.path.join(here, "bnb_differences.txt"), "w") as f:
        f.write("\n".join(lines) + "\n")
    total = 2 * 3 * len(BLOCKS) * COUNT * (COUNT + 1) // 2
    print(f"sweep: {total} codes per back end; differences from Nearest, counted once per prefix length:")
    for key, count in sorted(table.items()):
        print("  ", *key, count)
    print("  ", len(lines), "lines")


def build_rows(rows, here, rcp):
    cuda, cpu = rows["cuda"], rows["cpu"]
    levels = unhex(cuda["map_signed"], 4).view(np.float32)
    table = {}
    for backend in BACKENDS:
        for e in rows[backend]["edges"]:
            size = 4 if e["dtype"] == "fp32" else 2
            x = from_bits(unhex(e["values"], size), e["dtype"])
            got = np.frombuffer(bytes.fromhex(e["codes"]), np.uint8)
            got = got if e["type"] == "dynamic8" else np.stack([got >> 4, got & 15], 1).reshape(-1)
            absmax = unhex(e["absmax"], 4).view(np.float32)
            for b in range(len(absmax)):
                v = x[64 * b : 64 * b + 64]
                g = got[64 * b : 64 * b + len(v)]
                tail = len(v) < 64
                finite = np.isfinite(v).all()
                if backend == "cuda":
                    a = np.abs(ftz(v))
                    m = np.fmax.reduce(a, initial=np.float32(0 if tail else -3.4028235e38))
                    m = np.float32(m) + np.float32(0)
                    with np.errstate(all="ignore"):
                        t = ftz(ftz(v) * rcp(m))
                else:
                    m = np.abs(v).max()
                    if tail and e["type"] != "dynamic8" and m < np.float32(1e-38):
                        m = np.float32(1e-38)
                same = (m.view(np.uint32) == absmax[b].view(np.uint32)) or (np.isnan(m) and np.isnan(absmax[b]))
                if e["type"] == "dynamic8":
                    model = dynamic8_code(t, levels) if backend == "cuda" else None
                elif backend == "cuda":
                    model = code_of(t, e["type"])
                else:
                    model = cpu_rule(v, m, e["type"], tail)
                if model is not None and not (same and (model == g).all()):
                    table[backend, e["type"], e["dtype"], f"UNEXPLAINED in {e['name']!r}, block {b}"] = (
                        f"absmax {absmax[b]!r} for {m!r}, {int((model != g).sum())} codes")
                if e["type"] == "dynamic8" and backend == "cpu":
                    continue
                if not finite:
                    if e["type"] != "dynamic8":
                        table[backend, e["type"], e["dtype"], "rows with NaN or infinity"] = (
                            table.get((backend, e["type"], e["dtype"], "rows with NaN or infinity"), 0) + 1)
                    continue
                a = np.abs(v).max()
                if e["type"] == "dynamic8":
                    want = dynamic8_code(nearest_scaled(v, a), levels) if a > 0 else np.full(len(v), 127, np.uint8)
                else:
                    want = nearest(v, a, e["type"], tail)
                d = np.flatnonzero(g != want)
                if backend == "cuda" and a > 0 and not 2.0**-126 <= a <= 2.0**126:
                    names = ["absmax out of [2^-126, 2^126]"] * len(d)
                elif backend == "cuda" and e["type"] == "dynamic8":
                    names = ["zero block" if a == 0 else "approximate reciprocal"] * len(d)
                elif len(d):
                    r = reasons_of(backend, v[d], np.full(len(d), a), np.full(len(d), tail), e["type"], g[d], want[d])
                    names = [REASONS[i] if i >= 0 else "UNEXPLAINED against Nearest" for i in r]
                else:
                    names = []
                for name in names:
                    key = backend, e["type"], e["dtype"], name
                    table[key] = table.get(key, 0) + 1
    print("edge blocks: codes that differ from Nearest, by reason:")
    for key, count in sorted(table.items()):
        print("  ", *key, count)
    assert not any("UNEXPLAINED" in key[3] for key in table)

    # 8-bit blockwise against Nearest.
    for backend in BACKENDS:
        for e in rows[backend]["blockwise8"]:
            x = from_bits(to_bits(inputs_f32(COUNT), e["dtype"]), e["dtype"])
            lv = unhex(rows[backend][f"map_{e['map']}"], 4).view(np.float32)
            x = np.abs(x) if e["map"] == "unsigned" else x
            most = np.array([np.abs(x[i : i + e["block"]]).max() for i in range(0, COUNT, e["block"])])
            assert (most.view(np.uint32) == unhex(e["absmax"], 4)).all()
            a = np.repeat(most, e["block"])[:COUNT]
            got = np.frombuffer(bytes.fromhex(e["codes"]), np.uint8)
            d = got.astype(int) - dynamic8_code(nearest_scaled(x, a), lv)
            text = f"   {backend} {e['map']} {e['dtype']} block {e['block']}: {np.count_nonzero(d)} of {COUNT} differ"
            if backend == "cuda":
                d2 = got.astype(int) - dynamic8_code(ftz(ftz(x) * rcp(a)), lv)
                text += f"; {np.count_nonzero(d2)} left with the approximate reciprocal"
            print(text + f"; largest step {np.abs(d).max()}")

    # Both back ends in one file: the CPU's field only where it differs.
    def merge(a, b, keys):
        item = {k: a[k] for k in keys}
        assert item == {k: b[k] for k in keys}
        item["cuda"] = {k: v for k, v in a.items() if k not in keys}
        item["cpu"] = {k: v for k, v in b.items() if k not in keys and v != a[k]}
        return item

    out = dict(made_with=dict(cuda=cuda["made_with"], cpu=cpu["made_with"]), edge_values={})
    for e in cuda["edges"]:
        known = out["edge_values"].setdefault(e["dtype"], {}).setdefault(e["name"], e["values"])
        assert known == e["values"]
    for e in cuda["edges"] + cpu["edges"]:
        assert e.pop("values") == out["edge_values"][e["dtype"]][e["name"]]
    for k in ("map_signed", "map_unsigned", "map_signed_sha256", "map_unsigned_sha256"):
        assert cuda[k] == cpu[k]
        out[k] = cuda[k]
    out["grid_absmax"] = cuda["grid_absmax"]
    for name, keys in (("edges", ("type", "dtype", "block", "name")), ("blockwise8", ("map", "dtype", "block")),
                       ("int8", ("name", "threshold", "rows", "columns", "values")),
                       ("nested", ("variant", "type", "dtype", "count")), ("grids", ("type", "dtype"))):
        out[name] = [merge(a, b, keys) for a, b in zip(cuda[name], cpu[name], strict=True)]
    out["int8_mm_dequant"] = merge(cuda["int8_mm_dequant"], cpu["int8_mm_dequant"],
                                   ("accumulators", "row_absmax", "column_absmax", "bias"))
    out["decoded_fnv"] = dict(cuda=cuda["decoded_fnv"],
                              cpu={k: v for k, v in cpu["decoded_fnv"].items() if v != cuda["decoded_fnv"][k]})
    with open(os.path.join(here, "bnb_rows.json"), "w") as f:
        json.dump(out, f, indent=0)
        f.write("\n")

    print("int8 rows, codes that differ between the back ends:")
    for e in out["int8"]:
        a = np.frombuffer(bytes.fromhex(e["cuda"]["codes"]), np.int8).astype(int)
        b = np.frombuffer(bytes.fromhex(e["cpu"].get("codes", e["cuda"]["codes"])), np.int8).astype(int)
        x = unhex(e["values"], 2).view(np.float16).astype(np.float32).reshape(e["rows"], -1)
        s = unhex(e["cuda"]["absmax"], 4).view(np.float32)
        with np.errstate(all="ignore"):
            q = np.rint(x * (np.float32(127) / s)[:, None]).reshape(-1)
        plain = "" if e["threshold"] else f", CUDA against rint(x * (127/absmax)): {np.count_nonzero((q != a) & np.isfinite(q))}"
        print(f"   {e['name']} threshold {e['threshold']}: {np.count_nonzero(a != b)} of {len(a)}{plain}")
    print("nested: fields in which the CPU differs:")
    for e in out["nested"]:
        print("  ", e["variant"], e["type"], e["dtype"], sorted(e["cpu"]))
    print("grids: fields in which the CPU differs:", [(e["type"], e["dtype"]) for e in out["grids"] if e["cpu"]])
    print("decoded sweep: differing", len(out["decoded_fnv"]["cpu"]), "of", len(out["decoded_fnv"]["cuda"]))


def build(folder):
    here = os.path.dirname(os.path.abspath(__file__))
    raw, rows = {}, {}
    for backend in BACKENDS:
        raw[backend] = np.load(os.path.join(folder, f"raw_{backend}.npz"))
        with open(os.path.join(folder, f"rows_{backend}.json")) as f:
            rows[backend] = json.load(f)
    rcp = Reciprocals(raw["cuda"]["rcp_of"], raw["cuda"]["rcp"])
    of = raw["cuda"]["rcp_of"].view(np.float32)
    usual = (of >= 2.0**-126) & (of <= 2.0**126)
    d = raw["cuda"]["rcp"][usual].astype(np.int64) - (np.float32(1) / of[usual]).view(np.uint32).astype(np.int64)
    print(f"rcp.approx.ftz of {len(d)} absmax values: {np.count_nonzero(d)} differ from IEEE, at most {np.abs(d).max()} ulp")
    build_sweep(raw, here, rcp)
    build_rows(rows, here, rcp)


if __name__ == "__main__":
    if sys.argv[1:2] == ["dump"]:
        dump(sys.argv[2], sys.argv[3])
    elif sys.argv[1:2] == ["build"]:
        build(sys.argv[2])
    else:
        sys.exit(__doc__)
