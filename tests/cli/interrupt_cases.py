# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Signals and the progress line, on a file large enough to be met at work."""
import json
import os
import pty
import signal
import struct
import subprocess
import time

import tools

TENSORS, ROWS = 48, 4096  # of 16 MiB each, a hole in the file: zeros that take no disk


class Interrupts(tools.Case):
    def setUp(self):
        super().setUp()
        for number in [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]:  # a child inherits "ignored"
            self.addCleanup(signal.signal, number, signal.signal(number, signal.SIG_DFL))
        size = ROWS * 1024 * 4
        header = {f"m.{i}.weight": {"dtype": "F32", "shape": [ROWS, 1024],
                                    "data_offsets": [i * size, (i + 1) * size]}
                  for i in range(TENSORS)}
        text = json.dumps(header).encode()
        with open(self.input, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            file.truncate(8 + len(text) + TENSORS * size)

    def start(self, stderr):
        return subprocess.Popen([tools.PROGRAM, "quantize", self.input, self.output, "--format",
                                 "nf4", "--threads", "1"], stdout=subprocess.PIPE, stderr=stderr)

    def wait_for_partial(self, process):
        deadline = time.monotonic() + 60
        while not list(self.folder.glob("*.partial.*")):
            self.assertIsNone(process.poll(), "ended before it was interrupted")
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.002)

    def test_signals(self):
        for number in [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]:
            process = self.start(subprocess.PIPE)
            self.wait_for_partial(process)
            process.send_signal(number)
            stdout, stderr = process.communicate(timeout=60)
            self.assertEqual((process.returncode, stdout), (130, b""), stderr)
            self.assertIn(b"interrupted", stderr)
            self.assertEqual(list(self.folder.iterdir()), [self.input])

    def test_progress_on_a_terminal(self):
        master, slave = pty.openpty()
        process = self.start(slave)
        os.close(slave)
        text = b""
        try:
            while b" left" not in text or process.poll() is None and len(text) < 2000:
                text += os.read(master, 4096)
        except OSError:  # the program has closed the terminal
            pass
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        os.close(master)
        self.assertRegex(text.decode(), r"\d+/48 tensors, \d+ MB/s, \d+:\d\d left")
