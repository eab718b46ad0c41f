# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Folders of shards: in, out, back, cut, interrupted and resumed."""
import hashlib
import json
import os
import shutil
import signal
import struct
import subprocess
import time

import tools

CONFIG = {"model_type": "llama", "dtype": "float32", "hidden_size": 64, "num_attention_heads": 4,
          "rms_norm_eps": 1e-05, "tie_word_embeddings": False}


def weight(rows, cols, seed):
    return ("F32", [rows, cols], tools.floats(tools.gaussian(rows * cols, seed)))


def model_tensors():
    """Two shards of a small model of everything that is awkward."""
    first = {"model.embed_tokens.weight": weight(50, 64, 1),
             "model.layers.0.self_attn.q_proj.weight": weight(64, 64, 2),
             "model.layers.0.mlp.gate_proj.weight": weight(90, 64, 3),
             "model.layers.0.mlp.down_proj.weight": weight(64, 90, 4),
             "model.layers.0.experts.up": ("F32", [3, 10, 7], tools.floats(tools.gaussian(210, 5))),
             "model.layers.0.norm.weight": ("F32", [64], tools.floats([1] * 64))}
    second = {"lm_head.weight": weight(50, 64, 6), "one": ("F32", [1], tools.floats([2])),
              "model.layers.0.mlp.gate.weight": weight(3, 64, 7),
              "tiny.weight": ("F32", [1, 1], tools.floats([0.25])),
              "nothing": ("F32", [0], b""), "nothing_at_all.weight": ("F32", [0, 4], b"")}
    return first, second


def write_folder(path, shards, config=None):
    path.mkdir()
    index = {"metadata": {"total_size": 0}, "weight_map": {}}
    for number, tensors in enumerate(shards, 1):
        name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        tools.write(path / name, tensors, {"format": "pt"})
        index["weight_map"].update({tensor: name for tensor in tensors})
    (path / "model.safetensors.index.json").write_text(json.dumps(index))
    (path / "config.json").write_text(json.dumps(config or CONFIG))
    (path / "tokenizer.json").write_text("{}")


def read_folder(path):
    """All tensors, by the index, which must name each once."""
    index = json.loads((path / "model.safetensors.index.json").read_text())
    tensors = {}
    for name in sorted(set(index["weight_map"].values())):
        held = tools.read(path / name)[0]
        assert all(index["weight_map"][tensor] == name for tensor in held)
        tensors.update(held)
    assert sorted(tensors) == sorted(index["weight_map"])
    assert index["metadata"]["total_size"] == sum(len(t[2]) for t in tensors.values())
    return tensors


def digest(path):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in path.iterdir()}


class FolderCase(tools.Case):
    def setUp(self):
        super().setUp()
        self.input, self.output = self.folder / "in", self.folder / "out"
        write_folder(self.input, model_tensors())

    def run_ok(self, *arguments):
        done = tools.run(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def quantized(self, *options):
        self.quantize(*options, "--force", "--quiet")
        return read_folder(self.output)


class Folders(FolderCase):
    def test_linear_layers_alone(self):
        out = self.quantized("--format", "nf4", "--double-quant")
        quantized = {n.rsplit(".quant_state", 1)[0] for n in out if ".quant_state." in n}
        self.assertEqual(quantized, {f"model.layers.0.{m}.weight" for m in
                                     ["self_attn.q_proj", "mlp.gate_proj", "mlp.down_proj"]} |
                         {"tiny.weight"})
        before = {**model_tensors()[0], **model_tensors()[1]}
        for name in before.keys() - quantized:
            self.assertEqual(out[name], before[name], name)
        self.assertEqual((self.output / "tokenizer.json").read_text(), "{}")
        config = json.loads((self.output / "config.json").read_text())
        quantization = config.pop("quantization_config")
        self.assertEqual(config, CONFIG)
        self.assertEqual(quantization, {
            "quant_method": "bitsandbytes", "_load_in_4bit": True, "_load_in_8bit": False,
            "load_in_4bit": True, "load_in_8bit": False, "llm_int8_threshold": 6.0,
            "llm_int8_skip_modules": ["lm_head", "model.embed_tokens", "model.layers.0.mlp.gate",
                                      "nothing_at_all"],
            "llm_int8_enable_fp32_cpu_offload": False, "llm_int8_has_fp16_weight": False,
            "bnb_4bit_compute_dtype": "float32", "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_use_double_quant": True, "bnb_4bit_quant_storage": "uint8"})
        self.assertFalse([p for p in self.output.iterdir() if p.name.startswith(".")])

    def test_what_transformers_does_not_load_quantized(self):
        expert = "model.layers.{}.mlp.experts.{}.w1.weight"
        tensors = {expert.format(l, e): weight(8, 16, l + e) for l in range(2) for e in range(3)}
        tensors["encoder.block.0.layer.1.DenseReluDense.wo.weight"] = weight(8, 16, 8)
        tensors["model.layers.0.mlp.shared_experts.up_proj.weight"] = weight(8, 16, 9)
        for kind, kept in [("mixtral", ["experts."]), ("t5", ["experts.", ".wo."]), ("falcon", [""]),
                           ("whisper", ["experts."]), ("bert", ["experts."])]:
            shutil.rmtree(self.input)
            write_folder(self.input, [tensors], {**CONFIG, "model_type": kind})
            done = self.quantize("--format", "nf4", "--force")
            out = read_folder(self.output)
            for name, tensor in tensors.items():
                stays = any(k in name.replace("shared_experts", "shared") for k in kept)
                self.assertEqual(out[name] == tensor, stays, f"{kind} {name}")
            self.assertRegex(done.stderr, "pass(es)? through: transformers")
            self.assertLess(done.stderr.count("\n"), 4)
            skipped = json.loads((self.output / "config.json").read_text())[
                "quantization_config"]["llm_int8_skip_modules"]
            heads = {"whisper": "proj_out", "bert": "cls.predictions.decoder"}
            self.assertEqual([h for h in heads.values() if h in skipped],
                             [heads[kind]] if kind in heads else [])
        out = self.quantized("--format", "nf4", "--rule", r"experts\.1\.=nf4")
        self.assertIn(expert.format(1, 1) + ".absmax", out)

    def test_numbers_of_python_in_config_survive(self):
        """As Mamba's time_step_limit, which Python writes as no JSON allows."""
        config = {**CONFIG, "limit": [0.0, float("inf"), -float("inf")], "x": float("nan"),
                  "text": 'NaN, "Infinity" \\', "Infinity": 1}
        (self.input / "config.json").write_text(json.dumps(config))
        self.quantize("--format", "nf4", "--quiet")
        written = json.loads((self.output / "config.json").read_text())
        self.assertTrue(written.pop("quantization_config")["load_in_4bit"])
        self.assertEqual(json.dumps(written, sort_keys=True), json.dumps(config, sort_keys=True))
        self.run_ok("info", self.output, "--validate")
        for bad in ['{"a": Nan}', '{"a": +Infinity}', '{"a": NaNNaN}', '{"a": -NaN}', '{"a": "NaN}',
                    '{NaN: 1}', '{"a": 1}NaN']:
            (self.input / "config.json").write_text(bad)
            self.quantize("--format", "nf4", "--force", code=3)

    def test_rules(self):
        out = self.quantized("--format", "nf4", "--rule", r"down_proj=fp4/128/double",
                             "--rule", r"q_proj|tiny=keep", "--rule", r"experts=nf4/32",
                             "--rule", r"q_proj=fp4")
        self.assertEqual(out["model.layers.0.self_attn.q_proj.weight"][0], "F32")
        state = json.loads(out["model.layers.0.mlp.down_proj.weight.quant_state.bitsandbytes__fp4"][2])
        self.assertEqual((state["blocksize"], state["nested_blocksize"]), (128, 256))
        experts = json.loads(out["model.layers.0.experts.up.quant_state.bitsandbytes__nf4"][2])
        self.assertEqual((experts["shape"], experts["blocksize"]), ([3, 10, 7], 32))
        for bad in ["q_proj", "q_proj=q4_k", "q_proj=nf4/63", "(=nf4", "q_proj=int8/64", "a=nf4/"]:
            done = self.quantize("--format", "nf4", "--rule", bad, "--force", code=2)
            self.assertIn("--rule", done.stderr)
        done = self.quantize("--format", "nf4", "--rule", "q_proj=int8", "--force", code=2)
        self.assertIn("not of both", done.stderr)
        for scheme in ["mxfp4", "nvfp4"]:
            for options in [["nf4"], ["int8"]]:
                done = self.quantize("--format", *options, "--rule", "q_proj=" + scheme, "--force",
                                     code=2)
                self.assertIn("self_attn.q_proj.weight as " + scheme, done.stderr)
                self.assertIn("bitsandbytes", done.stderr)
        self.quantize("--format", "nf4", "--rule", "q_proj=mxfp4", "--native", "--force")
        done = self.quantize("--format", "nf4", "--rule", "absent=keep", "--force")
        self.assertIn("--rule absent=keep matches no tensor", done.stderr)

    def test_config_of_other_formats_stays(self):
        for options in [["mxfp4"], ["nvfp4"], ["fp8_e4m3", "--native"], ["int4", "--native"]]:
            done = self.quantize("--format", *options, "--force")
            self.assertIn("config.json stays unchanged", done.stderr)
            self.assertIn(options[0], done.stderr)
            self.assertEqual(json.loads((self.output / "config.json").read_text()), CONFIG)
        self.assertNotIn("config.json", self.quantize("--format", "nf4", "--force").stderr)

    def test_threads_do_not_change_bytes(self):
        digests = []
        for threads in [1, 2, 5]:
            shutil.rmtree(self.output, ignore_errors=True)
            self.quantize("--format", "nf4", "--double-quant", "--threads", threads, "--quiet")
            digests.append(digest(self.output))
        self.assertEqual(digests[0], digests[1])
        self.assertEqual(digests[0], digests[2])

    def test_storage_types(self):
        plain = self.quantized("--format", "nf4")
        sizes = {"uint8": ("U8", 1), "int8": ("I8", 1), "float16": ("F16", 2),
                 "bfloat16": ("BF16", 2), "float32": ("F32", 4), "float64": ("F64", 8)}
        for storage, (dtype, size) in sizes.items():
            out = self.quantized("--format", "nf4", "--quant-storage", storage)
            for name in ["model.layers.0.mlp.gate_proj.weight", "tiny.weight"]:
                codes = plain[name][2]
                padded = codes + bytes(-len(codes) % size)
                self.assertEqual(out[name], (dtype, [len(padded) // size, 1], padded))
            decoded = self.folder / "decoded"
            self.run_ok("dequantize", self.output, decoded, "--force", "--quiet")
            self.assertEqual(read_folder(decoded)["tiny.weight"], model_tensors()[1]["tiny.weight"])

    def test_dry_run_writes_nothing(self):
        done = self.quantize("--format", "nf4", "--dry-run", "--json", "--quiet")
        report = json.loads(done.stdout)
        self.assertFalse(self.output.exists())
        self.quantize("--format", "nf4", "--quiet")
        written = sum(len(t[2]) for t in read_folder(self.output).values())
        self.assertEqual(report["output_bytes"], written)
        self.assertEqual((report["quantized"], report["dry_run"]), (4, True))
        text = self.quantize("--format", "nf4", "--dry-run", "--quiet", "--force").stdout
        for part in ["model.layers.0.mlp.gate_proj.weight", "nf4/64", "4.500", "nothing was written"]:
            self.assertIn(part, text)

    def test_refusals(self):
        self.quantize("--format", "nf4", "--quiet")
        self.assertIn("--force", self.quantize("--format", "nf4", code=4).stderr)
        again = self.folder / "again"
        done = tools.run("quantize", self.output, again, "--format", "nf4")
        self.assertEqual((done.returncode, again.exists()), (5, False))
        self.assertIn("quantized already", done.stderr)
        self.assertEqual(tools.run("quantize", self.input, self.input, "--format", "nf4").returncode, 2)
        done = tools.run("dequantize", self.input, again)
        self.assertEqual((done.returncode, again.exists()), (5, False))
        done = tools.run("quantize", self.input, again, "--format", "nf4", "--preset", "qlora")
        self.assertEqual(done.returncode, 2)
        self.assertEqual(tools.run("quantize", self.input, again).returncode, 2)
        config = {**CONFIG, "quantization_config": {"quant_method": "gptq"}}
        (self.input / "config.json").write_text(json.dumps(config))
        done = tools.run("quantize", self.input, again, "--format", "nf4")
        self.assertEqual(done.returncode, 3)
        self.assertIn("quant_method", done.stderr)

    def test_round_trip(self):
        for options in [["nf4"], ["fp4", "--double-quant"], ["int8"]]:
            self.quantized("--format", *options)
            decoded = self.folder / "decoded"
            self.run_ok("dequantize", self.output, decoded, "--force", "--quiet")
            self.assertEqual(json.loads((decoded / "config.json").read_text()), CONFIG)
            back, original = read_folder(decoded), {**model_tensors()[0], **model_tensors()[1]}
            self.assertEqual({n: t[:2] for n, t in back.items()},
                             {n: t[:2] for n, t in original.items()})
            figures = json.loads(self.run_ok("compare", self.input, self.output, "--json").stdout)
            name = "model.layers.0.mlp.gate_proj.weight"
            entry = next(t for t in figures["tensors"] if t["name"] == name)
            errors = [abs(a - b) for a, b in zip(tools.as_floats(back[name][2]),
                                                 tools.as_floats(original[name][2]))]
            self.assertEqual(max(errors), entry["max_error"])

    def test_conv1d(self):
        matrix = tools.gaussian(8 * 64, 9)
        turned = [matrix[r * 64 + c] for c in range(64) for r in range(8)]
        outputs = []
        for tensors, model_type, options in [
                ({"h.0.attn.c_attn.weight": ("F32", [8, 64], tools.floats(matrix))}, "gpt2", []),
                ({"h.0.attn.c_attn.weight": ("F32", [8, 64], tools.floats(matrix))}, "other",
                 ["--transpose-modules", "c_attn"]),
                ({"h.0.attn.c_attn.weight": ("F32", [64, 8], tools.floats(turned))}, "other", [])]:
            shutil.rmtree(self.input)
            write_folder(self.input, [tensors], {"model_type": model_type})
            outputs.append(self.quantized("--format", "nf4", "--double-quant", *options))
        self.assertEqual(outputs[0], outputs[2])
        self.assertEqual(outputs[1], outputs[2])

    def test_presets(self):
        out = self.quantized("--preset", "fsdp-qlora")
        self.assertEqual(out["model.layers.0.mlp.gate_proj.weight"][0], "BF16")
        config = self.folder / "preset.json"
        config.write_text(json.dumps({"quantization_config": {
            "quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "fp4",
            "llm_int8_skip_modules": ["model.layers.0.mlp"]}}))
        out = self.quantized("--preset", config)
        self.assertIn("model.layers.0.self_attn.q_proj.weight.quant_state.bitsandbytes__fp4", out)
        self.assertEqual(out["model.layers.0.mlp.gate_proj.weight"][0], "F32")
        config.write_text(json.dumps({"quant_method": "bitsandbytes"}))
        self.assertIn("neither", self.quantize("--preset", config, "--force", code=2).stderr)
        # Weights that stay 16 bit are not quantized.
        config.write_text(json.dumps({"quant_method": "bitsandbytes", "load_in_8bit": True,
                                      "llm_int8_has_fp16_weight": True}))
        self.assertFalse([n for n in self.quantized("--preset", config) if n.endswith("SCB")])

    def test_validate(self):
        self.quantize("--format", "nf4", "--double-quant", "--quiet")
        done = self.run_ok("info", self.output, "--validate")
        self.assertNotIn("FAIL", done.stdout)
        self.assertGreater(done.stdout.count("pass  "), 30)
        shard = self.output / "model-00001-of-00002.safetensors"
        good = shard.read_bytes()
        for harm, rule in [(lambda b: b[:5], "8 bytes"), (lambda b: b + b"x", "nothing follows"),
                           (lambda b: b[:-1], "within the file"),
                           (lambda b: b.replace(b'"F32"', b'"F33"', 1), "element types"),
                           (lambda b: b.replace(b'"blocksize": 64', b'"blocksize": 65'), "fields"),
                           (lambda b: b.replace(b'"shape": [90, 64]', b'"shape": [90, 46]'), "size"),
                           (lambda b: b.replace(b':{"dtype"', b' {"dtype"', 1), "JSON")]:
            shard.write_bytes(harm(good))
            report = tools.run("info", self.output, "--validate", "--json")
            self.assertEqual(report.returncode, 3)
            rules = json.loads(report.stdout)["rules"]
            failed = [r for r in rules if r["outcome"] == "FAIL"]
            self.assertEqual(len(failed), 1, failed)
            self.assertIn(rule, failed[0]["rule"])
            self.assertTrue(failed[0]["detail"])


class Shards(FolderCase):
    def decoded(self, path):
        out = self.folder / f"decoded-{path.name}"
        self.run_ok("dequantize", path, out, "--dtype", "float32", "--force", "--quiet")
        return tools.read(out)[0]

    def test_tensor_parallel(self):
        for options in [["nf4", "--double-quant"], ["fp4"], ["int8"]]:
            self.quantized("--format", *options)
            decoded = self.folder / "decoded"
            self.run_ok("dequantize", self.output, decoded, "--force", "--quiet")
            whole = read_folder(decoded)
            for ranks in [1, 2, 3, 4, 8, 16]:
                shards = self.folder / f"shards-{ranks}"
                shutil.rmtree(shards, ignore_errors=True)
                report = json.loads(self.run_ok("shard", self.output, shards, "--tensor-parallel",
                                                ranks, "--json").stdout)
                parts = [self.decoded(p) for p in sorted(shards.iterdir())]
                self.assertEqual((len(parts), len(report["ranks"])), (ranks, ranks))
                for name, (dtype, shape, content) in whole.items():
                    held = [part[name] for part in parts]
                    if name.endswith(("gate_proj.weight", "q_proj.weight", "embed_tokens.weight",
                                      "lm_head.weight")):
                        self.assertEqual(b"".join(h[2] for h in held), content, name)
                        self.assertEqual(sum(h[1][0] for h in held), shape[0])
                    elif name.endswith("down_proj.weight"):
                        rows = [b"".join(h[2][r * h[1][1] * 4:(r + 1) * h[1][1] * 4] for h in held)
                                for r in range(shape[0])]
                        self.assertEqual(b"".join(rows), content, name)
                    else:
                        self.assertEqual(held, [(dtype, shape, content)] * ranks, name)

    def test_whole_blocks_are_bitsandbytes_layout(self):
        self.quantized("--format", "nf4")
        report = json.loads(self.run_ok("shard", self.output, self.folder / "x", "--tensor-parallel", 2,
                                        "--dry-run", "--json").stdout)
        layouts = {(w["name"], w["layout"]) for r in report["ranks"] for w in r["weights"]}
        self.assertIn(("model.layers.0.mlp.gate_proj.weight", "bitsandbytes"), layouts)
        self.assertIn(("model.layers.0.mlp.down_proj.weight", "qfmt"), layouts)
        self.assertFalse((self.folder / "x").exists())

    def test_flat(self):
        self.quantized("--format", "nf4", "--double-quant")
        for ranks in [1, 2, 3, 4, 8, 16, 1000]:
            shards, gathered = self.folder / f"flat-{ranks}", self.folder / f"gathered-{ranks}"
            self.run_ok("shard", self.output, shards, "--fsdp", ranks)
            sizes = {len(tools.read(p)[0]["flat"][2]) for p in shards.iterdir()}
            self.assertEqual((len(list(shards.iterdir())), len(sizes)), (ranks, 1))
            self.run_ok("shard", shards, gathered, "--gather")
            for path in gathered.iterdir():
                self.assertEqual(path.read_bytes(), (self.output / path.name).read_bytes())
            self.assertEqual(len(list(gathered.iterdir())), 2)

    def test_flat_refusals(self):
        self.quantized("--format", "nf4")
        shards, gathered = self.folder / "flat", self.folder / "gathered"
        self.run_ok("shard", self.output, shards, "--fsdp", 3)
        (shards / "rank-00001-of-00003.safetensors").unlink()
        self.assertEqual(tools.run("shard", shards, gathered, "--gather").returncode, 3)
        self.assertEqual(tools.run("shard", self.output, gathered, "--gather").returncode, 3)
        self.assertEqual(tools.run("shard", self.output, gathered).returncode, 2)
        self.assertEqual(tools.run("shard", self.output, gathered, "--fsdp", 2,
                                   "--tensor-parallel", 2).returncode, 2)
        shutil.copy(shards / "rank-00000-of-00003.safetensors",
                    shards / "rank-00001-of-00003.safetensors")
        self.assertEqual(tools.run("shard", shards, gathered, "--gather").returncode, 3)


class Replaced(FolderCase):
    """--force on a folder: the old model stays whole until the new one is there, then it is gone."""

    def setUp(self):
        super().setUp()
        first, second = model_tensors()
        self.old = self.folder / "old"
        write_folder(self.old, [first, {n: t for n, t in second.items() if n != "one"},
                                {"one": second["one"]}])
        self.quantize_to(self.old, "--format", "fp4")
        (self.output / "notes.txt").write_text("mine")
        self.before = digest(self.output)
        self.quantize_to(self.input, "--format", "nf4", out=self.folder / "fresh")
        self.expected = {**digest(self.folder / "fresh"), "notes.txt": self.before["notes.txt"]}

    def quantize_to(self, model, *options, out=None):
        return self.run_ok("quantize", model, out or self.output, *options, "--quiet")

    def test_old_shards_are_gone(self):
        self.quantize_to(self.input, "--format", "nf4", "--force")
        self.assertEqual(digest(self.output), self.expected)

    def test_one_file_in_place_of_shards_and_back(self):
        single = self.folder / "single"
        single.mkdir()
        tools.write(single / "model.safetensors", model_tensors()[0])
        (single / "config.json").write_text(json.dumps(CONFIG))
        self.quantize_to(single, "--format", "nf4", "--force")
        names = {"model.safetensors", "config.json", "tokenizer.json", "notes.txt"}
        self.assertEqual(set(digest(self.output)), names)
        self.quantize_to(self.input, "--format", "nf4", "--force")
        self.assertEqual(digest(self.output), self.expected)

    def test_a_failure_keeps_the_old(self):
        first, second = model_tensors()
        name = "model.layers.9.mlp.up_proj.weight"
        values = [float("nan")] * 64
        shutil.rmtree(self.input)
        write_folder(self.input, [first, {**second, name: ("F32", [8, 8], tools.floats(values))}])
        done = self.quantize("--format", "nf4", "--force", code=5)
        self.assertIn(name, done.stderr)
        kept = {p.name: hashlib.sha256(p.read_bytes()).hexdigest()
                for p in self.output.iterdir() if not p.name.startswith(".qfmt")}
        self.assertEqual(kept, self.before)
        read_folder(self.output)
        self.run_ok("info", self.output, "--validate")
        shutil.rmtree(self.input)  # the next attempt leaves nothing of the last
        write_folder(self.input, model_tensors())
        self.quantize_to(self.input, "--format", "nf4", "--force")
        self.assertEqual(digest(self.output), self.expected)

    def test_a_killed_one_is_resumed(self):
        """As a kill leaves it: old shards of the same names are not taken for finished ones."""
        states, job = [], self.job_of("--format", "nf4")
        for steps in [[], ["swap"], ["swap", "move"]]:
            out = self.folder / f"state-{len(states)}"
            shutil.copytree(self.output, out)
            self.stop_at(out, steps, job)
            states.append(out)
        for out in states:
            with self.subTest(out=out.name):
                self.run_ok("quantize", self.input, out, "--format", "nf4", "--quiet", "--resume")
                self.assertEqual(digest(out), self.expected)

    def stop_at(self, out, steps, job):
        """Brings a folder to the state of a kill with one new shard there, or after these steps."""
        (out / ".qfmt-unfinished.json").write_bytes(job)
        waiting = out / ".qfmt-unfinished"
        waiting.mkdir()
        fresh = self.folder / "fresh"
        names = sorted(p.name for p in fresh.glob("*.safetensors"))
        shutil.copy(fresh / names[0], waiting)
        (waiting / f"{names[1]}.partial.1.0").write_bytes(b"half")
        if "swap" in steps:
            (waiting / f"{names[1]}.partial.1.0").unlink()
            shutil.copy(fresh / names[1], waiting)
            waiting = waiting.rename(out / ".qfmt-complete")
            os.rename(out / "model.safetensors.index.json",
                      waiting / "old-model.safetensors.index.json")
        if "move" in steps:
            os.rename(waiting / names[0], out / names[0])

    def job_of(self, *options):
        """What the program writes before it begins."""
        out = self.folder / "begun"
        shard = self.input / "model-00002-of-00002.safetensors"
        times, good = shard.stat().st_mtime_ns, shard.read_bytes()
        weight = json.loads(good[8:8 + struct.unpack("<Q", good[:8])[0]])["tiny.weight"]
        at = 8 + struct.unpack("<Q", good[:8])[0] + weight["data_offsets"][0]
        shard.write_bytes(good[:at] + tools.floats([float("nan")]) + good[at + 4:])
        os.utime(shard, ns=(times, times))
        self.assertEqual(tools.run("quantize", self.input, out, *options).returncode, 5)
        shard.write_bytes(good)
        os.utime(shard, ns=(times, times))
        return (out / ".qfmt-unfinished.json").read_bytes()

    def test_shards_of_other_ranks_are_gone(self):
        shards = self.folder / "shards"
        self.run_ok("shard", self.output, shards, "--fsdp", 4)
        (shards / "notes.txt").write_text("mine")
        self.run_ok("shard", self.output, shards, "--fsdp", 3, "--force")
        self.assertEqual(sorted(p.name for p in shards.iterdir()),
                         ["notes.txt", *(f"rank-0000{r}-of-00003.safetensors" for r in range(3))])
        gathered = self.folder / "gathered"
        gathered.mkdir()
        (gathered / "model-00001-of-00003.safetensors").write_text("old")
        self.run_ok("shard", shards, gathered, "--gather", "--force")
        for path in gathered.iterdir():
            self.assertEqual(path.read_bytes(), (self.output / path.name).read_bytes())
        self.run_ok("shard", self.output, shards, "--tensor-parallel", 2, "--force")
        self.assertEqual(len(list(shards.glob("rank-*"))), 2)


class Interrupted(tools.Case):
    SHARDS, ROWS = 10, 3000
    KILLED_RUNS = int(os.environ.get("QFMT_KILLED_RUNS", 4))  # for longer tests by hand

    def setUp(self):
        super().setUp()
        self.input, self.output = self.folder / "in", self.folder / "out"
        self.input.mkdir()
        index = {"weight_map": {}}
        for number in range(self.SHARDS):  # holes in files: zeros that take no disk
            name, size = f"model-{number:05}.safetensors", self.ROWS * 1024 * 4
            header = {f"m.{number}.weight": {"dtype": "F32", "shape": [self.ROWS, 1024],
                                             "data_offsets": [0, size]}}
            text = json.dumps(header).encode()
            with open(self.input / name, "wb") as file:
                file.write(struct.pack("<Q", len(text)) + text)
                file.truncate(8 + len(text) + size)
            index["weight_map"][f"m.{number}.weight"] = name
        (self.input / "model.safetensors.index.json").write_text(json.dumps(index))
        (self.input / "config.json").write_text("{}")

    def arguments(self, *options):
        return [tools.PROGRAM, "quantize", self.input, self.output, "--format", "nf4",
                "--double-quant", "--quiet", *options]

    def finished(self):
        if not self.output.exists():
            return 0
        return len([p for p in self.output.iterdir() if p.name.endswith(".safetensors")])

    def kill_at(self, shards, number, *options, command=None):
        """Kills a run once it has finished so many shards; its exit code, 0 if it was not met."""
        process = subprocess.Popen(command or self.arguments(*options), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        while self.finished() < shards and process.poll() is None:
            time.sleep(0.0005)
        process.send_signal(number)
        return process.wait(60)

    def test_killed_and_resumed(self):
        subprocess.run(self.arguments(), check=True)
        expected = digest(self.output)
        for stops in [[0], [1], [3, 6], [self.SHARDS - 1], [2, 2, 2, 5, 9]]:
            shutil.rmtree(self.output)
            options = []
            for stop in stops:
                code = self.kill_at(stop, signal.SIGKILL, *options)
                self.assertNotIn("model.safetensors.index.json",
                                 [p.name for p in self.output.iterdir()] if code != 0 and
                                 self.output.exists() else [])
                options = ["--resume"]
            done = tools.run(*self.arguments("--resume")[1:])
            if done.returncode != 0:  # the last run was faster than its killer
                self.assertIn("nothing unfinished", done.stderr)
            self.assertEqual(digest(self.output), expected, stops)

    def test_a_dequantizing_run_is_resumed(self):
        subprocess.run(self.arguments(), check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(self.input)
        self.output.rename(self.input)
        self.run_dequantize()
        expected = digest(self.output)
        for stop in [0, 3, self.SHARDS - 1]:
            shutil.rmtree(self.output, ignore_errors=True)
            code = self.kill_at(stop, signal.SIGKILL, command=self.dequantize_arguments())
            if code == 0 or not self.output.exists():
                continue  # faster than its killer, or not there yet
            self.assertNotIn("model.safetensors.index.json", digest(self.output))
            other = tools.run(*self.dequantize_arguments("--dtype", "float16", "--resume")[1:])
            self.assertEqual(other.returncode, 2, other.stderr)
            self.run_dequantize("--resume")
            self.assertEqual(digest(self.output), expected, stop)

    def dequantize_arguments(self, *options):
        return [tools.PROGRAM, "dequantize", self.input, self.output, "--quiet", *options]

    def run_dequantize(self, *options):
        subprocess.run(self.dequantize_arguments(*options), check=True, stdout=subprocess.DEVNULL)

    def test_killed_at_any_time(self):
        """Again and again, some milliseconds later each time, over an older model."""
        self.input.rename(self.folder / "whole")
        write_folder(self.input, model_tensors())
        self.quantize("--format", "fp4", "--quiet")
        shutil.copytree(self.output, self.folder / "old")
        self.input.rename(self.folder / "small")
        (self.folder / "whole").rename(self.input)
        subprocess.run([*self.arguments("--force")], check=True, stdout=subprocess.DEVNULL)
        expected = digest(self.output)
        for begin in ["new", "old"]:
            met = 0
            for attempt in range(self.KILLED_RUNS):
                shutil.rmtree(self.output)
                if begin == "old":
                    shutil.copytree(self.folder / "old", self.output)
                options, wait = (["--force"] if begin == "old" else []), 0.003 * attempt
                for _ in range(40):
                    process = subprocess.Popen(self.arguments(*options), stdout=subprocess.DEVNULL,
                                               stderr=subprocess.DEVNULL)
                    time.sleep(wait)
                    process.kill()
                    if process.wait(60) == 0:
                        break
                    met += 1
                    wait = wait * 1.3 + 0.001
                    begun = (self.output / ".qfmt-unfinished.json").exists()
                    options = ["--resume"] if begun else ["--force"]
                if process.returncode != 0:
                    subprocess.run(self.arguments(*options), check=True, stdout=subprocess.DEVNULL)
                left = {n: d for n, d in digest(self.output).items() if n != "tokenizer.json"}
                self.assertEqual(left, {n: d for n, d in expected.items() if n != "tokenizer.json"})
            self.assertGreater(met, self.KILLED_RUNS)

    def test_a_signal_keeps_finished_shards(self):
        code = self.kill_at(2, signal.SIGTERM)
        self.assertEqual(code, 130)
        names = [p.name for p in self.output.iterdir()]
        self.assertFalse([n for n in names if ".partial" in n], names)
        self.assertGreaterEqual(self.finished(), 2)
        done = tools.run(*self.arguments("--resume")[1:])
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_another_job_is_not_resumed(self):
        self.kill_at(2, signal.SIGKILL)
        done = tools.run("quantize", self.input, self.output, "--format", "fp4", "--resume")
        self.assertEqual(done.returncode, 2)
        self.assertIn("other options", done.stderr)
        os.utime(self.input / "model-00000.safetensors", (1, 1))
        done = tools.run(*self.arguments("--resume")[1:])
        self.assertEqual(done.returncode, 2)

    def test_a_full_disk_is_foreseen(self):
        free = shutil.disk_usage(self.folder).free
        name, size = "model-00000.safetensors", (free + (1 << 30)) // 8 * 8
        header = {"m.0.weight": {"dtype": "I64", "shape": [size // 8], "data_offsets": [0, size]}}
        text = json.dumps(header).encode()
        with open(self.input / name, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            file.truncate(8 + len(text) + size)
        done = tools.run("quantize", self.input, self.output, "--format", "nf4")
        self.assertEqual(done.returncode, 4)
        self.assertIn("are needed and", done.stderr)
        self.assertEqual(list(self.output.iterdir()), [])
