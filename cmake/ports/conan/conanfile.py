# SPDX-FileCopyrightText: 2026 qfmt authors
# SPDX-License-Identifier: Apache-2.0
"""conan create cmake/ports/conan -s compiler.cppstd=20

qfmt::qfmt is the library; with -o "qfmt/*:with_io=True" there is qfmt::io, too, which brings
nlohmann_json. A profile below C++20 is refused."""
import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy, load


class Qfmt(ConanFile):
    name = "qfmt"
    description = "Header-only C++20/CUDA quantization formats for inference engines"
    license = "Apache-2.0"
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"with_io": [True, False]}
    default_options = {"with_io": False}
    no_copy_source = True

    def _root(self):
        return os.path.join(self.recipe_folder, "..", "..", "..")

    def set_version(self):
        text = load(self, os.path.join(self._root(), "include", "qfmt", "version.hpp"))
        self.version = ".".join(re.findall(r"#define QFMT_VERSION_(?:MAJOR|MINOR|PATCH) +(\d+)", text))

    def export_sources(self):
        copy(self, "include/*", self._root(), self.export_sources_folder)
        copy(self, "LICENSE", self._root(), self.export_sources_folder)

    def requirements(self):
        if self.options.with_io:
            self.requires("nlohmann_json/[>=3.10 <4]", transitive_headers=True)

    def validate(self):
        check_min_cppstd(self, 20)

    def package_id(self):
        self.info.settings.clear()

    def package(self):
        copy(self, "include/*", self.source_folder, self.package_folder)
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "qfmt")
        self.cpp_info.set_property("cmake_target_name", "qfmt::all")  # qfmt::qfmt shall not bring io
        self.cpp_info.set_property("pkg_config_name", "qfmt-all")
        components = {"qfmt": [], "io": ["qfmt", "nlohmann_json::nlohmann_json"]}
        for name, requires in components.items():
            if name == "io" and not self.options.with_io:
                continue
            component = self.cpp_info.components[name]
            component.bindirs = component.libdirs = []
            component.requires = requires
            component.set_property("cmake_target_name", f"qfmt::{name}")
            component.set_property("pkg_config_name", "qfmt" if name == "qfmt" else f"qfmt-{name}")
