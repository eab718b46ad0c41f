#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""The example encoder against plain Python: tokenizer, forward pass and the measures of its table.

    encoder.py ENCODER             a tiny random BERT
    encoder.py ENCODER --minilm    all-MiniLM-L6-v2; exit status 77 where it is not here

The model is $QFMT_ENCODER_MODEL, or what `bench/encoder.py fetch build/encoder` has left.
"""
import array
import json
import math
import os
import pathlib
import random
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import bert
import llama
import program

tested = program.Program(sys.argv[1], "utf-8")
check, run = tested.check, tested.run
MINILM = pathlib.Path(os.environ.get("QFMT_ENCODER_MODEL") or HERE.parents[1] / "build/encoder/all-MiniLM-L6-v2")


def write_lines(path, lines):
    path.write_bytes(b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines))
    return path


def ids_by_encoder(scratch, folder, lines, *options):
    run(folder, write_lines(scratch / "text", lines), "--ids", scratch / "ids", *options)
    return [[int(i) for i in line.split()] for line in (scratch / "ids").read_text().splitlines()]


def embeddings(scratch, folder, lines, *options):
    run(folder, write_lines(scratch / "text", lines), "--embeddings", scratch / "vectors", *options)
    flat = array.array("f", (scratch / "vectors").read_bytes())
    n = len(flat) // len(lines)
    return [list(flat[i : i + n]) for i in range(0, len(flat), n)]


def largest_difference(a, b):
    return max(abs(x - y) for p, q in zip(a, b) for x, y in zip(p, q))


# Every character of ASCII, Latin-1, the combining accents and general punctuation, and some beyond.
CHARACTERS = [chr(c) for c in (*range(1, 0x100), *range(0x300, 0x370), *range(0x2000, 0x2070), 0x1680, 0x3000, 0x3001,
                               0x3002, 0x3003, 0x3400, 0x4E00, 0x9FFF, 0x20000, 0x2CEA1, 0xFEFF, 0xFFFD, 0x3BB, 0x44F,
                               0x1F600)
              if chr(c) != "\n"]
PIECES = ["un", "##aff", "##able", "unaff", "##a", "##ffa", "hello", "##hello", "wor", "##ld", "caf", "cafe"]


def vocabulary():
    single = sorted({d for c in CHARACTERS for word in bert.words_of(c) for d in word} - set("qz"))
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *PIECES, *single, *("##" + c for c in single if c != "a")]


def check_tokenizer(scratch, folder, ids):
    lines = [f"x{c}y" for c in CHARACTERS]
    lines += ["unaffable Hello, WORLD!", "  caf\u00e9\u00a0na\u00efve  ", "unaffq unaff", "q", "", "x" * 100, "x" * 101,
              "\u00e9" * 100, "[SEP] helloworld", "don't--stop", "e\u0301\u0301", "\u4e2dx\u6587"]
    found = ids_by_encoder(scratch, folder, lines)
    for line, actual in zip(lines, found):
        expected = bert.tokens_of(line, ids)
        check(actual == expected, f"tokens of {line[:20]!r}: {actual}, expected {expected}")
    check(len(found) == len(lines), "a line of ids for each")
    un, aff, able = ids["unaff"], ids["##able"], ids["[UNK]"]
    check(found[len(CHARACTERS)][1:3] == [un, aff], "unaffable: the longest piece first")
    check(found[len(CHARACTERS) + 2][1:-1] == [able, un], "a word with a rest of no piece is unknown as a whole")
    broken = [b"x\xffy", b"x\xc3", b"x\xe2\x82y", b"x\xc0\xafy", b"x\xe0\x81\x81y", b"x\xed\xa0\x80y", b"x\xf5y", b"x\x80y"]
    for line, actual in zip(broken, ids_by_encoder(scratch, folder, broken)):
        expected = bert.tokens_of(line.decode("utf-8", "ignore"), ids)
        check(actual == expected, f"tokens of {line}: {actual}, expected {expected}")
    short = ids_by_encoder(scratch, folder, ["x y x y x"], "--limit", 4)[0]
    check(short == [ids["[CLS]"], ids["x"], ids["y"], ids["[SEP]"]], f"what is beyond the limit is cut off: {short}")


def random_bert(folder, vocab, seed=1):
    draw = random.Random(seed)
    d, inner, positions = 24, 40, 128
    config = {"model_type": "bert", "hidden_act": "gelu", "vocab_size": len(vocab), "hidden_size": d,
              "intermediate_size": inner, "num_hidden_layers": 2, "num_attention_heads": 3,
              "max_position_embeddings": positions, "layer_norm_eps": 1e-12, "type_vocab_size": 2}
    shapes = {f"embeddings.{name}.weight": (rows, d) for name, rows in
              (("word_embeddings", len(vocab)), ("position_embeddings", positions), ("token_type_embeddings", 2))}
    norms, linears = ["embeddings.LayerNorm"], {}
    for i in range(2):
        p = f"encoder.layer.{i}."
        norms += [p + "attention.output.LayerNorm", p + "output.LayerNorm"]
        linears |= {p + name: (d, d) for name in ("attention.self.query", "attention.self.key", "attention.self.value",
                                                  "attention.output.dense")}
        linears |= {p + "intermediate.dense": (inner, d), p + "output.dense": (d, inner)}
    for name, (rows, cols) in linears.items():
        shapes |= {name + ".weight": (rows, cols), name + ".bias": (rows,)}
    tensors = {}
    for name, shape in shapes.items():
        reach = 2 / math.sqrt(shape[-1]) if len(shape) == 2 else 0.5
        values = [draw.uniform(-reach, reach) for _ in range(math.prod(shape))]
        tensors[name] = ("F32", list(shape), array.array("f", values).tobytes())
    for name in norms:
        for part, middle in ((".weight", 1), (".bias", 0)):
            values = [middle + draw.uniform(-0.5, 0.5) for _ in range(d)]
            tensors[name + part] = ("F32", [d], array.array("f", values).tobytes())
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "vocab.txt").write_text("\n".join(vocab) + "\n", encoding="utf-8")
    llama.write_safetensors(folder / "model.safetensors", tensors)


SENTENCES = ["hello world", "unaffable", "caf\u00e9, wor wor wor!", "x", "x y x y", "hello", "3 4 5 (6)", "the end."]


def check_forward(scratch, folder, ids):
    oracle = bert.Folder(folder)
    expected = [bert.embedding(oracle, bert.tokens_of(line, ids)) for line in SENTENCES]
    actual = embeddings(scratch, folder, SENTENCES)
    difference = largest_difference(expected, actual)
    print(f"tiny random BERT: largest difference of a value {difference:.1e}")
    check(difference < 1e-5, "tiny random BERT: fp32 vectors")
    for batch in (1, 3):
        one = embeddings(scratch, folder, SENTENCES, "--batch", batch, "--threads", 2)
        check(largest_difference(actual, one) < 1e-6, f"batches of {batch} give the same vectors")
    return actual


def check_table(scratch, folder, base):
    formats = ("fp32", "bf16", "int8", "llm.int8", "nf4/64", "fp4/32", "int4/64/min-error")
    options = [o for f in formats for o in ("--format", f)]
    text = write_lines(scratch / "sentences", SENTENCES)
    table = run(folder, text, "--json", scratch / "table.json", *options).splitlines()
    rows = json.loads((scratch / "table.json").read_text())["rows"]
    check([row["format"] for row in rows] == list(formats), "a row for each format")
    check([line.split()[0] for line in table[-len(formats):]] == list(formats), "a line for each format")
    for row in rows:
        expected = bert.measures(base, embeddings(scratch, folder, SENTENCES, "--format", row["format"]))
        names = ("mean_cosine", "least_cosine", "rank_correlation", "same_neighbour")
        for name, value in zip(names, expected):
            check(abs(row[name] - value) < 1e-6, f"{row['format']}: {name} {row[name]}, expected {value}")
    check(0.999999 < rows[0]["least_cosine"] < 1.000001, "fp32 is as fp32")
    check(rows[1]["mean_cosine"] > rows[4]["mean_cosine"], "bf16 is nearer than NF4")
    check(0.5 < rows[4]["least_cosine"] < 0.9999, "NF4 differs, and not wildly")


def check_refusals(scratch, folder):
    text = scratch / "sentences"
    run(folder, text, "--format", "nf5", fails="no such format")
    run(folder, scratch / "none", fails="cannot be opened")
    run(folder, write_lines(scratch / "empty", []), fails="there are no sentences")
    run(folder, write_lines(scratch / "one", ["x"]), fails="one sentence has no neighbours")
    run(folder, write_lines(scratch / "long", ["x " * 200, "x"]), fails="longer than the model's positions")
    config = json.loads((folder / "config.json").read_text())
    changed = scratch / "changed"
    changed.mkdir()
    (changed / "model.safetensors").symlink_to(folder / "model.safetensors")
    (changed / "vocab.txt").write_text("[UNK]\n[CLS]\n")
    run(changed, text, fails="lacks [SEP]")
    (changed / "vocab.txt").unlink()
    run(changed, text, fails="vocab.txt: cannot be opened")
    (changed / "vocab.txt").symlink_to(folder / "vocab.txt")
    for change, words in (({"model_type": "llama"}, "model_type"), ({"hidden_act": "relu"}, "hidden_act"),
                          ({"num_attention_heads": 5}, "num_attention_heads"), ({"vocab_size": -1}, "vocab_size"),
                          ({"intermediate_size": 41}, "its shape is not what config.json implies"),
                          ({"num_hidden_layers": 3}, "the checkpoint lacks it"),
                          ({"position_embedding_type": "relative_key"}, "position_embedding_type")):
        (changed / "config.json").write_text(json.dumps(config | change))
        run(changed, text, fails=words)


def check_minilm(scratch):
    ids = {piece: i for i, piece in enumerate((MINILM / "vocab.txt").read_text(encoding="utf-8").splitlines())}
    lines = ["It is a truth universally acknowledged.", "Mr. Bennet's caf\u00e9", "unaffable"]
    expected_ids = [bert.tokens_of(line, ids) for line in lines]
    check(ids_by_encoder(scratch, MINILM, lines) == expected_ids, "MiniLM: tokens")
    oracle = bert.Folder(MINILM)
    expected = [bert.embedding(oracle, i) for i in expected_ids]
    difference = largest_difference(expected, embeddings(scratch, MINILM, lines))
    print(f"all-MiniLM-L6-v2: largest difference of a value {difference:.1e}")
    check(difference < 1e-5, "MiniLM: fp32 vectors")


def main():
    if "--minilm" in sys.argv and not (MINILM / "model.safetensors").exists():
        print("all-MiniLM-L6-v2 is not here; `python3 bench/encoder.py fetch build/encoder` fetches it: skipped")
        return 77
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        if "--minilm" in sys.argv:
            check_minilm(scratch)
        else:
            vocab, folder = vocabulary(), scratch / "bert"
            random_bert(folder, vocab)
            ids = {piece: i for i, piece in enumerate(vocab)}
            check_tokenizer(scratch, folder, ids)
            check_table(scratch, folder, check_forward(scratch, folder, ids))
            check_refusals(scratch, folder)
    return tested.verdict("encoder")


if __name__ == "__main__":
    sys.exit(main())
