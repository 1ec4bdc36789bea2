#!/usr/bin/env python3
"""The library without the command: from README.md's three lines, and as a part of another project.

Of what the command, the tests and the programs of bench/ need nothing can be found here, nor is any of it looked for.
"""
import argparse
import re
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
from consumer_programs import CONSUMER, ROOT, output_of, uses_hakmem  # noqa: E402

ARGUMENTS = argparse.Namespace()
VERSION = ".".join(re.findall(r"(?m)^#define HAK_VERSION_\w+ (\d+)$", (ROOT / "include/hakmem/hakmem.h").read_text()))
PACKAGES = ("CLI11", "fmt", "nlohmann_json", "ZLIB", "Python3", "GTest", "rapidcheck")
LOOKED_FOR = re.compile(r"(?i)^(?!CMAKE_DISABLE_FIND_PACKAGE_).*(?:CLI11|fmt_|nlohmann|zlib|libdw|python|gtest|rapidcheck|esbuild).*$",
                        re.M)


class LibraryAloneTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name).resolve()
        self.build = self.folder / "build"

    def configure(self, source, *words):
        output_of("cmake", "-G", "Unix Makefiles", "-S", source, "-B", self.build, f"-DCMAKE_C_COMPILER={ARGUMENTS.compiler}",
                  f"-DCMAKE_CXX_COMPILER={ARGUMENTS.cxx_compiler}",
                  *(f"-DCMAKE_DISABLE_FIND_PACKAGE_{name}=ON" for name in PACKAGES), *words)
        cache = (self.build / "CMakeCache.txt").read_text()
        self.assertEqual(LOOKED_FOR.findall(cache), [])
        for what in ("TOOLS", "TESTS", "BENCH"):
            self.assertNotRegex(cache, rf"(?m)^HAKMEM_BUILD_{what}:BOOL=ON$")
        return cache

    def test_the_three_lines(self):
        # Not optimised: that the lines work is the question here, and CI is in a hurry.
        self.configure(ROOT, "-DHAKMEM_BUILD_TOOLS=OFF", "-DCMAKE_BUILD_TYPE=Other")
        self.assertNotIn("-Werror", (self.build / "compile_commands.json").read_text())
        output_of("cmake", "--build", self.build, CMAKE_BUILD_PARALLEL_LEVEL=2)
        prefix = self.folder / "prefix"
        output_of("cmake", "--install", self.build, "--prefix", prefix)
        files = {path.relative_to(prefix).as_posix() for path in prefix.rglob("*") if not path.is_dir()}
        libraries = {f"lib/{name}{end}" for name in ("libhakmem.so", "libhakmem-hardened.so") for end in ("", ".0", f".{VERSION}")}
        self.assertEqual({file for file in files if not file.startswith(("lib/cmake/", "lib/pkgconfig/"))},
                         libraries | {"lib/libhakmem.a", "include/hakmem/hakmem.h", "share/hakmem/hakmem_gdb.py"})
        program = self.folder / "program"
        output_of(ARGUMENTS.compiler, CONSUMER / "main.c", "-o", program)
        self.assertTrue(uses_hakmem(ARGUMENTS.command, program, VERSION, LD_PRELOAD=prefix / "lib" / "libhakmem.so"))

    def test_within_another_project(self):
        """The link lines are those that installed_test.py tries, so nothing is compiled for this."""
        self.configure(CONSUMER, f"-DHAKMEM_SOURCE={ROOT}")
        shared, archive = ((self.build / f"CMakeFiles/{name}.dir/link.txt").read_text() for name in ("shared", "static"))
        self.assertIn(f"-Wl,--push-state,--no-as-needed {self.build}/hakmem/libhakmem.so -Wl,--pop-state ", shared)
        self.assertRegex(shared, rf"-Wl,-rpath,{self.build}/hakmem\b")
        self.assertRegex(archive, r"-Wl,-u,malloc .*hakmem/libhakmem\.a")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--command", required=True)
    parser.add_argument("--compiler", default="cc")
    parser.add_argument("--cxx-compiler", default="c++")
    ARGUMENTS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
