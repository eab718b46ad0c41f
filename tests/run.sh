#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
#
# Installs what is missing (Debian and Ubuntu), configures, builds and runs the tests.
#
#   bash tests/run.sh              all tests; CUDA is compiled where nvcc is installed
#   bash tests/run.sh --sanitize   the Catch2 tests under ASan and UBSan
#   bash tests/run.sh --long       the exhaustive tests
#
# Exit status: 0 all passed, 1 a test or the build failed, 2 usage, 3 something could not be installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '== %s\n' "$*"; }
fail() { printf 'tests/run.sh: %s\n' "$2" >&2; exit "$1"; }

preset=
case "${1-}" in
  "") ;;
  --sanitize) preset=sanitize ;;
  --long) preset=long ;;
  *) fail 2 "unknown argument $1; usage: bash tests/run.sh [--sanitize|--long]" ;;
esac

# --- What is missing --------------------------------------------------------------------------------

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else fail 3 "needs root or sudo to install packages: $*"
  fi
}

updated=
apt() {  # apt-get with fresh lists and no questions
  command -v apt-get >/dev/null || fail 3 "no apt-get here; install by hand: $*"
  if [ -z "$updated" ]; then
    as_root apt-get update -qq || say "apt-get update failed; going on with the lists at hand"
    updated=yes
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -o Dpkg::Use-Pty=0 "$@"
}

has_file() { local f; for f in "$@"; do [ -e "$f" ] && return 0; done; return 1; }
has_header() { has_file "/usr/include/$1" "/usr/local/include/$1" /usr/include/*/"$1"; }
has_config() { has_file /usr/lib/cmake/"$1" /usr/lib/*/cmake/"$1" /usr/share/cmake/"$1" \
                        /usr/local/lib/cmake/"$1" /usr/local/share/cmake/"$1"; }

missing=()
need() { "${@:2}" >/dev/null 2>&1 || missing+=("$1"); }  # need PACKAGE CHECK...
need cmake command -v cmake
need ninja-build command -v ninja
need g++ command -v g++
need pkg-config command -v pkg-config
need python3 command -v python3
need doxygen command -v doxygen
need nlohmann-json3-dev has_header nlohmann/json.hpp
need libcli11-dev has_header CLI/CLI.hpp
need libfmt-dev has_header fmt/core.h
need librapidcheck-dev has_header rapidcheck.h
need libbenchmark-dev has_header benchmark/benchmark.h
has_nvcc() { [ -n "${CUDACXX:-}" ] || command -v nvcc || [ -x /usr/local/cuda/bin/nvcc ]; }
if has_nvcc >/dev/null; then need python3-pip python3 -m pip --version; fi  # fetches nvdisasm
if [ "$(uname -m)" = x86_64 ]; then  # NEON paths are tested by emulation
  need g++-aarch64-linux-gnu command -v aarch64-linux-gnu-g++
  need qemu-user command -v qemu-aarch64
fi
need libboost-context-dev has_header boost/context/fiber.hpp
need libopenmpi-dev command -v mpicxx
need openmpi-bin command -v mpirun
if command -v clang++-14 >/dev/null; then
  need libclang-rt-14-dev has_file /usr/lib/llvm-14/lib/clang/14*/lib/linux/libclang_rt.fuzzer-x86_64.a
fi
if [ ${#missing[@]} -gt 0 ]; then
  say "installing ${missing[*]}"
  apt install -y -qq --no-install-recommends "${missing[@]}" || fail 3 "could not install ${missing[*]}"
fi

# Catch2 3: the distribution's package, else that of Debian's backports, else built from source.
# The other suites are read through copies of this machine's own apt sources, used for one command
# and then dropped: the machine's configuration stays as it is.
sources_for_suite() {  # SUITE TYPE(deb or deb-src): apt options for the same mirror and key
  local suite=$1 type=$2 folder="$scratch/$1-$2" codename
  codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
  [ -n "$codename" ] || return 1
  mkdir -p "$folder/parts" "$folder/lists/partial"
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
    awk -v from="$codename" -v to="$suite" -v type="$type" '
      $1 == "deb" {
        for (i = 2; i <= NF; ++i) if ($i == from) { $1 = type; $i = to; print; break }
      }' > "$folder/parts/suite.list" || true
  local file
  for file in /etc/apt/sources.list.d/*.sources; do cat "$file" 2>/dev/null && echo; done |
    awk -v from="$codename" -v to="$suite" -v type="$type" 'BEGIN { RS = ""; FS = "\n" }
      {
        text = ""; fits = 0
        for (i = 1; i <= NF; ++i) {
          line = $i
          if (line ~ /^Suites:/) { if ((line " ") ~ (" " from " ")) fits = 1; line = "Suites: " to }
          if (line ~ /^Types:/) line = "Types: " type
          if (line !~ /^#/) text = text line "\n"
        }
        if (fits) print text
      }' > "$folder/parts/suite.sources" || true
  [ -s "$folder/parts/suite.list" ] || rm -f "$folder/parts/suite.list"
  [ -s "$folder/parts/suite.sources" ] || rm -f "$folder/parts/suite.sources"
  options=(-o "Dir::Etc::SourceList=/dev/null" -o "Dir::Etc::SourceParts=$folder/parts"
           -o "Dir::State::Lists=$folder/lists" -o "APT::Sandbox::User=root"
           -o "Dir::Cache::pkgcache=" -o "Dir::Cache::srcpkgcache=")
  # A third party's source may lack that suite; whether ours answered shows in the next command.
  as_root apt-get "${options[@]}" update -qq || true
}

install_catch2() {
  local codename candidate
  candidate=$(apt-cache policy libcatch2-dev 2>/dev/null | awk '/Candidate:/ { print $2 }')
  if [ -n "$candidate" ] && [ "$candidate" != "(none)" ]; then
    apt install -y -qq --no-install-recommends libcatch2-dev && return 0
  fi
  codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
  say "libcatch2-dev is not in $codename; trying $codename-backports"
  if sources_for_suite "$codename-backports" deb; then
    as_root env DEBIAN_FRONTEND=noninteractive apt-get \
      "${options[@]}" -o Dpkg::Use-Pty=0 install -y -qq \
      --no-install-recommends libcatch2-dev && return 0
  fi
  return 1
}

catch2_source=build/catch2-source
fetch_catch2_source() {  # the amalgamated pair of trixie's source package
  command -v xz >/dev/null || apt install -y -qq --no-install-recommends xz-utils || return 1
  sources_for_suite trixie deb-src || return 1
  (cd "$scratch" && apt-get "${options[@]}" -qq source --download-only catch2) || return 1
  local archive
  archive=$(find "$scratch" -maxdepth 1 -name 'catch2_*.orig.tar.*' ! -name '*.asc' | head -n 1)
  [ -n "$archive" ] || return 1
  mkdir -p "$catch2_source" && tar -xf "$archive" -C "$catch2_source" --strip-components=1
}

configure_options=()
new_clang() { local v; for v in 20 19 18 17 16; do command -v "clang++-$v" && return; done; return 1; }
if [ "$preset" = long ]; then  # what tests/matrix tries beside the ordinary compilers
  for version in 14 16 19; do
    command -v "clang++-$version" >/dev/null ||
      apt install -y -qq --no-install-recommends "clang-$version" || say "no clang-$version; its row says so"
  done
  has_venv() { python3 -c 'import ensurepip' 2>/dev/null; }
  has_venv || apt install -y -qq --no-install-recommends python3-venv || say "no python3-venv"
  if ! has_file build/conan/bin/conan; then
    python3 -m venv build/conan && build/conan/bin/python -m pip install -q --disable-pip-version-check \
      --no-input conan || say "conan could not be installed; its row says so"
  fi
  if has_nvcc >/dev/null; then
    build/conan/bin/python tests/matrix/check.py --install-toolkits || say "no older CUDA Toolkits"
  fi
fi
if [ "$preset" = long ] && has_nvcc >/dev/null; then
  configure_options+=(-DQFMT_ENABLE_CUDA=ON)
  if ! new_clang >/dev/null; then
    say "installing a clang that nvcc is tried with"
    for version in 19 18 17 16; do
      apt install -y -qq --no-install-recommends "clang-$version" && break
    done
  fi
fi
if ! has_config Catch2 && ! has_file "$catch2_source/extras/catch_amalgamated.cpp"; then
  say "installing Catch2 3"
  install_catch2 || { say "no Catch2 package; taking its source"; fetch_catch2_source; } ||
    fail 3 "could not install Catch2 3.4 or newer (package libcatch2-dev)"
fi
has_config Catch2 || configure_options+=("-DQFMT_CATCH2_SOURCE_DIR=$PWD/$catch2_source")

# --- The real clients -------------------------------------------------------------------------------

# transformers, bitsandbytes and torch, pinned, in an environment of their own; once for each list.
client=build/real-client
install_clients() {
  local list=tests/real_client/requirements.txt
  if cmp -s "$list" "$client/installed.txt"; then return 0; fi
  python3 -m venv --help >/dev/null 2>&1 && python3 -c 'import ensurepip' 2>/dev/null ||
    apt install -y -qq --no-install-recommends python3-venv || return 1
  say "installing the real clients into $client"
  rm -rf "$client" && python3 -m venv "$client" || return 1
  "$client/bin/python" -m pip install -q --disable-pip-version-check --no-input --timeout 60 \
    --only-binary :all: -r "$list" || return 1
  cp "$list" "$client/installed.txt"
}
if [ -z "$preset" ]; then
  install_clients || { rm -rf "$client"
    [ -z "${QFMT_REQUIRE_REAL_CLIENT:-}" ] || fail 3 "could not install transformers and bitsandbytes"
    say "the real clients could not be installed; their test will skip"; }
fi

# --- Build and run ----------------------------------------------------------------------------------

if [ -z "${CUDACXX:-}" ] && ! command -v nvcc >/dev/null && [ -x /usr/local/cuda/bin/nvcc ]; then
  export PATH="/usr/local/cuda/bin:$PATH"
fi
# The sanitized build is clang's where it can, so that both compilers build and pass all tests.
if [ "$preset" = sanitize ] && [ -z "${CXX:-}" ] &&
  echo 'int main() {}' | clang++ -x c++ - -fsanitize=address,undefined -o "$scratch/probe" 2>/dev/null
then
  export CXX=clang++
fi
if [ -z "$preset" ]; then
  preset=host
  if [ -n "${CUDACXX:-}" ] || command -v nvcc >/dev/null; then preset=dev; fi
fi

jobs=$(nproc)
summary="$preset: FAILED"
trap 'rm -rf "$scratch"; say "$summary"' EXIT
start=$SECONDS
say "preset $preset, $jobs jobs"
cmake --preset "$preset" "${configure_options[@]}" || exit 1
cmake --build --preset "$preset" -j "$jobs" || exit 1
built=$SECONDS
ctest --preset "$preset" -j "$jobs" 2>&1 | tee "build/$preset/ctest.txt" || exit 1
if [ -f "$client/versions.txt" ] && grep -Eq 'real_client .*Passed' "build/$preset/ctest.txt"; then
  say "real clients: $(tr '\n' ' ' < "$client/versions.txt")"
elif [ -n "${QFMT_REQUIRE_REAL_CLIENT:-}" ] && [ "$preset" != sanitize ]; then
  fail 1 "the test with the real clients did not run"
fi
summary="$preset: $(grep -E 'tests passed|tests failed' "build/$preset/ctest.txt" | tail -n 1)
== built in $((built - start)) s, tested in $((SECONDS - built)) s"
