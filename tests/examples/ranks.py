#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""examples/tensor_parallel and examples/fsdp_gather on 1, 2, 3 and 4 MPI ranks and shapes that no
number of ranks divides. The programs judge their results; this checks that every rank took part with
a part of the weights, and that a rank with one damaged byte is found out.

    ranks.py MPICXX MPIRUN [NVCC [NCCL_FOLDER]]

With nvcc and NCCL (the folder of its Python package, include/ and lib/ in it) the NCCL programs are
compiled, too; without a GPU they must say that there is none. RANKS_NCCL=run demands that they run.
"-" for MPICXX and MPIRUN leaves MPI out.
"""
import concurrent.futures
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ["tensor_parallel", "fsdp_gather"]
# (hidden, inner): one value; fewer rows than ranks; odd rows and columns, so that rows begin in the
# middle of a byte; cuts inside blocks of 64; columns of `down` that hold whole groups of nested scales.
SHAPES = [(1, 1), (5, 3), (33, 77), (200, 9), (96, 130), (64, 16384)]
LARGE = (64, 16384)
MAGNITUDE = re.compile(r"within ([0-9.e+-]+), allowed ([0-9.e+-]+)")


def run(*command, expect=0, environment=None):
    done = subprocess.run([str(c) for c in command], cwd=ROOT, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=300, env=environment)
    if done.returncode != expect:
        sys.exit(f"{' '.join(map(str, command))}\nexit {done.returncode}, not {expect}\n{done.stdout}")
    return done.stdout


def need(condition, what):
    if not condition:
        sys.exit(f"WRONG: {what}")


class Mpi:
    def __init__(self, mpirun):
        self.command = [mpirun, "--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]
        # Containers may forbid one process to read another's memory.
        self.environment = {**os.environ, "OMPI_MCA_btl_vader_single_copy_mechanism": "none"}

    def ranks(self, n, *program):
        return run(*self.command, "-n", n, *program, environment=self.environment)

    def two(self, program, first, second, expect):
        """Rank 0 reads one file, rank 1 another."""
        return run(*self.command, "-n", 1, program, first, ":", "-n", 1, program, second,
                   expect=expect, environment=self.environment)


def changed(path, to, places):
    """A copy of a safetensors file with bytes changed: places are (tensor, first byte, count)."""
    data = bytearray(path.read_bytes())
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    for tensor, first, count in places:
        begin, end = header[tensor]["data_offsets"]
        need(0 <= first and first + count <= end - begin, f"{tensor} holds {end - begin} bytes")
        at = 8 + size + begin + first
        data[at:at + count] = bytes(b ^ 0x21 for b in data[at:at + count])
    to.write_bytes(data)
    return to


def first_of_two(hidden, inner):
    """Where rank 0 of 2 has its part, where blocks and groups of scales do not cross the cut."""
    codes, blocks = hidden * inner // 2, hidden * inner // 64
    places = [("up.weight", 0, codes // 2), ("up.weight.absmax", 0, blocks // 2),
              ("up.weight.nested_absmax", 0, blocks // 256 // 2 * 4)]
    for row in range(hidden):
        places.append(("down.weight", row * inner // 2, inner // 4))
        places.append(("down.weight.absmax", row * inner // 64, inner // 128))
    return places


def check_tensor_parallel(text, ranks, files, whole_bytes):
    lines = text.splitlines()
    for path, shape in files.items():
        verdict = [l for l in lines if l.startswith(f"{path}: up split")]
        need(len(verdict) == 1 and "the bits of one rank" in verdict[0], f"{shape} x {ranks}: {text}")
        worst, allowed = map(float, MAGNITUDE.search(verdict[0]).groups())
        need(worst <= allowed < 3e-6, f"{shape} x {ranks}: {verdict[0]}")
        parts = [re.search(r"rank (\d+) of \d+: (\d+) of (\d+) inner values, (\d+) bytes", l)
                 for l in lines if l.startswith(f"{path}: rank")]
        need(sorted(int(p[1]) for p in parts) == list(range(ranks)), f"{shape} x {ranks}: {text}")
        need(sum(int(p[2]) for p in parts) == shape[1], f"{shape} x {ranks}: parts of the inner values")
        held = [int(p[4]) for p in parts]
        if ranks == 1:
            whole_bytes[shape] = held[0]
        elif shape == LARGE:
            need(max(held) < 1.1 * whole_bytes[shape] / ranks, f"{ranks} ranks hold {held} bytes")


def check_fsdp_gather(text, ranks, files):
    pattern = re.compile(r"^(\S+) (up|down): rank (\d+) of \d+ held (\d+) of (\d+) bytes; (\d+) words .* "
                         r"bytes equal, decoded equal, product equal$", re.MULTILINE)
    found = pattern.findall(text)
    need(len(found) == 2 * ranks * len(files), f"{ranks} ranks: {text}")
    for path, _, _, held, whole, nans in found:
        need(int(held) * ranks - int(whole) <= 8 * ranks, f"{ranks} ranks hold {held} of {whole} bytes")
        if path.endswith(f"{LARGE[0]}x{LARGE[1]}.safetensors"):
            need(int(nans) > 10000, "no NaNs among the words that must travel as bytes")


def compile_mpi(mpicxx, folder, name):
    run(mpicxx, "-std=c++20", "-O1", "-I", "include", "-Wall", "-Wextra", "-Werror",
        f"examples/{name}/mpi.cpp", "-o", folder / name)


def compile_nccl(nvcc, nccl, folder, name):
    libraries = sorted((nccl / "lib").glob("libnccl.so*"))
    program = folder / f"{name}_nccl"
    run(nvcc, "-std=c++20", "-arch=sm_90", "-I", "include", "-isystem", nccl / "include", "-Werror",
        "all-warnings", "-Xcompiler=-Wall,-Wextra,-Werror", f"examples/{name}/nccl.cu", "-L",
        nccl / "lib", f"-l:{libraries[0].name}", "-o", program)
    return program


def check_nccl(nvcc, nccl, folder):
    """Compiles the NCCL programs, and runs them with one rank, which on a GPU must find all equal."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        programs = list(pool.map(lambda name: compile_nccl(nvcc, nccl, folder, name), PROGRAMS))
    environment = {**os.environ, "LD_LIBRARY_PATH": f"{nccl / 'lib'}:{os.environ.get('LD_LIBRARY_PATH', '')}"}
    files = []
    for hidden, inner in SHAPES:
        files.append(folder / f"nccl_{hidden}x{inner}.safetensors")
        run(programs[0], "--make", files[-1], hidden, inner, environment=environment)
    may_lack = os.environ.get("RANKS_NCCL") != "run"
    for name, program in zip(PROGRAMS, programs):
        done = subprocess.run([program, *files], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env=environment, timeout=300)
        none = "no CUDA-capable device" in done.stdout or "driver version is insufficient" in done.stdout
        need(done.returncode == 0 or (done.returncode == 3 and none and may_lack),
             f"{name} over NCCL: exit {done.returncode}\n{done.stdout}")
        print(f"{name} over NCCL: compiled; "
              + (done.stdout.strip() if done.returncode == 0 else "no GPU here, not run"))


def check_mpi(mpicxx, mpi, folder):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: compile_mpi(mpicxx, folder, name), PROGRAMS))
    tensor_parallel, fsdp_gather = (folder / name for name in PROGRAMS)
    files = {}
    for hidden, inner in SHAPES:
        path = folder / f"{hidden}x{inner}.safetensors"
        run(tensor_parallel, "--make", path, hidden, inner)
        files[path] = (hidden, inner)

    whole_bytes = {}
    for ranks in [1, 2, 3, 4]:
        check_tensor_parallel(mpi.ranks(ranks, tensor_parallel, *files), ranks, files, whole_bytes)
        check_fsdp_gather(mpi.ranks(ranks, fsdp_gather, *files), ranks, files)
        print(f"{ranks} ranks: {len(files)} shapes, equal", flush=True)

    good, bad = folder / "33x77.safetensors", folder / "changed.safetensors"
    size = 33 * 77 // 2
    for tensor, sentence in [("up.weight", "OTHER BITS"), ("down.weight", "TOO FAR")]:
        changed(good, bad, [(tensor, size * 3 // 4, 1)])  # in the parts of rank 1
        need(sentence in mpi.two(tensor_parallel, good, bad, expect=1), f"{tensor}: {sentence}")
        need("bytes DIFFER" in mpi.two(fsdp_gather, good, bad, expect=1), f"{tensor}: bytes DIFFER")
    print("a damaged byte on one rank: found")

    large = folder / f"{LARGE[0]}x{LARGE[1]}.safetensors"
    changed(large, bad, first_of_two(*LARGE))
    mpi.two(tensor_parallel, large, bad, expect=0)
    print("rank 1 with a file in which the parts of rank 0 are destroyed: equal")


def main(mpicxx, mpirun, nvcc=None, nccl=None):
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        if mpicxx != "-":
            check_mpi(mpicxx, Mpi(mpirun), folder)
        if nvcc is None or nccl is None or not (pathlib.Path(nccl) / "include/nccl.h").exists():
            print("NCCL: no nvcc or no nccl.h here, not compiled")
        else:
            check_nccl(nvcc, pathlib.Path(nccl), folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
