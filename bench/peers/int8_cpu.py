#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""bitsandbytes' LLM.int8() on the CPU, one thread, at rows of int8_matmul_bench.

    int8_cpu.py [rows of x ...]      with tests/real_client/requirements.txt installed
"""
import statistics
import sys
import time

import bitsandbytes  # noqa: F401
import torch

N = K = 4096


def seconds(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def main():
    torch.set_num_threads(1)
    ops = torch.ops.bitsandbytes
    torch.manual_seed(1)
    cw, sw, _ = ops.int8_vectorwise_quant(torch.randn(N, K, dtype=torch.float16))
    print(f"bitsandbytes {bitsandbytes.__version__}, torch {torch.__version__}, N = K = {N}, float16")
    for m in map(int, sys.argv[1:] or ["1", "16", "128"]):
        for threshold, per_1024 in ((0.0, 0), (6.0, 1)):
            x = torch.randn(m, K, dtype=torch.float16)
            x[:, torch.randperm(K)[: K * per_1024 // 1024]] = 60.0

            def call():
                ca, sa, columns = ops.int8_vectorwise_quant(x, threshold)
                ops.int8_mixed_scaled_mm(x, ca, cw, sa, sw, columns)

            call()
            t = statistics.median(seconds(call) for _ in range(5))
            print(f"M = {m:4} threshold {threshold:.0f}, {per_1024} in 1024 outlier columns: "
                  f"{t * 1e3:9.3f} ms {m * N * K / t * 1e-9:8.2f} G/s")


if __name__ == "__main__":
    sys.exit(main())
