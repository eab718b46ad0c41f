# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""A program under test, and how many of the checks of it failed."""
import subprocess


class Program:
    def __init__(self, path, encoding):
        self.path, self.encoding, self.failures = path, encoding, 0

    def check(self, holds, what):
        if not holds:
            self.failures += 1
            print(f"FAILED: {what}", flush=True)

    def run(self, *arguments, fails=None):
        """stdout; or, where `fails` is given, stderr, which must hold it after an exit status of 1."""
        done = subprocess.run([self.path, *map(str, arguments)], capture_output=True)
        out, err = (s.decode(self.encoding, "replace") for s in (done.stdout, done.stderr))
        if fails is None:
            if done.returncode != 0:
                raise SystemExit(f"{arguments}: exit status {done.returncode}: {err}")
            return out
        self.check(done.returncode == 1 and fails in err,
                   f"{arguments}: expected '{fails}', got {done.returncode} '{err}'")
        return err

    def verdict(self, name):
        """Prints it; the exit status."""
        print(f"{name}: " + ("ok" if self.failures == 0 else f"{self.failures} checks failed"))
        return 1 if self.failures else 0
