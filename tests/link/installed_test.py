#!/usr/bin/env python3
"""What `make install` puts down, and programs linked with it in each way that README.md names: all get hakmem's malloc.

The programs name no function of the allocator's, and the linker is told to leave out what is not needed.
"""
import argparse
import os
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
from consumer_programs import CONSUMER, PROGRAMS, ROOT, needed_by, output_of, uses_hakmem  # noqa: E402

ARGUMENTS = argparse.Namespace()
MAIN = CONSUMER / "main.c"
PICKY, GENEROUS = "-Wl,--as-needed", "-Wl,--no-as-needed"
KEPT = ("-Wl,--push-state,--no-as-needed", "-lhakmem", "-Wl,--pop-state")  # by hand, as in README.md


def make(target, prefix, **variables):
    return output_of("make", "-C", ROOT, target, f"BUILD={ARGUMENTS.build}", f"PREFIX={prefix}",
                     *(f"{name}={value}" for name, value in variables.items()))


class InstalledTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        # `make uninstall` is for what somebody else has installed from here.
        manifest = ARGUMENTS.build / "install_manifest.txt"
        before = manifest.read_text() if manifest.exists() else None
        cls.addClassCleanup(lambda: manifest.unlink(missing_ok=True) if before is None else manifest.write_text(before))
        cls.folder = Path(temporary.name).resolve()
        cls.prefix = cls.folder / "prefix"
        cls.told = make("install", cls.prefix)
        cls.library = cls.prefix / "lib" / "libhakmem.so"
        cls.command = cls.prefix / "bin" / "hakmem"

    def compile(self, *words):
        program = self.folder / self.id().rpartition(".")[2]
        output_of(ARGUMENTS.compiler, *words, "-o", program)
        return program

    def pkg_config(self, *words):
        return output_of("pkg-config", *words, "hakmem", PKG_CONFIG_PATH=self.prefix / "lib" / "pkgconfig").split()

    def check_uses_hakmem(self, program, expected=True, **variables):
        self.assertEqual(uses_hakmem(self.command, program, ARGUMENTS.version, **variables), expected, program)

    def check_shared(self, words, libraries=("libhakmem.so.0", "libc.so.6")):
        program = self.compile(*words)
        self.assertEqual(sorted(needed_by(program)), sorted(libraries))
        self.check_uses_hakmem(program, LD_LIBRARY_PATH=self.library.parent)

    def test_files(self):
        for name in ("libhakmem.so", "libhakmem-hardened.so"):
            chain = [self.prefix / "lib" / end for end in (name, f"{name}.0", f"{name}.{ARGUMENTS.version}")]
            self.assertEqual([os.readlink(link) for link in chain[:2]], [chain[1].name, chain[2].name])
            self.assertFalse(chain[2].is_symlink())
        for name in ("lib/libhakmem.a", "include/hakmem/hakmem.h", "share/hakmem/hakmem_gdb.py", "share/man/man1/hakmem.1"):
            self.assertTrue((self.prefix / name).is_file(), name)
        self.assertEqual(output_of(self.command, "--version"), f"hakmem {ARGUMENTS.version}\n")
        self.assertEqual(self.pkg_config("--modversion"), [ARGUMENTS.version])
        self.assertIn("ldconfig", self.told)

    def test_preloaded_by_the_plain_name(self):
        program = self.compile(MAIN)
        self.check_uses_hakmem(program, expected=False)
        self.check_uses_hakmem(program, LD_PRELOAD=self.library)
        self.assertEqual(output_of(self.command, "run", "--", "printenv", "LD_PRELOAD"), f"{self.library}\n")

    def test_cmake(self):
        build = self.folder / "cmake"
        output_of("cmake", "-S", CONSUMER, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}",
                  f"-DCMAKE_C_COMPILER={ARGUMENTS.compiler}", f"-DCMAKE_EXE_LINKER_FLAGS={PICKY}")
        output_of("cmake", "--build", build)
        for name in PROGRAMS:
            with self.subTest(name):
                self.check_uses_hakmem(build / name)
        self.assertEqual(output_of(build / "version"), f"{ARGUMENTS.version}\n")
        # What follows on the link line is linked as before.
        self.assertEqual(sorted(needed_by(build / "shared")), ["libc.so.6", "libhakmem.so.0"])
        self.assertEqual(sorted(needed_by(build / "hardened")), ["libc.so.6", "libhakmem-hardened.so.0"])
        self.assertNotIn("libhakmem", " ".join(needed_by(build / "archive")))

    def test_pkg_config_shared(self):
        self.check_shared([PICKY, MAIN, *self.pkg_config("--cflags", "--libs"), "-lm"])

    def test_pkg_config_leaves_the_state_as_it_was(self):
        self.check_shared([GENEROUS, MAIN, *self.pkg_config("--libs"), "-lm"],
                          ["libhakmem.so.0", "libm.so.6", "libc.so.6"])

    def test_pkg_config_static(self):
        for how in (["--static"], []):
            with self.subTest(how):
                self.check_uses_hakmem(self.compile("-static", MAIN, *self.pkg_config(*how, "--libs")))

    def test_by_hand_shared(self):
        self.check_shared([PICKY, MAIN, f"-L{self.library.parent}", *KEPT, "-lm"])

    def test_by_hand_static(self):
        self.check_uses_hakmem(self.compile("-static", MAIN, "-Wl,-u,malloc", self.prefix / "lib" / "libhakmem.a"))

    def test_without_these_words_the_allocator_is_lost(self):
        """So the tests above could fail."""
        words = [PICKY, MAIN, f"-L{self.library.parent}", "-lhakmem"]
        self.check_uses_hakmem(self.compile(*words), expected=False, LD_LIBRARY_PATH=self.library.parent)
        self.check_uses_hakmem(self.compile("-static", *words), expected=False)

    def test_uninstall(self):
        root = self.folder / "root"
        told = make("install", "/usr", DESTDIR=root)
        self.assertTrue((root / "usr" / "lib" / "libhakmem.so.0").exists())
        self.assertNotIn("ldconfig", told)
        beside = root / "usr" / "lib" / "libother.so"
        beside.touch()
        make("uninstall", "/usr", DESTDIR=root)
        self.assertEqual([path for path in root.rglob("*") if not path.is_dir()], [beside])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--compiler", default="cc")
    ARGUMENTS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
