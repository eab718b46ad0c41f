# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""A BERT's sentence vector in plain Python and double precision, its tokenizer's rules by Unicode's own tables, and
the measures of the encoder's table: the oracles of qfmt_encoder. Nothing of them is taken from it.
"""
import array
import json
import math
import operator
import pathlib
import struct
import unicodedata


class Folder:
    """Rows of the F32 tensors of a folder's model.safetensors."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.config = json.loads((folder / "config.json").read_text())
        self.data = (folder / "model.safetensors").read_bytes()
        self.start = 8 + struct.unpack("<Q", self.data[:8])[0]
        self.header = json.loads(self.data[8 : self.start])

    def rows(self, name):
        info = self.header[name]
        assert info["dtype"] == "F32", name
        begin, end = info["data_offsets"]
        flat, cols = array.array("f", self.data[self.start + begin : self.start + end]), info["shape"][-1]
        return [flat[i : i + cols] for i in range(0, len(flat), cols)]

    def row(self, name, i):
        cols = self.header[name]["shape"][-1]
        at = self.start + self.header[name]["data_offsets"][0] + 4 * cols * i
        return array.array("f", self.data[at : at + 4 * cols])


def dot(a, b):
    return sum(map(operator.mul, a, b))


def plus(*vectors):
    return [sum(values) for values in zip(*vectors)]


def layer_norm(x, gain, bias, eps):
    mean = sum(x) / len(x)
    variance = sum((v - mean) ** 2 for v in x) / len(x)
    return [(v - mean) / math.sqrt(variance + eps) * g + b for v, g, b in zip(x, gain, bias)]


def softmax(x):
    top = max(x)
    e = [math.exp(v - top) for v in x]
    return [v / sum(e) for v in e]


def gelu(x):
    return x * 0.5 * math.erfc(-x / math.sqrt(2))


def embedding(folder, ids):
    """The mean of the last layer's vectors, of length 1."""
    c = folder.config
    heads, eps = c["num_attention_heads"], c["layer_norm_eps"]
    n = c["hidden_size"] // heads

    def norm(name, x):
        return layer_norm(x, folder.row(name + ".weight", 0), folder.row(name + ".bias", 0), eps)

    def linear(name, xs):
        rows, bias = folder.rows(name + ".weight"), folder.row(name + ".bias", 0)
        return [[dot(row, x) + b for row, b in zip(rows, bias)] for x in xs]

    e = "embeddings."
    xs = [norm(e + "LayerNorm", plus(folder.row(e + "word_embeddings.weight", id),
                                     folder.row(e + "position_embeddings.weight", t),
                                     folder.row(e + "token_type_embeddings.weight", 0))) for t, id in enumerate(ids)]
    for layer in range(c["num_hidden_layers"]):
        p = f"encoder.layer.{layer}."
        q, k, v = (linear(p + "attention.self." + name, xs) for name in ("query", "key", "value"))
        mixed = [[] for _ in ids]
        for h in range(heads):
            part = slice(h * n, (h + 1) * n)
            for t, query in enumerate(q):
                share = softmax([dot(query[part], key[part]) / math.sqrt(n) for key in k])
                mixed[t] += [dot(share, column) for column in zip(*(value[part] for value in v))]
        xs = [norm(p + "attention.output.LayerNorm", plus(x, y))
              for x, y in zip(xs, linear(p + "attention.output.dense", mixed))]
        up = [[gelu(v) for v in y] for y in linear(p + "intermediate.dense", xs)]
        xs = [norm(p + "output.LayerNorm", plus(x, y)) for x, y in zip(xs, linear(p + "output.dense", up))]
    mean = [sum(column) / len(xs) for column in zip(*xs)]
    length = math.sqrt(dot(mean, mean))
    return [v / length for v in mean]


def is_chinese(c):
    ranges = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
              (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F))
    return any(first <= ord(c) <= last for first, last in ranges)


def words_of(text):
    """BERT's uncased words: controls dropped, lower case, accents off; punctuation and Chinese characters alone."""
    out = ""
    for c in text:
        kind = unicodedata.category(c)
        if c in "\t\n\r" or kind in ("Zs", "Zl", "Zp"):
            out += " "
        elif kind[0] == "C" or c == "\uFFFD":
            continue
        elif is_chinese(c):
            out += f" {c} "
        else:
            for d in unicodedata.normalize("NFD", c.lower()):
                kind = unicodedata.category(d)
                mark = kind[0] == "P" or (d.isascii() and not d.isalnum())
                out += f" {d} " if mark else "" if kind == "Mn" else d
    return out.split()


def pieces_of(word, ids):
    """The longest pieces from the left; [UNK] where a rest has none, and for words of more than 100 characters."""
    out, at = [], 0
    while at < len(word) and len(word) <= 100:
        ends = [end for end in range(len(word), at, -1) if ("##" if at else "") + word[at:end] in ids]
        if not ends:
            return [ids["[UNK]"]]
        out.append(ids[("##" if at else "") + word[at : ends[0]]])
        at = ends[0]
    return out or [ids["[UNK]"]]


def tokens_of(text, ids):
    return [ids["[CLS]"], *(i for word in words_of(text) for i in pieces_of(word, ids)), ids["[SEP]"]]


def measures(base, other):
    """mean and least cosine, Spearman's correlation of the pairs' similarities, share of equal nearest neighbours."""
    n = len(base)
    cosines = [dot(a, b) for a, b in zip(base, other)]

    def pairs(vectors):
        return {(i, j): dot(vectors[i], vectors[j]) for i in range(n) for j in range(i)}

    def ranks(values):  # of each: values below, and half of those that equal it
        return [sum(w < v for w in values) + 0.5 * sum(w == v for w in values) for v in values]

    def nearest(similar):
        return [max((j for j in range(n) if j != i), key=lambda j: similar[max(i, j), min(i, j)]) for i in range(n)]

    a, b = pairs(base), pairs(other)
    x, y = ranks(list(a.values())), ranks(list(b.values()))
    x, y = ([v - sum(r) / len(r) for v in r] for r in (x, y))
    same = sum(p == q for p, q in zip(nearest(a), nearest(b))) / n
    return sum(cosines) / n, min(cosines), dot(x, y) / math.sqrt(dot(x, x) * dot(y, y)), same
