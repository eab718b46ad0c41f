#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""The snippets of README.md compile without a warning, and those with a main() run and return 0.

    check.py cpp COMPILER      the ```cpp snippets, with g++ or clang++
    check.py cuda NVCC         the ```cuda snippets, compiled only
"""
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXPECTED = {"cpp": {"host", "format"}, "cuda": {"kernel", "device"}}


def snippets(language):
    text = (ROOT / "README.md").read_text()
    blocks = re.findall(rf"^```{language}\n// snippet: (\w+)\n(.*?)^```", text, re.M | re.S)
    return dict(blocks)


def command(language, compiler, source, program):
    include = f"-I{ROOT / 'include'}"
    if language == "cuda":
        return [compiler, "-std=c++20", "-arch=sm_80", "-x", "cu", "-Werror", "all-warnings",
                "-Xcompiler=-Wall,-Wextra,-Werror", include, "-c", source, "-o", program]
    return [compiler, "-std=c++20", "-O2", "-Wall", "-Wextra", "-Werror", include, source,
            "-pthread", "-o", program]


def main(language, compiler):
    found = snippets(language)
    if set(found) != EXPECTED[language]:
        return f"README.md holds the {language} snippets {sorted(found)}, not {sorted(EXPECTED[language])}"
    with tempfile.TemporaryDirectory() as folder:
        for name, text in found.items():
            source, program = f"{folder}/{name}.{'cu' if language == 'cuda' else 'cpp'}", f"{folder}/{name}"
            pathlib.Path(source).write_text(text)
            steps = [command(language, compiler, source, program)]
            if "int main()" in text:
                steps.append([program])
            for step in steps:
                if subprocess.run(step).returncode != 0:
                    return f"snippet {name}: failed: {' '.join(step)}"
            print(f"snippet {name}: ok")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
