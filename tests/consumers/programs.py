# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Routes that need a compiler alone: the single files, two versions in one process, the C boundary."""
import pathlib
import re
import shlex
import shutil

from common import HERE, ROOT, c_compiler_of, install, run

STRICT = ["-Wall", "-Wextra", "-Werror"]


def forwarding(folder, single):
    """A folder in which every header of the library is the single file."""
    for path in (ROOT / "include").rglob("*.[ch][pu][ph]"):
        forward = folder / path.relative_to(ROOT / "include")
        forward.parent.mkdir(parents=True, exist_ok=True)
        forward.write_text(f"#include <{single}>\n")
    return folder


def single_header(cxx, cmake, work):
    """The installed files are what the headers give, and a program of them prints the same digests."""
    prefix = install(cmake, cxx, work, "-DQFMT_SINGLE_HEADER=ON", component="single")
    include = prefix / "include"
    run("python3", "-B", ROOT / "cmake" / "single_header.py", ROOT / "include", include, "--check")
    if sorted(p.name for p in include.iterdir()) != ["qfmt_single.cuh", "qfmt_single.hpp", "qfmt_single.inc"]:
        raise SystemExit(f"component single installs {sorted(include.iterdir())}")
    (work / "main.cpp").write_text((HERE / "main.cpp").read_text().replace("qfmt/qfmt.hpp", "qfmt_single.hpp"))
    run(cxx, "-std=c++20", *STRICT, f"-I{include}", work / "main.cpp", "-o", work / "consumer")
    forward = forwarding(work / "forward", "qfmt_single.hpp")
    digests = []
    for name, flags in [("headers", [f"-I{ROOT / 'include'}"]), ("single", [f"-I{forward}", f"-I{include}"])]:
        run(cxx, "-std=c++20", "-O0", *flags, ROOT / "tests" / "flags" / "digest.cpp", "-pthread", "-o", work / name)
        digests.append(run(work / name))
    if digests[0] != digests[1]:
        raise SystemExit(f"the headers say\n{digests[0]}\nand the single file\n{digests[1]}")
    mixed = work / "mixed.cpp"
    for first, second in (("qfmt/version.hpp", "qfmt_single.hpp"), ("qfmt_single.hpp", "qfmt/qfmt.hpp")):
        mixed.write_text(f"#include <{first}>\n#include <{second}>\n")
        said = run(cxx, "-std=c++20", f"-I{ROOT / 'include'}", f"-I{include}", "-c", mixed, "-o", work / "mixed.o", fails=True)
        if "include one or the other" not in said:
            raise SystemExit(f"{second} after {first} is not refused with the sentence")
    nothing = run("python3", "-B", ROOT / "cmake" / "single_header.py", work, include, "--check", fails=True)
    if "has no qfmt/version.hpp" not in nothing or "Traceback" in nothing:
        raise SystemExit(f"a folder without the headers: {nothing}")
    return [f"-I{include}"], include, work / "consumer"


def single_header_cuda(cxx, cmake, work, nvcc):
    """A kernel lesson, compiled of the single file by nvcc."""
    run("python3", "-B", ROOT / "cmake" / "single_header.py", ROOT / "include", work / "single")
    forward = forwarding(work / "forward", "qfmt_single.cuh")
    run(nvcc, "-std=c++20", "-arch=sm_90", "-Werror", "all-warnings", f"-I{forward}", f"-I{work / 'single'}",
        ROOT / "examples" / "kernels" / "03_matvec.cu", "-o", work / "consumer")
    return [f"-I{work / 'single'}"], work / "single", work / "consumer"


def newcomer(cxx, cmake, work, nvcc):
    """The copied folder, the second example, and one line without a flag of ours."""
    shutil.copytree(ROOT / "include" / "qfmt", work / "include" / "qfmt")
    lessons = [*(ROOT / "examples" / "lessons").glob("02_*.cu"), *(ROOT / "examples" / "kernels").glob("02_*.cu")]
    shutil.copy(lessons[0], work)
    said = run(nvcc, "-std=c++20", "-I", "include", lessons[0].name, "-o", "consumer", cwd=work)
    if said:
        raise SystemExit(f"the line is not silent: {said}")
    return [f"-I{work / 'include'}"], work / "include", work / "consumer"


def changed_copy(folder, namespace):
    """The library a version later: another word for success, a longer view, perhaps another namespace."""
    shutil.copytree(ROOT / "include", folder)

    def edit(name, old, new):
        text = (folder / "qfmt" / name).read_text()
        if old not in text:
            raise SystemExit(f"two_versions: {name} holds no {old}")
        (folder / "qfmt" / name).write_text(text.replace(old, new))

    edit("status.hpp", 'return "ok"', 'return "fine"')
    edit("layout/quantized_matrix.hpp", "int64_t origin = 0;", "int64_t origin = 0; int64_t added[2]{};")
    for path in folder.rglob("*.[ch][pu][ph]"):
        path.write_text(re.sub(r"inline v0\b", f"inline {namespace}", path.read_text()))
    return folder


def two_versions(cxx, cmake, work):
    """Two shared libraries with two versions answer each for itself; under one namespace they would not."""
    def build(new_namespace):
        folder = work / new_namespace
        folder.mkdir()
        libraries = [("old", ROOT / "include"), ("new", changed_copy(folder / "include", new_namespace))]
        for name, include in libraries:
            run(cxx, "-std=c++20", "-O0", "-fPIC", "-shared", f"-I{include}", f"-DWORD={name}_word", f"-DSUM={name}_sum",
                HERE / "two_versions" / "library.cpp", "-o", folder / f"lib{name}.so")
        run(cxx, "-std=c++20", HERE / "two_versions" / "main.cpp", f"-L{folder}", "-lold", "-lnew",
            f"-Wl,-rpath,{folder}", "-o", folder / "consumer")
        return folder / "consumer"

    words = re.match(r"(\w+) ([\d.]+), (\w+) ([\d.]+)$", run(build("v1")))
    if not words or (words[1], words[3]) != ("ok", "fine") or abs(float(words[4]) - float(words[2]) - 16) > .01:
        raise SystemExit(f"two versions disturb one another: {words and words[0]}")
    control = run(build("v0"))
    if "fine" in control:
        raise SystemExit(f"the control shows no collision: {control}")
    print(f"control, both in namespace v0: {control}")
    return None, None, work / "v1" / "consumer"


def c_boundary(cxx, cmake, work):
    """examples/c_api: the lines in its files' heads build it; C99 and C++17 programs use it."""
    folder = ROOT / "examples" / "c_api"
    for name in ("include", "examples"):
        (work / name).symlink_to(ROOT / name)
    strict = f'{shlex.join(STRICT)} "$@" -Wl,-rpath,"$PWD"'
    script = [f'g++() {{ command {shlex.quote(str(cxx))} {strict}; }}', f'cc() {{ command {c_compiler_of(cxx)} -pedantic {strict}; }}']
    for name in ("engine.cpp", "use_from_c.c", "use_from_cpp17.cpp"):
        lines = re.findall(r"^(?://| \*)     (\S.*)$", (folder / name).read_text(), re.MULTILINE)
        if not lines:
            raise SystemExit(f"{name}: no line in its head builds it")
        script += lines
    run("bash", "-ec", "\n".join(script), cwd=work)
    exported = {line.split()[-1] for line in run("nm", "-D", "--defined-only", work / "libengine.so").splitlines()
                if line.split()[-2] == "T"}
    declared = set(re.findall(r"\b(engine_\w+)\(", (folder / "engine.h").read_text()))
    if exported != declared:
        raise SystemExit(f"exported and not declared, or the reverse: {sorted(exported ^ declared)}")
    print(run(work / "use_from_c"))
    return None, None, work / "use_from_cpp17"


def no_mmap(cxx, cmake, work):
    """Where files cannot be mapped they are read, with the same bytes and the same errors."""
    said = []
    for flags in ([], ["-DQFMT_NO_MMAP"]):
        run(cxx, "-std=c++20", "-O1", *STRICT, *flags, f"-I{ROOT / 'include'}", HERE / "read_file.cpp", "-o", work / "read")
        said.append(run(work / "read", ROOT / "LICENSE", work / "none"))
        calls = run("nm", "-D", work / "read")
        if ("mmap" in calls) != (not flags):
            raise SystemExit(f"{flags}: mmap is {'called' if flags else 'not called'}")
    if said[0] != said[1] or "11358 bytes" not in said[0]:
        raise SystemExit(f"mapped:\n{said[0]}\nread:\n{said[1]}")
    return None, None, work / "read"
