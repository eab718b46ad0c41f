# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
import sys

import qfmt

ANSWERS = {"--includes": lambda: f"-I{qfmt.get_include()}", "--cmakedir": qfmt.get_cmake_dir,
           "--version": lambda: qfmt.__version__}

if len(sys.argv) != 2 or sys.argv[1] not in ANSWERS:
    sys.exit(qfmt.__doc__)
print(ANSWERS[sys.argv[1]]())
