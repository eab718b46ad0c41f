#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Compiles what must compile and what must not, with one compiler, warnings as errors.

    check.py headers KIND COMPILER    every header alone, included twice, each as its own file; nvcc,
                                      which is slow, takes those of host/ and io/ as one file
    check.py good    KIND COMPILER [CUDA_INCLUDE]
                                      tests/compile/good/*, with and without exceptions and RTTI;
                                      host compilers also with the CUDA headers, if named
    check.py bad     KIND COMPILER    tests/compile/bad/*: fails with its `// expect: sentence`, and
                                      compiles with -DGOOD, so that nothing else is wrong with it
                                      (host compilers)
    check.py self-test KIND COMPILER  planted mistakes are found

KIND is gcc, clang or nvcc. `// expect-KIND:` holds for one compiler only.
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parents[1]
INCLUDE = TESTS.parent / "include"
# Compiled and optimized in full: g++ finds unused functions and uninitialized values only then.
HOST = ["-std=c++20", "-O2", "-Wall", "-Wextra", "-Werror", "-c"]
NVCC = ["-std=c++20", "-arch=sm_80", "-x", "cu", "-c", "-Werror", "all-warnings",
        "-Xcompiler", "-Wall,-Wextra,-Werror"]
SHOWN = 40  # lines of one failed compile
NO_RUNTIME = ["-fno-exceptions", "-fno-rtti"]


class Compiler:
    def __init__(self, kind, path, include=INCLUDE, cuda_include=None):
        self.kind, self.path, self.include = kind, path, include
        self.cuda_include = cuda_include
        self.environment = {**os.environ, "LC_ALL": "C"}

    def run(self, source, *flags):
        """(compiled, output) of one file."""
        command = [self.path, *(NVCC if self.kind == "nvcc" else HOST), f"-I{self.include}"]
        with tempfile.TemporaryDirectory() as folder:
            command += [*flags, str(source), "-o", f"{folder}/out.o"]
            done = subprocess.run(command, env=self.environment,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  errors="replace")
        return done.returncode == 0, done.stdout

    def good_variants(self):
        """Extra flags of each compile of a good file."""
        if self.kind == "nvcc":  # its host compiler is tried by itself; a second run would only cost
            return [[]]
        with_half = [["-fsyntax-only", "-isystem", self.cuda_include]] if self.cuda_include else []
        return [[], ["-fsyntax-only", *NO_RUNTIME], *with_half]


def must_compile(compiler, source, flags=()):
    compiled, output = compiler.run(source, *flags)
    return [] if compiled else [f"does not compile {' '.join(flags)}\n{output}"]


def check_header(compiler, names):
    """names: a header, or several in one file, a line each."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "header.cpp"
        source.write_text("".join(f'#include "{n}"\n' for n in names.split() * 2) + "int used = 0;\n")
        return must_compile(compiler, source)


def check_good(compiler, source):
    return [error for flags in compiler.good_variants()
            for error in must_compile(compiler, source, flags)]


def check_bad(compiler, source):
    text = source.read_text()
    sentences = re.findall(rf"^// expect(?:-{compiler.kind})?: *(.+?) *$", text, re.MULTILINE)
    if not sentences or "GOOD" not in text:
        return ["needs a `// expect: sentence` line and an `#ifdef GOOD` alternative"]
    errors = []
    if compiler.kind != "nvcc":
        errors += must_compile(compiler, source, ["-DGOOD", "-fsyntax-only"])
    compiled, output = compiler.run(source, *([] if compiler.kind == "nvcc" else ["-fsyntax-only"]))
    if compiled:
        errors.append("compiles, and must not")
    flat = " ".join(output.split())
    errors += [f"the output lacks: {s}\n{output}" for s in sentences if not compiled and s not in flat]
    return errors


def headers(compiler):
    probe = "#if !__has_include(<nlohmann/json.hpp>)\n#error\n#endif\n"
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "probe.cpp"
        source.write_text(probe)
        has_json = compiler.run(source)[0]
    nvcc = compiler.kind == "nvcc"
    patterns = ["*.hpp", "*.cuh"] if nvcc else ["*.hpp"]
    together = []
    for path in sorted(p for pattern in patterns for p in compiler.include.rglob(pattern)):
        name = path.relative_to(compiler.include).as_posix()
        if name.startswith("qfmt/io/") and not has_json:
            print(f"{name}: skipped, nlohmann-json is not installed")
        elif nvcc and name.startswith(("qfmt/host/", "qfmt/io/")):
            together.append(name)
        else:
            yield name
    if together:
        yield "\n".join(together)


def sources(folder):
    return sorted((TESTS / "compile" / folder).glob("*.cpp"))


def run_all(check, compiler, items):
    items = list(items)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda item: check(compiler, item), items))
    failed = 0
    for item, errors in zip(items, results):
        failed += bool(errors)
        for error in errors:
            lines = error.splitlines()
            rest = f"\n... {len(lines) - SHOWN} more lines" if len(lines) > SHOWN else ""
            print(f"{getattr(item, 'name', item)}: " + "\n".join(lines[:SHOWN]) + rest + "\n")
    print(f"{compiler.kind}: {len(items)} files, {failed} wrong")
    return 1 if failed or not items else 0


def self_test(compiler):
    cases = [  # check, content, what the report must say ("": nothing wrong)
        (check_bad, "// expect: no such luck\n#ifndef GOOD\nstatic_assert(false, \"no such luck\");\n#endif\n", ""),
        (check_bad, "// expect: no such luck\n#ifdef GOOD\n#endif\n", "must not"),
        (check_bad, "// expect: no such luck\n#ifndef GOOD\nint x = ;\n#endif\n", "the output lacks"),
        (check_bad, "static_assert(false);\n", "needs a `// expect"),
        (check_good, "static int unused() { return 1; }\n", "does not compile"),
        (check_good, "int f(int x) { return x; }\n", ""),
    ]
    if compiler.kind != "nvcc":
        cases.append((check_good, "void f() { throw 1; }\n", "-fno-exceptions"))
        cases.append((check_bad, "// expect: no such luck\nstatic_assert(false, \"no such luck\"); // GOOD\n",
                      "does not compile -DGOOD"))
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for check, content, expected in cases:
            source = folder / "planted.cpp"
            source.write_text(content)
            report = "".join(check(compiler, source))
            if (expected not in report) or (not expected and report):
                wrong += 1
                print(f"planted:\n{content}expected '{expected}', got '{report}'\n")
        for content, fine in [("inline int f(std::vector<int>);", False), ("#pragma once\nint f();", True),
                              ("inline int f() { return 1; }", False)]:
            (folder / "alone.hpp").write_text(content)
            if (not check_header(Compiler(compiler.kind, compiler.path, folder), "alone.hpp")) != fine:
                wrong += 1
                print(f"header `{content}`: expected {'no' if fine else 'an'} error")
    print(f"{compiler.kind}: {len(cases) + 3} planted, {wrong} missed")
    return 1 if wrong else 0


def main():
    what, kind, path = sys.argv[1:4]
    compiler = Compiler(kind, path, cuda_include=sys.argv[4] if len(sys.argv) > 4 else None)
    if what == "self-test":
        return self_test(compiler)
    if what == "headers":
        return run_all(check_header, compiler, headers(compiler))
    return run_all({"good": check_good, "bad": check_bad}[what], compiler, sources(what))


if __name__ == "__main__":
    sys.exit(main())
