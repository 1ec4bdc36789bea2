#!/usr/bin/env python3
"""scripts/pgo: one clear line for every step that can fail, and, with --compiler, the real thing in small.

cmake, the compilers, their profile tools and the training workloads are shell scripts made here.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
ARGUMENTS = argparse.Namespace()
OBJECTS = ["api_libc.dir/src/api/libc.cpp", "boxes.dir/src/heap/heap.cpp"]
PROFILE_NAMES = ["CMakeFiles#hakmem_" + name.replace("/", "#") for name in OBJECTS]

# gcc's names of malloc and free are their CRC-32; the first of two files is libc.cpp's.
GCOV_DUMP = """#!/bin/sh
case $1 in
-l) echo "$2:  01000000:  12:FUNCTION ident=1964515642, lineno_checksum=0x1, cfg_checksum=0x2"
    echo "$2:    01a10000:  16:COUNTERS arcs 2 counts"
    echo "$2:                   0: ${STUB_MALLOCS-700} 0"
    echo "$2:  01000000:  12:FUNCTION ident=2062125074, lineno_checksum=0x1, cfg_checksum=0x2"
    echo "$2:                   0: 600 3" ;;
*)  for file; do echo "$file:  a1000000:   8:OBJECT_SUMMARY runs=${STUB_RUNS-$(wc -l < "$file")}, sum_max=7"; done ;;
esac
"""
# One line a run, as gcc's runtime adds runs; clang's names the file in the environment.
WORKLOAD = """#!/bin/sh
{code}
for name in {names}; do echo run >> "{profiles}/$name.gcda"; done
echo run > "$LLVM_PROFILE_FILE"
echo '{{"malloc_path": "{malloc_path}"}}'
"""
PROFDATA = """#!/bin/sh
case "$*" in
*-text*) printf ':ir\\nmalloc\\n# Func Hash:\\n1\\n# Num Counters:\\n1\\n# Counter Values:\\n%s\\n\\n' ${STUB_MALLOCS-700}
  printf 'free\\n# Func Hash:\\n1\\n# Num Counters:\\n2\\n# Counter Values:\\n0\\n600\\n\\n'
  printf 'calloc\\n# Func Hash:\\n1\\n# Num Counters:\\n1\\n# Counter Values:\\n0\\n' ;;
esac
"""


class StubTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()
        self.builds, self.tools = self.folder / "build", self.folder / "bin"
        self.builds.mkdir()
        self.tools.mkdir()
        self.compiler = "gcc"
        self.stub("g++", f'#!/bin/sh\necho "{self.tools}/gcov-dump"\n')
        self.stub("clang++", f'#!/bin/sh\necho "{self.tools}/llvm-profdata"\n')
        self.stub("gcov-dump", GCOV_DUMP)
        self.stub("llvm-profdata", PROFDATA)

    def stub(self, name, text):
        file = self.tools / name
        file.write_text(text)
        file.chmod(0o755)

    @property
    def instrumented(self):
        return self.builds / f"pgo-profile-{self.compiler}"

    def make_instrumented(self, code="", malloc_path=None, names=PROFILE_NAMES):
        """What `profile` leaves behind, with workloads that write what `names` says."""
        library = self.instrumented / "libhakmem.so"
        (self.instrumented / "bench").mkdir(parents=True, exist_ok=True)
        library.touch()
        for name in OBJECTS:
            file = self.instrumented / "CMakeFiles" / f"hakmem_{name}.o"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        quoted = " ".join(f"'{name}'" for name in names)
        text = WORKLOAD.format(code=code, names=quoted, profiles=self.instrumented / "profiles",
                               malloc_path=malloc_path or library)
        for name in ("random_mixed", "tiny_hot"):
            file = self.instrumented / "bench" / name
            file.write_text(text)
            file.chmod(0o755)

    def pgo(self, step, *more, **variables):
        path = f"{self.tools}:{os.environ['PATH']}"
        return subprocess.run([ROOT / "scripts" / "pgo", step, "--compiler", self.compiler, "--builds", self.builds, *more],
                              env=os.environ | {"PATH": path} | variables, capture_output=True, text=True, timeout=60)

    def fails(self, message, step, *more, **variables):
        result = self.pgo(step, *more, **variables)
        lines = [line for line in result.stderr.splitlines() if line.startswith("pgo: ")]
        self.assertEqual((result.returncode, len(lines)), (1, 1), result)
        self.assertIn(message, lines[0])
        self.assertNotIn("Traceback", result.stderr)
        return result


class ProfileTest(StubTest):
    def test_configuring_fails(self):
        self.stub("cmake", "#!/bin/sh\nexit 7\n")
        self.fails("failed with status 7", "profile")

    def test_building_fails(self):
        self.stub("cmake", '#!/bin/sh\n[ "$1" = --preset ]\n')
        self.fails("the build in", "profile")

    def test_no_library_is_made(self):
        self.stub("cmake", "#!/bin/sh\n")
        self.fails("the build made no", "profile")

    def test_no_cmake(self):
        (self.tools / "python3").symlink_to(sys.executable)
        self.fails("cmake: No such file or directory", "profile", PATH=str(self.tools))

    def test_older_profiles_go(self):
        self.make_instrumented()
        (self.instrumented / "profiles").mkdir()
        stale = self.instrumented / "profiles" / "verified"
        stale.touch()
        self.stub("cmake", "#!/bin/sh\n")
        self.assertEqual(self.pgo("profile").returncode, 0)
        self.assertFalse(stale.exists())


class CollectTest(StubTest):
    def test_nothing_is_instrumented(self):
        self.fails("run make pgo-tiny-profile first", "collect")
        self.compiler = "clang"
        self.fails("run make pgo-tiny-profile COMPILER=clang first", "collect")

    def test_progress_and_verification(self):
        self.make_instrumented()
        result = self.pgo("collect")
        self.assertEqual(result.returncode, 0, result)
        for number, words in enumerate(["random_mixed 40000000 128 42", "random_mixed 40000000 256 42",
                                        "random_mixed 40000000 512 42", "tiny_hot 20000000 16 1",
                                        "tiny_hot 20000000 64 100"], 1):
            self.assertIn(f"[{number}/5] {words}: ", result.stdout)
        self.assertIn("2 profile files", result.stdout)
        self.assertIn("verified: malloc 700 times, free 600 times", result.stdout)
        self.assertTrue((self.instrumented / "profiles" / "verified").is_file())
        # A second collection begins anew.
        self.assertEqual(self.pgo("collect").returncode, 0)

    def test_a_workload_fails(self):
        self.make_instrumented("echo 'no such size' >&2; exit 3")
        self.fails("random_mixed 40000000 128 42 ended with status 3: no such size", "collect")

    def test_a_workload_does_not_end(self):
        self.make_instrumented("exec sleep 20")
        self.fails("did not end within 0.2 s", "collect", "--limit", "0.2")

    def test_a_workload_says_nothing(self):
        self.make_instrumented("exit 0")
        self.fails("printed no result line", "collect")

    def test_the_malloc_is_another(self):
        self.make_instrumented(malloc_path="/lib/libc.so.6")
        self.fails("took its malloc from /lib/libc.so.6", "collect")

    def test_profile_files_are_missing(self):
        self.make_instrumented(names=PROFILE_NAMES[:1])
        self.fails("1 profile files for 2 objects", "collect")

    def test_a_run_is_not_in_the_profile(self):
        self.make_instrumented()
        self.fails("holds 1 of 2 runs", "collect", STUB_RUNS="1")

    def test_malloc_was_never_counted(self):
        self.make_instrumented()
        self.fails("the profile counts no call of malloc", "collect", STUB_MALLOCS="0")
        self.assertFalse((self.instrumented / "profiles" / "verified").exists())
        self.fails("run make pgo-tiny-collect first", "build")

    def test_the_tool_is_missing(self):
        self.make_instrumented()
        (self.tools / "gcov-dump").unlink()
        self.fails("gcov-dump: No such file or directory", "collect")


class ClangTest(StubTest):
    def setUp(self):
        super().setUp()
        self.compiler = "clang"

    def test_verification(self):
        self.make_instrumented()
        result = self.pgo("collect")
        self.assertEqual(result.returncode, 0, result)
        self.assertIn("5 profile files", result.stdout)
        self.assertIn("verified: malloc 700 times, free 600 times", result.stdout)
        merged = (self.instrumented / "profiles" / "merged.proftext").read_text()
        self.assertIn("free\n", merged)
        self.assertNotIn("calloc", merged)  # never called, so compiled as without a profile

    def test_no_profile_is_written(self):
        self.make_instrumented("export LLVM_PROFILE_FILE=/dev/null")
        self.fails("0 profile files after 1 runs", "collect")

    def test_malloc_was_never_counted(self):
        self.make_instrumented()
        self.fails("the profile counts no call of malloc", "collect", STUB_MALLOCS="0")

    def test_the_tool_is_missing(self):
        self.make_instrumented()
        (self.tools / "llvm-profdata").unlink()
        self.fails("llvm-profdata: No such file or directory (Debian package llvm)", "collect")


class LaterStepsTest(StubTest):
    def test_build_wants_a_profile(self):
        self.fails("run make pgo-tiny-collect first", "build")

    def test_the_sources_have_changed(self):
        self.make_instrumented()
        self.assertEqual(self.pgo("collect").returncode, 0)
        self.stub("cmake", '#!/bin/sh\n[ "$1" = --preset ]\n')
        self.fails("if sources have changed since, run make pgo-tiny-profile", "build")

    def test_compare_wants_a_library(self):
        self.fails("run make pgo-tiny-build first", "compare")

    def test_full_stops_at_the_first_failure(self):
        self.stub("cmake", "#!/bin/sh\nexit 1\n")
        result = self.fails("configuring", "full")
        self.assertNotIn("2/3", result.stdout)


class RealTest(unittest.TestCase):
    """The three steps with the real compiler and short training."""

    def test_all_steps(self):
        if not ARGUMENTS.compiler:
            self.skipTest("no --compiler")
        with tempfile.TemporaryDirectory() as folder:
            builds = Path(folder).resolve()
            for step in ("profile", "collect", "build"):
                done = subprocess.run([ROOT / "scripts" / "pgo", step, "--compiler", ARGUMENTS.compiler, "--builds", builds,
                                       "--ops", "200000"], capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stdout[-4000:] + done.stderr[-4000:])
            library = builds / f"pgo-{ARGUMENTS.compiler}" / "libhakmem.so"
            program = builds / f"pgo-profile-{ARGUMENTS.compiler}" / "bench" / "random_mixed"
            done = subprocess.run([program, "100000", "256"], env=os.environ | {"LD_PRELOAD": str(library)},
                                  capture_output=True, text=True, check=True)
            self.assertEqual(json.loads(done.stdout)["malloc_path"], str(library))
            subprocess.run([sys.executable, ROOT / "tests" / "hot_path.py", "--library", library, "--limits"], check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compiler", choices=["gcc", "clang"], help="also run the real thing")
    ARGUMENTS, rest = parser.parse_known_args()
    sys.dont_write_bytecode = True
    unittest.main(argv=[sys.argv[0], *rest])
