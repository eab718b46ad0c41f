#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""bitsandbytes' LLM.int8() on a GPU as its users call it, Python and PyTorch included, at rows of
int8_matmul_bench.cu.

    int8_gpu.py [--shape N,K] [rows of x ...]      with bitsandbytes and torch installed

One line a row: `wall`, the median of calls each awaited; `back to back`, a call's share of many with one
wait at their end; `operators`, the same for the two operators without the module around them. M = 1
by default; 0.1 % of the columns hold outliers.
"""
import statistics
import sys
import time

import bitsandbytes as bnb
import torch


def awaited(work, calls=200):
    times = []
    for _ in range(calls):
        begin = time.perf_counter()
        work()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    return 1e6 * statistics.median(times)


def back_to_back(work, calls=200):
    torch.cuda.synchronize()
    begin = time.perf_counter()
    for _ in range(calls):
        work()
    torch.cuda.synchronize()
    return 1e6 * (time.perf_counter() - begin) / calls


def row(n, k, m, threshold):
    ops = torch.ops.bitsandbytes
    layer = bnb.nn.Linear8bitLt(k, n, bias=False, has_fp16_weights=False, threshold=threshold)
    layer.weight = bnb.nn.Int8Params(torch.randn(n, k, dtype=torch.float16) * 0.02,
                                     has_fp16_weights=False, requires_grad=False)
    layer = layer.cuda().eval()
    x = torch.randn(m, k, dtype=torch.float16, device="cuda").clamp(-3.5, 3.5)
    x[:, torch.randperm(k, device="cuda")[: round(k / 1000)]] = 60.0

    @torch.inference_mode()
    def module():
        layer(x)

    @torch.inference_mode()
    def operators():
        ca, sa, columns = ops.int8_vectorwise_quant(x, threshold)
        if threshold > 0:
            ops.int8_mixed_scaled_mm(x, ca, cb, sa, scb, columns)
        else:
            ops.int8_scaled_mm(ca, cb, sa, scb, dtype=x.dtype)

    module()  # moves CB and SCB into the layer's state
    cb, scb = layer.state.CB, layer.state.SCB
    for _ in range(20):
        module(), operators()
    print(f"{n:6} x {k:5}  M {m:4}  bnb Python, {threshold:.0f}  wall {awaited(module):8.2f} us  back to back "
          f"{back_to_back(module):8.2f} us  operators {back_to_back(operators):8.2f} us", flush=True)


def main(arguments):
    shapes = [(4096, 4096), (14336, 4096), (8192, 8192), (28672, 8192), (8192, 28672)]
    if "--shape" in arguments:
        at = arguments.index("--shape")
        shapes = [tuple(map(int, s.split(","))) for s in arguments[at + 1:at + 2]]
        del arguments[at:at + 2]
    print(f"bitsandbytes {bnb.__version__}, torch {torch.__version__}, {torch.cuda.get_device_name()}")
    for n, k in shapes:
        for m in map(int, arguments or ["1"]):
            for threshold in (0.0, 6.0):
                row(n, k, m, threshold)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
