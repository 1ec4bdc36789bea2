#!/usr/bin/env python3
"""The hakmem command, from outside: exit codes, messages, and what it does to a program it runs."""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ARGUMENTS = argparse.Namespace()
FINE, USAGE, PERMISSION, UNSUPPORTED, NOT_FOUND = 0, 2, 4, 5, 127
SHOW_MAPS = "import sys; print(open('/proc/self/maps').read())"


def hakmem(*arguments, **environment):
    variables = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"} | environment
    return subprocess.run([ARGUMENTS.command, *arguments], env=variables, capture_output=True,
                          text=True, timeout=60)


class CommandTest(unittest.TestCase):
    def test_version(self):
        result = hakmem("--version")
        self.assertEqual((result.returncode, result.stdout), (FINE, f"hakmem {ARGUMENTS.version}\n"))

    def test_help_explains_run(self):
        result = hakmem("run", "--help")
        self.assertEqual(result.returncode, FINE)
        self.assertIn("PROGRAM", result.stdout)

    def test_usage_errors(self):
        for arguments in ([], ["run"], ["run", "--"], ["run", "--unknown"], ["unknown"],
                          ["bench"], ["bench", "unknown"], ["bench", "compare", "--unknown"]):
            with self.subTest(arguments):
                self.assertEqual(hakmem(*arguments).returncode, USAGE)


class RunTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def refusal(self, result, code, reason):
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertIn(reason, result.stderr)

    def test_library_is_mapped(self):
        result = hakmem("run", sys.executable, "-c", SHOW_MAPS)
        self.assertEqual(result.returncode, FINE, result.stderr)
        self.assertIn("libhakmem.so", result.stdout)

    def test_exit_status_and_arguments_are_the_programs(self):
        result = hakmem("run", "sh", "-c", 'echo "$#:$*"; exit 42', "x", "a b", "--help", "--")
        self.assertEqual((result.returncode, result.stdout), (42, "3:a b --help --\n"))

    def test_double_dash_ends_our_options(self):
        result = hakmem("run", "--", "printf", "%s.", "--version", "--")
        self.assertEqual((result.returncode, result.stdout), (FINE, "--version.--."))

    def test_death_by_signal_shows(self):
        self.assertEqual(hakmem("run", "sh", "-c", "kill -9 $$").returncode, -9)

    def test_preload_list_is_kept(self):
        result = hakmem("run", "sh", "-c", "echo $LD_PRELOAD", LD_PRELOAD="libc.so.6")
        first, last = result.stdout.strip().split(":")
        self.assertEqual((first, Path(last).name), ("libc.so.6", "libhakmem.so"))
        self.assertTrue(os.path.isabs(last))

    def test_preload_once(self):
        result = hakmem("run", ARGUMENTS.command, "run", "sh", "-c", "echo $LD_PRELOAD")
        self.assertEqual(result.stdout.count("libhakmem.so"), 1)

    def test_command_not_found(self):
        self.refusal(hakmem("run", "no-such-program"), NOT_FOUND, "no-such-program: command not found")
        self.refusal(hakmem("run", "./no/such"), NOT_FOUND, "./no/such: command not found")

    def test_not_executable(self):
        file = self.folder / "data"
        file.write_text("data")
        self.refusal(hakmem("run", str(file)), PERMISSION, "Permission denied")
        self.refusal(hakmem("run", str(self.folder)), PERMISSION, "not a file")

    def test_static_program_is_refused(self):
        source, program = self.folder / "main.c", self.folder / "static"
        source.write_text("int main(void) { return 0; }\n")
        subprocess.run([ARGUMENTS.compiler, "-static", source, "-o", program], check=True)
        self.refusal(hakmem("run", str(program)), UNSUPPORTED, "statically linked")
        script = self.folder / "script"
        script.write_text(f"#!{program}\n")
        script.chmod(0o755)
        self.refusal(hakmem("run", str(script)), UNSUPPORTED, "its interpreter")

    def test_setuid_program_is_refused(self):
        program = self.folder / "setuid"
        shutil.copy(shutil.which("true"), program)
        program.chmod(0o4755)
        self.refusal(hakmem("run", str(program)), UNSUPPORTED, "setuid")

    def test_a_program_with_its_own_malloc_is_refused(self):
        source, program = self.folder / "main.c", self.folder / "own"
        source.write_text("#include <stddef.h>\nstatic char heap[1 << 20]; static size_t used;\n"
                          "void* malloc(size_t n) { n = (n + 15) & ~15ul; used += n; return heap + used - n; }\n"
                          "void free(void* p) {}\nvoid* calloc(size_t a, size_t b) { return malloc(a * b); }\n"
                          "void* realloc(void* p, size_t n) { return malloc(n); }\nint mi_malloc;\n"
                          "int main(void) { return 3; }\n")
        subprocess.run([ARGUMENTS.compiler, "-rdynamic", "-fno-builtin", source, "-o", program], check=True)
        self.refusal(hakmem("run", str(program)), UNSUPPORTED, "defines malloc itself (mimalloc)")
        self.assertEqual(hakmem("run", "--force", str(program)).returncode, 3)

    def test_summary(self):
        result = hakmem("run", "--summary", "--", "sh", "-c", "echo --summary; exit 7")
        self.assertEqual((result.returncode, result.stdout), (7, "--summary\n"))
        self.assertRegex(result.stderr, r"^hakmem: exit status 7, [\d.]+ s, processor [\d.]+ s, "
                                        r"peak resident memory [\d.]+ MiB\n$")
        killed = hakmem("run", "--summary", "sh", "-c", "kill -9 $$")
        self.assertEqual(killed.returncode, -9)
        self.assertIn("ended by signal 9", killed.stderr)
        self.refusal(hakmem("run", "--summary", "no-such-program"), NOT_FOUND, "command not found")

    def test_summary_passes_signals_on(self):
        child = subprocess.Popen([ARGUMENTS.command, "run", "--summary", "sh", "-c",
                                  "trap 'echo caught; exit 5' TERM; echo ready; while :; do :; done"],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(child.stdout.readline(), "ready\n")
        child.terminate()
        out, _ = child.communicate(timeout=30)
        self.assertEqual((child.returncode, out), (5, "caught\n"))

    def test_scripts_run(self):
        script = self.folder / "script"
        for line in ("#!/bin/sh\n", "#! /usr/bin/env sh\n", ""):
            with self.subTest(line):
                script.write_text(f"{line}echo $LD_PRELOAD\n")
                script.chmod(0o755)
                result = hakmem("run", str(script))
                self.assertEqual(result.returncode, FINE, result.stderr)
                self.assertIn("libhakmem.so", result.stdout)

    def test_library_missing(self):
        command = self.folder / "bin" / "hakmem"
        command.parent.mkdir()
        shutil.copy(ARGUMENTS.command, command)
        result = subprocess.run([command, "run", "true"], capture_output=True, text=True)
        self.refusal(result, 3, "libhakmem.so")
        (self.folder / "lib").mkdir()
        library = Path(ARGUMENTS.command).parent / "libhakmem.so"
        shutil.copy(library, self.folder / "lib")
        self.assertEqual(subprocess.run([command, "run", "true"]).returncode, FINE)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--command", required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--compiler", default="cc")
    ARGUMENTS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
