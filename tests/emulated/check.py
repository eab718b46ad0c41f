#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""The SIMD tests on AArch64: compiles tests/host/simd*_test.cpp with a cross compiler and runs them
under qemu-user. Exit status 77: one of the two is not installed.

    check.py FOLDER      for objects and programs
"""
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
CROSS, QEMU = "aarch64-linux-gnu-g++", "qemu-aarch64"
FLAGS = ["-std=c++20", "-O1", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror",
         "-DQFMT_TEST_EMULATED", f"-I{HERE}", f"-I{HERE.parent}", f"-I{HERE.parents[1] / 'include'}"]


def program(source, folder):
    """Compiles one test with main.cpp; returns what to run, and what the compiler said."""
    path = folder / source.stem
    done = subprocess.run([CROSS, *FLAGS, str(source), str(HERE / "main.cpp"), "-static", "-pthread",
                           "-o", str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return (path if done.returncode == 0 else None), done.stdout


def check(source, folder):
    begin = time.monotonic()
    path, said = program(source, folder)
    if path is None:
        return False, f"{source.name} does not compile\n{said[:6000]}"
    built = time.monotonic()
    done = subprocess.run([QEMU, str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    text = f"{source.name}: built in {built - begin:.0f} s, ran in {time.monotonic() - built:.0f} s\n"
    return done.returncode == 0, text + done.stdout + f"exit {done.returncode}\n"


def main():
    if not shutil.which(CROSS) or not shutil.which(QEMU):
        print(f"skipped: {CROSS} and {QEMU} are not both installed")
        return 77
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    sources = sorted((HERE.parent / "host").glob("simd*_test.cpp"))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda source: check(source, folder), sources))
    for _, text in results:
        print(text, end="")
    return 0 if sources and all(ok for ok, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
