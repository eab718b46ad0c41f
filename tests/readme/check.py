#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""The snippets of README.md and the guides compile without a warning, and those with a main() run and
return 0.

    check.py cpp COMPILER      the ```cpp snippets, with g++ or clang++
    check.py cuda NVCC         the ```cuda snippets, compiled only

A snippet begins `// snippet: NAME`, or `// snippet: NAME needs HEADER`: left out, and said so, where
include/ has no such header.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXPECTED = {
    "README.md": {"cpp": {"host", "format"}, "cuda": {"kernel", "device"}},
    "examples/from-bitsandbytes.md": {"cpp": {"config", "functional", "checkpoint", "llm_int8"}, "cuda": {"modules"}},
    "examples/troubleshooting.md": {"cpp": {"propagate"}, "cuda": set()},
}


def snippets(page, language):
    """name -> (header that it needs or "", text); every fenced block of the language is a snippet."""
    text = (ROOT / page).read_text()
    blocks = re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)
    found = {}
    for block in blocks:
        head = re.match(r"// snippet: (\w+)(?: needs (\S+))?\n", block)
        if head is None:
            sys.exit(f"{page}: a {language} block does not begin with // snippet: NAME")
        found[head[1]] = (head[2] or "", block[head.end():])
    return found


def command(language, compiler, source, program, runs):
    include = f"-I{ROOT / 'include'}"
    if language == "cuda":
        return [compiler, "-std=c++20", "-arch=sm_80", "-x", "cu", "-Werror", "all-warnings",
                "-Xcompiler=-Wall,-Wextra,-Werror", include, "-c", source, "-o", program]
    return [compiler, "-std=c++20", "-O2", "-Wall", "-Wextra", "-Werror", include, source,
            "-pthread", *([] if runs else ["-c"]), "-o", program]


def check(language, compiler, page):
    found = snippets(page, language)
    if set(found) != EXPECTED[page][language]:
        return f"{page} holds the {language} snippets {sorted(found)}, not {sorted(EXPECTED[page][language])}"
    with tempfile.TemporaryDirectory() as folder:
        for name, (header, text) in found.items():
            if header and not (ROOT / "include" / header).exists():
                print(f"{page}: {name}: left out, there is no {header}")
                continue
            source, program = f"{folder}/{name}.{'cu' if language == 'cuda' else 'cpp'}", f"{folder}/{name}"
            pathlib.Path(source).write_text(text)
            runs = "int main()" in text
            steps = [command(language, compiler, source, program, runs)]
            if runs:
                steps.append([program])
            for step in steps:
                if subprocess.run(step, cwd=folder).returncode != 0:
                    return f"{page}: snippet {name}: failed: {' '.join(step)}"
            print(f"{page}: {name}: ok")
    return 0


def main(language, compiler):
    for page in EXPECTED:
        if result := check(language, compiler, page):
            return result
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
