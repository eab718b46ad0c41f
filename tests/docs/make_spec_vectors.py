#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/data/spec_vectors.json: include/qfmt/format/SPEC.md stated once more, without qfmt.

    make_spec_vectors.py            writes the file
    make_spec_vectors.py --check    fails where the file is not what this program makes

f32 arithmetic is f64 arithmetic rounded to f32, which is exact for one +, -, * or / of f32 values.
The tables are worked out from published decimals, not copied: NF4's thresholds are the midpoints
but for four, FP4's are bitsandbytes' literals.
"""
import bisect
import ctypes
import json
import math
import pathlib
import struct
import sys

VERSION = "1.1"
PATH = pathlib.Path(__file__).resolve().parents[1] / "data" / "spec_vectors.json"
NAN = float("nan")


def f32(x):
    return ctypes.c_float(x).value


def bits32(x):
    return 0x7FFFFFFF if math.isnan(x) else struct.unpack("<I", struct.pack("<f", x))[0]


def from32(bits):
    return struct.unpack("<f", struct.pack("<I", bits))[0]


def next32(x, steps=1):
    """The float `steps` further up (or down) the line, away from zero for positive steps."""
    return from32(bits32(x) + steps)


def bits16(x):
    """f16, nearest even, overflow to infinity."""
    if math.isnan(x):
        return 0x7FFF
    try:
        return struct.unpack("<H", struct.pack("<e", x))[0]
    except OverflowError:
        return 0xFC00 if x < 0 else 0x7C00


def bits_b16(x):
    b = bits32(x)
    return 0x7FFF if math.isnan(x) else b + 0x7FFF + (b >> 16 & 1) >> 16


def narrow(x, dtype):
    """x as a value of the type, and its text."""
    if dtype == "f16":
        b = bits16(x)
        return struct.unpack("<e", struct.pack("<H", b))[0], f"{b:04X}"
    if dtype == "bf16":
        b = bits_b16(x)
        return from32(b << 16), f"{b:04X}"
    return x, f"{bits32(x):08X}"


def texts32(values):
    return " ".join(f"{bits32(v):08X}" for v in values)


# --- Formats --------------------------------------------------------------------------------------

NF4 = [f32(x) for x in (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
    0.7229568362236023, 1.0)]
FP4 = [f32(x / 12) for x in (0, 0.0625, 8, 12, 4, 6, 2, 3)]
FP4 = FP4 + [-x for x in FP4]
AF4 = [f32(x) for x in (-1, -.69, -.51, -.37, -.26, -.15, -.05, 0, .05, .15, .26, .37, .51, .65, .8, 1)]
MIXED = [f32(x) for x in (.5, -.0, -1, 0, .25, 1, -.5)]  # out of order, both zeros, seven levels


def midpoints(levels):
    return [f32(f32(a + b) * 0.5) for a, b in zip(levels, levels[1:])]


def dynamic_map(signed):
    low, levels = f32(0.1), [0.0, 1.0]
    for i in range(7):
        n = 2 ** i if signed else 2 ** (i + 1)
        step = f32(f32(1 - low) / n)
        grid = [f32(step * j + low) if j < (n + 1) // 2 else f32(1 - step * (n - j)) for j in range(n + 1)]
        for a, b in zip(grid, grid[1:]):
            level = f32(f32(f32(a + b) / 2) * f32(10.0 ** (i - 6)))
            levels += [level, -level] if signed else [level]
    return sorted(levels)


class Sorted:
    """Thresholds between levels in order; a tie goes to the lower."""
    bits = 4

    def __init__(self, levels, thresholds, zero):
        self.levels, self.thresholds, self.zero = levels, thresholds, zero

    def code(self, t):
        return bisect.bisect_left(self.thresholds, t)


class TiesToEven(Sorted):
    bits = 8

    def code(self, t):
        k = bisect.bisect_left(self.thresholds, t)
        tie = k < len(self.thresholds) and self.thresholds[k] == t
        return k + 1 if tie and k % 2 == 1 else k


class SignMagnitude:
    bits, zero, levels = 4, 0, FP4
    thresholds = [f32(x) for x in (0.00260417, 0.0859375, 0.20833333, 0.29166667, 0.4166667, 0.583333, 0.8333333)]
    by_rank = [0, 1, 6, 7, 4, 5, 2, 3]

    def code(self, t):
        return self.by_rank[bisect.bisect_left(self.thresholds, abs(t))] + (8 if t < 0 else 0)


class Unordered:
    """A user's list: the codes sorted by level, -0 before +0; between the zeros just below zero."""

    def __init__(self, levels):
        self.levels = levels
        self.bits = 4 if len(levels) <= 16 else 8
        self.order = sorted(range(len(levels)), key=lambda c: (levels[c], math.copysign(1, levels[c])))
        line = [levels[c] for c in self.order]
        self.thresholds = [from32(0x80000001) if a == b == 0 else m
                           for a, b, m in zip(line, line[1:], midpoints(line))]
        self.zero = self.code(0.0)

    def code(self, t):
        return self.order[bisect.bisect_left(self.thresholds, t)]


class Integers:
    bits, zero = 8, 0

    def code(self, t):
        return round(max(-127.0, min(127.0, t))) & 255  # Python's round is half to even


nf4_thresholds = midpoints(NF4)
for rank, step in ((0, 1), (8, 1), (12, -1), (14, -1)):  # CUDA's literals, one ulp off
    nf4_thresholds[rank] = next32(nf4_thresholds[rank], step)
SIGNED, UNSIGNED = dynamic_map(True), dynamic_map(False)
FORMATS = {
    "nf4": Sorted(NF4, nf4_thresholds, 7),
    "fp4": SignMagnitude(),
    "dynamic8": TiesToEven(SIGNED, midpoints(SIGNED), 127),
    "unsigned_dynamic8": TiesToEven(UNSIGNED, midpoints(UNSIGNED), 0),
    "int8": Integers(),
}


# --- The codec ------------------------------------------------------------------------------------

def decode(fmt, code, scale):
    if isinstance(fmt, Integers):
        q = code - 256 if code > 127 else code
        return f32(f32(q * scale) * from32(0x3C010204))
    return f32(fmt.levels[code] * scale) if code < len(fmt.levels) else NAN


def encode_block(fmt, x):
    """(absmax, codes) of one block."""
    absmax = max(map(abs, x)) if all(map(math.isfinite, x)) else NAN
    if not absmax > 0:
        return absmax, [fmt.zero] * len(x)
    if isinstance(fmt, Integers):
        factor = f32(127 / absmax)
        t = [f32(v * factor) if math.isfinite(factor) else f32(f32(v / absmax) * 127) for v in x]
    elif 2.0 ** -126 <= absmax <= 2.0 ** 126:
        reciprocal = f32(1 / absmax)
        t = [f32(v * reciprocal) for v in x]
    else:
        t = [f32(v / absmax) for v in x]
    return absmax, [fmt.code(v) for v in t]


def offset_of(absmax):
    level = [a if math.isfinite(a) else 0.0 for a in absmax]
    count = sum(map(math.isfinite, absmax))
    while len(level) > 1:
        level += [0.0] * (len(level) % 2)
        level = [a + b for a, b in zip(level[::2], level[1::2])]
    return f32(level[0] / count) if count else 0.0


def pack(fmt, codes):
    if fmt.bits == 8:
        return codes
    padded = codes + [fmt.zero] * (len(codes) % 2)
    return [a << 4 | b for a, b in zip(padded[::2], padded[1::2])]


def runs(x, length):
    return [x[i:i + length] for i in range(0, len(x), length)]


def hex8(codes):
    return " ".join(f"{c:02X}" for c in codes)


def encode_case(name, fmt_name, values, block=64, dtype="f32", nested=False, row_length=0, levels=None):
    fmt = Unordered(levels) if levels else FORMATS[fmt_name]
    pairs = [narrow(v, dtype) for v in values]
    x = [v for v, _ in pairs]
    case = {"name": name, "format": fmt_name, "block": 0 if row_length else block, "nested": nested, "dtype": dtype,
            "values": " ".join(text for _, text in pairs)}
    if levels:
        case["levels"] = texts32(levels)
    if row_length:
        case["row_length"] = row_length
    length = row_length or block
    blocks = [encode_block(fmt, run) for run in runs(x, length)]
    codes = [c for _, run in blocks for c in run]
    absmax = [a for a, _ in blocks]
    case["codes"] = hex8(pack(fmt, codes))
    if nested:
        inner = FORMATS["dynamic8"]
        offset = offset_of(absmax)
        groups = [encode_block(inner, [f32(a - offset) for a in run]) for run in runs(absmax, 256)]
        codes8 = [c for _, run in groups for c in run]
        case.update(absmax_codes=hex8(codes8), absmax2=texts32(a for a, _ in groups), offset=texts32([offset]))
        absmax = [f32(decode(inner, c, groups[b // 256][0]) + offset) for b, c in enumerate(codes8)]
    else:
        case["absmax"] = texts32(absmax)
    case["decoded"] = texts32(decode(fmt, c, absmax[i // length]) for i, c in enumerate(codes))
    return case


# --- Cases ----------------------------------------------------------------------------------------

def mix(seed, i):
    z = seed + (i + 1) * 0x9E3779B97F4A7C15 & (1 << 64) - 1
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & (1 << 64) - 1
    z = (z ^ z >> 27) * 0x94D049BB133111EB & (1 << 64) - 1
    return z ^ z >> 31


def bells(n, seed=1):
    """Bell-shaped values of varying size, exact in f32."""
    lanes = lambda z: sum(z >> 16 * k & 0xFFFF for k in range(4))
    return [(lanes(mix(seed, i)) - 131070) * 2.0 ** (mix(seed + 1, i // 37) % 7 - 19) for i in range(n)]


def around(points):
    """Each point and its neighbours, zeros left alone."""
    return [y for p in points for y in ((from32(bits32(p) - 1), p, next32(p)) if p else (p,))]


def under_one(points, per_block, scale=1.0):
    """Blocks that begin with 1, so that the points are what is decided on, all times scale."""
    return [f32(y * scale) for run in runs(points, per_block - 1) for y in [1.0] + run + [0.0] * (per_block - 1 - len(run))]


def edge_blocks():
    """Blocks of 16 about the scales where the rule changes."""
    shape = [f32(k / 8) for k in range(-8, 8)]
    tops = [2.0 ** -126, from32(0x007FFFFF), from32(0x00000001), from32(0x00000010), 2.0 ** 126, from32(0x7E800001),
            from32(0x7F7FFFFF), 2.0 ** -120, from32(0x03FE0000), from32(0x03FDFFFF), 1e-38, 1e30]
    blocks = [0.0] * 16 + [-0.0] * 16
    for top in map(f32, tops):
        blocks += [f32(s * top) for s in shape]
    return blocks


def encode_cases():
    for name in FORMATS:
        for n in (200, 65, 1):
            yield encode_case(f"{name} {n} values", name, bells(n))
        yield encode_case(f"{name} edges", name, edge_blocks(), block=16)
        bad = bells(64)
        bad[3], bad[17], bad[35], bad[36] = NAN, math.inf, -math.inf, NAN
        yield encode_case(f"{name} NaN and infinity", name, bad, block=16)
    yield encode_case("no values", "nf4", [])
    yield encode_case("nf4 long blocks", "nf4", bells(4099, 5), block=4096, dtype="bf16")
    for dtype in ("f16", "bf16"):
        yield encode_case(f"nf4 {dtype}", "nf4", bells(131, 7), dtype=dtype)
        yield encode_case(f"dynamic8 {dtype}", "dynamic8", bells(300, 9), block=256, dtype=dtype)
        yield encode_case(f"int8 rows {dtype}", "int8", bells(33 * 5, 11), row_length=33, dtype=dtype)
    decisions = {"nf4": around(nf4_thresholds) + NF4,
                 "fp4": [y for x in around(SignMagnitude.thresholds) + FP4[:8] for y in (x, -x)] + [1e-40, -1e-40, -0.0],
                 "dynamic8": around(midpoints(SIGNED)), "unsigned_dynamic8": around(midpoints(UNSIGNED))}
    for name, points in decisions.items():
        block = 64 if FORMATS[name].bits == 4 else 256
        for scale in (1.0, 3.0):
            yield encode_case(f"{name} decisions times {scale}", name, under_one(points, block, scale), block=block)
    halves = [127.0] + [k / 2 for k in range(-254, 1)] + [-127.0] + [k / 2 for k in range(0, 255)]
    yield encode_case("int8 halves", "int8", halves, block=256)
    for name, levels in (("af4", AF4), ("mixed", MIXED)):
        points = around([t for t in Unordered(levels).thresholds if abs(t) > 1e-30]) + levels + [1e-40, -1e-40, -0.0]
        yield encode_case(f"{name} decisions", name, under_one(points, 32), block=32, levels=levels)
        yield encode_case(f"{name} values", name, bells(77, 13), block=32, levels=levels)
    rows = bells(7 * 4, 15)
    rows[7:14] = [0.0] * 7
    rows[16] = NAN
    yield encode_case("int8 rows, one of zeros, one with a NaN", "int8", rows, row_length=7)
    yield encode_case("int8 rows of one value", "int8", [-3.0, 0.0, 1e-40], row_length=1)
    yield encode_case("nf4 nested, 301 blocks", "nf4", bells(16 * 300 + 5, 17), block=16, nested=True)
    yield encode_case("fp4 nested", "fp4", bells(64 * 9 + 10, 19), dtype="bf16", nested=True)
    yield encode_case("nf4 nested, one block", "nf4", bells(64, 21), nested=True)
    yield encode_case("nf4 nested, blocks of zeros", "nf4", bells(64, 23) + [0.0] * 128 + bells(100, 25), nested=True)
    damaged = bells(16 * 258, 27)
    damaged[16 * 257 + 3] = NAN
    yield encode_case("nf4 nested, a NaN in the second group", "nf4", damaged, block=16, nested=True)


def decode_cases():
    for name, fmt in FORMATS.items():
        for scale in (0x3DCCCCCD, 0x00000001, 0x00812345, 0x7F7FFFFF, 0xBE99999A):
            values = [decode(fmt, c, from32(scale)) for c in range(2 ** fmt.bits)]
            yield {"format": name, "scale": f"{scale:08X}",
                   **{d: " ".join(narrow(v, d)[1] for v in values) for d in ("f32", "f16", "bf16")}}


def offset_cases():
    for n in (1, 2, 3, 5, 7, 255, 256, 257, 700):
        absmax = [f32(abs(b) * 2.0 ** (mix(31, i) % 61 - 30)) for i, b in enumerate(bells(n, 29))]
        yield absmax
        if n > 4:
            yield [NAN if i % 5 == 1 else math.inf if i % 11 == 7 else a for i, a in enumerate(absmax)]
    yield [NAN, math.inf]
    yield [0.0, 0.0, 0.0]


def text():
    document = {
        "version": VERSION,
        "tables": {name: texts32(fmt.levels) for name, fmt in FORMATS.items() if name != "int8"},
        "encode": list(encode_cases()),
        "decode": list(decode_cases()),
        "offset": [{"absmax": texts32(a), "offset": texts32([offset_of(a)])} for a in offset_cases()],
    }
    return json.dumps(document, indent=1) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit(0 if PATH.read_text() == text() else f"{PATH.name} is not what this program makes: run it")
    PATH.write_text(text())
    print(f"{PATH.name}: {PATH.stat().st_size} bytes")
