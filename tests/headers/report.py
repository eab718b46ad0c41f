# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""How the checks of this folder are called and what they print."""
import sys


def main(check, self_test):
    """Exit status of SCRIPT INCLUDE_DIR or SCRIPT --self-test. Both functions give (count, what is wrong)."""
    count, found = self_test() if sys.argv[1:] == ["--self-test"] else check(sys.argv[1])
    for line in found:
        print(line)
    print(f"{count} checked, {len(found)} wrong")
    return 1 if found or not count else 0
