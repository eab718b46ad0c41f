# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""`qfmt compare` and `qfmt info`: their figures, and JSON that programs can read."""
import json
import math

import layout_cases
import tools


def decoded_nf4(out):
    """The values of m.weight, plain scales in blocks of 64."""
    codes = [c for byte in out["m.weight"][2] for c in (byte >> 4, byte & 15)]
    scales = tools.as_floats(out["m.weight.absmax"][2])
    levels = layout_cases.NF4_LEVELS
    return [tools.f32(levels[c] * scales[i // 64]) for i, c in enumerate(codes)]


def decoded_int8(out):
    """The values of m.weight, (q * absmax) / 127 in bitsandbytes' two roundings."""
    codes, scales = memoryview(out["m.weight"][2]).cast("b"), tools.as_floats(out["m.SCB"][2])
    columns = len(codes) // len(scales)
    inverse, = tools.struct.unpack("<f", bytes.fromhex("0402013c"))
    return [tools.f32(tools.f32(q * scales[i // columns]) * inverse) for i, q in enumerate(codes)]


def figures(values, decoded):
    errors = [abs(d - v) for d, v in zip(decoded, values)]
    squares, power = math.fsum(e * e for e in errors), math.fsum(v * v for v in values)
    return {"rmse": math.sqrt(squares / len(values)), "relative_rmse": math.sqrt(squares / power),
            "max_error": max(errors), "snr_db": 10 * math.log10(power / squares)}


class Compare(tools.Case):
    def setUp(self):
        super().setUp()
        self.values = [tools.f32(v) for v in tools.gaussian(48 * 64, 7)]
        self.bias = ("F32", [64], tools.floats(self.values[:64]))
        tools.write(self.input, {"m.weight": ("F32", [48, 64], tools.floats(self.values)),
                                 "m.bias": self.bias})

    def compare(self, code=0):
        done = tools.run("compare", self.input, self.output, "--json")
        self.assertEqual(done.returncode, code, done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual(report["schema_version"], 1)
        return {t["name"]: t for t in report["tensors"]}, report["totals"]

    def test_figures(self):
        for quant, decode, bits in [("nf4", decoded_nf4, 4.5), ("int8", decoded_int8, 8.5)]:
            out = self.written("--format", quant)
            tensors, totals = self.compare()
            expected = figures(self.values, decode(out))
            for key, value in expected.items():
                self.assertAlmostEqual(tensors["m.weight"][key] / value, 1, places=12, msg=key)
                self.assertAlmostEqual(totals[key] / value, 1, places=12, msg=key)
            self.assertEqual(tensors["m.weight"]["bits_per_value"], bits)
            self.assertEqual(tensors["m.bias"], {"name": "m.bias", "shape": [64],
                                                 "outcome": "identical"})
            self.assertEqual((totals["quantized"], totals["identical"], totals["values"]),
                             (1, 1, 48 * 64))

    def test_min_error(self):
        for options, most in [(["nf4"], 0.93), (["nf4", "--double-quant"], 0.95), (["int8"], 1)]:
            rmse = []
            for more in [[], ["--min-error"]]:
                out = self.written("--format", *options, *more)
                rmse.append(self.compare()[0]["m.weight"]["rmse"])
            self.assertLess(rmse[1], most * rmse[0], options)
            if options == ["nf4"]:  # scales of both signs, read as any
                self.assertAlmostEqual(figures(self.values, decoded_nf4(out))["rmse"] / rmse[1], 1,
                                       places=12)
                again = self.written("--format", "nf4", "--min-error", "--threads", "1")
                self.assertEqual(again, out)

    def test_exact_values_have_no_error(self):
        tools.write(self.input, {"m.weight": ("F32", [2, 64], tools.floats([0.5] * 128))})
        self.quantize("--format", "nf4")
        weight = self.compare()[0]["m.weight"]
        self.assertEqual((weight["rmse"], weight["max_error"], weight["snr_db"]), (0, 0, None))

    def test_zeros_have_no_error(self):
        tools.write(self.input, {"m.weight": ("F32", [2, 64], bytes(512))})
        self.quantize("--format", "int8", "--force")
        text = tools.run("compare", self.input, self.output).stdout
        self.assertNotIn("nan", text)
        self.assertRegex(text, r"m\.weight .* inf\n")

    def test_what_is_missing_added_or_different(self):
        out = self.written("--format", "nf4")
        changed = ("F32", [64], tools.floats(self.values[1:65]))
        for change, name, outcome in [({"m.bias": changed}, "m.bias", "differs"),
                                      ({"new": self.bias}, "new", "added")]:
            tools.write(self.output, {**out, **change})
            self.assertEqual(self.compare(code=1)[0][name]["outcome"], outcome)
        del out["m.bias"]
        tools.write(self.output, out)
        self.assertEqual(self.compare(code=1)[0]["m.bias"]["outcome"], "missing")

    def test_broken_pieces(self):
        for name in ["m.weight.absmax", "m.weight.quant_map"]:
            out = self.written("--format", "nf4")
            del out[name]
            tools.write(self.output, out)
            done = tools.run("compare", self.input, self.output)
            self.assertEqual(done.returncode, 3)
            self.assertIn(name, done.stderr)

    def test_text(self):
        self.quantize("--format", "nf4", "--double-quant", "--block-size", "128")
        done = tools.run("compare", self.input, self.output)
        self.assertEqual(done.returncode, 0)
        self.assertIn("nf4/128/double", done.stdout)
        self.assertIn("1 quantized, 1 identical, 0 differ, 0 missing, 0 added", done.stdout)
        self.assertEqual(done.stderr, "")


class Info(tools.Case):
    def setUp(self):
        super().setUp()
        tools.write(self.input, {"m.weight": ("BF16", [4, 64], tools.bfloats([0.5] * 256)),
                                 "m.bias": ("F32", [4], tools.floats([1, 2, 3, 4]))}, {"by": "me"})

    def info(self, path):
        done = tools.run("info", path, "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        report = json.loads(done.stdout)
        self.assertEqual((report["schema_version"], report["file"]), (1, str(path)))
        self.assertEqual(report["totals"]["file_bytes"], path.stat().st_size)
        return report, {t["name"]: t for t in report["tensors"]}

    def test_plain(self):
        report, tensors = self.info(self.input)
        self.assertEqual(tensors["m.weight"], {"name": "m.weight", "dtype": "BF16",
                                               "shape": [4, 64], "bytes": 512})
        self.assertEqual(report["metadata"], {"by": "me"})

    def test_quantized(self):
        for options, scheme, bits in [
                (["nf4"], {"format": "nf4", "block_size": 64, "double_quant": False}, 4.5),
                (["fp4", "--double-quant"],
                 {"format": "fp4", "block_size": 64, "double_quant": True}, None),
                (["int8"], {"format": "int8", "row_wise": True}, 8.5)]:
            self.quantize("--format", *options, "--force")
            report, tensors = self.info(self.output)
            self.assertEqual(sorted(tensors), ["m.bias", "m.weight"])
            weight = tensors["m.weight"]
            self.assertEqual((weight["scheme"], weight["shape"]), (scheme, [4, 64]))
            self.assertEqual(report["totals"]["quantized"], 1)
            stored = tools.read(self.output)[0]
            self.assertEqual(weight["bytes"], sum(len(stored[p][2]) for p in weight["pieces"]))
            self.assertEqual(sorted(weight["pieces"] + ["m.bias"]), sorted(stored))
            if bits is not None:
                self.assertEqual(weight["bits_per_value"], bits)

    def test_text(self):
        self.quantize("--format", "nf4", "--force")
        done = tools.run("info", self.output)
        self.assertEqual(done.returncode, 0)
        for part in ["m.weight", "nf4/64", "4.500", "[4, 64]", "2 tensors, 1 of them quantized"]:
            self.assertIn(part, done.stdout)


class Talk(tools.Case):
    def test_data_on_stdout_talk_on_stderr(self):
        tools.write(self.input, {"m.weight": ("F32", [4, 64], tools.floats([0.5] * 256))})
        done = self.quantize("--format", "nf4", "--json")
        report = json.loads(done.stdout)
        self.assertEqual((report["quantized"], report["untouched"]), (1, 0))
        self.assertEqual(report["output_bytes"], self.output.stat().st_size)
        self.assertIn("MB/s", done.stderr)
        self.assertEqual(self.quantize("--format", "nf4", "--force", "--quiet").stderr, "")

    def test_help_and_version(self):
        done = tools.run("--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("Exit codes:", done.stdout)
        self.assertIn("--skip-modules", tools.run("quantize", "--help").stdout)
        self.assertRegex(tools.run("--version").stdout, r"^qfmt \d+\.\d+\.\d+\n$")
