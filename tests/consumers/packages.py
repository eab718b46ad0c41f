# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""Routes by package managers: pip, conan, and vcpkg's port against doubles of vcpkg's functions."""
import importlib.util
import json
import os
import re
import shutil
import sys

from common import ROOT, c_compiler_of, run


class NotRun(Exception):
    """Why a route cannot be tried here."""


def library_version():
    text = (ROOT / "include" / "qfmt" / "version.hpp").read_text()
    return ".".join(re.findall(r"#define QFMT_VERSION_(?:MAJOR|MINOR|PATCH) +(\d+)", text))


def python_package(cxx, cmake, work):
    """pip install ./cmake/python, without an index; then its folders in a CMake project."""
    if importlib.util.find_spec("ensurepip") is None:
        raise NotRun("this Python makes no virtual environments (package python3-venv)")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
    run(sys.executable, "-m", "venv", work / "venv", env=environment)
    python = work / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--no-index", "--disable-pip-version-check", ROOT / "cmake" / "python",
        env=environment)

    def ask(option):
        return run(python, "-m", "qfmt", option, cwd=work)

    if ask("--version") != library_version():
        raise SystemExit(f"the package says {ask('--version')}, version.hpp {library_version()}")
    include = run(python, "-c", "import qfmt; print(qfmt.get_include())", cwd=work)
    if ask("--includes") != f"-I{include}":
        raise SystemExit(f"--includes says {ask('--includes')}")
    run("diff", "-r", ROOT / "include", include)
    return [f"-DCMAKE_PREFIX_PATH=", f"-Dqfmt_ROOT={ask('--cmakedir')}"], include


DOUBLES = """
set(VCPKG_TARGET_TRIPLET x64-linux)
function(vcpkg_cmake_configure)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "SOURCE_PATH" "OPTIONS")
  execute_process(COMMAND ${CMAKE_COMMAND} -S ${arg_SOURCE_PATH} -B ${BUILD} ${arg_OPTIONS} -DCMAKE_CXX_COMPILER=${CXX}
    -DCMAKE_INSTALL_PREFIX=${CURRENT_PACKAGES_DIR} COMMAND_ERROR_IS_FATAL ANY)
endfunction()
function(vcpkg_cmake_install)
  execute_process(COMMAND ${CMAKE_COMMAND} --build ${BUILD} --target install COMMAND_ERROR_IS_FATAL ANY)
endfunction()
function(vcpkg_cmake_config_fixup) # moves share/cmake/qfmt to share/qfmt, one folder up
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "CONFIG_PATH;PACKAGE_NAME" "")
  file(RENAME ${CURRENT_PACKAGES_DIR}/${arg_CONFIG_PATH} ${CURRENT_PACKAGES_DIR}/share/moving)
  file(REMOVE_RECURSE ${CURRENT_PACKAGES_DIR}/share/cmake)
  file(RENAME ${CURRENT_PACKAGES_DIR}/share/moving ${CURRENT_PACKAGES_DIR}/share/${PORT})
  file(GLOB_RECURSE files ${CURRENT_PACKAGES_DIR}/share/${PORT}/*.cmake)
  foreach(file IN LISTS files)
    file(READ ${file} text)
    string(REPLACE "/../../../" "/../../" text "${text}")
    string(REGEX REPLACE "(get_filename_component\\\\(_IMPORT_PREFIX \\"\\\\\\${_IMPORT_PREFIX}\\" PATH\\\\)\\n)(get_filename_component\\\\(_IMPORT_PREFIX)" "\\\\2" text "${text}")
    file(WRITE ${file} "${text}")
  endforeach()
endfunction()
function(vcpkg_fixup_pkgconfig)
endfunction()
function(vcpkg_install_copyright)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "" "FILE_LIST")
  file(COPY_FILE ${arg_FILE_LIST} ${CURRENT_PACKAGES_DIR}/share/${PORT}/copyright)
endfunction()
include(${CURRENT_PORT_DIR}/portfile.cmake)
"""


def vcpkg(cxx, cmake, work):
    """The port's own script; vcpkg itself cannot be had here, so its functions are doubles."""
    port = ROOT / "cmake" / "ports" / "vcpkg" / "qfmt"
    manifest = json.loads((port / "vcpkg.json").read_text())
    if manifest["version-string"] != library_version() or manifest["name"] != port.name:
        raise SystemExit(f"vcpkg.json says {manifest['name']} {manifest['version-string']}")
    (work / "doubles.cmake").write_text(DOUBLES)
    packages = work / "packages"
    packages.mkdir()
    run(cmake, f"-DCURRENT_PORT_DIR={port}", f"-DCURRENT_PACKAGES_DIR={packages}", f"-DBUILD={work / 'port'}",
        f"-DCXX={cxx}", "-DPORT=qfmt", "-P", work / "doubles.cmake")
    there = sorted(p.relative_to(packages).as_posix() for p in (packages / "share").rglob("*") if p.is_file())
    wanted = ["share/pkgconfig/qfmt.pc", "share/qfmt/copyright", "share/qfmt/qfmtConfig.cmake",
              "share/qfmt/qfmtConfigVersion.cmake", "share/qfmt/qfmtTargets.cmake"]
    if there != wanted or not (packages / "include" / "qfmt" / "qfmt.hpp").is_file():
        raise SystemExit(f"the port installs {there}")
    return [f"-DCMAKE_PREFIX_PATH={packages}"], packages / "include"


JSON_RECIPE = """
from conan import ConanFile
from conan.tools.files import copy

class Json(ConanFile):
    name, version, package_type = "nlohmann_json", "3.11.2", "header-library"

    def package(self):
        copy(self, "nlohmann/*", "{folder}", self.package_folder + "/include")

    def package_info(self):
        self.cpp_info.bindirs = self.cpp_info.libdirs = []
        self.cpp_info.set_property("cmake_target_name", "nlohmann_json::nlohmann_json")
"""


def conan(cxx, cmake, work, has_io):
    """conan create, its test package included, without a remote; component io with this machine's nlohmann-json."""
    beside = ROOT / "build" / "conan" / "bin" / "conan"
    program = str(beside) if beside.is_file() else shutil.which("conan")
    if not program:
        raise NotRun("conan is not installed (tests/run.sh --long puts it in build/conan)")
    c_compiler = c_compiler_of(cxx)
    environment = {**os.environ, "CONAN_HOME": str(work / "home"), "CXX": str(cxx), "CC": c_compiler}
    run(program, "profile", "detect", env=environment)
    recipe = work / "tree"  # conan leaves a build folder beside a test package
    for name in ("include", "cmake"):
        shutil.copytree(ROOT / name, recipe / name)
    shutil.copy(ROOT / "LICENSE", recipe)

    def create(*options, **expected):
        return run(program, "create", recipe / "cmake" / "ports" / "conan", "-nr", *options, env=environment, **expected)

    said = create("-s", "compiler.cppstd=20")
    printed = re.findall(r"^qfmt \d+: .*$", said, re.MULTILINE)
    if not printed:
        raise SystemExit(f"the test package printed nothing\n{said}")
    json_folder = re.search(r"(/\S+)/nlohmann/json\.hpp", run(cxx, "-M", "-x", "c++", "-include", "nlohmann/json.hpp",
                            "/dev/null")) if has_io else None
    if json_folder:  # the machine's own, in a recipe of that name
        (work / "json").mkdir()
        (work / "json" / "conanfile.py").write_text(JSON_RECIPE.replace("{folder}", json_folder[1]))
        run(program, "export-pkg", work / "json", "-nr", env=environment)
        said = create("-s", "compiler.cppstd=20", "-o", "qfmt/*:with_io=True")
        if not re.search(r"^with io: nf4$", said, re.MULTILINE):
            raise SystemExit(f"component io printed nothing\n{said}")
        printed.append("with io")
    refused = create("-s", "compiler.cppstd=gnu17", fails=True)
    if not re.search(r"gnu17.* is lower than the required C\+\+ standard \(20\)", refused):
        raise SystemExit(f"C++17 is refused without a sentence\n{refused}")
    left = {p.name for p in (recipe / "cmake" / "ports" / "conan" / "test_package").iterdir()} - {
        p.name for p in (ROOT / "cmake" / "ports" / "conan" / "test_package").iterdir()}
    if left - {"build"}:  # which git ignores
        raise SystemExit(f"conan leaves {left}")
    print(", ".join(printed))
