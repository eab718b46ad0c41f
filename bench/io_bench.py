#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""`qfmt quantize` beside its parts, and the memory it takes.

    io_bench.py throughput PROGRAM FOLDER [GIGABYTES]   one F32 file: time of the program over the
                                                        sum of reading it, encoding it at the rates
                                                        of bench/results/host-codec.json, writing
    io_bench.py memory PROGRAM FOLDER [GIGABYTES]       a folder of BF16 shards: the most anonymous
                                                        memory, and what a kill and --resume give

FOLDER must not exist; it is removed at the end. One thread in both, as in the rates.
"""
import hashlib
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BLOCK = 1 << 24  # bytes of made-up values, written again and again


def noise(kind):
    """Values about a normal distribution: sums of random bytes, as F32 or BF16."""
    source = os.urandom(BLOCK)
    values = bytearray(BLOCK)
    if kind == "F32":  # sign and mantissa random, exponent from 2^-7 to 2^-4
        values[:] = source
        values[3::4] = bytes(0x3C + (b & 1) | (b & 0x80) for b in source[3::4])
        values[2::4] = source[2::4]
    else:
        values[:] = source
        values[1::2] = bytes(0x3C + (b & 1) | (b & 0x80) for b in source[1::2])
    return bytes(values)


def write_file(path, dtype, tensors):
    """tensors: [(name, shape)]"""
    size = {"F32": 4, "BF16": 2}[dtype]
    header, at = {}, 0
    for name, (rows, cols) in tensors:
        header[name] = {"dtype": dtype, "shape": [rows, cols],
                        "data_offsets": [at, at + rows * cols * size]}
        at += rows * cols * size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    data = noise(dtype)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for left in range(at, 0, -BLOCK):
            file.write(data[:min(left, BLOCK)])
        file.flush()
        os.fsync(file.fileno())
    return at


def timed(action):
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def read_all(path):
    buffer = bytearray(1 << 22)
    with open(path, "rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


def write_all(path, size):
    data = os.urandom(1 << 22)
    with open(path, "wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, size)
        for left in range(size, 0, -len(data)):
            file.write(data[:min(left, len(data))])
        os.fsync(file.fileno())


def rate(scheme):
    """Values a second that the benchmark quantizes, F32, 2^26 of them."""
    results = json.loads((ROOT / "bench/results/host-codec.json").read_text())["benchmarks"]
    rows = [r for r in results if r["name"].startswith(f"quantize/{scheme}/float32/")]
    return max(rows, key=lambda r: int(r["name"].split("/")[-2]))["items_per_second"]


def throughput(program, folder, gigabytes):
    source, target = folder / "in.safetensors", folder / "out.safetensors"
    count = max(1, round(gigabytes * 1e9 / (8192 * 4096 * 4)))
    size = write_file(source, "F32", [(f"layers.{i}.weight", (8192, 4096)) for i in range(count)])
    for options, scheme in [(["nf4", "--double-quant"], "nf4/64/double_quant"), (["nf4"], "nf4/64"),
                            (["fp4"], "fp4/64"), (["int8"], "int8/row_wise")]:
        command = [program, "quantize", source, target, "--threads", "1", "--quiet", "--force",
                   "--format", *options]
        ratios = []
        for _ in range(5):
            read_all(source)  # into the cache: both sides read from there
            whole = timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
            read_all(source)
            read = timed(lambda: read_all(source))
            encode = size / 4 / rate(scheme)
            written = target.stat().st_size
            target.unlink()
            write = timed(lambda: write_all(target, written))
            ratios.append((whole / (read + encode + write), whole, read, encode, write))
        ratio, whole, read, encode, write = sorted(ratios)[2]
        print(f"{scheme}: {size / 1e9:.2f} GB in {whole:.2f} s = {ratio:.2f} x (read {read:.2f} + "
              f"encode {encode:.2f} + write {write:.2f} s); all "
              f"{' '.join(f'{r[0]:.2f}' for r in sorted(ratios))}", flush=True)


def anonymous(pid):
    try:
        for line in open(f"/proc/{pid}/status"):
            if line.startswith("RssAnon"):
                return int(line.split()[1]) * 1024
    except FileNotFoundError:
        pass
    return 0


def run_watched(command, stop_at=None, output=None):
    """(exit code, the most anonymous memory); killed once so many shards are finished."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    most = 0
    while process.poll() is None:
        most = max(most, anonymous(process.pid))
        if stop_at is not None and output.exists():
            if len([p for p in output.iterdir() if p.name.endswith(".safetensors")]) >= stop_at:
                process.send_signal(signal.SIGKILL)
        time.sleep(0.01)
    return process.returncode, most


def digest(folder):
    result = {}
    for path in sorted(folder.iterdir()):
        with open(path, "rb") as file:
            result[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return result


def memory(program, folder, gigabytes):
    """Shards of about 4 GB with a Llama-3 70B's largest tensors among them."""
    source, target = folder / "in", folder / "out"
    source.mkdir()
    index, total, shard = {"weight_map": {}}, 0, 0
    while total < gigabytes * 1e9:
        tensors = [(f"model.layers.{shard}.mlp.{m}_proj.weight", shape) for m, shape in
                   [("gate", (28672, 8192)), ("up", (28672, 8192)), ("down", (8192, 28672))]]
        tensors += [(f"model.layers.{shard}.self_attn.{p}_proj.weight", (8192, 8192)) for p in "qo"]
        if shard == 0:
            tensors.append(("model.embed_tokens.weight", (128256, 8192)))
        else:
            tensors += [(f"model.layers.{shard}.x.{n}.weight", (28672, 8192)) for n in range(5)]
        name = f"model-{shard:05}.safetensors"
        total += write_file(source / name, "BF16", tensors)
        index["weight_map"].update({tensor: name for tensor, _ in tensors})
        shard += 1
    (source / "model.safetensors.index.json").write_text(json.dumps(index))
    (source / "config.json").write_text(json.dumps({"model_type": "llama", "dtype": "bfloat16"}))
    command = [program, "quantize", source, target, "--format", "nf4", "--double-quant", "--quiet"]
    start = time.perf_counter()
    code, most = run_watched(command)
    seconds = time.perf_counter() - start
    print(f"{total / 1e9:.2f} GB in {shard} shards: {seconds:.1f} s, anonymous memory at most "
          f"{most / 1e6:.0f} MB, exit {code}", flush=True)
    expected = digest(target)
    shutil.rmtree(target)
    code, _ = run_watched(command, 1, target)
    left = sorted(p.name for p in target.iterdir())
    resumed, most = run_watched([*command, "--resume"])
    print(f"killed ({code}) with {left} there; --resume: exit {resumed}, "
          f"{'the same bytes' if digest(target) == expected else 'OTHER BYTES'}")


def main():
    what, program, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    gigabytes = float(sys.argv[4]) if len(sys.argv) > 4 else {"throughput": 2, "memory": 16}[what]
    folder.mkdir()
    try:
        {"throughput": throughput, "memory": memory}[what](program, folder, gigabytes)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
