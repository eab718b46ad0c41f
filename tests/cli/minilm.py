#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""A whole real model through `qfmt quantize` and `qfmt compare`. Exit status 77: no model here.

    minilm.py PROGRAM

The model is $QFMT_MODEL, or the one that examples/quickstart.sh has left in build/quickstart.
"""
import json
import math
import os
import pathlib
import sys
import unittest

import tools

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = pathlib.Path(os.environ.get("QFMT_MODEL") or
                     ROOT / "build/quickstart/model/model.safetensors")
# Of a normal distribution in blocks of 64: about 0.092 (NF4), 0.115 (FP4), below 0.01 (int8).
SCHEMES = {("nf4",): (0.07, 0.13), ("nf4", "--double-quant"): (0.07, 0.13),
           ("fp4", "--double-quant"): (0.09, 0.17), ("int8",): (0.003, 0.04)}


class WholeModel(tools.Case):
    @classmethod
    def setUpClass(cls):
        cls.tensors, cls.metadata = tools.read(MODEL)

    def is_quantized(self, name):
        dtype, shape, _ = self.tensors[name]
        return (dtype in ("F32", "F16", "BF16") and len(shape) == 2
                and "embeddings" not in name.split("."))

    def quantize_model(self, options, threads):
        done = tools.run("quantize", MODEL, self.output, "--format", *options, "--skip-modules",
                         "embeddings", "--threads", threads, "--force", "--quiet")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return self.output.read_bytes()

    def check_tensors(self, options):
        out, metadata = tools.read(self.output)
        self.assertEqual(metadata, {**self.metadata, "format": "pt"})
        for name, (dtype, shape, content) in self.tensors.items():
            if not self.is_quantized(name):
                self.assertEqual(out.pop(name), (dtype, shape, content), name)
                continue
            module, count = name.removesuffix(".weight"), math.prod(shape)
            blocks = -(-count // 64)
            if options[0] == "int8":
                self.assertEqual(out.pop(name)[:2], ("I8", shape))
                self.assertEqual(out.pop(f"{module}.SCB")[:2], ("F32", shape[:1]))
                self.assertEqual(out.pop(f"{module}.weight_format"), ("U8", [], b"\0"))
                continue
            nested = len(options) > 1
            self.assertEqual(out.pop(name)[:2], ("U8", [count // 2, 1]))
            self.assertEqual(out.pop(f"{name}.absmax")[:2], ("U8" if nested else "F32", [blocks]))
            self.assertEqual(out.pop(f"{name}.quant_map")[:2], ("F32", [16]))
            state = json.loads(out.pop(f"{name}.quant_state.bitsandbytes__{options[0]}")[2])
            self.assertEqual((state["shape"], state["dtype"]), (shape, "float32"))
            if nested:
                self.assertEqual(out.pop(f"{name}.nested_absmax")[:2], ("F32", [-(-blocks // 256)]))
                self.assertEqual(out.pop(f"{name}.nested_quant_map")[:2], ("F32", [256]))
        self.assertEqual(sorted(out), [])

    def check_errors(self, low, high):
        done = tools.run("compare", MODEL, self.output, "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        tensors = json.loads(done.stdout)["tensors"]
        self.assertEqual({t["name"] for t in tensors}, set(self.tensors))
        for tensor in tensors:
            if not self.is_quantized(tensor["name"]):
                self.assertEqual(tensor["outcome"], "identical", tensor["name"])
                continue
            self.assertEqual(tensor["outcome"], "quantized", tensor["name"])
            self.assertTrue(low < tensor["relative_rmse"] < high, tensor)

    def test_round_trip(self):
        for options, (low, high) in SCHEMES.items():
            with self.subTest(options=options):
                outputs = {self.quantize_model(options, threads) for threads in [1, 2, 5, 5]}
                self.assertEqual(len(outputs), 1)
                self.check_tensors(options)
                self.check_errors(low, high)


if __name__ == "__main__":
    tools.PROGRAM = sys.argv.pop(1)
    if not MODEL.is_file():
        print(f"skipped: {MODEL} is not there; bash examples/quickstart.sh fetches it, "
              "or set QFMT_MODEL")
        sys.exit(77)
    unittest.main(verbosity=2)
