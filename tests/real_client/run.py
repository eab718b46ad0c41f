#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Runs check.py in the environment of the real clients. Exit status 77: they are not installed.

    run.py CLIENT_PYTHON PROGRAM
"""
import os
import pathlib
import subprocess
import sys

python, program = sys.argv[1:3]
if not pathlib.Path(python).exists():
    print(f"{python} is not there: bash tests/run.sh installs transformers and bitsandbytes")
    sys.exit(1 if os.environ.get("QFMT_REQUIRE_REAL_CLIENT") else 77)
check = pathlib.Path(__file__).resolve().parent / "check.py"
sys.exit(subprocess.run([python, "-B", str(check), program]).returncode)
