#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""The example engine against a forward pass in plain Python, and its scores against stored ones.

    check.py ENGINE [FOLDER] [--store]    --store writes the scores that the next runs compare with
"""
import array
import json
import math
import pathlib
import random
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import llama
import program

DATA = HERE.parent / "data"
tested = program.Program(sys.argv[1], "latin-1")
check, run = tested.check, tested.run
STORED = HERE / "scores.json"


def write_ids(path, ids):
    path.write_bytes(array.array("i", ids).tobytes())
    return path


def engine_logits(scratch, folder, ids, vocab, *options):
    tokens = write_ids(scratch / "ids", ids)
    run(folder, "--tokens", tokens, "--logits", scratch / "logits", *options)
    flat = array.array("f", (scratch / "logits").read_bytes())
    check(len(flat) == len(ids) * vocab, f"{folder}: {len(flat)} logits")
    return [flat[i : i + vocab] for i in range(0, len(flat), vocab)]


def largest_difference(a, b):
    return max(abs(x - y) for p, q in zip(a, b) for x, y in zip(p, q))


def random_llama(folder, seed=1):
    """32,000 tokens, three query heads to a key head, an untied head, three shards, a head_dim of its own; tensors
    in all three types."""
    draw = random.Random(seed)
    config = {"model_type": "llama", "hidden_act": "silu", "vocab_size": 32000, "hidden_size": 48,
              "intermediate_size": 80, "num_hidden_layers": 2, "num_attention_heads": 6, "num_key_value_heads": 2,
              "head_dim": 10, "max_position_embeddings": 64, "rms_norm_eps": 1e-6, "rope_theta": 500000.0,
              "tie_word_embeddings": False}
    d, h, q, kv = 48, 80, 60, 20
    shapes = {"model.embed_tokens.weight": (32000, d), "lm_head.weight": (32000, d), "model.norm.weight": (d,)}
    for i in range(2):
        p = f"model.layers.{i}."
        shapes |= {p + "self_attn.q_proj.weight": (q, d), p + "self_attn.k_proj.weight": (kv, d),
                   p + "self_attn.v_proj.weight": (kv, d), p + "self_attn.o_proj.weight": (d, q),
                   p + "mlp.gate_proj.weight": (h, d), p + "mlp.up_proj.weight": (h, d),
                   p + "mlp.down_proj.weight": (d, h), p + "input_layernorm.weight": (d,),
                   p + "post_attention_layernorm.weight": (d,)}
    tensors = {}
    for i, (name, shape) in enumerate(shapes.items()):
        count = math.prod(shape)
        if len(shape) == 1:
            values = [1 + draw.uniform(-0.3, 0.3) for _ in range(count)]
        else:
            values = [draw.uniform(-1, 1) * 2 / math.sqrt(shape[1]) for _ in range(count)]
        flat, dtype = array.array("f", values), ("BF16", "F32", "F16")[i % 3]
        if dtype == "F32":
            data = flat.tobytes()
        elif dtype == "BF16":
            data = array.array("H", array.array("H", flat.tobytes())[1::2]).tobytes()  # cut, not rounded: any value will do
        else:
            data = llama.struct.pack(f"<{count}e", *flat)
        tensors[name] = (dtype, list(shape), data)
    llama.write_folder(folder, config, tensors, shards=3)


def check_random_llama(scratch):
    folder = scratch / "random_llama"
    random_llama(folder)
    ids = [31999, 0, 17, 25000, 17, 4242, 9]
    oracle = llama.Folder(folder)
    expected = llama.logits(oracle, ids)
    actual = engine_logits(scratch, folder, ids, 32000)
    difference = largest_difference(expected, actual)
    print(f"random Llama, 32,000 tokens, grouped heads, 3 shards: largest difference of a logit {difference:.1e}")
    check(difference < 1e-4, "random Llama: fp32 logits")
    check(max(map(max, actual)) > 1, "random Llama: the logits are not all small")
    for piece in (1, 3):
        pieces = engine_logits(scratch, folder, ids, 32000, "--piece", piece)
        check(largest_difference(actual, pieces) < 1e-5, f"the cache: pieces of {piece}")
    coarse = engine_logits(scratch, folder, ids, 32000, "--format", "nf4/64")
    check(0.05 < largest_difference(expected, coarse) < 3, "random Llama: nf4 differs, and not wildly")

    # Options of one and of several tokens.
    log_p = []
    for row in expected:
        top = max(row)
        norm = top + math.log(sum(math.exp(v - top) for v in row))
        log_p.append([v - norm for v in row])
    options = [[17], [17, 25000], [5]]
    sums = [log_p[1][17], log_p[1][17] + log_p[2][25000], log_p[1][5]]
    best = sums.index(max(sums))
    choices = {"items": [{"prompt": [31999, 0], "options": options, "answer": best},
                         {"prompt": [31999, 0], "options": options[::-1], "answer": best}]}
    (scratch / "choices.json").write_text(json.dumps(choices))
    lines = run(folder, "--choices", scratch / "choices.json").splitlines()
    first = [float(v) for v in lines[0].split()[2:]]
    check(max(abs(a - b) for a, b in zip(first, sums)) < 1e-3, f"choices: {first} for {sums}")
    check(int(lines[0].split()[1]) == best and int(lines[1].split()[1]) == 2 - best, "choices: the likeliest is taken")
    right = 1 + (best == 2 - best)
    check(f"fp32: {right} of 2 right" in lines[2], f"choices: {lines[2]}")
    generated = run(folder, "--tokens", write_ids(scratch / "ids", ids), "--generate", 1).split()
    check(int(generated[0]) == expected[-1].index(max(expected[-1])), "generation: the likeliest token")


def check_byte_llama(scratch):
    model, outliers = DATA / "byte_llama", DATA / "byte_llama_outliers"
    text = (DATA / "byte_llama" / "held_out.txt").read_bytes()
    ids = list(text[1000:1024])
    expected = llama.logits(llama.Folder(model), ids)
    difference = largest_difference(expected, engine_logits(scratch, model, ids, 256))
    print(f"byte_llama: largest difference of a logit {difference:.1e}")
    check(difference < 1e-4, "byte_llama: fp32 logits")
    same = engine_logits(scratch, outliers, ids, 256)
    check(largest_difference(expected, same) < 1e-4, "the outlier variant computes the same function")
    prompt = "The "
    made = run(model, "--prompt", prompt, "--generate", 20)
    again = run(model, "--prompt", prompt, "--generate", 20, "--temperature", 0.8, "--seed", 3)
    check(made.startswith(prompt) and len(made) == 25, f"generation: '{made}'")
    check(again == run(model, "--prompt", prompt, "--generate", 20, "--temperature", 0.8, "--seed", 3),
          "generation: the seed decides")


def scores_of(scratch, name):
    run(DATA / name, "--perplexity", "--text", DATA / "byte_llama" / "held_out.txt", "--limit", LIMIT,
        "--json", scratch / "scores.json", "--svg", scratch / "chart.svg")
    rows = json.loads((scratch / "scores.json").read_text())["rows"]
    check("</svg>" in (scratch / "chart.svg").read_text(), f"{name}: the chart ends")
    return {row["format"]: row for row in rows}


def check_pairs(scratch):
    """The paired difference of two encoders, from runs of each window alone."""
    text = (DATA / "byte_llama" / "held_out.txt").read_bytes()
    size, count = 64, 4

    def report(data):
        (scratch / "piece").write_bytes(data)
        run(DATA / "byte_llama", "--perplexity", "--text", scratch / "piece", "--window", size, "--json",
            scratch / "pair.json", "--format", "nf4/64", "--format", "nf4/64/min-error", "--format", "fp4/64")
        return json.loads((scratch / "pair.json").read_text())

    (pair,) = report(text[: size * count])["min_error_minus_nearest"]
    check((pair["format"], pair["windows"]) == ("nf4/64", count), f"pairs: {pair}")
    single = [report(text[i * size : (i + 1) * size])["rows"] for i in range(count)]
    for key, of in (("bits_per_byte", "increase"), ("kl", "kl_mean")):
        d = [searched[of] - nearest[of] for nearest, searched, _ in single]
        mean = sum(d) / count
        error = math.sqrt(sum((v - mean) ** 2 for v in d) / (count - 1) / count)
        check(abs(pair[key] - mean) < 1e-6 and abs(pair[key + "_error"] - error) < 1e-6,
              f"pairs: {key} {pair[key]} ± {pair[key + '_error']}, expected {mean} ± {error}")


LIMIT = 2048
KEPT = ("bits_per_weight", "weight_bytes", "tokens", "bits_per_byte", "increase", "kl_mean", "same_top_1")


def check_scores(scratch):
    stored = json.loads(STORED.read_text()) if STORED.exists() else {}
    found = {}
    for name in ("byte_llama", "byte_llama_outliers"):
        rows = scores_of(scratch, name)
        found[name] = {f: {k: row[k] for k in KEPT} for f, row in rows.items()}
        if "--store" in sys.argv:
            continue
        check(list(rows) == list(stored[name]), f"{name}: the formats are those stored")
        for f, old in stored[name].items():
            new = rows[f]
            # Sums are of another order at each SIMD level; 8-bit and 16-bit activations may round the other way then.
            exact = new["compute"] == "fp32"
            check(all(new[k] == old[k] for k in KEPT[:3]), f"{name} {f}: sizes")
            for key, room in (("bits_per_byte", 1e-4 if exact else 1e-3), ("increase", 1e-4 if exact else 1e-3),
                              ("kl_mean", 1e-6 + old["kl_mean"] * (0.02 if exact else 0.25)),
                              ("same_top_1", 0.002 if exact else 0.01)):
                check(abs(new[key] - old[key]) <= room, f"{name} {f}: {key} {new[key]:.6f}, stored {old[key]:.6f}")
        check_order(rows, name)
    if "--store" in sys.argv:
        STORED.write_text(json.dumps(found, indent=1) + "\n")
        print(f"stored {STORED.name}")


def check_order(rows, name):
    """What theory says of the divergence, which is far less noisy than the loss of a short text."""
    kl = {f: row["kl_mean"] for f, row in rows.items()}
    planted = name.endswith("outliers")
    for block in (32, 64, 128, 256):
        # Planted outliers turn it round: their columns are below half of NF4's least level and become zeros, and
        # FP4 has a level of 1/192.
        check((kl[f"nf4/{block}"] < kl[f"fp4/{block}"]) != planted, f"{name}: NF4 and FP4 at {block}")
        double = kl[f"nf4/{block}/double"]
        check(abs(double - kl[f"nf4/{block}"]) < 0.1 * double, f"{name}: double quantization costs little at {block}")
        check(planted or kl[f"nf4/{block}"] < kl[f"int4/{block}"], f"{name}: NF4 beats uniform INT4 at {block}")
    for f in ("nf4/64", "nf4/64/double", "fp4/64", "int4/64"):
        check(kl[f"{f}/min-error"] < kl[f], f"{name}: the least error is worth its search, {f}")
    for f in ("nf4", "fp4", "int4"):
        check(planted or kl[f"{f}/32"] < kl[f"{f}/256"], f"{name}: small blocks are better, {f}")
    check(kl["int8-weights"] < 0.1 * kl["nf4/32"], f"{name}: int8 weights beat 4 bits")
    if planted:
        check(kl["llm.int8"] < 0.1 * kl["int8"], f"{name}: LLM.int8() with 16-bit weights withstands outliers")
        check(kl["llm.int8"] < kl["llm.int8-bnb"] < kl["int8"], f"{name}: bitsandbytes' policy lies between")


def check_refusals(scratch):
    model = DATA / "byte_llama"
    text = ("--text", model / "held_out.txt", "--limit", 9)
    ids = write_ids(scratch / "ids", [1, 256])
    run(model, "--tokens", ids, "--logits", scratch / "logits", fails="token id 256 is not of the vocabulary")
    write_ids(scratch / "ids", [1] * 600 + [256])
    run(model, "--tokens", ids, "--perplexity", fails="token id 256")
    (scratch / "choices.json").write_text('{"items": [{"prompt": [1], "options": [[2, 256]], "answer": 0}]}')
    run(model, "--choices", scratch / "choices.json", fails="token id 256")
    write_ids(scratch / "ids", [1, -1])
    run(model, "--tokens", ids, "--logits", scratch / "logits", fails="token id -1")
    ids.write_bytes(b"12345")
    run(model, "--tokens", ids, "--logits", scratch / "logits", fails="not a multiple of 4")
    ids.write_bytes(b"")
    run(model, "--tokens", ids, "--logits", scratch / "logits", fails="there are no tokens")
    for name in ("nf5", "nf4/", "nf4/64/", "nf4/64@", "nf4/64@fp8", "int8/64", "fp32/64", "nf4/64/triple", ""):
        run(model, *text, "--perplexity", "--format", name, fails="no such format")
    run(model, *text, "--perplexity", "--format", "nf4/512", fails="not in the list this program was built for")
    run(model, "--perplexity", fails="give either --tokens or --text")
    run(model, fails="give --perplexity")
    run(scratch / "none", *text, "--perplexity", fails="config.json")
    config = json.loads((model / "config.json").read_text())
    folder = scratch / "changed"
    folder.mkdir()
    for path in model.glob("*.safetensors*"):
        (folder / path.name).symlink_to(path)
    for change, words in (({"model_type": "gpt2"}, "model_type"),
                          ({"hidden_size": 130}, "its shape is not what config.json implies"),
                          ({"rope_scaling": {"type": "linear"}}, "rope_scaling"), ({"vocab_size": -1}, "vocab_size"),
                          ({"num_hidden_layers": 7}, "the checkpoint lacks it"), ({"vocab_size": 0.5}, "vocab_size"),
                          ({"num_key_value_heads": 3}, "num_key_value_heads"),
                          ({"num_attention_heads": "4"}, "num_attention_heads is not a number")):
        (folder / "config.json").write_text(json.dumps(config | change))
        run(folder, *text, "--perplexity", fails=words)
    for broken, words in ((b"[]", "not a JSON object"), (b'{"items": [{"prompt": [], "options": [], "answer": 0}]}', "prompt"),
                          (b'{"items": [{"prompt": [1], "options": [[2]], "answer": 1}]}', "the answer is not"),
                          (b'{"items": [{"prompt": [-1], "options": [[2]], "answer": 0}]}', "no token id"),
                          (b'{"items": [1]}', "lacks a prompt")):
        (scratch / "choices.json").write_bytes(broken)
        run(model, "--choices", scratch / "choices.json", fails=words)


def main():
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        if "--quick" not in sys.argv:
            check_scores(scratch)
        check_byte_llama(scratch)
        check_pairs(scratch)
        check_refusals(scratch)
        check_random_llama(scratch)
    return tested.verdict("engine")


if __name__ == "__main__":
    sys.exit(main())
