# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""A build backend (PEP 517) that packs include/qfmt and a CMake folder into a wheel. The same tree
gives the same bytes."""
import base64
import hashlib
import pathlib
import re
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PREFIX = """get_filename_component(PACKAGE_PREFIX_DIR "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
macro(check_required_components name)
  foreach(component IN LISTS ${name}_FIND_COMPONENTS)
    if(${name}_FIND_REQUIRED_${component} AND NOT ${name}_${component}_FOUND)
      set(${name}_FOUND FALSE)
    endif()
  endforeach()
endmacro()
"""


def version():
    text = (ROOT / "include" / "qfmt" / "version.hpp").read_text()
    return ".".join(re.search(rf"QFMT_VERSION_{part} +(\d+)", text)[1] for part in ("MAJOR", "MINOR", "PATCH"))


def metadata():
    return (f"Metadata-Version: 2.1\nName: qfmt\nVersion: {version()}\nLicense: Apache-2.0\n"
            "Summary: Header-only C++20/CUDA quantization formats for inference engines\n"
            "Requires-Python: >=3.9\n")


def files():
    """{name in the wheel: content}."""
    own = {f"qfmt/{p.name}": p.read_bytes() for p in (HERE / "qfmt").glob("*.py")}
    own["qfmt/_version.py"] = f'version = "{version()}"\n'.encode()
    for path in (ROOT / "include").rglob("*"):
        if path.is_file():
            own["qfmt/include/" + path.relative_to(ROOT / "include").as_posix()] = path.read_bytes()
    folder = "qfmt/share/cmake/qfmt/"
    config = (ROOT / "cmake" / "qfmtConfig.cmake.in").read_text().replace("@PACKAGE_INIT@", PREFIX)
    own[folder + "qfmtConfig.cmake"] = config.encode()
    own[folder + "qfmtTargets.cmake"] = (HERE / "qfmtTargets.cmake").read_bytes()
    own[folder + "qfmtConfigVersion.cmake"] = (
        (HERE / "qfmtConfigVersion.cmake.in").read_text().replace("@PROJECT_VERSION@", version()).encode())
    info = f"qfmt-{version()}.dist-info/"
    own[info + "METADATA"] = metadata().encode()
    own[info + "WHEEL"] = b"Wheel-Version: 1.0\nGenerator: qfmt\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    own[info + "licenses/LICENSE"] = (ROOT / "LICENSE").read_bytes()
    return own


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = f"qfmt-{version()}-py3-none-any.whl"
    record, record_name = "", f"qfmt-{version()}.dist-info/RECORD"
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / name, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, content in sorted(files().items()):
            wheel.writestr(zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record += f"{path},sha256={digest},{len(content)}\n"
        wheel.writestr(zipfile.ZipInfo(record_name, (1980, 1, 1, 0, 0, 0)), record + f"{record_name},,\n")
    return name


def build_sdist(sdist_directory, config_settings=None):
    raise NotImplementedError("qfmt: the headers lie beside this folder; build a wheel: pip wheel ./cmake/python")
