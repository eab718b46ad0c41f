#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Every way to take the library in and every compiler it claims, in one command and one report.

    check.py [--nvcc NVCC] [--only PART]...     PART: routes compilers architectures toolkits headers
             [--all [--without NAME]...]        what is not run fails, too, but for compilers or parts named
    check.py --install-toolkits                 CUDA 12.2, 12.3 and 12.9 from the package index, into build/toolkits
    check.py --self-test

Each cell says ok, FAILS, or why it is not run or refused; the exit status is 1 after a FAILS. Only the
cells of EXPECTED may be refused, each for its reason: any other refusal fails, and so does a cell of
EXPECTED that compiles.
"""
import collections
import concurrent.futures
import contextlib
import io
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
INCLUDE = ROOT / "include"
HOST_SOURCE = ROOT / "tests" / "consumers" / "main.cpp"
KERNEL_SOURCES = sorted((ROOT / "examples" / "kernels").glob("*.cu"))
COMPILERS = ["g++", "clang++-14", "clang++-16", "clang++-19"]
STANDARDS = ["c++20", "c++23"]
HOST_SPELLING = {"c++23": "c++2b"}  # which clang 14 and 16 know, too
RUNTIMES = {"on": [], "off": ["-fno-exceptions", "-fno-rtti"]}
ARCHITECTURES = ["sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"]
# 12.3 is the oldest whose compiler has __builtin_bit_cast; 12.2 must be refused with the sentence.
TOOLKITS = ["12.2", "12.3", "12.9"]
TOOLKIT_PARTS = ["nvcc", "runtime", "nvrtc", "cccl"]  # of nvcc the index has headers and ptxas alone
WARNINGS = ["-Wall", "-Wextra", "-Werror"]

# What a compiler may say instead of compiling, on a line of an error, and what it means.
NO_CXX23 = "knows no C++23"
NO_BIT_CAST = "config.hpp's sentence, no __builtin_bit_cast"
REFUSALS = [
    (r"Value 'c\+\+23' is not defined for option|invalid value for --std", NO_CXX23),
    (r"qfmt needs the CUDA Toolkit 12\.3 or newer", NO_BIT_CAST),
    (r"unsupported (GNU|clang) version|unsupported clang", "this nvcc refuses this host compiler"),
    (r"not defined for option 'gpu-architecture'|Unsupported gpu architecture", "this nvcc knows no such architecture"),
    (r"libcu\+\+ requires|CCCL requires", "this CCCL refuses this host compiler"),
]
# The cells that must be refused, by row and column, and why. No other may.
EXPECTED = [
    (r".*, c\+\+23", r"nvcc, .*|NVRTC", NO_CXX23),
    (r"CUDA 12\.2", r"NVRTC, .*", NO_BIT_CAST),
]
NO_NVCC_12 = "not run: the package index has no nvcc of CUDA 12"  # nor can it be had otherwise
Cell = collections.namedtuple("Cell", "row column text")


def verdict(compiled, output):
    if compiled:
        return "ok"
    errors = "\n".join(line for line in output.splitlines() if re.search("error|fatal", line))
    for pattern, meaning in REFUSALS:
        if re.search(pattern, errors):
            return f"refused: {meaning}"
    print(output[-3000:])
    return "FAILS"


def judged(cell, strict=False, without=()):
    """The cell, failing where it is refused and should not be, or the reverse; with strict also where
    it is not run and neither known nor said why."""
    meant = [why for row, column, why in EXPECTED if re.fullmatch(row, cell.row) and re.fullmatch(column, cell.column)]
    wanted = f"refused: {meant[0]}" if meant else "ok"
    text = cell.text
    if text.startswith("not run"):
        explained = text == NO_NVCC_12 or any(name in text for name in without)
        return cell._replace(text=f"FAILS, {text}") if strict and not explained else cell
    if text != wanted and text != "FAILS":
        return cell._replace(text=f"FAILS: {text}, expected {wanted}")
    return cell


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, "LC_ALL": "C", **options.pop("env", {})}, **options)
    return done.returncode == 0, done.stdout


def host_cell(compiler, standard, runtime):
    """Compiles, links and runs a consumer."""
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/consumer"
        spelt = HOST_SPELLING.get(standard, standard)
        compiled, output = run(compiler, f"-std={spelt}", "-O1", *WARNINGS, *RUNTIMES[runtime], f"-I{INCLUDE}",
                               HOST_SOURCE, "-o", program)
        result = verdict(compiled, output)
        return "FAILS" if result == "ok" and not run(program)[0] else result


def nvcc_cell(nvcc, compiler, standard, runtime, flags=("-arch=sm_90",), sources=None):
    for source in sources or KERNEL_SOURCES[-1:]:
        with tempfile.TemporaryDirectory() as folder:
            host = ["-ccbin", compiler] if compiler else []
            if "clang" in str(compiler):  # nvcc hands designated initializers on in GNU's old spelling
                host.append("-Xcompiler=-Wno-gnu-designator")
            runtime_flags = [f"-Xcompiler={f}" for f in RUNTIMES[runtime]]
            result = verdict(*run(nvcc, *host, f"-std={standard}", *flags, "-Werror", "all-warnings",
                                  "-Xcompiler=-Wall,-Wextra,-Werror", *runtime_flags, f"-I{INCLUDE}", "-c", source, "-o",
                                  f"{folder}/out.o"))
        if result != "ok":
            return result
    return result


def nvrtc_cell(include, library, standard):
    """The custom-format test, which compiles an own kernel and a matmul for sm_80 and sm_90."""
    with tempfile.TemporaryDirectory() as folder:
        run(sys.executable, "-B", ROOT / "cmake" / "single_header.py", INCLUDE, folder)
        compiled, output = run("g++", "-std=c++20", f"-I{INCLUDE}", f"-I{folder}", "-isystem", include,
                               ROOT / "tests" / "nvrtc" / "custom_format_test.cpp", library, "-o", f"{folder}/program")
        if not compiled:
            return verdict(compiled, output)
        options = [f"--std={standard}", f"-I{include}", f"-I{include}/cccl"]
        return verdict(*run(f"{folder}/program", ROOT / "tests" / "nvrtc" / "af4.hpp", *options,
                            env={"LD_LIBRARY_PATH": str(pathlib.Path(library).parent)}))


def toolkit_of(nvcc):
    """(include folder, NVRTC) of the toolkit of an nvcc."""
    root = pathlib.Path(os.path.realpath(nvcc)).parents[1]
    libraries = [*root.glob("lib64/libnvrtc.so"), *root.glob("lib/libnvrtc.so*"), *root.glob("lib64/libnvrtc.so*")]
    return root / "include", libraries[0] if libraries else None


def compilers(nvcc, pool):
    """One row for each compiler and standard, two columns for each world."""
    jobs = {}
    for compiler in COMPILERS:
        there = shutil.which(compiler)
        for standard in STANDARDS:
            for runtime in RUNTIMES:
                at = (f"{compiler}, {standard}", runtime)
                if not there:
                    jobs[(*at, "host")] = jobs[(*at, "nvcc")] = f"not run: {compiler} is not installed"
                    continue
                jobs[(*at, "host")] = pool.submit(host_cell, compiler, standard, runtime)
                jobs[(*at, "nvcc")] = (pool.submit(nvcc_cell, nvcc, compiler, standard, runtime) if nvcc
                                       else "not run: no nvcc here")
    for standard in STANDARDS:
        if nvcc and toolkit_of(nvcc)[1]:
            jobs[(f"NVRTC, {standard}", "off", "NVRTC")] = pool.submit(nvrtc_cell, *toolkit_of(nvcc), standard)
        else:
            jobs[(f"NVRTC, {standard}", "off", "NVRTC")] = "not run: no NVRTC beside nvcc here"
    cells = []
    for (row, runtime, world), job in jobs.items():
        column = "NVRTC" if world == "NVRTC" else f"{world}, exceptions and RTTI {runtime}"
        cells.append(Cell(row, column, job if isinstance(job, str) else job.result()))
    return cells


def architectures(nvcc, pool):
    if not nvcc:
        return [Cell("nvcc", "all", "not run: no nvcc here")]
    jobs = {a: pool.submit(nvcc_cell, nvcc, None, "c++20", "on", (f"-arch={a}",), KERNEL_SOURCES) for a in ARCHITECTURES}
    return [Cell(f"examples/kernels for {a}", "nvcc", job.result()) for a, job in jobs.items()]


def toolkit_folder(version):
    return ROOT / "build" / "toolkits" / version


def install_toolkits():
    """Headers and NVRTC of older toolkits."""
    for version in TOOLKITS:
        folder = toolkit_folder(version)
        names = [f"nvidia-cuda-{part}-cu12=={version}.*" for part in TOOLKIT_PARTS]
        done = subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps",
                               "--upgrade", "--target", str(folder / "packages"), *names], check=False)
        if done.returncode != 0:
            return 3
        join(folder)
    return 0


def join(folder):
    """One include folder of the packages' many."""
    tree = folder / "packages" / "nvidia"
    include = folder / "include"
    shutil.rmtree(include, ignore_errors=True)
    for part in sorted(tree.glob("*/include")):
        shutil.copytree(part, include, dirs_exist_ok=True)


def toolkits(pool):
    """NVRTC of older toolkits, with their own headers; it is the device half of their nvcc."""
    cells = []
    for version in TOOLKITS:
        folder = toolkit_folder(version)
        libraries = [*(folder / "packages" / "nvidia" / "cuda_nvrtc" / "lib").glob("libnvrtc.so*")]
        there = libraries and (folder / "include").is_dir()
        cells.append(Cell(f"CUDA {version}", "NVRTC, sm_80 and sm_90", pool.submit(
            nvrtc_cell, folder / "include", libraries[0], "c++20") if there
            else "not run: check.py --install-toolkits fetches it"))
        cells.append(Cell(f"CUDA {version}", "nvcc", NO_NVCC_12))
    return [c if isinstance(c.text, str) else c._replace(text=c.text.result()) for c in cells]


def print_table(title, cells, strict=False, without=()):
    """How many cells fail."""
    cells = [judged(cell, strict, without) for cell in cells]
    columns = list(dict.fromkeys(c.column for c in cells))
    print(f"\n## {title}\n\n| | " + " | ".join(columns) + " |\n|" + " --- |" * (len(columns) + 1))
    for row in dict.fromkeys(c.row for c in cells):
        texts = {c.column: c.text for c in cells if c.row == row}
        print(f"| {row} | " + " | ".join(texts.get(c, "does not apply") for c in columns) + " |")
    return sum(c.text.startswith("FAILS") for c in cells)


def has_json():
    return run("g++", "-E", "-x", "c++", "-include", "nlohmann/json.hpp", "/dev/null", "-o", "/dev/null")[0]


def versions(nvcc):
    lines = [run(c, "--version")[1].splitlines()[0] for c in COMPILERS if shutil.which(c)]
    if nvcc:
        lines.append("nvcc " + run(nvcc, "--version")[1].split("V")[-1].split()[0])
    return "; ".join(lines) + f"; {platform.machine()}"


def self_test():
    wrong = []
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        bad = pathlib.Path(folder) / "bad.cpp"
        bad.write_text("int main() { return 1 }\n")
        broken = verdict(*run("g++", "-c", bad, "-o", f"{folder}/o"))
    fatal = "nvcc fatal   : Value 'c++23' is not defined for option 'std'"
    sentence = "qfmt needs the CUDA Toolkit 12.3 or newer"
    on, nvrtc, no_clang = "nvcc, exceptions and RTTI on", "NVRTC, sm_80 and sm_90", "not run: clang++-16 is not installed"
    with contextlib.redirect_stdout(io.StringIO()):
        said = [verdict(False, fatal), verdict(False, f"x.hpp(9): catastrophic error: #error directive: {sentence}"),
                verdict(False, f"note: {sentence}\nx.hpp(9): error: expected ';'"), broken]
        planted = [  # row, column, text, options, whether it fails
            ("g++, c++20", on, "ok", {}, 0), ("g++, c++23", on, said[0], {}, 0), ("CUDA 12.2", nvrtc, said[1], {}, 0),
            ("g++, c++20", on, said[0], {}, 1), ("g++, c++23", "host, exceptions and RTTI on", said[0], {}, 1),
            ("CUDA 12.3", nvrtc, said[1], {}, 1), ("examples/kernels for sm_75", "nvcc", "refused: anything", {}, 1),
            ("g++, c++23", on, "ok", {}, 1), ("NVRTC, c++23", "NVRTC", "ok", {}, 1), ("CUDA 12.2", nvrtc, "ok", {}, 1),
            ("g++, c++23", on, said[1], {}, 1), ("g++, c++23", on, "FAILS", {}, 1), ("g++, c++20", on, broken, {}, 1),
            ("clang++-16, c++20", on, no_clang, {}, 0), ("clang++-16, c++20", on, no_clang, {"strict": True}, 1),
            ("clang++-16, c++20", on, no_clang, {"strict": True, "without": ["clang++-16"]}, 0),
            ("CUDA 12.2", "nvcc", NO_NVCC_12, {"strict": True}, 0)]
        missed = [(*cell, fails) for *cell, options, fails in planted
                  if print_table("planted", [Cell(*cell)], **options) != fails]
    if said != [f"refused: {NO_CXX23}", f"refused: {NO_BIT_CAST}", "FAILS", "FAILS"]:
        wrong.append(f"the compilers' words are read as {said}")
    wrong += [f"{cell[:3]} is said to {'pass' if cell[3] else 'fail'}" for cell in missed]
    for line in wrong:
        print(line)
    print(f"{len(planted) + len(said)} planted, {len(wrong)} missed")
    return 1 if wrong else 0


def main():
    arguments = sys.argv[1:]
    if arguments == ["--self-test"]:
        return self_test()
    if arguments == ["--install-toolkits"]:
        return install_toolkits()
    nvcc = arguments[arguments.index("--nvcc") + 1] if "--nvcc" in arguments else shutil.which("nvcc")
    only, without = ([arguments[i + 1] for i, a in enumerate(arguments) if a == option] for option in ("--only", "--without"))
    judging = {"strict": "--all" in arguments, "without": without}
    wants = lambda part: not only or part in only  # noqa: E731
    failed = 0
    print(f"# Routes and compilers\n\n{versions(nvcc)}.", flush=True)
    if wants("routes"):
        print("\n## Routes\n", flush=True)
        failed += subprocess.run([sys.executable, "-B", ROOT / "tests" / "consumers" / "check.py", "--all", "g++", "cmake",
                                  *(["--io"] if has_json() else []), *(["--nvcc", nvcc] if nvcc else [])],
                                 check=False).returncode
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        if wants("compilers"):
            failed += print_table("Compilers", compilers(nvcc, pool), **judging)
        if wants("architectures"):
            failed += print_table("Architectures", architectures(nvcc, pool), **judging)
        if wants("toolkits"):
            failed += print_table("Toolkits", toolkits(pool), **judging)
    if wants("headers"):
        print("\n## Headers\n", flush=True)
        failed += subprocess.run([sys.executable, "-B", ROOT / "bench" / "compile_time.py", "--gate", "3", "--runs", "1",
                                  *(["--nvcc", nvcc] if nvcc else [])], check=False).returncode
    print(f"\n{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
