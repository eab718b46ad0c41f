# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Kernels with a fault each: the checks of check.py must find it, and find nothing in a sound one."""
import types

import check

SOUND = """
template <class T>
__global__ void planted_kernel(uint4 const* from, uint4* to) {
  to[threadIdx.x] = __ldg(from + threadIdx.x);
}
"""
# Every output needs all 64 values, in the 32 registers that 2048 threads a processor leave.
SPILL = """
template <class T>
__launch_bounds__(1024, 2) __global__ void planted_kernel(uint4 const* from, uint4* to) {
  uint4 kept[16];
  unsigned all = 0;
  for (int i = 0; i < 16; ++i) {
    kept[i] = from[threadIdx.x + i * 1024];
    all ^= kept[i].x * kept[i].y + kept[i].z * kept[i].w;
  }
  for (int i = 0; i < 16; ++i)
    to[threadIdx.x + i * 1024] =
        uint4{kept[i].x ^ all, kept[i].y ^ all, kept[i].z ^ all, kept[i].w ^ all};
}
"""
STACK = """
template <class T>
__global__ void planted_kernel(uint4 const* from, uint4* to) {
  uint4 v = __ldg(from + threadIdx.x);
  unsigned local[32];
  for (int i = 0; i < 32; ++i) local[(v.x + i * v.y) % 32] = v.z;
  to[threadIdx.x] = uint4{local[v.w % 32], v.y, v.z, v.w};
}
"""
NARROW_LOAD = """
template <class T>
__global__ void planted_kernel(unsigned const* from, uint4* to) {
  unsigned const* const mine = from + threadIdx.x * 4;
  to[threadIdx.x] = uint4{__ldg(mine), __ldg(mine + 1), __ldg(mine + 2), __ldg(mine + 3)};
}
"""
NARROW_STORE = """
template <class T>
__global__ void planted_kernel(uint4 const* from, unsigned char* to) {
  to[threadIdx.x] = __ldg(from + threadIdx.x).x;
}
"""
BROKEN = "template <class T> __global__ void planted_kernel() { return 1; }"
LABEL, ARCH = "planted float", "sm_90a"


def family_of(text, may_spill=False):
    return types.SimpleNamespace(
        HEADER="qfmt/config.hpp", KERNEL="planted_kernel<{element}>", AXES=("element",), TEXT=text,
        applies=lambda row: True, may_spill=lambda row: may_spill,
        hot=lambda row: {"loads": (16, 1), "stores": (16, 1)})


def faults(tools, text, line=None, may_spill=False):
    """Everything check.py finds in the planted kernel, given its line in the file."""
    family = family_of(text, may_spill)
    row = {"format": "NF4", "granularity": "64", "nested": "plain", "element": "float",
           "encoder": "Nearest", "aligned": "aligned"}
    built, errors = check.compile_all(tools, {"planted": family}, {"planted": {LABEL: row}}, (ARCH,))
    for parts in built.values():
        good = check.expected_of(*parts)
        expected = {(LABEL, ARCH): {**good, **(line or {})}} if line != {} else {}
        errors += check.rule_errors(*parts)
        errors += check.compare(expected, LABEL, ARCH, parts)
    return errors


def run(tools):
    planted = [("a sound kernel", SOUND, None, ""),
               ("spilled registers", SPILL, None, "bytes spilled"),
               ("an array on the stack", STACK, None, "bytes of stack"),
               ("a narrow load", NARROW_LOAD, None, "loads: 4Bx4; needs 16Bx1"),
               ("a narrow store", NARROW_STORE, None, "stores: 1Bx1; needs 16Bx1"),
               ("what does not compile", BROKEN, None, "does not compile"),
               ("too many registers", SOUND, {"registers": 1}, "registers, at most 1 expected"),
               ("too much code", SOUND, {"instructions": 1}, "instructions, at most 1 expected"),
               ("other shared memory", SOUND, {"shared": 64}, "0 bytes of shared memory, 64"),
               ("a width written away", SOUND, {"loads": "4Bx4"}, "the file says loads 4Bx4"),
               ("no line", SOUND, {}, "has no line")]
    missed = 0
    for what, text, line, sentence in planted:
        found = faults(tools, text, line)
        if not any(sentence in error for error in found) if sentence else found:
            missed += 1
            print(f"{what}: expected '{sentence}', got {found}")
    if faults(tools, SPILL, may_spill=True):
        missed += 1
        print("a slow path that spills as expected: not let")
    for line, text in [({"spilled": 16}, SPILL), (None, STACK)]:
        if not any(" bytes spilled" in error for error in faults(tools, text, line, may_spill=True)):
            missed += 1
            print(f"a slow path that spills more, or has a stack frame of its own: let, {line}")
    families = {"planted": family_of(SOUND)}
    rows = [{"format": "NF4", "granularity": "64", "nested": "plain", "element": "float",
             "encoder": "Nearest", "aligned": "aligned"}]
    lines = check.stale({("planted double", ARCH): {}}, families, rows)
    if len(lines) != 1 + len(check.EXPECTED):
        missed += 1
        print(f"a line nobody asks for and those that lack: got {lines}")
    print(f"{len(planted) + 4} planted, {missed} missed")
    return 1 if missed else 0
