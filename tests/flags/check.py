#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""The consumer's flags change no bit: digest.cpp prints the same under all of them and with every
compiler. Under -ffast-math, which would change bits, it does not compile.

    check.py [--all] COMPILER...     --all: every combination, else each flag alone and all together
"""
import concurrent.futures
import itertools
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
LEVELS = ["-O0", "-O2", "-O3"]
NATIVE, CONTRACT = "-march=native", "-ffp-contract=fast"
CHOSEN = [["-O0"], ["-O2"], ["-O3"], ["-O2", NATIVE], ["-O2", CONTRACT],
          ["-O3", NATIVE, CONTRACT]]
REFUSED = "cannot be under -ffast-math"


def combinations():
    for level, native, contract in itertools.product(LEVELS, ["", NATIVE], ["", CONTRACT]):
        yield [flag for flag in (level, native, contract) if flag]


def compile_digest(compiler, flags, program):
    return subprocess.run(
        [compiler, "-std=c++20", *flags, f"-I{HERE.parents[1] / 'include'}",
         str(HERE / "digest.cpp"), "-pthread", "-o", program],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "LC_ALL": "C"})


def digest(row):
    """The program's output, or why there is none."""
    compiler, flags = row
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/digest"
        done = compile_digest(compiler, flags, program)
        if done.returncode != 0:
            return f"does not compile\n{done.stdout[:4000]}"
        done = subprocess.run([program], stdout=subprocess.PIPE, text=True)
        return done.stdout if done.returncode == 0 else f"exit {done.returncode}\n{done.stdout}"


def refuses_fast_math(compiler):
    with tempfile.TemporaryDirectory() as folder:
        done = compile_digest(compiler, ["-O2", "-ffast-math"], f"{folder}/digest")
    return done.returncode != 0 and REFUSED in done.stdout


def main():
    compilers = [a for a in sys.argv[1:] if a != "--all"]
    flag_sets = list(combinations()) if "--all" in sys.argv else CHOSEN
    rows = list(itertools.product(compilers, flag_sets))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        outputs = list(pool.map(digest, rows))
    first = outputs[0]
    wrong = 0
    for (compiler, flags), text in zip(rows, outputs):
        same = text == first and text.splitlines()[-1:] != [] and "all of it:" in text
        wrong += not same
        print(f"{'same   ' if same else 'DIFFERS'}  {compiler} {' '.join(flags)}")
        if not same:  # name the lines, so that the scheme and dtype at fault are seen
            for mine, other in zip(text.splitlines(), first.splitlines()):
                if mine != other or text == first:
                    print(f"    {mine}\n    {other} ({' '.join(rows[0][1])})")
    for compiler in compilers:
        refused = refuses_fast_math(compiler)
        wrong += not refused
        print(f"{'refused' if refused else 'ACCEPTED, OR REFUSED WITHOUT THE SENTENCE'}  "
              f"{compiler} -ffast-math")
    print(first.strip().splitlines()[-1] if first.strip() else "no output")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
