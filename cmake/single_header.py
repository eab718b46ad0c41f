#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Makes the library's single files. The same headers give the same bytes, wherever and whenever.

    single_header.py INCLUDE_DIR OUT_DIR            writes them
    single_header.py INCLUDE_DIR OUT_DIR --check    fails where they are missing or stale
    single_header.py --self-test                    planted mistakes are found

    qfmt_single.hpp   what qfmt/qfmt.hpp brings: needs no CUDA
    qfmt_single.cuh   what qfmt/qfmt.cuh brings: nvcc reads all of it, NVRTC its device half
    qfmt_single.inc   that device half as string literals:   char const text[] =
                                                             #include "qfmt_single.inc"
                                                                 ;
qfmt/io, which needs nlohmann-json, and what needs cuBLASLt are in none of them.
"""
import pathlib
import re
import sys
import tempfile

OWN = re.compile(r'^\s*#\s*include\s*"(qfmt/[^"]+)"', re.MULTILINE)
DIRECTIVE = re.compile(r"^\s*#\s*(\w+)(.*)")
HEAD = "// SPDX-FileCopyrightText: 2026 qfmt authors\n// SPDX-License-Identifier: Apache-2.0\n"
MIXED = """#if defined(QFMT_VERSION) && !defined(QFMT_SINGLE_HEADER)
#error "qfmt: a single file holds the headers of include/qfmt: include one or the other."
#endif
"""
END = "\n#define QFMT_SINGLE_HEADER 1\n"  # config.hpp refuses to be read after it
ROOTS = {"hpp": "qfmt/qfmt.hpp", "cuh": "qfmt/qfmt.cuh"}
LITERAL = "QFMT"


class Mistake(Exception):
    pass


class Header:
    """A header's own text, what it includes of ours, and whether it names the host's library."""

    def __init__(self, name, text):
        self.name, self.own, self.host_only = name, [], name.startswith(("qfmt/host/", "qfmt/io/"))
        conditions, kept, code_seen = [], [], False
        for line in text.removeprefix(HEAD).splitlines():
            directive = DIRECTIVE.match(line)
            word, rest = directive.groups() if directive else ("", "")
            if word.startswith("if"):
                conditions.append("__CUDACC_RTC__" in rest)
            elif word == "endif":
                conditions.pop()
            own = OWN.match(line)
            if own and (conditions or code_seen):
                raise Mistake(f"{name}: {line.strip()} does not stand with the first includes")
            if own:
                self.own.append(own[1])
            elif word == "include" and not any(conditions) and "<cuda/std/" not in rest:
                self.host_only = True  # NVRTC has no such header
            code_seen |= not directive and bool(line.strip()) and not line.startswith("//")
            if not own and line.strip() != "#pragma once":
                kept.append(line)
        self.text = "\n".join(kept).strip("\n") + "\n"

    def guarded(self, condition=""):
        """The text, once in a translation unit, under a condition of its own."""
        macro = "QFMT_HAS_" + re.sub(r"\W", "_", self.name.removeprefix("qfmt/")).upper()
        inner = f"\n// {self.name}\n#if !defined({macro}){condition}\n#define {macro}\n{self.text}#endif\n"
        return re.sub(r"\n{3,}", "\n\n", inner)


def in_order(include, root):
    """Every header of ours that the root brings, each after those it includes."""
    found, open_names = {}, []

    def visit(name):
        if name in open_names:
            raise Mistake("include cycle: " + " > ".join([*open_names, name]))
        if name in found:
            return
        if not (include / name).is_file():
            raise Mistake(f"{open_names[-1] if open_names else include} wants {name}, which is not there")
        open_names.append(name)
        header = Header(name, (include / name).read_text())
        for other in header.own:
            visit(other)
            header.host_only |= found[other].host_only
        open_names.pop()
        found[name] = header

    visit(root)
    return list(found.values())


def version_of(include):
    if not (include / "qfmt/version.hpp").is_file():
        raise Mistake(f"{include} has no qfmt/version.hpp")
    text = (include / "qfmt/version.hpp").read_text()
    return ".".join(re.search(rf"QFMT_VERSION_{part} +(\d+)", text)[1] for part in ("MAJOR", "MINOR", "PATCH"))


def literals(text):
    """A text as string literals of at most 16,000 characters, which every compiler takes."""
    if f"){LITERAL}\"" in text:
        raise Mistake(f"the text holds )" + LITERAL)
    parts, size = [[]], 0
    for line in text.splitlines(keepends=True):
        if size + len(line) > 16000:
            parts, size = [*parts, []], 0
        parts[-1].append(line)
        size += len(line)
    return "".join(f'R"{LITERAL}({"".join(part)}){LITERAL}"\n' for part in parts)


def make(include):
    """{file name: text} of the three files."""
    about = f"{HEAD}//\n// qfmt {version_of(include)}, the headers of include/qfmt in one file, made from them by single_header.py.\n"
    start = f"{about}#pragma once\n\n{MIXED}"
    host, device = (in_order(include, ROOTS[kind]) for kind in ("hpp", "cuh"))
    # Of ops/ the plans of launches are host code that names nothing of the host's: only what kernels bring.
    kernels = {h.name for root in device if root.name.endswith(".cuh") and not root.host_only
               for h in in_order(include, root.name)}
    for header in device:
        header.host_only |= header.name.startswith("qfmt/ops/") and header.name not in kernels
    rtc = [header for header in device if not header.host_only]
    not_rtc = " && !defined(__CUDACC_RTC__)"
    return {
        "qfmt_single.hpp": start + "".join(h.guarded() for h in host) + END,
        "qfmt_single.cuh": start + "".join(h.guarded(not_rtc if h.host_only else "") for h in device) + END,
        "qfmt_single.inc": about + literals(MIXED + "".join(h.guarded() for h in rtc) + END),
    }


def stale(include, out):
    """Names of files that are not what the headers give now."""
    return [name for name, text in make(include).items()
            if not (out / name).is_file() or (out / name).read_text() != text]


def write(include, out):
    out.mkdir(parents=True, exist_ok=True)
    for name, text in make(include).items():
        (out / name).write_text(text)
        print(f"{name}: {len(text)} bytes")


def self_test():
    good = {"version.hpp": "#define QFMT_VERSION_MAJOR 1\n#define QFMT_VERSION_MINOR 2\n#define QFMT_VERSION_PATCH 3\n",
            "a.hpp": "#pragma once\n#if defined(__CUDACC_RTC__)\n#include <cuda/std/utility>\n#else\n#include <utility>\n#endif\nint a;\n",
            "h.hpp": '#include "qfmt/a.hpp"\n#include <vector>\nint h;\n',
            "qfmt.hpp": '#include "qfmt/h.hpp"\n#include "qfmt/version.hpp"\n',
            "qfmt.cuh": '#include "qfmt/qfmt.hpp"\n'}
    wrong = []

    def built(changes):
        with tempfile.TemporaryDirectory() as folder:
            include, out = pathlib.Path(folder), pathlib.Path(folder) / "out"
            (include / "qfmt").mkdir()
            for name, text in {**good, **changes}.items():
                (include / "qfmt" / name).write_text(text)
            try:
                write(include, out)
            except Mistake as mistake:
                return str(mistake), None
            if stale(include, out):
                wrong.append("fresh files are called stale")
            (include / "qfmt" / "a.hpp").write_text("int other;\n")
            if sorted(stale(include, out)) != sorted(make(include)):
                wrong.append("a changed header leaves a file fresh")
            return "", {p.suffix: p.read_text() for p in out.iterdir()}

    _, texts = built({})
    if "int h;" in texts[".inc"] or "int a;" not in texts[".inc"]:
        wrong.append("the device half holds the wrong headers")
    if texts[".hpp"].index("int a;") > texts[".hpp"].index("int h;"):
        wrong.append("a header stands before what it includes")
    for changes, sentence in [({"a.hpp": '#include "qfmt/h.hpp"\n'}, "include cycle"),
                              ({"h.hpp": '#include "qfmt/none.hpp"\n'}, "qfmt/h.hpp wants qfmt/none.hpp"),
                              ({"h.hpp": '#if X\n#include "qfmt/a.hpp"\n#endif\n'}, "does not stand"),
                              ({"h.hpp": 'int h;\n#include "qfmt/a.hpp"\n'}, "does not stand"),
                              ({"a.hpp": 'auto a = ")QFMT\\"";\n'.replace("\\", "")}, "the text holds")]:
        if sentence not in built(changes)[0]:
            wrong.append(f"{changes}: no {sentence}")
    for line in wrong:
        print(line)
    print(f"planted mistakes, {len(wrong)} missed")
    return 1 if wrong else 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    include, out = map(pathlib.Path, sys.argv[1:3])
    try:
        if sys.argv[3:] == ["--check"]:
            names = stale(include, out)
            for name in names:
                print(f"{name} is stale: make it again from the headers")
            return 1 if names else 0
        write(include, out)
    except Mistake as mistake:
        sys.exit(f"single_header.py: {mistake}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
