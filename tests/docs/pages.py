#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""The pages beside the README are complete and name only what exists.

    pages.py              checks them
    pages.py --self-test  breaks them one way after the other: each must be noticed

examples/troubleshooting.md   every Errc has a row; a row's test exists and speaks of its Errc; every
                              test "trouble: ..." and "quality: ..." has its row; sentences are those
                              of tests/compile/bad
examples/from-bitsandbytes.md every field of BitsAndBytesConfig and every public name of bitsandbytes
                              is there; where the real package is installed, the lists below are its
these, README.md and SPEC.md  links lead somewhere; what is spelled host::x, device::x or io::x exists; the
                              README links the other three
"""
import ast
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TROUBLE, GUIDE, SPEC = "examples/troubleshooting.md", "examples/from-bitsandbytes.md", "include/qfmt/format/SPEC.md"
README = "README.md"
HEADINGS = ["Quantization failed", "Numerical instability", "Poor 4-bit quality", "FSDP errors"]
NOT_YET = {"device::int8_matmul", "host::int8_matmul", "int8_matmul_workspace_bytes"}  # named as such, or made elsewhere

FIELDS = """load_in_8bit load_in_4bit llm_int8_threshold llm_int8_skip_modules llm_int8_enable_fp32_cpu_offload
    llm_int8_has_fp16_weight bnb_4bit_compute_dtype bnb_4bit_quant_type bnb_4bit_use_double_quant bnb_4bit_quant_storage""".split()
NAMES = {
    "functional.py": """QuantState batched_igemm check_matmul create_dynamic_map create_fp8_map create_linear_map
        create_normal_map dequantize_4bit dequantize_blockwise dequantize_fp4 dequantize_nf4 elementwise_func fill gemv_4bit
        get_4bit_type get_paged get_ptr has_avx512bf16 igemm int8_double_quant int8_linear_matmul int8_mm_dequant
        int8_vectorwise_dequant int8_vectorwise_quant is_on_gpu optimizer_update_32bit optimizer_update_8bit_blockwise
        prefetch_tensor quantize_4bit quantize_blockwise quantize_fp4 quantize_nf4""".split(),
    "nn/modules.py": """Embedding Embedding4bit Embedding8bit EmbeddingFP4 EmbeddingNF4 Int8Params Linear4bit Linear8bitLt
        LinearFP4 LinearNF4 OutlierAwareLinear Params4bit StableEmbedding fix_4bit_weight_quant_state_from_module""".split(),
    "autograd/_functions.py": """GlobalOutlierPooler MatMul4Bit MatMul8bitFp MatMul8bitLt MatmulLtState matmul
        matmul_4bit""".split(),
    "nn/parametrize.py": "Bnb4bitParametrization replace_parameter_4bit replace_parameter_4bit_prequantized".split(),
}
INTERNAL = {"GlobalPageManager", "CUBLAS_Context", "maybe_rearrange_weight"}  # of the package's own use


def read(path):
    return (ROOT / path).read_text()


def headers():
    return "\n".join(p.read_text() for p in sorted((ROOT / "include").rglob("*")) if p.suffix in (".hpp", ".cuh"))


def test_cases():
    """Catch2 name -> body, of every test source."""
    cases = {}
    for path in sorted((ROOT / "tests").rglob("*_test.cpp")):
        for name, body in re.findall(r'^TEST_CASE\(\s*"([^"]+)".*?\{\n(.*?)^\}', path.read_text(), re.M | re.S):
            cases[name] = body
    return cases


def rows_of(page):
    """The five-column rows below each heading: (heading, symptom, cause, call, errc, test)."""
    heading = None
    for line in page.splitlines():
        if line.startswith("## "):
            heading = line[3:]
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == 5 and cells[0] not in ("symptom", "---"):
            yield heading, *cells


def check_trouble(page, cases):
    rows = list(rows_of(page))
    codes = re.search(r"enum class Errc : int \{\n(.*?)\n\};", read("include/qfmt/status.hpp"), re.S)[1]
    codes = re.findall(r"^  (\w+),", codes, re.M)
    if len(codes) < 23 or len(rows) < 30:
        yield f"only {len(codes)} codes, {len(rows)} rows found"
    for code in codes:
        if f"`{code}`" not in [errc for *_, errc, _ in rows]:
            yield f"Errc::{code} has no row"
    for heading in HEADINGS:
        if heading not in {h for h, *_ in rows}:
            yield f"no rows under '{heading}'"
    for heading, symptom, _, call, errc, test in rows:
        if test not in cases:
            yield f"'{symptom}': there is no test '{test}'"
        elif errc != "`ok`" and f"Errc::{errc.strip('`')}" not in cases[test]:
            yield f"'{symptom}': '{test}' does not speak of {errc}"
        if errc.strip("`") not in codes or not call:
            yield f"'{symptom}': no call, or no Errc {errc}"
    for name in cases:
        if name.startswith(("trouble: ", "quality: ")) and name not in [row[-1] for row in rows]:
            yield f"the test '{name}' has no row"
    sentences = re.findall(r"^\| `([^`]+)` \| .* \| `(\w+\.cpp)` \|$", page, re.M)
    if len(sentences) < 6:
        yield "the table of sentences is gone"
    for sentence, file in sentences:
        path = ROOT / "tests/compile/bad" / file
        if not path.exists() or sentence not in path.read_text():
            yield f"tests/compile/bad/{file} does not expect '{sentence}'"


def package():
    found = sorted((ROOT / "build/real-client").glob("lib/python3*/site-packages/bitsandbytes"))
    return found[0] if found else None


def check_guide(page):
    quoted = " ".join(re.findall(r"`([^`\n]+)`", page))
    for name in FIELDS + [n for names in NAMES.values() for n in names]:
        if not re.search(rf"\b{name}\b", quoted):
            yield f"{name} is missing"
    installed = package()
    for file, names in NAMES.items() if installed else ():
        tree = ast.parse((installed / file).read_text())
        public = {n.name for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and n.name[0] != "_"}
        if public - INTERNAL - set(names):
            yield f"the installed bitsandbytes also has {sorted(public - INTERNAL - set(names))}"


def check_names(path, page, code):
    for target in re.findall(r"\]\(([^)#:]+)\)", page):
        if not (ROOT / path).parent.joinpath(target).exists():
            yield f"{path}: the link {target} leads nowhere"
    text = re.sub(r"^```.*?^```", "", page, flags=re.M | re.S)
    for scope, name in set(re.findall(r"\b(host|device|io)::(\w+)", text)):
        if f"{scope}::{name}" not in NOT_YET and not re.search(rf"\b{name}\b", code):
            yield f"{path}: {scope}::{name} does not exist"
    for name in set(re.findall(r"`(tests/[\w/.]+|include/[\w/.]+)`", text)):
        if not (ROOT / name).exists() and "int8_matmul" not in name:
            yield f"{path}: {name} does not exist"


def check(pages, cases, code):
    yield from (f"{TROUBLE}: {fault}" for fault in check_trouble(pages[TROUBLE], cases))
    yield from (f"{GUIDE}: {fault}" for fault in check_guide(pages[GUIDE]))
    for path, page in pages.items():
        yield from check_names(path, page, code)
        if path != README and f"({path})" not in pages[README]:
            yield f"README.md does not link {path}"


def self_test(pages, cases, code):
    damages = [(TROUBLE, "`misaligned`", "`null_pointer`"), (TROUBLE, "trouble: a name twice", "trouble: a name thrice"),
               (TROUBLE, "## FSDP errors", "## FSDP"), (TROUBLE, "every argument is a policy", "every argument is one"),
               (TROUBLE, "host::scatter_flat", "host::scatter_all"), (TROUBLE, "| `non_finite` |", "| `not_finite` |"),
               (GUIDE, "`int8_vectorwise_dequant(A, stats)`", "`int8_dequant(A, stats)`"),
               (GUIDE, "`llm_int8_threshold`", "`threshold`"), (GUIDE, "(troubleshooting.md)", "(trouble.md)"),
               (README, f"({TROUBLE})", f"({GUIDE})"),
               (SPEC, "`tests/data/spec_vectors.json`", "`tests/data/vectors.json`")]
    for path, old, new in damages:
        assert old in pages[path], (path, old)
        if not list(check({**pages, path: pages[path].replace(old, new)}, cases, code)):
            return f"{path} with '{new}' for '{old}' passes"
    few = {name: body for name, body in cases.items() if name != "trouble: a name twice"}
    if not list(check(pages, few, code)) or not list(check(pages, {**cases, "trouble: new": ""}, code)):
        return "a test more or less passes"
    print(f"{len(damages) + 2} kinds of damage noticed")
    return 0


if __name__ == "__main__":
    inputs = {path: read(path) for path in (TROUBLE, GUIDE, SPEC, README)}, test_cases(), headers()
    faults = list(check(*inputs))
    print(*faults, sep="\n", end="\n" if faults else "")
    print(f"{len(list(rows_of(inputs[0][TROUBLE])))} rows; bitsandbytes {'installed' if package() else 'not installed'}")
    sys.exit(1 if faults else self_test(*inputs) if sys.argv[1:] == ["--self-test"] else 0)
