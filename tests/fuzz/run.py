#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Builds the libFuzzer targets under ASan and UBSan and runs them, two at a time.

    run.py CLANGXX BUILD_DIR [--seconds N | --runs N] [TARGET...]

Each target starts from sound inputs and runs for N seconds (60), or N executions. A crash, a leak,
a timeout or a run that did nothing fails; the input that did it is left in BUILD_DIR.
"""
import argparse
import concurrent.futures
import json
import pathlib
import re
import struct
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TARGETS = ["header", "index", "state", "config"]
FLAGS = ["-std=c++20", "-O1", "-g1", "-fsanitize=fuzzer,address,undefined",
         "-fno-sanitize-recover=all", f"-I{ROOT / 'include'}", f"-I{ROOT / 'tests'}"]


def header_file(header, data=b""):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def seeds(target):
    """Sound inputs to begin with."""
    state = ('{"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [40, 97], '
             '"nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.5}')
    tensor = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
    config = {"quant_method": "bitsandbytes", "_load_in_4bit": True, "_load_in_8bit": False,
              "load_in_4bit": True, "load_in_8bit": False, "llm_int8_threshold": 6.0,
              "llm_int8_skip_modules": ["lm_head", "model.layers.*.mlp"],
              "llm_int8_enable_fp32_cpu_offload": False, "llm_int8_has_fp16_weight": False,
              "bnb_4bit_compute_dtype": "bfloat16", "bnb_4bit_quant_type": "nf4",
              "bnb_4bit_use_double_quant": True, "bnb_4bit_quant_storage": "uint8"}
    return {
        "header": [header_file({}), header_file({"a": tensor}, bytes(16)),
                   header_file({"__metadata__": {"format": "pt"}, "a": tensor, "b": {
                       "dtype": "U8", "shape": [], "data_offsets": [16, 17]}}, bytes(17))],
        "index": [json.dumps({"metadata": {"total_size": 16}, "weight_map": {
            "a.weight": "model-00001-of-00002.safetensors",
            "b.weight": "model-00002-of-00002.safetensors"}}).encode()],
        "state": [b"\0" + state.encode(), b"\0" + state.replace("0.5", "NaN").encode(),
                  b"\1" + state.replace('[40, 97]', '[640], "slice": [4, 10, 64, 3]').encode()],
        "config": [json.dumps({"model_type": "llama", "quantization_config": config}).encode(),
                   b'{"model_type": "llama"}'],
    }[target]


def build(compiler, target, folder):
    program = folder / f"{target}_fuzz"
    subprocess.run([compiler, *FLAGS, str(HERE / f"{target}_fuzz.cpp"), "-o", str(program)],
                   check=True)
    return program


def run(compiler, target, folder, limit):
    """(executions, what went wrong or "")"""
    program = build(compiler, target, folder)
    corpus = folder / f"{target}_corpus"
    corpus.mkdir(exist_ok=True)
    for number, seed in enumerate(seeds(target)):
        (corpus / f"seed-{number}").write_bytes(seed)
    done = subprocess.run(
        [str(program), str(corpus), limit, "-max_len=4096", "-timeout=10", "-rss_limit_mb=2048",
         "-print_final_stats=1", "-verbosity=0", f"-artifact_prefix={folder}/{target}-",
         f"-dict={HERE / 'words.dict'}"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    count = re.search(r"number_of_executed_units:\s*(\d+)", done.stdout)
    executions = int(count.group(1)) if count else 0
    wrong = done.stdout[-6000:] if done.returncode != 0 or executions < 1000 else ""
    return executions, wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("compiler")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--runs", type=int)
    parser.add_argument("targets", nargs="*", default=TARGETS)
    options = parser.parse_intermixed_args()  # targets may follow options
    options.folder.mkdir(parents=True, exist_ok=True)
    limit = f"-runs={options.runs}" if options.runs else f"-max_total_time={options.seconds}"
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda t: run(options.compiler, t, options.folder, limit),
                           options.targets)
        for target, (executions, wrong) in zip(options.targets, results):
            print(f"{target}: {executions} executions, {'FAILED' if wrong else 'no fault'}\n{wrong}",
                  flush=True)
            failed += bool(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
