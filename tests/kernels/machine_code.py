# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""What the compiler made of a kernel: its own report (-Xptxas -v) and the disassembly."""
import collections
import dataclasses
import os
import pathlib
import re
import subprocess
import tempfile

INCLUDE = pathlib.Path(__file__).resolve().parents[2] / "include"
ENTRY = re.compile(r"Compiling entry function '(\w+)' for")
PROPERTIES = re.compile(r"Function properties for (\w+)")
STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers")
SHARED = re.compile(r"(\d+) bytes smem")
SECTION = re.compile(r"^\.text\.(\w+):")
INSTRUCTION = re.compile(r"^\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?\w+\s+)?([A-Z][A-Z0-9_.]*)")
GLOBAL = {"LDG": "loads", "STG": "stores", "LDGSTS": "copies"}  # the last: to shared memory
WIDTHS = {"U8": 1, "S8": 1, "U16": 2, "S16": 2, "64": 8, "128": 16, "256": 32}  # bytes


@dataclasses.dataclass
class Kernel:
    registers: int = 0
    stack: int = 0          # bytes, of the frame
    spills: int = 0         # bytes, stored and loaded
    shared: int = 0         # bytes, static
    instructions: int = 0
    local: int = 0          # loads and stores of local memory
    loads: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    stores: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    copies: collections.Counter = dataclasses.field(default_factory=collections.Counter)


def access_bytes(opcode):
    return next((WIDTHS[part] for part in opcode.split(".") if part in WIDTHS), 4)


def read_report(text):
    """{mangled name: Kernel} of ptxas' report."""
    kernels = collections.defaultdict(Kernel)
    entry = function = None
    for line in text.splitlines():
        if match := ENTRY.search(line):
            entry = match[1]
            kernels[entry]
        elif match := PROPERTIES.search(line):
            function = match[1]
        elif (match := STACK.search(line)) and function in kernels:
            kernels[function].stack = int(match[1])
            kernels[function].spills = int(match[2]) + int(match[3])
        elif (match := USED.search(line)) and entry:
            kernels[entry].registers = int(match[1])
            shared = SHARED.search(line)
            kernels[entry].shared = int(shared[1]) if shared else 0
    return dict(kernels)


def read_code(text, kernels):
    """Counts the instructions of a disassembly into `kernels`."""
    kernel = None
    for line in text.splitlines():
        if match := SECTION.match(line):
            kernel = kernels.get(match[1])
        elif kernel and (match := INSTRUCTION.match(line)):
            opcode = match[1]
            kernel.instructions += opcode != "NOP"
            operation = opcode.split(".")[0]
            if operation in GLOBAL:
                getattr(kernel, GLOBAL[operation])[access_bytes(opcode)] += 1
            kernel.local += operation in ("LDL", "STL")


def readable(mangled):
    """{mangled: the template-id as axes.template_id spells it, and what follows}."""
    done = subprocess.run(["c++filt"], input="\n".join(mangled), stdout=subprocess.PIPE, text=True,
                          check=True)
    names = done.stdout.replace("qfmt::v0::", "").replace("> >", ">>").replace("> >", ">>")
    return dict(zip(mangled, (re.sub(r"^void ", "", line) for line in names.splitlines())))


def source_of(includes, text, kernels):
    """A translation unit whose host code takes the address of every kernel."""
    lines = [f'#include "{header}"' for header in includes]
    lines += [text, "using namespace qfmt;", "extern void const* const kernels[];",
              "void const* const kernels[] = {"]
    lines += [f"    reinterpret_cast<void const*>(&{kernel})," for kernel in kernels]
    return "\n".join([*lines, "};", ""])


def run_nvcc(nvcc, source, output, *flags):
    """(compiled, report) of a source text."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "kernels.cu"
        path.write_text(source)
        command = [nvcc, "-std=c++20", f"-I{INCLUDE}", "-Werror", "all-warnings", *flags, str(path)]
        done = subprocess.run([*command, "-o", output], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace",
                              env={**os.environ, "LC_ALL": "C"})
    return done.returncode == 0, done.stdout


def compile_kernels(nvcc, nvdisasm, arch, source):
    """({readable name: Kernel}, error): what a source's kernels become on an architecture."""
    with tempfile.TemporaryDirectory() as folder:
        cubin = f"{folder}/kernels.cubin"
        compiled, report = run_nvcc(nvcc, source, cubin, "-cubin", f"-arch={arch}", "-Xptxas=-v")
        if not compiled:
            return {}, report
        kernels = read_report(report)
        done = subprocess.run([nvdisasm, "-c", cubin], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace")
        if done.returncode != 0:
            return {}, done.stdout
        read_code(done.stdout, kernels)
    names = readable(list(kernels))
    return {names[mangled]: kernel for mangled, kernel in kernels.items()}, ""
