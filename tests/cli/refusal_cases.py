# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""What `qfmt` refuses, with which exit code, and that it leaves nothing behind."""
import os
import pathlib
import unittest

import tools

GOOD = {"m.weight": ("F32", [4, 16], tools.floats([i / 64 for i in range(64)]))}
USAGE, BAD_INPUT, CANNOT_WRITE, CANNOT_QUANTIZE = 2, 3, 4, 5


class Refusals(tools.Case):
    def setUp(self):
        super().setUp()
        tools.write(self.input, GOOD)

    def refused(self, code, text, *arguments):
        before = {p: p.read_bytes() for p in self.folder.iterdir() if p.is_file()}
        done = tools.run(*arguments)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(text, done.stderr)
        self.assertEqual(done.stdout, "")
        after = {p: p.read_bytes() for p in self.folder.iterdir() if p.is_file()}
        self.assertEqual(sorted(after), sorted(before))
        self.assertEqual(after, before)

    def refused_quantize(self, code, text, *options):
        self.refused(code, text, "quantize", self.input, self.output, *options)

    def test_usage(self):
        for arguments in [[], ["frobnicate"], ["info"], ["quantize", self.input, self.output],
                          ["compare", self.input], ["info", self.input, "--frobnicate"]]:
            self.assertEqual(tools.run(*arguments).returncode, USAGE, arguments)
        self.refused_quantize(USAGE, "--format", "--format", "q4_k")
        for size in [0, 8, 48, 8192, "many"]:
            self.refused_quantize(USAGE, "--block-size", "--format", "nf4", "--block-size", size)
        self.refused_quantize(USAGE, "--threads", "--format", "nf4", "--threads", "-1")

    def test_int8_takes_neither(self):
        self.refused_quantize(USAGE, "no --block-size", "--format", "int8", "--block-size", 64)
        self.refused_quantize(USAGE, "no --double-quant", "--format", "int8", "--double-quant")

    def test_block_16_needs_native(self):
        self.refused_quantize(USAGE, "--native", "--format", "nf4", "--block-size", 16)
        self.quantize("--format", "nf4", "--block-size", "16", "--native")

    def test_same_file(self):
        link = self.folder / "link.safetensors"
        link.symlink_to(self.input)
        hard = self.folder / "hard.safetensors"
        os.link(self.input, hard)
        indirect = self.folder / ".." / self.folder.name / self.input.name
        for path in [self.input, link, hard, indirect]:
            self.refused(USAGE, "same file", "quantize", self.input, path, "--format", "nf4",
                         "--force")

    def test_existing_output(self):
        self.output.write_text("precious")
        self.refused_quantize(CANNOT_WRITE, "--force", "--format", "nf4")
        self.quantize("--format", "nf4", "--force")
        self.assertIn("m.weight.absmax", tools.read(self.output)[0])

    def test_failure_keeps_what_force_would_replace(self):
        self.output.write_text("precious")
        values = [float("nan")] * 64
        tools.write(self.input, {"m.weight": ("F32", [4, 16], tools.floats(values))})
        self.refused_quantize(CANNOT_QUANTIZE, "NaN", "--format", "nf4", "--force")

    def test_non_finite(self):
        for bad in [float("nan"), float("inf"), -float("inf")]:
            for options in [["nf4"], ["fp4", "--double-quant"], ["int8"]]:
                values = [0.5] * 128
                values[77] = values[99] = bad
                tools.write(self.input, {**GOOD, "z.weight": ("F16", [8, 16], tools.halves(values))})
                self.refused_quantize(CANNOT_QUANTIZE, "z.weight: value 77", "--format", *options)

    def test_quantized_input(self):
        for options in [["nf4"], ["nf4", "--double-quant"], ["int8"],
                        ["fp4", "--block-size", "16", "--native"]]:
            tools.write(self.input, GOOD)
            self.quantize("--format", *options, "--force")
            os.replace(self.output, self.input)
            self.refused_quantize(CANNOT_QUANTIZE, "quantized already", "--format", "nf4")

    def test_colliding_names(self):
        tools.write(self.input, {**GOOD, "m.weight.absmax": ("F32", [1], tools.floats([1]))})
        self.refused_quantize(CANNOT_QUANTIZE, "m.weight.absmax", "--format", "nf4")

    def test_bad_input(self):
        missing = self.folder / "missing"
        self.refused(BAD_INPUT, "missing", "quantize", missing, self.output, "--format", "nf4")
        self.refused(BAD_INPUT, "missing", "info", missing)
        self.refused(BAD_INPUT, "missing", "compare", self.input, missing)
        self.refused(BAD_INPUT, "regular", "info", self.folder)
        whole = self.input.read_bytes()
        for size in [0, 7, 20, len(whole) - 1]:
            self.input.write_bytes(whole[:size])
            self.refused_quantize(BAD_INPUT, "in.safetensors", "--format", "nf4")
            self.refused(BAD_INPUT, "in.safetensors", "info", self.input)

    def test_names_cannot_talk_to_the_terminal(self):
        path = self.folder / "a\x1b[31m"
        self.refused(BAD_INPUT, "a\\x1b[31m", "info", path)

    def test_unwritable(self):
        nowhere = self.folder / "nowhere" / "out.safetensors"
        self.refused(CANNOT_WRITE, "nowhere", "quantize", self.input, nowhere, "--format", "nf4")
        folder = self.folder / "folder"
        folder.mkdir()
        self.refused(CANNOT_WRITE, "folder", "quantize", self.input, folder, "--format", "nf4")
        self.refused(CANNOT_WRITE, "folder", "quantize", self.input, folder, "--format", "nf4",
                     "--force")

    @unittest.skipIf(os.geteuid() == 0, "root writes everywhere")
    def test_forbidden_folder(self):
        folder = self.folder / "closed"
        folder.mkdir(mode=0o500)
        self.refused(CANNOT_WRITE, "closed", "quantize", self.input, folder / "out", "--format",
                     "nf4")

    @unittest.skipUnless(pathlib.Path("/dev/full").exists(), "needs /dev/full")
    def test_unwritable_report(self):
        with open("/dev/full", "w") as full:
            done = tools.subprocess.run([tools.PROGRAM, "info", self.input], stdout=full,
                                        stderr=tools.subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, CANNOT_WRITE, done.stderr)
