#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Measure the physical limits of one GPU and the peers of a 4-bit / 8-bit LLM quantization library.

Sections (one process each keeps a crash in one peer from hiding the others):

  ceil     copy / read bandwidth, read time at weight sizes, bf16 / fp16 / int8 matmul rates
  cublas   dense bf16 and fp16 matmul (torch.nn.functional.linear) at the LLM shapes
  quant    bitsandbytes 4-bit and 8-bit blockwise quantize / dequantize, large tensors
  gemm4    bitsandbytes 4-bit matmul: default dispatch, forced fused kernel, forced dequant + matmul
  int8     LLM.int8(): quantizer, raw int8 matmul, whole matmul with and without outliers
  marlin   int4 symmetric, group 128, fp16            (needs --marlin-lib)
  tinygemm torch.ops.aten._weight_int4pack_mm, bf16, groups 64 and 128
  flute    NF4 look-up, group 64                      (needs --flute-lib)
  gemlite  Triton A16W4                               (needs an importable gemlite)
  exact    bit-level behaviour of bitsandbytes' CUDA quantizers against its CPU code and against models

Method: CUDA-graph replay over R independent buffer sets whose weights exceed the L2 several times
(so that weights are read from device memory every time), CUDA events around each replay, median of
the replays; what cannot be captured (host synchronisation inside) is timed eagerly and marked so.
All data are random. "ideal" = max(bytes that must move / read bandwidth, 2MNK / best dense bf16 rate),
both ceilings measured by this script.

Needs torch with CUDA and triton. bitsandbytes must be importable (official wheel or a source tree with
its shared library next to it). Optional C entry points, loaded with ctypes:

  --marlin-lib  int  marlin_mul(A, B, C, s, m, n, k, workspace, groupsize, dev, stream, max_par)
  --flute-lib   void flute_<h|b><i>(M, N, K, P, A, Q, D, S, QM, QM2, workspace, blocks, stream)
                i indexes FLUTE_CFG below; 4 bits, group 64

Usage:  python bench_peers.py --sections ceil,cublas,quant --out results.json [--append]
        python bench_peers.py --tables results1.json results2.json        (no GPU: prints markdown)
"""
import argparse
import ctypes
import json
import math
import os
import signal
import statistics
import subprocess
import sys
import time
import traceback

SHAPES = [(4096, 4096), (14336, 4096), (4096, 14336), (8192, 8192), (28672, 8192), (8192, 28672)]  # (N, K): W is N x K
MS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096]
FLUTE_CFG = [  # threads, tile M, tile P, stages   (library index -> geometry)
    (128, 16, 32, 3), (128, 16, 32, 3), (128, 16, 32, 4), (128, 16, 32, 5),
    (256, 32, 32, 4), (256, 32, 64, 3), (256, 32, 64, 4), (256, 32, 64, 5),
]
NF4 = [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
       -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
       0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
       0.7229568362236023, 1.0]
FP4_MAG = [0.0, 0.0625 / 12, 8 / 12, 1.0, 4 / 12, 6 / 12, 2 / 12, 3 / 12]
COLD = 400e6  # bytes of weights to rotate through

ROWS = []
ARGS = None
_STREAM = {}
T0 = time.time()


def log(*a):
    print(f"[{time.time() - T0:6.1f}s]", *a, flush=True)


def row(sec, name, us=None, **kw):
    r = dict(sec=sec, name=name, **kw)
    if us is not None:
        if isinstance(us, tuple):
            r.update(us=us[0], lo=us[1], hi=us[2])
        else:
            r["us"] = us
    ROWS.append(r)
    return r


# ------------------------------------------------------------------------------------------- timing
def sets_for(bytes_per_set, lo=2, hi=64):
    return max(lo, min(hi, math.ceil(COLD / max(1, bytes_per_set))))


def graph_time(calls, target_ms=None, replays=None, max_calls=512):
    """Microseconds per call (median, min, max over replays) by CUDA-graph replay."""
    import torch

    target_ms = target_ms or ARGS.target_ms
    replays = replays or ARGS.replays
    if "s" not in _STREAM:
        _STREAM["s"] = torch.cuda.Stream()
    s = _STREAM["s"]
    s.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(s):
        for c in calls[:2]:
            c()
    torch.cuda.synchronize()

    def capture(reps):  # torch.cuda.graph() would collect garbage and empty the cache each time: slow here
        g = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        with torch.cuda.stream(s):
            g.capture_begin()
            try:
                for _ in range(reps):
                    for c in calls:
                        c()
            finally:
                g.capture_end()
        return g

    def run(g, k):
        e = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(k)]
        for a, b in e:
            a.record()
            g.replay()
            b.record()
        torch.cuda.synchronize()
        return [a.elapsed_time(b) for a, b in e]

    g = capture(1)
    t1 = min(run(g, 3)[1:])
    reps = max(1, min(max_calls // len(calls), math.ceil(target_ms / max(t1, 1e-4))))
    if reps > 1:
        del g
        g = capture(reps)
        run(g, 1)
    ts = run(g, replays)
    del g
    k = 1e3 / (reps * len(calls))
    return statistics.median(ts) * k, min(ts) * k, max(ts) * k


def eager_time(calls, rounds=7, per_round=None, target_ms=4.0):
    """Microseconds per call with ordinary launches: includes host time where the host is the limit."""
    import torch

    for c in calls:
        c()
    torch.cuda.synchronize()
    t = time.perf_counter()
    for c in calls:
        c()
    torch.cuda.synchronize()
    one = (time.perf_counter() - t) / len(calls) * 1e3
    n = per_round or max(1, math.ceil(target_ms / max(one, 1e-3) / len(calls)))
    ts = []
    for _ in range(rounds):
        a, b = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda.synchronize()
        a.record()
        for _ in range(n):
            for c in calls:
                c()
        b.record()
        torch.cuda.synchronize()
        ts.append(a.elapsed_time(b) / (n * len(calls)) * 1e3)
    return statistics.median(ts), min(ts), max(ts)


def clocks(tag):
    try:
        o = subprocess.run(["nvidia-smi", "--query-gpu=clocks.sm,clocks.mem,power.draw,temperature.gpu,"
                            "clocks_event_reasons.active", "--format=csv,noheader"],
                           capture_output=True, text=True, timeout=20).stdout.strip()
    except Exception as ex:  # noqa: BLE001
        o = repr(ex)
    row("meta", "clocks", tag=tag, value=o)
    log("clocks", tag, o)


def relerr(out, ref):
    o, r = out.double(), ref.double()
    return float((o - r).norm() / r.norm())


_TK = {}


def triton_kernels():
    if _TK:
        return _TK
    import importlib.util
    import tempfile

    src = '''
import triton
import triton.language as tl

@triton.jit
def read_k(x, out, BLOCK: tl.constexpr, ITERS: tl.constexpr):
    pid = tl.program_id(0).to(tl.int64)
    base = pid * (BLOCK * ITERS)
    acc = tl.zeros((BLOCK,), tl.int32)
    for i in tl.static_range(ITERS):
        acc ^= tl.load(x + base + i * BLOCK + tl.arange(0, BLOCK))
    tl.store(out + pid, tl.sum(acc, 0))

@triton.jit
def copy_k(x, y, BLOCK: tl.constexpr, ITERS: tl.constexpr):
    pid = tl.program_id(0).to(tl.int64)
    base = pid * (BLOCK * ITERS)
    for i in tl.static_range(ITERS):
        o = base + i * BLOCK + tl.arange(0, BLOCK)
        tl.store(y + o, tl.load(x + o))

@triton.jit
def rcp_k(x, y, n, BLOCK: tl.constexpr):
    o = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    v = tl.load(x + o, mask=o < n, other=1.0)
    r = tl.inline_asm_elementwise("rcp.approx.ftz.f32 $0, $1;", "=f,f", [v], dtype=tl.float32, is_pure=True, pack=1)
    tl.store(y + o, r, mask=o < n)

@triton.jit
def mul_ftz_k(x, s, y, n, GROUP: tl.constexpr, BLOCK: tl.constexpr):
    o = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    m = o < n
    v = tl.load(x + o, mask=m, other=0.0).to(tl.float32)
    k = tl.load(s + o // GROUP, mask=m, other=0.0)
    r = tl.inline_asm_elementwise("mul.ftz.f32 $0, $1, $2;", "=f,f,f", [v, k], dtype=tl.float32, is_pure=True, pack=1)
    tl.store(y + o, r, mask=m)
'''
    d = tempfile.mkdtemp()
    p = os.path.join(d, "bench_triton_kernels.py")
    with open(p, "w") as f:
        f.write(src)
    spec = importlib.util.spec_from_file_location("bench_triton_kernels", p)
    m = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(m)
    for k in ("read_k", "copy_k", "rcp_k", "mul_ftz_k"):
        _TK[k] = getattr(m, k)
    return _TK


READ_CFG = [(2048, 4, 4), (4096, 2, 8), (4096, 4, 8), (8192, 2, 8), (4096, 1, 4), (2048, 1, 4), (8192, 4, 16)]


def read_calls(nbytes, cfg, nbuf=None):
    import torch

    k = triton_kernels()["read_k"]
    blk, it, w = cfg
    per = blk * it * 4
    nblk = max(1, round(nbytes / per))
    nbuf = nbuf or sets_for(nblk * per)
    xs = [torch.randint(-2**31, 2**31 - 1, (nblk * blk * it,), dtype=torch.int32, device="cuda") for _ in range(nbuf)]
    out = torch.empty(nblk, dtype=torch.int32, device="cuda")
    return [lambda x=x: k[(nblk,)](x, out, BLOCK=blk, ITERS=it, num_warps=w) for x in xs], nblk * per


def matmul_rate(dt, m, n, k, nset=3):
    import torch

    if dt == torch.int8:
        a = [torch.randint(-127, 128, (m, k), dtype=dt, device="cuda") for _ in range(nset)]
        b = [torch.randint(-127, 128, (n, k), dtype=dt, device="cuda").t() for _ in range(nset)]
        c = [lambda i=i: torch._int_mm(a[i], b[i]) for i in range(nset)]
    else:
        a = [torch.randn(m, k, device="cuda").to(dt) for _ in range(nset)]
        b = [(torch.randn(n, k, device="cuda") * 0.02).to(dt) for _ in range(nset)]
        c = [lambda i=i: torch.nn.functional.linear(a[i], b[i]) for i in range(nset)]
    t = graph_time(c, target_ms=20, replays=9)
    return t, 2.0 * m * n * k / t[0] * 1e-6  # TFLOP/s


def quick_ceil():
    """The three ceilings again, short, so that every process carries its own."""
    import torch

    n = 2**30
    x = [torch.randint(-128, 127, (n,), dtype=torch.int8, device="cuda") for _ in range(2)]
    y = torch.empty(n, dtype=torch.int8, device="cuda")
    t = eager_time([lambda i=i: y.copy_(x[i]) for i in range(2)])  # captured in a graph, copy_ runs at 0.64 of this
    cp = 2 * n / t[0] * 1e-3
    del x, y
    c, b = read_calls(2**30, (4096, 4, 8), nbuf=2)
    rd = b / graph_time(c, replays=7)[0] * 1e-3
    del c
    _, tf = matmul_rate(torch.bfloat16, 8192, 8192, 8192, 2)
    row("meta", "quick_ceil", copy_gbs=cp, read_gbs=rd, bf16_tflops=tf)
    log(f"quick ceilings: copy {cp:.0f} GB/s  read {rd:.0f} GB/s  bf16 8192^3 {tf:.0f} TFLOP/s")
    torch.cuda.empty_cache()
    return cp, rd, tf


# ------------------------------------------------------------------------------------------ sections
def sec_ceil():
    import torch

    p = torch.cuda.get_device_properties(0)
    row("meta", "device", value=f"{p.name}, {p.multi_processor_count} SMs, L2 {p.L2_cache_size / 2**20:.0f} MiB, "
        f"torch {torch.__version__}")
    clocks("idle")
    nb = 2**31
    x = [torch.randint(-128, 127, (nb,), dtype=torch.int8, device="cuda") for _ in range(2)]
    y = [torch.empty(nb, dtype=torch.int8, device="cuda") for _ in range(2)]
    calls = [lambda i=i: y[i].copy_(x[i]) for i in range(2)]
    for how, t in (("eager", eager_time(calls)), ("in a graph", graph_time(calls, replays=9))):
        r = row("ceil", f"copy 2 GiB (torch copy_, {how})", t, gbs=2 * nb / t[0] * 1e-3)
        log(f"copy_ {how} {r['gbs']:.0f} GB/s")
    del calls
    k = triton_kernels()["copy_k"]
    best = 0
    for blk, it, w in READ_CFG:
        nblk = nb // (blk * it * 4)
        xi, yi = [v.view(torch.int32) for v in x], [v.view(torch.int32) for v in y]
        t = graph_time([lambda i=i: k[(nblk,)](xi[i], yi[i], BLOCK=blk, ITERS=it, num_warps=w) for i in range(2)],
                       replays=5)
        r = row("ceil", "copy 2 GiB (triton)", t, gbs=2 * nb / t[0] * 1e-3, cfg=[blk, it, w])
        best = max(best, r["gbs"])
    log(f"triton copy best {best:.0f} GB/s")
    t = graph_time([lambda i=i: y[i].fill_(7) for i in range(2)], replays=5)
    r = row("ceil", "write 2 GiB (fill)", t, gbs=nb / t[0] * 1e-3)
    log(f"write {r['gbs']:.0f} GB/s")
    del x, y, xi, yi
    best = 0
    for cfg in READ_CFG:
        c, b = read_calls(2**31, cfg, nbuf=2)
        t = graph_time(c, replays=5)
        r = row("ceil", "read 2 GiB", t, gbs=b / t[0] * 1e-3, cfg=list(cfg))
        best = max(best, r["gbs"])
        del c
    log(f"read best {best:.0f} GB/s")
    xf = torch.randn(2**29, device="cuda")
    t = graph_time([lambda: torch.sum(xf)], replays=5)
    row("ceil", "read 2 GiB (torch.sum fp32)", t, gbs=4 * xf.numel() / t[0] * 1e-3)
    del xf
    torch.cuda.empty_cache()
    for bits, mul in (("4-bit+absmax", 0.5625), ("int8", 1.0), ("bf16", 2.0)):
        for n, kk in SHAPES:
            nbytes = n * kk * mul
            bst = None
            for cfg in READ_CFG if nbytes < 64e6 else READ_CFG[:4]:
                c, b = read_calls(nbytes, cfg)
                t = graph_time(c, replays=5)
                if bst is None or t[0] * (nbytes / b) < bst[0]:
                    bst = (t[0] * (nbytes / b), t[1], t[2], cfg)
                del c
            r = row("ceil", "read weight", bst[:3], kind=bits, N=n, K=kk, bytes=nbytes, gbs=nbytes / bst[0] * 1e-3,
                    cfg=list(bst[3]))
            log(f"read {bits} {n}x{kk} {nbytes / 1e6:.1f} MB: {bst[0]:.2f} us = {r['gbs']:.0f} GB/s {bst[3]}")
            torch.cuda.empty_cache()
    e = torch.zeros(32, device="cuda")
    t = graph_time([lambda: e.add_(1.0)] * 8, replays=9)
    row("ceil", "empty-ish kernel in a graph", t)
    log(f"tiny kernel in a graph {t[0]:.2f} us")
    for name, dt in (("bf16", torch.bfloat16), ("fp16", torch.float16), ("int8", torch.int8)):
        t, tf = matmul_rate(dt, 8192, 8192, 8192)
        row("ceil", f"matmul 8192^3 {name}", t, tflops=tf)
        log(f"matmul 8192^3 {name} {tf:.0f} TFLOP/s")
        for n, kk in SHAPES:
            t, tf = matmul_rate(dt, 4096, n, kk, 2)
            row("ceil", f"matmul M=4096 {name}", t, N=n, K=kk, tflops=tf)
            log(f"  M=4096 {n}x{kk} {name} {tf:.0f}")
        clocks("after " + name)
        torch.cuda.empty_cache()


def make_acts(m, k, dt, nset, scale=1.0):
    import torch

    return [(torch.randn(m, k, device="cuda") * scale).to(dt) for _ in range(max(1, min(nset, 4)))]


def sec_cublas():
    import torch

    quick_ceil()
    for dt, nm in ((torch.bfloat16, "bf16"), (torch.float16, "fp16")):
        for n, k in ARGS.shapes:
            r = sets_for(n * k * 2)
            w = [(torch.randn(n, k, device="cuda") * 0.02).to(dt) for _ in range(r)]
            line = []
            for m in ARGS.ms:
                a = make_acts(m, k, dt, r)
                t = graph_time([lambda i=i: torch.nn.functional.linear(a[i % len(a)], w[i]) for i in range(r)])
                row("cublas", "cublas", t, dtype=nm, N=n, K=k, M=m)
                line.append(f"{m}:{t[0]:.1f}")
            log("cublas", nm, f"{n}x{k}", " ".join(line))
            del w, a
            torch.cuda.empty_cache()
    clocks("end cublas")


def sec_quant():
    import torch
    import bitsandbytes as bnb
    import bitsandbytes.functional as F

    log("bitsandbytes", bnb.__version__)
    cp, _, _ = quick_ceil()
    n = 2**28
    ops = torch.ops.bitsandbytes

    def put(name, calls, nbytes, **kw):
        t = eager_time(calls, rounds=7, per_round=4)
        g = nbytes / t[0] * 1e-3
        row("quant", name, t, bytes=nbytes, gbs=g, frac=g / cp, **kw)
        log(f"{name:58s} {t[0]:9.1f} us {g:7.0f} GB/s {g / cp:6.3f} of copy")

    for dt, nm, sz in ((torch.bfloat16, "bf16", 2), (torch.float16, "fp16", 2), (torch.float32, "fp32", 4)):
        x = [torch.randn(n, device="cuda", dtype=torch.float32).to(dt) for _ in range(2)]
        for qt in ("nf4", "fp4"):
            if dt == torch.float16 and qt == "fp4":
                continue
            b1 = n * sz + n // 2 + n // 64 * 4
            put(f"quantize_4bit {qt} bs64 {nm} (op)", [lambda i=i: ops.quantize_4bit(x[i], 64, qt, torch.uint8)
                                                        for i in range(2)], b1)
            put(f"quantize_4bit {qt} bs64 {nm} (functional)",
                [lambda i=i: F.quantize_4bit(x[i], blocksize=64, quant_type=qt) for i in range(2)], b1)
            b2 = n * sz + n // 2 + n // 64 + n // 64 // 256 * 4
            put(f"quantize_4bit {qt} bs64 {nm} double-quant (functional)",
                [lambda i=i: F.quantize_4bit(x[i], blocksize=64, quant_type=qt, compress_statistics=True)
                 for i in range(2)], b2)
        if dt == torch.bfloat16:
            for bs in (32, 128, 256, 4096):
                put(f"quantize_4bit nf4 bs{bs} {nm} (op)",
                    [lambda i=i: ops.quantize_4bit(x[i], bs, "nf4", torch.uint8) for i in range(2)],
                    n * sz + n // 2 + n // bs * 4)
        for qt in ("nf4", "fp4"):
            if dt == torch.float16 and qt == "fp4":
                continue
            q1 = [F.quantize_4bit(x[i], blocksize=64, quant_type=qt) for i in range(2)]
            b1 = n // 2 + n // 64 * 4 + n * sz
            o = torch.empty(n, dtype=dt, device="cuda")
            put(f"dequantize_4bit {qt} bs64 -> {nm} (op, out=)",
                [lambda i=i: ops.dequantize_4bit.out(q1[i][0], q1[i][1].absmax, 64, qt, [n], dt, out=o)
                 for i in range(2)], b1)
            put(f"dequantize_4bit {qt} bs64 -> {nm} (functional)",
                [lambda i=i: F.dequantize_4bit(q1[i][0], q1[i][1]) for i in range(2)], b1)
            q2 = [F.quantize_4bit(x[i], blocksize=64, quant_type=qt, compress_statistics=True) for i in range(2)]
            put(f"dequantize_4bit {qt} bs64 -> {nm} double-quant (functional)",
                [lambda i=i: F.dequantize_4bit(q2[i][0], q2[i][1]) for i in range(2)],
                n // 2 + n // 64 + n // 64 // 256 * 4 + n * sz)
            del q1, q2, o
        for bs in (64, 256, 4096):
            if dt == torch.float16:
                continue
            bq = n * sz + n + n // bs * 4
            put(f"quantize_blockwise 8-bit bs{bs} {nm}",
                [lambda i=i: F.quantize_blockwise(x[i], blocksize=bs) for i in range(2)], bq)
            q = [F.quantize_blockwise(x[i], blocksize=bs) for i in range(2)]
            put(f"dequantize_blockwise 8-bit bs{bs} -> {nm}",
                [lambda i=i: F.dequantize_blockwise(q[i][0], q[i][1]) for i in range(2)], bq)
            del q
        del x
        torch.cuda.empty_cache()
    clocks("end quant")


def dq4_ref(packed, absmax, n, k, bs, qt):
    """float32 reference of a 4-bit weight, written from the format's definition."""
    import torch

    tab = torch.tensor(NF4 if qt == "nf4" else FP4_MAG + [-v for v in FP4_MAG], device="cuda")
    p = packed.view(-1).long()
    idx = torch.stack((p >> 4, p & 15), 1).view(-1)
    return (tab[idx].view(-1, bs) * absmax.view(-1, 1)).view(n, k)


def sec_gemm4():
    import torch
    import bitsandbytes as bnb
    import bitsandbytes.functional as F

    log("bitsandbytes", bnb.__version__)
    torch.backends.cuda.matmul.allow_tf32 = False
    quick_ceil()
    try:
        import bitsandbytes.backends.cuda.ops as co
        fused, fallback, choose = (co._gemm_4bit_kernel_impl, co._dequant_linear_fallback,
                                   co._gemm_4bit_use_custom_cuda)
    except Exception as ex:  # noqa: BLE001
        log("no private entry points:", ex)
        fused = fallback = choose = None

    # right first
    for qt in ("nf4", "fp4"):
        for n, k in ((4096, 4096), (14336, 4096)):
            w = (torch.randn(n, k, device="cuda") * 0.02).bfloat16()
            for dq in (False, True):
                q, st = F.quantize_4bit(w, blocksize=64, quant_type=qt, compress_statistics=dq)
                am = st.absmax if not dq else F.dequantize_blockwise(st.absmax, st.state2) + st.offset
                wr = dq4_ref(q, am.float(), n, k, 64, qt)
                for dt, nm in ((torch.bfloat16, "bf16"), (torch.float16, "fp16")):
                    errs = {}
                    for m in (1, 2, 3, 5, 8, 16, 33, 64, 256, 600):
                        a = torch.randn(m, k, device="cuda").to(dt)
                        o = bnb.matmul_4bit(a, q, st)
                        errs[m] = relerr(o, a.float() @ wr.t())
                        if fused is not None and m in (16, 64, 256):
                            kw = {} if not dq else dict(absmax_8bit=st.absmax, absmax_code=st.state2.code,
                                                        absmax_offset=st.offset)
                            o = fused(a, q.view(-1, 1), st.shape, st.state2.absmax if dq else st.absmax, 64, qt, **kw)
                            errs[f"fused{m}"] = relerr(o, a.float() @ wr.t())
                    row("check", "bnb matmul_4bit", qt=qt, dq=dq, dtype=nm, N=n, K=k, errs=errs)
                    log(f"check matmul_4bit {qt} dq={dq} {nm} {n}x{k} max rel err {max(errs.values()):.2e}")
            del w, wr
    torch.cuda.empty_cache()

    for n, k in ARGS.shapes:
        r = sets_for(n * k * 0.5625)
        w = (torch.randn(n, k, device="cuda") * 0.02).bfloat16()
        for qt, dq, dts in (("nf4", False, ("bf16", "fp16")), ("nf4", True, ("bf16",)), ("fp4", False, ("bf16",))):
            if qt == "fp4" and (n, k) not in ((4096, 4096), (14336, 4096)):
                continue
            q, st = F.quantize_4bit(w, blocksize=64, quant_type=qt, compress_statistics=dq)
            qs = [q.clone() for _ in range(r)]
            sts = []
            for _ in range(r):
                if dq:
                    s2 = F.QuantState(absmax=st.state2.absmax.clone(), code=st.state2.code,
                                      blocksize=st.state2.blocksize, dtype=st.state2.dtype)
                    sts.append(F.QuantState(absmax=st.absmax.clone(), shape=st.shape, code=st.code, blocksize=64,
                                            quant_type=qt, dtype=st.dtype, offset=st.offset, state2=s2))
                else:
                    sts.append(F.QuantState(absmax=st.absmax.clone(), shape=st.shape, code=st.code, blocksize=64,
                                            quant_type=qt, dtype=st.dtype))
            for nm in dts:
                dt = dict(bf16=torch.bfloat16, fp16=torch.float16)[nm]
                line = []
                for m in ARGS.ms:
                    a = make_acts(m, k, dt, r)
                    t = graph_time([lambda i=i: bnb.matmul_4bit(a[i % len(a)], qs[i], sts[i]) for i in range(r)])
                    kw = dict(dtype=nm, qt=qt, dq=dq, N=n, K=k, M=m)
                    path = ""
                    if choose is not None:
                        path = "fused" if m <= 1536 and choose(0, dt, m, n, k) else "dequant+mm"
                    row("gemm4", "default", t, path=path, **kw)
                    line.append(f"{m}:{t[0]:.1f}{'f' if path == 'fused' else 'd'}")
                    if nm == "bf16" and qt == "nf4" and fused is not None:
                        def args(i, a=a):
                            s = sts[i]
                            if dq:
                                return ((a[i % len(a)], qs[i], s.shape, s.state2.absmax, 64, qt),
                                        dict(absmax_8bit=s.absmax, absmax_code=s.state2.code, absmax_offset=s.offset))
                            return (a[i % len(a)], qs[i], s.shape, s.absmax, 64, qt), {}
                        al = [args(i) for i in range(r)]
                        if path != "fused" and m <= 1024:
                            t2 = graph_time([lambda x=x: fused(*x[0], **x[1]) for x in al])
                            row("gemm4", "forced fused", t2, **kw)
                            line.append(f"(f {t2[0]:.1f})")
                        if path == "fused" and m >= 4:
                            t2 = graph_time([lambda x=x: fallback(*x[0], **x[1]) for x in al])
                            row("gemm4", "forced dequant+mm", t2, **kw)
                            line.append(f"(d {t2[0]:.1f})")
                        if m == 1 and not dq:
                            t2 = graph_time([lambda i=i: torch.ops.bitsandbytes.gemv_4bit(
                                a[i % len(a)], qs[i], list(sts[i].shape), sts[i].absmax, sts[i].code, 64)
                                for i in range(r)])
                            row("gemm4", "legacy gemv_4bit", t2, **kw)
                            t3 = eager_time([lambda i=i: bnb.matmul_4bit(a[i % len(a)], qs[i], sts[i])
                                             for i in range(r)])
                            row("gemm4", "default, eager launch", t3, **kw)
                            line.append(f"(gemv {t2[0]:.1f}, eager {t3[0]:.1f})")
                log("bnb4", qt, "dq" if dq else "  ", nm, f"{n}x{k}", " ".join(line))
            del qs, sts, q, st
            torch.cuda.empty_cache()
    clocks("end gemm4")


def sec_int8():
    import torch
    import bitsandbytes as bnb
    import bitsandbytes.functional as F

    log("bitsandbytes", bnb.__version__)
    quick_ceil()
    ops = torch.ops.bitsandbytes
    torch.set_grad_enabled(False)

    def state(cb, scb, thr):
        s = bnb.MatmulLtState()
        s.CB, s.SCB, s.has_fp16_weights, s.is_training, s.threshold = cb, scb, False, False, thr
        return s

    for n, k in ARGS.shapes:
        r = sets_for(n * k)
        w = (torch.randn(n, k, device="cuda") * 0.02).half()
        cb, scb, _ = F.int8_vectorwise_quant(w)
        cbs = [cb.clone() for _ in range(r)]
        st0 = [state(c, scb, 0.0) for c in cbs]
        st6 = [state(c, scb, 6.0) for c in cbs]
        ncol = max(1, round(k * 0.003))
        cols = torch.randperm(k, device="cuda")[:ncol]
        row("int8", "outlier columns", N=n, K=k, ncol=ncol)
        # right first
        for m in (1, 16, 64, 512):
            a = (torch.randn(m, k, device="cuda") * 0.5).half()
            ao = a.clone()
            ao[:, cols] = (torch.rand(m, ncol, device="cuda") * 20 + 6.5).half()
            e = {}
            for nm, x, st in (("thr0", a, st0[0]), ("thr6 no outliers", a, st6[0]), ("thr6 outliers", ao, st6[0]),
                              ("thr0 outliers", ao, st0[0])):
                e[nm] = relerr(bnb.matmul(x, st.CB, state=st), x.float() @ w.float().t())
            row("check", "bnb int8", N=n, K=k, M=m, errs=e)
            if m in (1, 512):
                log("check int8", f"{n}x{k} M={m}", {a_: f"{b_:.2e}" for a_, b_ in e.items()})
        line = []
        for m in ARGS.ms:
            kw = dict(N=n, K=k, M=m, dtype="fp16")
            a = make_acts(m, k, torch.float16, r, 0.5)
            ao = [x.clone() for x in a]
            for x in ao:
                x[:, cols] = (torch.rand(m, ncol, device="cuda") * 20 + 6.5).half()
            ca = [F.int8_vectorwise_quant(x)[0] for x in a]
            L = len(a)
            res = {}
            if m >= 32:
                res["torch._int_mm"] = graph_time([lambda i=i: torch._int_mm(ca[i % L], cbs[i].t()) for i in range(r)])
            res["int8_linear_matmul"] = graph_time([lambda i=i: ops.int8_linear_matmul(ca[i % L], cbs[i])
                                                    for i in range(r)])
            res["int8_vectorwise_quant thr0"] = graph_time([lambda i=i: ops.int8_vectorwise_quant(a[i % L], 0.0)
                                                            for i in range(r)])
            c32 = [ops.int8_linear_matmul(ca[0], cbs[0])]
            sa = torch.rand(m, device="cuda")
            res["int8_mm_dequant"] = graph_time([lambda: ops.int8_mm_dequant(c32[0], sa, scb, dtype=torch.float16)] * 2)
            res["matmul thr0"] = graph_time([lambda i=i: bnb.matmul(a[i % L], st0[i].CB, state=st0[i])
                                             for i in range(r)])
            res["matmul thr0, eager"] = eager_time([lambda i=i: bnb.matmul(a[i % L], st0[i].CB, state=st0[i])
                                                    for i in range(r)], rounds=5)
            res["matmul thr6 outliers, eager"] = eager_time([lambda i=i: bnb.matmul(ao[i % L], st6[i].CB, state=st6[i])
                                                             for i in range(r)], rounds=5)
            res["matmul thr6 no outliers, eager"] = eager_time([lambda i=i: bnb.matmul(a[i % L], st6[i].CB,
                                                                                       state=st6[i])
                                                                for i in range(r)], rounds=5)
            for nm, t in res.items():
                row("int8", nm, t, **kw)
            line.append(f"{m}: mm {res['int8_linear_matmul'][0]:.1f} q {res['int8_vectorwise_quant thr0'][0]:.1f} "
                        f"all {res['matmul thr0'][0]:.1f} e6 {res['matmul thr6 outliers, eager'][0]:.0f};")
            del c32, ca, a, ao
        log("int8", f"{n}x{k}", " ".join(line))
        del cbs, st0, st6, w, cb
        torch.cuda.empty_cache()
    clocks("end int8")


def sec_marlin():
    import torch

    quick_ceil()
    lib = ctypes.CDLL(os.path.abspath(ARGS.marlin_lib))
    fn = lib.marlin_mul
    fn.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_int] * 3 + [ctypes.c_void_p, ctypes.c_int, ctypes.c_int,
                                                                ctypes.c_void_p, ctypes.c_int]
    fn.restype = ctypes.c_int

    def mul(a, b, c, s, ws, m, n, k, g):
        rc = fn(a.data_ptr(), b.data_ptr(), c.data_ptr(), s.data_ptr(), m, n, k, ws.data_ptr(), g, 0,
                torch.cuda.current_stream().cuda_stream, 16)
        if rc:
            raise RuntimeError(f"marlin rc {rc}")

    if ARGS.marlin_py:  # Marlin's own packer, for the check of results
        try:
            import types
            sys.modules["marlin_cuda"] = types.ModuleType("marlin_cuda")
            sys.path.insert(0, ARGS.marlin_py)
            import marlin
            n = k = 4096
            w = torch.randn(n, k, device="cuda") * 0.02
            g = w.view(n, k // 128, 128)
            s = (g.abs().amax(2) / 7).half()
            q = torch.clamp(torch.round(g / s.float().unsqueeze(2)), -8, 7)
            wd = (q * s.float().unsqueeze(2)).view(n, k)
            lin = torch.nn.Linear(k, n, bias=False).half().cuda()
            lin.weight.data = wd.half()
            lay = marlin.Layer(k, n, 128).cuda()
            lay.pack(lin, s)
            errs = {}
            for m in (1, 16, 33, 64, 256, 1024):
                a = torch.randn(m, k, device="cuda").half()
                c = torch.full((m, n), float("nan"), dtype=torch.half, device="cuda")
                mul(a, lay.B, c, lay.s, lay.workspace.cuda(), m, n, k, 128)
                torch.cuda.synchronize()
                errs[m] = relerr(c, a.float() @ wd.t())
            row("check", "marlin", errs=errs)
            log("check marlin", {a_: f"{b_:.2e}" for a_, b_ in errs.items()})
        except Exception as ex:  # noqa: BLE001
            row("check", "marlin", error=repr(ex))
            log("marlin check failed", traceback.format_exc())
    for n, k in ARGS.shapes:
        r = sets_for(n * k * 0.5)
        b = [torch.randint(-2**31, 2**31 - 1, (k // 16, n * 2), dtype=torch.int32, device="cuda") for _ in range(r)]
        s = [(torch.rand(k // 128, n, device="cuda") * 0.01).half() for _ in range(r)]
        ws = torch.zeros(n // 128 * 16, dtype=torch.int32, device="cuda")
        line = []
        for m in ARGS.ms:
            a = make_acts(m, k, torch.float16, r)
            c = torch.empty(m, n, dtype=torch.half, device="cuda")
            t = graph_time([lambda i=i: mul(a[i % len(a)], b[i], c, s[i], ws, m, n, k, 128) for i in range(r)])
            row("peer", "marlin int4 g128", t, dtype="fp16", N=n, K=k, M=m)
            line.append(f"{m}:{t[0]:.1f}")
        log("marlin", f"{n}x{k}", " ".join(line))
        del b, s
        torch.cuda.empty_cache()


def sec_tinygemm():
    import torch

    quick_ceil()
    aten = torch.ops.aten
    for n, k in ARGS.shapes:
        w = torch.randn(n, k, device="cuda") * 0.02
        for g in (64, 128):
            gr = w.view(n, k // g, g)
            s = gr.abs().amax(2) / 7
            s = s.bfloat16()
            q = torch.clamp(torch.round(gr / s.float().unsqueeze(2)), -8, 7)
            wd = (q * s.float().unsqueeze(2)).view(n, k)
            qi = (q.view(n, k) + 8).to(torch.int32)
            byt = ((qi[:, ::2] << 4) | qi[:, 1::2]).to(torch.uint8)
            del q, qi
            sz = torch.stack((s, torch.zeros_like(s)), 2).transpose(0, 1).contiguous()  # [K/g, N, 2]
            pk = aten._convert_weight_to_int4pack(byt.contiguous(), 8)
            if (n, k) == (4096, 4096):
                errs = {}
                for m in (1, 8, 16, 64, 256):
                    a = torch.randn(m, k, device="cuda").bfloat16()
                    errs[m] = relerr(aten._weight_int4pack_mm(a, pk, g, sz), a.float() @ wd.t())
                row("check", f"tinygemm g{g}", errs=errs)
                log("check tinygemm", g, {a_: f"{b_:.2e}" for a_, b_ in errs.items()})
            r = sets_for(n * k * 0.5)
            pks, szs = [pk.clone() for _ in range(r)], [sz.clone() for _ in range(r)]
            line = []
            for m in [x for x in ARGS.ms if x <= 512]:
                a = make_acts(m, k, torch.bfloat16, r)
                t = graph_time([lambda i=i: aten._weight_int4pack_mm(a[i % len(a)], pks[i], g, szs[i])
                                for i in range(r)])
                row("peer", f"tinygemm int4 g{g}", t, dtype="bf16", N=n, K=k, M=m)
                line.append(f"{m}:{t[0]:.1f}")
            log("tinygemm", f"g{g} {n}x{k}", " ".join(line))
            del pks, szs, pk, wd
        del w
        torch.cuda.empty_cache()


def sec_flute():
    import torch

    quick_ceil()
    lib = ctypes.CDLL(os.path.abspath(ARGS.flute_lib))
    fns = {}
    for p in "hb":
        for i in range(len(FLUTE_CFG)):
            f = getattr(lib, f"flute_{p}{i}", None)
            if f is not None:
                f.argtypes = [ctypes.c_int] * 4 + [ctypes.c_void_p] * 7 + [ctypes.c_int, ctypes.c_void_p]
                f.restype = None
                fns[p, i] = f
    sms = torch.cuda.get_device_properties(0).multi_processor_count
    ws = torch.zeros(sms * 4 * 256 * 4 * 64 * 8 + 4 * sms * 4, dtype=torch.uint8, device="cuda")

    def ok(m, n, k, i, mult):
        _, tm, tp, _ = FLUTE_CFG[i]
        return math.ceil(m / tm) * math.ceil(n // 4 / tp) * math.ceil(k / 64) >= mult * sms

    def call(p, i, mult, a, q, d, s, t1, t2, m, n, k):
        fns[p, i](m, n, k, n // 4, a.data_ptr(), q.data_ptr(), d.data_ptr(), s.data_ptr(), t1.data_ptr(),
                  t2.data_ptr(), ws.data_ptr(), mult * sms, torch.cuda.current_stream().cuda_stream)

    tab = {}
    for p, dt in (("h", torch.float16), ("b", torch.bfloat16)):
        t1 = torch.tensor(NF4, device="cuda").to(dt)
        t2 = torch.stack((t1.view(16, 1).expand(16, 16), t1.view(1, 16).expand(16, 16)), 2).contiguous()
        tab[p] = (t1, t2)
    good = set(fns)
    if ARGS.flute_py:  # FLUTE's own packer, for the check of results
        try:
            import types
            pkg = types.ModuleType("flute")
            pkg.__path__ = [os.path.join(ARGS.flute_py, "flute")]
            pkg.qgemm, pkg.TEMPLATE_CONFIGS = None, {}
            sys.modules["flute"] = pkg
            import importlib
            fu = importlib.import_module("flute.utils")
            n = k = 4096
            idx = torch.randint(0, 16, (n, k), device="cuda")
            for p, dt in (("h", torch.float16), ("b", torch.bfloat16)):
                s = (torch.rand(n, k // 64, device="cuda") * 0.05 + 0.01).to(dt)
                wd = (tab[p][0].float()[idx].view(n, k // 64, 64) * s.float().unsqueeze(2)).view(n, k)
                for i in range(len(FLUTE_CFG)):
                    q = fu._pack_4bit(idx.t().contiguous().to(torch.uint8), FLUTE_CFG[i][2])
                    errs = {}
                    for m in (1, 8, 16, 33, 64):
                        a = torch.randn(m, k, device="cuda").to(dt)
                        d = torch.full((m, n), float("nan"), dtype=dt, device="cuda")
                        mult = 1
                        if not ok(m, n, k, i, mult):
                            continue
                        call(p, i, mult, a, q, d, s, *tab[p], m, n, k)
                        torch.cuda.synchronize()
                        errs[m] = relerr(d, a.float() @ wd.t())
                    row("check", "flute", cfg=f"{p}{i}", errs=errs)
                    log("check flute", p, i, {a_: f"{b_:.2e}" for a_, b_ in errs.items()})
                    if not all(v < 0.05 for v in errs.values()):
                        good.discard((p, i))
        except Exception as ex:  # noqa: BLE001
            row("check", "flute", error=repr(ex))
            log("flute check failed", traceback.format_exc())
    for n, k in ARGS.shapes:
        r = sets_for(n * k * 0.53125)
        q = [torch.randint(-2**15, 2**15 - 1, (n // 4, k), dtype=torch.int16, device="cuda") for _ in range(r)]
        for p, dt, nm in (("h", torch.float16, "fp16"), ("b", torch.bfloat16, "bf16")):
            s = [(torch.rand(n, k // 64, device="cuda") * 0.01).to(dt) for _ in range(r)]
            line = []
            for m in [x for x in ARGS.ms if x <= 256]:
                a = make_acts(m, k, dt, r)
                d = torch.empty(m, n, dtype=dt, device="cuda")
                best = None
                for i in range(len(FLUTE_CFG)):
                    for mult in (1, 2, 4):
                        if (p, i) not in good or not ok(m, n, k, i, mult):
                            continue
                        if m > 64 and FLUTE_CFG[i][1] == 16:
                            continue
                        t = graph_time([lambda j=j: call(p, i, mult, a[j % len(a)], q[j], d, s[j], *tab[p], m, n, k)
                                        for j in range(r)], target_ms=0.4, replays=3)
                        if best is None or t[0] < best[0][0]:
                            best = (t, i, mult)
                if best is None:
                    continue
                _, i, mult = best
                t = graph_time([lambda j=j: call(p, i, mult, a[j % len(a)], q[j], d, s[j], *tab[p], m, n, k)
                                for j in range(r)])
                row("peer", "flute nf4 g64", t, dtype=nm, N=n, K=k, M=m, cfg=[i, mult])
                line.append(f"{m}:{t[0]:.1f}(c{i}x{mult})")
            log("flute", nm, f"{n}x{k}", " ".join(line))
            del s
        del q
        torch.cuda.empty_cache()


def sec_gemlite():
    import torch
    import gemlite
    from gemlite.core import forward_functional

    quick_ceil()
    cfg = os.path.join(os.path.dirname(gemlite.__file__), "configs", "h100.json")
    gemlite.load_config(cfg)
    log("gemlite", gemlite.__version__)
    for n, k in [s for s in ARGS.shapes if s in ((4096, 4096), (14336, 4096), (4096, 14336))]:  # shapes it ships tuned
        g = 64
        w = torch.randn(n, k, device="cuda") * 0.02
        gr = w.view(n, k // g, g)
        s = (gr.abs().amax(2) / 7).half()
        q = torch.clamp(torch.round(gr / s.float().unsqueeze(2)) + 8, 0, 15)
        wd = ((q - 8) * s.float().unsqueeze(2)).view(n, k)
        z = torch.full_like(s, 8.0)
        lay = gemlite.helper.A16Wn(device="cuda:0", dtype=torch.float16).from_weights(
            q.view(n, k).to(torch.uint8), s, z, 4, g)
        ta, meta = lay.get_tensor_args(), lay.get_meta_args()
        ta = [x.data for x in ta]
        r = sets_for(n * k * 0.5)
        tas = [[x.clone() for x in ta] for _ in range(r)]
        line, errs = [], {}
        for m in [x for x in ARGS.ms if x in ARGS.gemlite_ms]:
            a = make_acts(m, k, torch.float16, r)
            errs[m] = relerr(forward_functional(a[0], None, ta, meta), a[0].float() @ wd.t())
            t = graph_time([lambda i=i: forward_functional(a[i % len(a)], None, tas[i], meta) for i in range(r)])
            row("peer", "gemlite int4 g64", t, dtype="fp16", N=n, K=k, M=m)
            line.append(f"{m}:{t[0]:.1f}")
        row("check", "gemlite", N=n, K=k, errs=errs)
        log("gemlite", f"{n}x{k}", " ".join(line), "err", {a_: f"{b_:.1e}" for a_, b_ in errs.items()})
        del tas, ta, lay, w, wd
        torch.cuda.empty_cache()


# -------------------------------------------------------------------------------------------- exact
def unpack4(p):
    import torch

    p = p.view(-1)
    return torch.stack((p >> 4, p & 15), 1).view(-1)


def bits(x):
    import torch

    return x.contiguous().view(torch.int32)


def same_bits(a, b):
    """True where equal bit for bit or both NaN (same dtype, any float)."""
    import torch

    it = {2: torch.int16, 4: torch.int32}[a.element_size()]
    return (a.contiguous().view(it) == b.contiguous().view(it)) | (torch.isnan(a) & torch.isnan(b))


def sec_exact():
    import torch
    import bitsandbytes as bnb
    import bitsandbytes.functional as F

    log("bitsandbytes", bnb.__version__)
    ops = torch.ops.bitsandbytes
    tk = triton_kernels()

    def put(name, **kw):
        row("exact", name, **kw)
        log("exact", name, json.dumps(kw)[:1500])

    def rcp_approx(x):
        y = torch.empty_like(x)
        tk["rcp_k"][(math.ceil(x.numel() / 1024),)](x, y, x.numel(), BLOCK=1024)
        return y

    def mul_ftz(x, s, group):
        y = torch.empty(x.numel(), device=x.device, dtype=torch.float32)
        tk["mul_ftz_k"][(math.ceil(x.numel() / 1024),)](x, s, y, x.numel(), GROUP=group, BLOCK=1024)
        return y

    def nextf(x, d):
        i = torch.tensor([x], dtype=torch.float32).view(torch.int32)
        return (i + d).view(torch.float32)

    def key(f):  # order-preserving integer of a float32
        j = int(torch.tensor([f], dtype=torch.float32).view(torch.int32))
        return j if j >= 0 else -(j & 0x7FFFFFFF)

    def unkey(j):
        j = j if j >= 0 else (-j) | (-2**31)
        return float(torch.tensor([j], dtype=torch.int32).view(torch.float32))

    # 1. where the CUDA 4-bit quantizers really switch: block absmax is exactly 1, so the scaled value is exact
    thr = {}
    for qt in ("nf4", "fp4"):
        tab = NF4 if qt == "nf4" else sorted(set(FP4_MAG + [-v for v in FP4_MAG]))
        tabt = torch.tensor(tab, dtype=torch.float32)
        found = []

        def code(vals):
            v = torch.zeros(64 * len(vals), dtype=torch.float32)
            v[0::64] = 1.0
            v[1::64] = torch.tensor(vals, dtype=torch.float32)
            p, _ = ops.quantize_4bit(v.cuda(), 64, qt, torch.uint8)
            return unpack4(p.cpu())[1::64].tolist()

        for i in range(len(tab) - 1):
            lo, hi = float(tabt[i]), float(tabt[i + 1])
            mid = float(((tabt[i].double() + tabt[i + 1].double()) / 2).float())
            start = key(lo)
            for _ in range(4):  # one change expected, two around zero (a code for -0)
                ca, cb = code([unkey(start), hi])
                if ca == cb:
                    break
                ka, kb = start, key(hi)
                while kb - ka > 1:
                    step = max(1, (kb - ka) // 512)
                    ks = list(range(ka + step, kb, step))
                    nk, prev = (ks[-1], kb), ka
                    for j, c in zip(ks, code([unkey(j) for j in ks])):
                        if c != ca:
                            nk = (prev, j)
                            break
                        prev = j
                    ka, kb = nk
                last = unkey(ka)  # largest value that still gets the lower code
                found.append(dict(lo=lo, hi=hi, code_lo=ca, code_hi=code([unkey(kb)])[0], last_low=last, mid=mid,
                                  ulps_from_mid=key(last) - key(mid)))
                start = kb
        thr[qt] = found
        put(f"thresholds {qt}", values=[(f["code_lo"], f["code_hi"], float.hex(f["last_low"]), f["ulps_from_mid"])
                                        for f in found])

    def model4(x, qt, approx, bs=64):
        """codes from measured thresholds; approx picks rcp.approx.ftz or IEEE 1/x for the block scale."""
        xf = x.float().view(-1, bs)
        am = xf.abs().amax(1)
        inv = rcp_approx(am) if approx else 1.0 / am
        sc = mul_ftz(xf.reshape(-1), inv, bs)
        t = torch.tensor([f["last_low"] for f in thr[qt]], device=x.device)
        idx = torch.bucketize(sc, t)  # counts thresholds strictly below
        codes = torch.tensor([thr[qt][0]["code_lo"]] + [f["code_hi"] for f in thr[qt]], device=x.device)
        return codes[idx].to(torch.uint8), am

    # 2. random data: CUDA against CPU back end and against the two models
    n, ncpu = 2**27, 2**24
    for dt, nm in ((torch.float32, "fp32"), (torch.bfloat16, "bf16"), (torch.float16, "fp16")):
        x = torch.randn(n, device="cuda").to(dt)
        for qt in ("nf4", "fp4"):
            p, am = ops.quantize_4bit(x, 64, qt, torch.uint8)
            c = unpack4(p)
            ma, am2 = model4(x, qt, True)
            da = int((c != ma).sum())
            del ma
            mi, _ = model4(x, qt, False)
            di = int((c != mi).sum())
            del mi
            pc, amc = ops.quantize_4bit(x[:ncpu].cpu(), 64, qt, torch.uint8)
            cc = unpack4(pc).cuda()
            put(f"quantize_4bit {qt} {nm} random N(0,1)", n_models=n, cuda_vs_model_rcp_approx=da,
                cuda_vs_model_ieee=di, absmax_vs_model=int((bits(am) != bits(am2)).sum()),
                n_cpu=ncpu, cuda_vs_cpu=int((c[:ncpu] != cc).sum()),
                absmax_cuda_vs_cpu=int((bits(am[: ncpu // 64]) != bits(amc.cuda())).sum()))
            del c, cc, p
        del x
        torch.cuda.empty_cache()
    # rcp.approx.ftz against IEEE 1/x: every significand once, then whether the exponent matters
    v = (torch.arange(2**23, dtype=torch.int32, device="cuda") + 0x3F800000).view(torch.float32)
    r0 = rcp_approx(v)
    d = bits(r0) - bits(1.0 / v)
    expo = {e: int((bits(rcp_approx(v * 2.0**e)) != bits(r0 * 2.0**-e)).sum()) for e in (-120, -60, -1, 1, 60, 120)}
    put("rcp.approx.ftz vs IEEE 1/x, all 2^23 significands", differ=int((d != 0).sum()), plus1=int((d == 1).sum()),
        minus1=int((d == -1).sum()), max_ulp=int(d.abs().max()), differs_from_scaled_by_exponent=expo)
    if ARGS.rcp_out:  # lets a CPU path reproduce the instruction bit for bit
        import numpy as np

        np.savez_compressed(ARGS.rcp_out, ulp_diff=d.to(torch.int8).cpu().numpy())

    # 3. edge blocks
    def blk(*head, fill=0.0):
        b = torch.full((64,), float(fill))
        b[: len(head)] = torch.tensor(head, dtype=torch.float32)
        return b

    mids = [f["mid"] for f in thr["nf4"]]
    inf, nan = float("inf"), float("nan")
    g = torch.Generator().manual_seed(1)
    edge = {
        "all zero": blk(),
        "all -0": blk(fill=-0.0),
        "single positive": blk(3.0),
        "single negative": blk(-3.0),
        "all equal 0.1": blk(fill=0.1),
        "ties nf4 (absmax 1)": blk(1.0, *mids),
        "ties nf4 (absmax 3)": blk(3.0, *[3.0 * m for m in mids]),
        "ties fp4 +-": blk(1.0, *[f["mid"] for f in thr["fp4"]]),
        "tiny negatives": blk(1.0, -1e-3, -1e-9, -1e-30, -0.0, 0.0, 1e-30),
        "denormals fp32": blk(1e-40, -1e-41, 5e-40),
        "absmax min normal": blk(1.17549435e-38, 5e-39, -9e-39),
        "absmax 1e-38": blk(1.0e-38, -5e-39),
        "absmax 2^126": blk(2.0**126, 2.0**125, -2.0**126),
        "absmax just over 2^126": blk(2.0**126 * 1.0001, 2.0**125, -2.0**126),
        "absmax FLT_MAX": blk(3.4028234e38, 1e38, -3e38),
        "one inf": blk(inf, 1.0, -2.0),
        "one -inf": blk(-inf, 1.0, -2.0),
        "inf and -inf": blk(inf, -inf, 1.0),
        "nan first": blk(nan, 1.0, -2.0, 0.5),
        "nan last": torch.cat((blk(1.0, -2.0, 0.5)[:63], torch.tensor([nan]))),
        "all nan": blk(fill=nan),
        "nan and inf": blk(nan, inf, 1.0),
        "random": torch.randn(64, generator=g),
    }
    for dt, nm in ((torch.float32, "fp32"), (torch.bfloat16, "bf16"), (torch.float16, "fp16")):
        x = torch.stack(list(edge.values())).to(dt)
        for qt in ("nf4", "fp4"):
            p, am = ops.quantize_4bit(x.cuda(), 64, qt, torch.uint8)
            pc, amc = ops.quantize_4bit(x.cpu(), 64, qt, torch.uint8)
            c, cc = unpack4(p.cpu()).view(-1, 64), unpack4(pc).view(-1, 64)
            am = am.cpu()
            sb = same_bits(am, amc)
            out = {}
            for i, nme in enumerate(edge):
                nd = int((c[i] != cc[i]).sum())
                if nd or not bool(sb[i]) or nme in ("all zero", "all -0"):
                    j = (c[i] != cc[i]).nonzero().view(-1)[:4].tolist()
                    out[nme] = dict(code_diff=nd, absmax_cuda=float(am[i]), absmax_cpu=float(amc[i]),
                                    at=[(q, float(x[i][q]), int(c[i][q]), int(cc[i][q])) for q in j],
                                    cuda_first=c[i][:6].tolist(), cpu_first=cc[i][:6].tolist())
            row("exact", f"edge blocks {qt} {nm}", diffs=out)
            log("exact edge", qt, nm)
            for k_, v_ in out.items():
                log("    ", k_, str(v_).replace("\n", ""))
            dq = ops.dequantize_4bit(p, am.cuda(), 64, qt, list(x.shape), dt).cpu()
            dqc = ops.dequantize_4bit(pc.cpu(), amc.cpu(), 64, qt, list(x.shape), dt)
            s2 = same_bits(dq, dqc)
            row("exact", f"edge dequant {qt} {nm}", value={nme: int((~s2[i]).sum()) for i, nme in enumerate(edge)
                                                          if int((~s2[i]).sum())})
    # ragged sizes
    bad = {}
    for qt in ("nf4", "fp4"):
        for sz in (1, 2, 63, 65, 127, 129, 1001, 4097):
            x = torch.randn(sz, device="cuda")
            p, am = ops.quantize_4bit(x, 64, qt, torch.uint8)
            pc, amc = ops.quantize_4bit(x.cpu(), 64, qt, torch.uint8)
            c, cc = unpack4(p.cpu()), unpack4(pc)
            bad[f"{qt} n={sz}"] = (int((c[:sz] != cc[:sz]).sum()), int((c[sz:] != cc[sz:]).sum()),
                                   c[sz:].tolist(), cc[sz:].tolist(), int((bits(am.cpu()) != bits(amc)).sum()))
    put("ragged sizes: (code diffs, pad nibble diffs, pad cuda, pad cpu, absmax diffs)", value=bad)
    # other block sizes, random
    x = torch.randn(2**22, device="cuda").bfloat16()
    o = {}
    for bs in (32, 64, 128, 256, 512, 1024, 2048, 4096):
        p, am = ops.quantize_4bit(x, bs, "nf4", torch.uint8)
        ma, _ = model4(x, "nf4", True, bs)
        mi, _ = model4(x, "nf4", False, bs)
        c = unpack4(p)
        o[bs] = (int((c != ma).sum()), int((c != mi).sum()))
    put("nf4 bf16 block sizes: (diffs to rcp.approx model, to IEEE model) of 2^22", value=o)

    # 4. dequantize: CUDA against code*absmax in float32 rounded once, and against the CPU back end
    k4 = torch.randint(0, 256, (2**23, 1), dtype=torch.uint8, device="cuda")
    nn = k4.numel() * 2
    am = torch.rand(nn // 64, device="cuda") * 3 + 1e-3
    for qt in ("nf4", "fp4"):
        ref = dq4_ref(k4, am, nn // 4096, 4096, 64, qt).view(-1)
        for dt, nm in ((torch.float32, "fp32"), (torch.bfloat16, "bf16"), (torch.float16, "fp16")):
            a = ops.dequantize_4bit(k4, am, 64, qt, [nn // 4096, 4096], dt).view(-1)
            b = ops.dequantize_4bit(k4.cpu(), am.cpu(), 64, qt, [nn // 4096, 4096], dt).view(-1).cuda()
            put(f"dequantize_4bit {qt} -> {nm}, {nn} values", cuda_vs_model=int((~same_bits(a, ref.to(dt))).sum()),
                cuda_vs_cpu=int((~same_bits(a, b)).sum()), cuda_vs_cpu_numeric=int((a != b).sum()))

    # 5. double quantization of absmax
    x = torch.randn(2**24, device="cuda").bfloat16()
    q1, s1 = F.quantize_4bit(x, blocksize=64, quant_type="nf4", compress_statistics=True)
    q2, s2 = F.quantize_4bit(x, blocksize=64, quant_type="nf4", compress_statistics=True)
    qc, sc = F.quantize_4bit(x.cpu(), blocksize=64, quant_type="nf4", compress_statistics=True)
    _, am = ops.quantize_4bit(x, 64, "nf4", torch.uint8)
    put("double quant bf16 2^24", offset_cuda=float.hex(float(s1.offset)), offset_cuda_again=float.hex(float(s2.offset)),
        offset_cpu=float.hex(float(sc.offset)), offset_f64=float.hex(float(am.double().mean().float())),
        qabsmax_cuda_vs_cpu=int((s1.absmax.cpu() != sc.absmax).sum()), of=s1.absmax.numel(),
        state2_absmax_diff=int((bits(s1.state2.absmax.cpu()) != bits(sc.state2.absmax)).sum()),
        state2_blocks=s1.state2.absmax.numel())

    # 6. 8-bit blockwise (dynamic map)
    code = F.create_dynamic_map().cuda()
    mid = ((code[1:].double() + code[:-1].double()) / 2).float()
    for dt, nm in ((torch.float32, "fp32"), (torch.bfloat16, "bf16")):
        for bs in (256, 4096):
            x = torch.randn(2**24, device="cuda").to(dt)
            a, am = ops.quantize_blockwise(x, code, bs)
            b, amc = ops.quantize_blockwise(x.cpu(), code.cpu(), bs)
            xf = x.float().view(-1, bs)
            sc = mul_ftz(xf.reshape(-1), rcp_approx(xf.abs().amax(1)), bs)
            si = mul_ftz(xf.reshape(-1), 1.0 / xf.abs().amax(1), bs)
            put(f"quantize_blockwise 8-bit bs{bs} {nm} random 2^24", cuda_vs_cpu=int((a.cpu() != b).sum()),
                max_code_step=int((a.cpu().int() - b.int()).abs().max()),
                absmax_diff=int((bits(am.cpu()) != bits(amc)).sum()),
                cuda_vs_midpoint_model_rcp_approx=int((a.long() != torch.bucketize(sc, mid)).sum()),
                cuda_vs_midpoint_model_ieee=int((a.long() != torch.bucketize(si, mid)).sum()))
    # ties and neighbours of every midpoint, absmax exactly 1
    rows_ = []
    for i in range(255):
        for dlt in (-2, -1, 0, 1, 2):
            rows_.append((i, dlt, float(nextf(float(mid[i]), dlt))))
    v = torch.zeros(256 * len(rows_), device="cuda")
    v[0::256] = 1.0
    v[1::256] = torch.tensor([r_[2] for r_ in rows_], device="cuda")
    a, _ = ops.quantize_blockwise(v, code, 256)
    a = a[1::256].tolist()
    up_tie = sum(1 for r_, c_ in zip(rows_, a) if r_[1] == 0 and c_ == r_[0] + 1)
    odd = [(r_[0], r_[1], c_) for r_, c_ in zip(rows_, a) if c_ not in (r_[0], r_[0] + 1)]
    ulps = {}
    for i in range(255):
        seq = [c_ for r_, c_ in zip(rows_, a) if r_[0] == i]
        ulps[str([s - i for s in seq])] = ulps.get(str([s - i for s in seq]), 0) + 1
    put("8-bit midpoints: pattern of (code - lower code) at -2..+2 ulp-steps of the float32 midpoint -> count",
        patterns=ulps, ties_up=up_tie, odd=odd[:10])
    edge8 = torch.stack([torch.cat((b_, torch.zeros(192))) for b_ in edge.values()])
    a, am = ops.quantize_blockwise(edge8.cuda(), code, 256)
    b, amc = ops.quantize_blockwise(edge8.cpu(), code.cpu(), 256)
    d = {}
    sb = same_bits(am.cpu(), amc)
    for i, nme in enumerate(edge):
        nd = int((a[i].cpu() != b[i]).sum())
        if nd or not bool(sb[i]):
            d[nme] = dict(code_diff=nd, absmax_cuda=float(am[i]), absmax_cpu=float(amc[i]),
                          cuda=a[i][:5].tolist(), cpu=b[i][:5].tolist())
    put("8-bit edge blocks fp32", diffs=d)

    # 7. LLM.int8 row quantizer
    x = (torch.randn(4096, 4096, device="cuda") * 0.5).half()
    a, s, _ = ops.int8_vectorwise_quant(x, 0.0)
    b, sc, _ = ops.int8_vectorwise_quant(x.cpu(), 0.0)
    am = x.abs().amax(1).float()
    m1 = torch.round(x.float() * (127.0 / am).unsqueeze(1)).to(torch.int8)
    m2 = torch.round(x.float() * (127.0 * rcp_approx(am)).unsqueeze(1)).to(torch.int8)
    put("int8_vectorwise_quant fp16 4096x4096", cuda_vs_cpu=int((a.cpu() != b).sum()),
        stats_diff=int((bits(s.cpu()) != bits(sc)).sum()), cuda_vs_ieee_model=int((a != m1).sum()),
        cuda_vs_fdividef_model=int((a != m2).sum()))
    e = torch.zeros(6, 64).half()
    e[1, 0] = float("inf")
    e[2, 0] = float("nan")
    e[2, 1] = 1.0
    e[3, 0] = 6e-8
    e[4, :3] = torch.tensor([127.0, 0.5, 1.5])
    e[5, :3] = torch.tensor([65504.0, -65504.0, 1.0])
    a, s, _ = ops.int8_vectorwise_quant(e.cuda(), 0.0)
    b, sc, _ = ops.int8_vectorwise_quant(e.cpu(), 0.0)
    put("int8 edge rows (zeros, inf, nan, denormal, ties, max)", cuda=[r_[:3].tolist() for r_ in a.cpu()],
        cpu=[r_[:3].tolist() for r_ in b], stats_cuda=str(s.cpu().tolist()), stats_cpu=str(sc.tolist()))


# ------------------------------------------------------------------------------------------- tables
def tables(files):
    rows = []
    for f in files:
        with open(f) as h:
            rows += json.load(h)
    C = [r for r in rows if r["sec"] == "ceil"]
    rd = max([r["gbs"] for r in C if r["name"] == "read 2 GiB"] or [0])
    cp = max([r["gbs"] for r in C if r["name"].startswith("copy")] or [0])
    tf = max([r["tflops"] for r in C if "bf16" in r["name"] and "tflops" in r] or [0])
    ti = max([r["tflops"] for r in C if "int8" in r["name"] and "tflops" in r] or [0])
    p = print
    p(f"read {rd:.0f} GB/s, copy {cp:.0f} GB/s, bf16 {tf:.0f} TFLOP/s, int8 {ti:.0f} TOPS\n")
    cub = {}
    for r in rows:
        if r["sec"] == "cublas":
            cub[r["dtype"], r["N"], r["K"], r["M"]] = min(r["us"], cub.get((r["dtype"], r["N"], r["K"], r["M"]), 1e9))

    def ideal(n, k, m, wbytes, rate):
        b = n * k * wbytes + 2 * m * k + 2 * m * n
        return max(b / rd * 1e-3, 2.0 * m * n * k / rate * 1e-6)

    series = {}
    for r in rows:
        if r["sec"] == "cublas":
            key, wb, rate = f"cuBLAS {r['dtype']}", 2.0, tf
        elif r["sec"] == "gemm4":
            wb = 0.5 + (1 / 64 + 4 / 64 / 256 if r["dq"] else 4 / 64)
            key, rate = f"bnb {r['qt']}{' dq' if r['dq'] else ''} {r['dtype']} {r['name']}", tf
        elif r["sec"] == "peer":
            g = 128 if "128" in r["name"] else 64
            wb = 0.5 + (4 if ("tinygemm" in r["name"] or "gemlite" in r["name"]) else 2) / g
            key, rate = f"{r['name']} {r['dtype']}", tf
        elif r["sec"] == "int8" and "us" in r:
            key, wb, rate = f"bnb int8 {r['name']}", 1.0, ti
        else:
            continue
        series.setdefault(key, {}).setdefault((r["N"], r["K"]), {})[r["M"]] = (r["us"], wb, rate)
    for (n, k) in SHAPES:
        p(f"\n### N={n} K={k}: microseconds (ratio to cuBLAS bf16) [ideal / measured]\n")
        ms = [m for m in MS]
        p("| path | " + " | ".join(f"M={m}" for m in ms) + " |")
        p("|" + "---|" * (len(ms) + 1))
        for key, d in series.items():
            if (n, k) not in d:
                continue
            cells = []
            for m in ms:
                if m not in d[n, k]:
                    cells.append("")
                    continue
                us, wb, rate = d[n, k][m]
                c = cub.get(("bf16", n, k, m))
                cells.append(f"{us:.1f}" + (f" ({c / us:.2f}x)" if c else "") + f" [{ideal(n, k, m, wb, rate) / us:.2f}]")
            p(f"| {key} | " + " | ".join(cells) + " |")
    p("\n### quantize / dequantize\n")
    p("| what | us | GB/s | of copy |\n|---|---|---|---|")
    for r in rows:
        if r["sec"] == "quant":
            p(f"| {r['name']} | {r['us']:.0f} | {r['gbs']:.0f} | {r['gbs'] / cp if cp else r['frac']:.3f} |")


def main():
    global ARGS
    ap = argparse.ArgumentParser()
    ap.add_argument("--sections", default="ceil")
    ap.add_argument("--out", default="bench_peers.json")
    ap.add_argument("--ms", default=",".join(map(str, MS)))
    ap.add_argument("--shapes", default=";".join(f"{n},{k}" for n, k in SHAPES))
    ap.add_argument("--gemlite-ms", default="1,8,16,64,256,4096")
    ap.add_argument("--target-ms", type=float, default=1.5)
    ap.add_argument("--replays", type=int, default=7)
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--marlin-lib", default=os.environ.get("MARLIN_LIB", ""))
    ap.add_argument("--marlin-py", default=os.environ.get("MARLIN_PY", ""), help="folder that holds the package marlin")
    ap.add_argument("--flute-lib", default=os.environ.get("FLUTE_LIB", ""))
    ap.add_argument("--flute-py", default=os.environ.get("FLUTE_PY", ""), help="folder that holds the package flute")
    ap.add_argument("--rcp-out", default="", help="file for the ulp differences of rcp.approx.ftz (section exact)")
    ap.add_argument("--append", action="store_true", help="keep the rows already in --out")
    ap.add_argument("--tables", nargs="+")
    ARGS = ap.parse_args()
    if ARGS.tables:
        return tables(ARGS.tables)
    ARGS.ms = [int(x) for x in ARGS.ms.split(",")]
    ARGS.gemlite_ms = [int(x) for x in ARGS.gemlite_ms.split(",")]
    ARGS.shapes = [tuple(map(int, s.split(","))) for s in ARGS.shapes.split(";")]
    import torch

    def stop(*_):
        raise SystemExit("stopped by a signal: rows so far are kept")

    signal.signal(signal.SIGTERM, stop)
    if ARGS.append and os.path.exists(ARGS.out):
        with open(ARGS.out) as h:
            ROWS.extend(json.load(h))
    torch.manual_seed(ARGS.seed)
    rc = 0
    for s in ARGS.sections.split(","):
        log("=====", s)
        try:
            globals()["sec_" + s]()
        except BaseException as ex:  # noqa: BLE001
            rc = 1
            tb = traceback.format_exc()
            row("error", s, value=tb)
            log("FAILED", s, tb)
            if not isinstance(ex, Exception):
                break
        finally:
            with open(ARGS.out, "w") as h:
                json.dump(ROWS, h)
    log("done")
    return rc


if __name__ == "__main__":
    sys.exit(main())
