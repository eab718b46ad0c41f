#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Fails when clang-format would change a source file.

    format.py CLANG_FORMAT

Its own --dry-run is of no use here: version 14 also reports the closing comment of
`namespace qfmt::inline v0`, which it then replaces by the same text.
"""
import difflib
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDERS = ["include", "tests", "bench", "examples"]
ENDINGS = {".hpp", ".cuh", ".cpp", ".cu"}


def main():
    files = sorted(p for f in FOLDERS for p in (ROOT / f).rglob("*") if p.suffix in ENDINGS)
    wrong = 0
    for path in files:
        text = path.read_text()
        done = subprocess.run([sys.argv[1], str(path)], stdout=subprocess.PIPE, text=True, check=True)
        if done.stdout != text:
            wrong += 1
            print(*difflib.unified_diff(text.splitlines(), done.stdout.splitlines(),
                                        str(path.relative_to(ROOT)), "formatted", lineterm="", n=1),
                  sep="\n")
    print(f"{len(files)} files, {wrong} to format: clang-format -i")
    return 1 if wrong or not files else 0


if __name__ == "__main__":
    sys.exit(main())
