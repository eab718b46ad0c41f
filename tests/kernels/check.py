#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Compiles the covering set and compares what became of every kernel with expectations.txt:
registers, spills, stack, shared memory, code size, the width of hot loads and stores.

    check.py NVCC FOLDER                the ordinary rows, for the architectures of the file
    check.py NVCC FOLDER --full         all rows; and for every other architecture all rows
                                        against the rules alone
    check.py NVCC FOLDER --update       writes the file anew
    check.py NVCC FOLDER --product ARCH every combination there is, against the rules alone
    check.py NVCC FOLDER --self-test    planted faults are found
    check.py NVCC FOLDER --host-compiler CXX
                                        all rows through nvcc with another host compiler

FOLDER is where disassembler.py may install nvdisasm. Rules that --update cannot write away: no
stack frame, no local memory, no spills but where a family's file lets a slow path, and the hot
widths that it states.
"""
import concurrent.futures
import os
import sys
import time

import axes
import covering
import disassembler
import machine_code

FILE = axes.HERE / "expectations.txt"
EXPECTED = ("sm_80", "sm_90a")  # architectures the file holds
OTHERS = ("sm_75", "sm_86", "sm_89", "sm_100", "sm_120")
SPILL_MARGIN = 32  # bytes, where a family lets its kernel spill
MARGIN = 4  # registers: another compiler of the same series may need these more
GROWTH = 1.15  # of the number of instructions
COLUMNS = ("kernel", "arch", "registers", "spilled", "shared", "instructions", "loads", "stores", "copies")
KINDS = ("loads", "stores", "copies")
CHUNK = 12  # kernels in a translation unit


def instantiations(families, rows):
    """{family: {label: row}}, each instantiation once."""
    found = {name: {} for name in families}
    for row in rows:
        for name, family in families.items():
            if axes.applies(family, row):
                found[name].setdefault(axes.label(name, family, row), row)
    return found


def compile_chunk(tools, arch, family, chunk):
    """({label: Kernel}, errors) of some instantiations of one family."""
    ids = {label: axes.template_id(family, row) for label, row in chunk.items()}
    source = machine_code.source_of([*axes.INCLUDES, family.HEADER],
                                    getattr(family, "TEXT", axes.FORMATS), ids.values())
    kernels, error = machine_code.compile_kernels(*tools, arch, source)
    if error:
        return {}, [f"{arch}: {', '.join(chunk)}: does not compile\n{error}"]
    found = {}
    for label, template_id in ids.items():
        begin = template_id[:-1]  # what follows are defaulted arguments
        matches = [k for name, k in kernels.items()
                   if name.startswith(begin) and name[len(begin)] in ",>"]
        if len(matches) != 1:
            return {}, [f"{arch}: {label}: {len(matches)} kernels are named {template_id}; the first "
                        f"of this compile is {next(iter(kernels), 'none')}"]
        found[label] = matches[0]
    return found, []


def runs_on(family, arch):
    return int("".join(c for c in arch if c.isdigit())) >= getattr(family, "LEAST_SM", 0)


def compile_all(tools, families, wanted, archs):
    """({(label, arch): (family, row, Kernel)}, errors)."""
    jobs = []
    for name, rows in wanted.items():
        labels = list(rows)
        for arch in archs:
            if not runs_on(families[name], arch):
                continue
            jobs += [(arch, name, {label: rows[label] for label in labels[i:i + CHUNK]})
                     for i in range(0, len(labels), CHUNK)]
    built, errors = {}, []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda job: compile_chunk(tools, job[0], families[job[1]], job[2]), jobs)
        for (arch, name, chunk), (kernels, wrong) in zip(jobs, results):
            errors += wrong
            for label, kernel in kernels.items():
                built[label, arch] = (families[name], chunk[label], kernel)
    return built, errors


def counts(accesses):
    """'16Bx4 4Bx9' of {bytes: number}."""
    return " ".join(f"{size}Bx{number}" for size, number in sorted(accesses.items(), reverse=True))


def rule_errors(family, row, kernel):
    """What is wrong with a kernel whatever the expectation file says."""
    may_spill = hasattr(family, "may_spill") and family.may_spill(row)
    if kernel.stack > kernel.spills or ((kernel.spills or kernel.local) and not may_spill):
        yield (f"{kernel.spills} bytes spilled, {kernel.stack} bytes of stack, "
               f"{kernel.local} local accesses; must be 0")
    hot = family.hot(row) if hasattr(family, "hot") else {}
    for kind, (size, number) in hot.items():
        accesses = getattr(kernel, kind)
        if accesses[size] < number:
            yield f"{kind}: {counts(accesses) or 'none'}; needs {size}Bx{number}"


def hot_text(family, row, kind):
    hot = family.hot(row) if hasattr(family, "hot") else {}
    return "{}Bx{}".format(*hot[kind]) if kind in hot else "-"


def expected_of(family, row, kernel):
    """The values of a line after kernel and architecture."""
    return {"registers": kernel.registers + MARGIN,
            "spilled": kernel.spills + SPILL_MARGIN * bool(kernel.spills), "shared": kernel.shared,
            "instructions": int(kernel.instructions * GROWTH + 9) // 10 * 10,
            **{kind: hot_text(family, row, kind) for kind in KINDS}}


def read_file(path=FILE):
    """{(label, arch): values}."""
    expected = {}
    for line in path.read_text().splitlines():
        if line and line[0] != "#":
            cells = [cell.strip() for cell in line.split("|")]
            values = dict(zip(COLUMNS, cells))
            key = values.pop("kernel"), values.pop("arch")
            expected[key] = {k: int(v) if v.isdigit() else v for k, v in values.items()}
    return expected


def write_file(built, version):
    table = [("# kernel",) + COLUMNS[1:]]
    for (label, arch), parts in sorted(built.items()):
        table.append((label, arch, *(str(v) for v in expected_of(*parts).values())))
    widths = [max(len(line[i]) for line in table) for i in range(len(COLUMNS))]
    text = f"""# Written by check.py --update with {version}.
# At most: registers (measured + {MARGIN}), instructions (x {GROWTH}), bytes spilled (0, but where the
# family's file says that a slow path may). shared: bytes, exactly.
# loads, stores, copies (global to shared memory): of the hot path, bytes x how many at least.
# Stack frames and local memory but for spills: none, in no kernel.
"""
    for line in table:
        text += " | ".join(v.ljust(w) for v, w in zip(line, widths)).rstrip() + "\n"
    FILE.write_text(text)


def compare(expected, label, arch, parts):
    """What is wrong with a kernel, by its line."""
    if (label, arch) not in expected:
        return ["has no line; check.py --update writes it"]
    line = expected[label, arch]
    family, row, kernel = parts
    errors = []
    for what in ("registers", "instructions"):
        if getattr(kernel, what) > line[what]:
            errors.append(f"{getattr(kernel, what)} {what}, at most {line[what]} expected")
    if kernel.spills > line["spilled"]:
        errors.append(f"{kernel.spills} bytes spilled, at most {line['spilled']} expected")
    if kernel.shared != line["shared"]:
        errors.append(f"{kernel.shared} bytes of shared memory, {line['shared']} expected")
    for kind in KINDS:
        if line[kind] != hot_text(family, row, kind):
            errors.append(f"the file says {kind} {line[kind]}, the family {hot_text(family, row, kind)}")
    return errors


def judge(built, errors, expected=None):
    """Prints what is wrong; 1 if anything is."""
    failed = list(errors)
    for (label, arch), parts in sorted(built.items()):
        wrong = list(rule_errors(*parts))
        if expected is not None and arch in EXPECTED:
            wrong += compare(expected, label, arch, parts)
        failed += [f"{label} for {arch}: {error}" for error in wrong]
    for error in failed:
        print(error)
    print(f"{len(built)} kernels, {len(failed)} wrong")
    return 1 if failed or not built else 0


def stale(expected, families, rows):
    """Lines of the file that no row asks for, or that are missing."""
    wanted = {(label, arch) for name, found in instantiations(families, rows).items()
              for label in found for arch in EXPECTED if runs_on(families[name], arch)}
    return ([f"expectations.txt: {a} for {b} is in no row" for a, b in sorted(set(expected) - wanted)]
            + [f"expectations.txt: no line of {a} for {b}" for a, b in sorted(wanted - set(expected))])


def every_row(families):
    """Rows that hold every combination of a family's own axes at least once."""
    seen = set()
    for row in covering.product(axes.axes_of(families)):
        if axes.exists(row):
            new = {axes.label(n, f, row) for n, f in families.items() if axes.applies(f, row)} - seen
            if new:
                seen |= new
                yield row


def host_compile(nvcc, host_compiler, families, rows):
    """Objects of all rows through nvcc with this host compiler, host half and device half."""
    def job(name):
        family = families[name]
        ids = [axes.template_id(family, row)
               for row in instantiations({name: family}, rows)[name].values()]
        source = machine_code.source_of([*axes.INCLUDES, family.HEADER], axes.FORMATS, ids)
        compiled, report = machine_code.run_nvcc(
            nvcc, source, "/dev/null", "-c", "-arch=sm_90a", "-ccbin", host_compiler,
            "-Xcompiler=-Wall,-Wextra,-Werror")
        return [] if compiled else [f"{name}: {report}"]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        errors = [e for found in pool.map(job, families) for e in found]
    for error in errors:
        print(error)
    print(f"{host_compiler}: {len(families)} families of kernels, {len(errors)} wrong")
    return 1 if errors else 0


def nvcc_version(nvcc):
    return "nvcc " + machine_code.subprocess.run(
        [nvcc, "--version"], stdout=machine_code.subprocess.PIPE, text=True).stdout.split("V")[-1].split()[0]


def main():
    nvcc, folder, *options = sys.argv[1:]
    what = options[0] if options else ""
    families, rows = axes.load_families(), covering.read_list()
    start = time.monotonic()
    if what == "--host-compiler":
        return host_compile(nvcc, options[1], families, rows)
    tools = (nvcc, disassembler.find(nvcc, folder))
    if tools[1] is None:
        print(f"no nvdisasm; disassembler.py {nvcc} {folder} installs it")
        return 1
    if what == "--self-test":
        import self_test
        return self_test.run(tools)
    if what == "--product":
        rows, archs = list(every_row(families)), (options[1],)
    elif what == "--full":
        archs = EXPECTED + OTHERS
    else:
        rows, archs = rows if what == "--update" else rows[:covering.ORDINARY], EXPECTED
    built, errors = compile_all(tools, families, instantiations(families, rows), archs)
    print(f"{nvcc_version(nvcc)}, {' '.join(archs)}, {len(rows)} rows, {time.monotonic() - start:.0f} s")
    if what == "--update":
        write_file(built, nvcc_version(nvcc))
    if what == "--product":
        return judge(built, errors)
    expected = read_file()
    return judge(built, errors + stale(expected, families, covering.read_list()), expected)


if __name__ == "__main__":
    sys.exit(main())
