#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the program `qfmt` on small files and checks what it writes, says and leaves behind.

    check.py PROGRAM [unittest arguments]
"""
import sys
import unittest

import tools

if __name__ == "__main__":
    tools.PROGRAM = sys.argv.pop(1)
    loader = unittest.TestLoader()
    names = ["layout_cases", "refusal_cases", "report_cases", "interrupt_cases", "folder_cases",
             "plan_cases", "format_cases"]
    suite = loader.loadTestsFromNames(sys.argv[1:] or names)
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    sys.exit(0 if result.wasSuccessful() and result.testsRun > 0 else 1)
