# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Where the C++ headers of qfmt are.

    python -m qfmt --includes     -I and the folder
    python -m qfmt --cmakedir     for cmake -Dqfmt_ROOT=...
    python -m qfmt --version
"""
import pathlib

from ._version import version as __version__

_FOLDER = pathlib.Path(__file__).resolve().parent


def get_include():
    """The folder to give the compiler with -I."""
    return str(_FOLDER / "include")


def get_cmake_dir():
    """The folder that holds qfmtConfig.cmake, for qfmt_ROOT or qfmt_DIR."""
    return str(_FOLDER / "share" / "cmake" / "qfmt")
