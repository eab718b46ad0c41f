#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Fails when a header names one of RULES, which only some compilers or systems have, but for the one that may.

    compilers.py INCLUDE_DIR
    compilers.py --self-test

__builtin_bit_cast and __builtin_is_constant_evaluated are every compiler's; [[gnu::...]] is standard
syntax, which others ignore. What it looks for is RULES, no more: asm, #pragma GCC and target attributes
in their [[gnu::...]] spelling are left to the compilers that are tried.
"""
import pathlib
import re
import sys
import tempfile

import report

RULES = [  # what, where it may stand
    (re.compile(r"__attribute__"), re.compile(r"^qfmt/(config|host/simd/compiler)\.hpp$")),
    (re.compile(r"__builtin_(?!bit_cast\b|is_constant_evaluated\b)\w+"), re.compile(r"^qfmt/host/simd/compiler\.hpp$")),
    (re.compile(r"__(atomic|sync)_\w+"), re.compile(r"$^")),
    (re.compile(r"__declspec|__forceinline\b|__int128"), re.compile(r"$^")),
    (re.compile(r"\b(mmap|munmap|madvise|posix_fadvise)\("), re.compile(r"io/mapped_file\.hpp$")),
]


def check(include_dir):
    root = pathlib.Path(include_dir)
    files = [p for p in root.rglob("*") if p.suffix in (".hpp", ".cuh")]
    found = []
    for path in files:
        text = re.sub(r"//.*", "", path.read_text())
        name = path.relative_to(root).as_posix()
        found += [f"{name}: {hit[0]}" for what, where in RULES if not where.search(name) for hit in what.finditer(text)]
    return len(files), found


def self_test():
    planted = {"qfmt/a.hpp": ("bool b = __builtin_mul_overflow(x, y, &z);", True), "qfmt/config.hpp": ("__attribute__((x))", False),
               "qfmt/b.hpp": ("[[gnu::noinline]] int f(); // __attribute__", False), "qfmt/io/c.hpp": ("::mmap(0)", True),
               "qfmt/d.cuh": ("__attribute__((x))", True), "qfmt/f.hpp": ("__atomic_fetch_add(&x, 1, 0);", True), "qfmt/e.hpp": ("__builtin_bit_cast(int, x)", False)}
    missed = []
    for name, (text, bad) in planted.items():
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / name
            path.parent.mkdir(parents=True)
            path.write_text(text)
            if bool(check(folder)[1]) != bad:
                missed.append(name)
    return len(planted), missed


if __name__ == "__main__":
    sys.exit(report.main(check, self_test))
