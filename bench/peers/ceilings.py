#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Ceilings of one GPU's memory: torch copies launched eagerly, and kernels that read R and write W bytes of every R + W.

A quantizer reads more than it writes and a dequantizer writes more than it reads, and the memory's rate depends on the
mix. 2 GiB of random data or more, two buffer sets, CUDA events around single launches, medians.

Usage:  python ceilings.py OUT.json     (needs torch with CUDA, and triton)
"""
import importlib.util
import json
import os
import statistics
import sys
import tempfile

import torch

SOURCE = '''
import triton
import triton.language as tl

@triton.jit
def mix(x, y, R: tl.constexpr, W: tl.constexpr, BLOCK: tl.constexpr, ITERS: tl.constexpr):
    pid = tl.program_id(0).to(tl.int64)
    a = tl.arange(0, BLOCK)
    for i in tl.static_range(ITERS):
        g = pid * ITERS + i
        acc = a + tl.program_id(0)
        for r in tl.static_range(R):
            acc ^= tl.load(x + (g * R + r) * BLOCK + a)
        for w in tl.static_range(W):
            tl.store(y + (g * W + w) * BLOCK + a, acc + w)
'''
MIXES = ((7, 1), (4, 1), (2, 1), (1, 1), (1, 2), (1, 4), (1, 7), (0, 1))
LAUNCHES = ((1024, 1, 4), (2048, 1, 4), (1024, 2, 4), (1024, 4, 4), (2048, 2, 4), (4096, 1, 8), (2048, 4, 4),
            (4096, 2, 8), (1024, 8, 4))  # block of int32, blocks per program, warps
BYTES = 2**31


def time(call, repeats=9):
    call(0)
    call(1)
    torch.cuda.synchronize()
    times = []
    for i in range(repeats):
        a, b = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        a.record()
        call(i)
        b.record()
        torch.cuda.synchronize()
        times.append(a.elapsed_time(b) * 1e3)
    return statistics.median(times), min(times), max(times)


def main(path):
    source = os.path.join(tempfile.mkdtemp(), "mix_kernel.py")
    with open(source, "w") as f:
        f.write(SOURCE)
    spec = importlib.util.spec_from_file_location("mix_kernel", source)
    kernels = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kernels)

    rows = []

    def put(name, us, moved, **more):
        rows.append(dict(name=name, us=us, gbs=moved / us[0] * 1e-3, **more))
        return rows[-1]

    count = BYTES // 4
    x = [torch.randint(-2**31, 2**31 - 1, (count,), dtype=torch.int32, device="cuda") for _ in range(2)]
    y = [torch.empty(count, dtype=torch.int32, device="cuda") for _ in range(2)]
    for dtype in (torch.int8, torch.bfloat16, torch.float32):
        a, b = [v.view(dtype) for v in x], [v.view(dtype) for v in y]
        print(put(f"copy_ eager {dtype}", time(lambda i: b[i % 2].copy_(a[i % 2])), 2 * BYTES))
    a, b = [v.view(torch.float32) for v in x], [v.view(torch.float32) for v in y]
    print(put("add(x, 1, out=) fp32", time(lambda i: torch.add(a[i % 2], 1.0, out=b[i % 2])), 2 * BYTES))
    for read, write in MIXES:
        best = None
        for block, iterations, warps in LAUNCHES:
            programs = count // max(read, write) // (block * iterations)
            us = time(lambda i: kernels.mix[(programs,)](x[i % 2], y[i % 2], read, write, block, iterations,
                                                         num_warps=warps), 7)
            r = put(f"mix read {read} write {write}", us, programs * block * iterations * 4 * (read + write),
                    cfg=[block, iterations, warps])
            if best is None or r["gbs"] > best["gbs"]:
                best = r
        print("best", best)
    with open(path, "w") as f:
        json.dump(rows, f)


if __name__ == "__main__":
    main(sys.argv[1])
