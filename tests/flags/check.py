#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""The consumer's flags change no bit: digest.cpp prints the same under all of them, with every
compiler, at every SIMD level and, where a cross compiler and qemu are installed, on AArch64. So it
does where two translation units with different -march are linked in either order. Under
-ffast-math, which would change bits, it does not compile.

    check.py [--all] COMPILER...     --all: every combination, and MinError, which takes long to
                                     compile; else each flag alone and all together
"""
import concurrent.futures
import itertools
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
LEVELS = ["-O0", "-O2", "-O3"]
NATIVE, CONTRACT = "-march=native", "-ffp-contract=fast"
CHOSEN = [["-O0"], ["-O2"], ["-O2", NATIVE], ["-O2", CONTRACT], ["-O3", NATIVE, CONTRACT]]
PLAIN = ["-O2"]
REFUSED = "cannot be under -ffast-math"
LEVELS_OF_SIMD = ["scalar", "neon", "avx2", "avx512", "avx512_bf16"]  # more than there is: the best
CROSS, QEMU = "aarch64-linux-gnu-g++", "qemu-aarch64"


def combinations():
    for level, native, contract in itertools.product(LEVELS, ["", NATIVE], ["", CONTRACT]):
        yield [flag for flag in (level, native, contract) if flag]


def compile_digest(compiler, flags, object_file):
    more = ["-DQFMT_DIGEST_MIN_ERROR"] if "--all" in sys.argv else []
    return subprocess.run(
        [compiler, "-std=c++20", *flags, *more, f"-I{HERE.parents[1] / 'include'}", "-c",
         str(HERE / "digest.cpp"), "-o", object_file],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "LC_ALL": "C"})


def link(compiler, objects, program, *flags):
    subprocess.run([compiler, *objects, *flags, "-pthread", "-o", program], check=True)


def output(command, level=None):
    """A program's output, or why there is none."""
    environment = {**os.environ, "QFMT_SIMD": level} if level else None
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment)
    return done.stdout if done.returncode == 0 else f"exit {done.returncode}\n{done.stdout}"


def digest(row):
    """The output under some flags; one more for each SIMD level with the plainest of them."""
    compiler, flags, path = row
    cross = compiler == CROSS
    done = compile_digest(compiler, flags, f"{path}.o")
    if done.returncode != 0:
        return [("", f"does not compile\n{done.stdout[:4000]}")]
    link(compiler, [f"{path}.o"], path, *(["-static"] if cross else []))
    command = [QEMU, path] if cross else [path]
    levels = LEVELS_OF_SIMD if flags == PLAIN else []
    return [("", output(command))] + [(level, output(command, level)) for level in levels]


def linked(row):
    """The output of a plain translation unit linked before or behind one for this machine: the
    linker keeps one copy of each inline function, whichever it sees first. Only the first has a main."""
    compiler, plain, native, order = row
    if not (os.path.exists(plain) and os.path.exists(native)):
        return [("", "does not compile")]
    second = f"{native}.{order}.o"
    subprocess.run(["objcopy", "--redefine-sym", "main=unused_main", native, second], check=True)
    objects = [plain, second] if order == "plain" else [second, plain]
    link(compiler, objects, f"{second}.program")
    return [("", output([f"{second}.program"]))]


def choices_by_flags():
    """Lines of the headers that choose code by what a translation unit is compiled for."""
    pattern = re.compile(r"^\s*#\s*(if|ifdef|elif).*__(AVX|SSE|F16C|FMA|BMI|ARM_FEATURE)", re.MULTILINE)
    headers = sorted((HERE.parents[1] / "include").rglob("*.hpp"))
    return [f"{h.name}: {m.group(0).strip()}" for h in headers for m in pattern.finditer(h.read_text())]


def refuses_fast_math(compiler):
    with tempfile.TemporaryDirectory() as folder:
        done = compile_digest(compiler, [*PLAIN, "-ffast-math"], f"{folder}/digest.o")
    return done.returncode != 0 and REFUSED in done.stdout


def main():
    compilers = [a for a in sys.argv[1:] if a != "--all"]
    flag_sets = list(combinations()) if "--all" in sys.argv else CHOSEN
    rows = list(itertools.product(compilers, flag_sets))
    if platform.machine() == "x86_64":
        if shutil.which(CROSS) and shutil.which(QEMU):
            rows.append((CROSS, PLAIN))
        else:
            print(f"skipped  {CROSS} and {QEMU} are not installed")
    with tempfile.TemporaryDirectory() as folder, \
            concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        paths = [f"{folder}/{i}" for i in range(len(rows))]
        outputs = list(pool.map(digest, [(*row, path) for row, path in zip(rows, paths)]))
        place = {" ".join([c, *f]): f"{path}.o" for (c, f), path in zip(rows, paths)}
        order = [(c, place[" ".join([c, *PLAIN])], place[" ".join([c, *PLAIN, NATIVE])], o)
                 for c, o in itertools.product(compilers, ["plain", "native"])]
        outputs += list(pool.map(linked, order))
    names = [f"{c} {' '.join(f)}" for c, f in rows] + [f"{c} linked, {o} first" for c, _, _, o in order]
    first = outputs[0][0][1]
    wrong = 0
    for name, results in zip(names, outputs):
        for level, text in results:
            same = text == first and text.splitlines()[-1:] != [] and "all of it:" in text
            wrong += not same
            print(f"{'same   ' if same else 'DIFFERS'}  {name} {level}")
            if not same:  # name the lines, so that the scheme and dtype at fault are seen
                for mine, other in zip(text.splitlines(), first.splitlines()):
                    if mine != other or text == first:
                        print(f"    {mine}\n    {other} ({names[0]})")
    for line in choices_by_flags():
        wrong += 1
        print(f"DEPENDS ON THE CONSUMER'S FLAGS  {line}")
    for compiler in compilers:
        refused = refuses_fast_math(compiler)
        wrong += not refused
        print(f"{'refused' if refused else 'ACCEPTED, OR REFUSED WITHOUT THE SENTENCE'}  "
              f"{compiler} -ffast-math")
    print(first.strip().splitlines()[-1] if first.strip() else "no output")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
