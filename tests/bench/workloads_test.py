#!/usr/bin/env python3
"""Every program of bench/ once, in small: its result line is complete, and it is the preloaded library's malloc."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench" / "programs"))

import real  # noqa: E402

ARGUMENTS = argparse.Namespace()
MEMBERS = {"name": str, "args": str, "ops": int, "seconds": float, "mops": float, "peak_rss_kib": int, "end_rss_kib": int,
           "threads": int, "malloc_from": str, "malloc_path": str}
USAGE, INVALID, NOT_INSTALLED = 2, 70, 77
# A command a line, the threads it must report, and the members it adds.
RUNS = (
    ("random_mixed 20000 256", 1, ()),
    ("random_mixed 20000 256 1234567 0 0 2", 2, ()),
    ("random_mixed 20000 256 1234567 1024 8192", 1, ()),
    ("random_mixed 2000 64 1234567 32768 2097152 2", 2, ()),
    ("tiny_hot 10000 16 1", 1, ()),
    ("tiny_hot 10000 512 1000", 1, ()),
    ("calloc 10000 256", 1, ()),
    ("buffers 20 4 64 4096", 1, ()),
    ("buffers 10 4 64 4096 2", 2, ()),
    ("realloc_grow half 1 4", 1, ()),
    ("realloc_grow step 1 4", 1, ()),
    ("remote 10000 16 271", 2, ()),
    ("larson 5 2 100 1000", 2, ()),
    ("thread_churn 40 4 10", 4, ("start_rss_kib",)),
    ("thread_classes 4 1", 4, ("live_bytes", "live_rss_kib")),
    ("fragment runs 40000 120 10", 2, ("live_kib", "freed_rss_kib")),
    ("fragment single 40000 120 10", 2, ("live_kib", "freed_rss_kib")),
    ("give_back trim 20000", 1, ("trim_from", "given_back_percent")),
    ("give_back idle 20000 20", 1, ("live_kib", "freed_rss_kib")),
    ("give_back sleep 20000 20 10", 1, ("live_kib", "freed_rss_kib")),
    ("scale work 4 1000 200 10", 4, ("live", "fill_counters", "counters")),
    ("scale 1 1000 200 0 64 64", 1, ("counters",)),
    ("scale idle 8", 8, ("live_bytes", "beyond_kib", "counters")),
    ("latency 20000 2000", 1, ("clock_ns", "nothing_worst_ns")),
    ("latency 20000 2000 plain", 1, ("clock_ns", "nothing_worst_ns")),
)


def run(command, library, **variables):
    words = command.split()
    environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"} | {"LD_PRELOAD": str(library)} | variables
    return subprocess.run([ARGUMENTS.bench / words[0], *words[1:]], env=environment, capture_output=True, text=True, timeout=60)


class WorkloadTest(unittest.TestCase):
    def result(self, command, library, **variables):
        done = run(command, library, **variables)
        self.assertEqual((done.returncode, done.stderr), (0, ""), command)
        self.assertEqual(done.stdout.count("\n"), 1, "one result line")
        return json.loads(done.stdout)

    def check_line(self, result, command):
        name, _, args = command.partition(" ")
        for member, kind in MEMBERS.items():
            self.assertIsInstance(result[member], kind, member)
        self.assertEqual((result["name"], result["args"]), (name, args))
        self.assertGreater(result["ops"], 0)
        self.assertGreater(result["seconds"], 0)
        self.assertGreaterEqual(result["peak_rss_kib"], result["end_rss_kib"])

    def test_each_runs_under_hakmem(self):
        for command, threads, more in RUNS:
            with self.subTest(command):
                result = self.result(command, ARGUMENTS.library)
                self.check_line(result, command)
                self.assertEqual(result["threads"], threads)
                self.assertTrue(os.path.samefile(result["malloc_path"], ARGUMENTS.library))
                for member in more:
                    self.assertIn(member, result)

    def test_each_workload_is_run_here(self):
        programs = {file.stem for file in (ROOT / "bench" / "workloads").glob("*.cpp")}
        self.assertEqual(programs, {command.split()[0] for command, _, _ in RUNS})

    def test_what_no_workload_takes(self):
        for command in ("random_mixed 0", "random_mixed 1 1 1 5", "random_mixed 1 1 1 0 5", "random_mixed 1 1 1 9 5", "tiny_hot x",
                        "fragment some", "give_back all", "latency 1 1 causes 1 1", "scale walk", "scale work 0", "scale work 2 10 100 101", "scale idle 4 4", "larson 1 1 1 1 9 5"):
            with self.subTest(command):
                done = run(command, ARGUMENTS.library)
                self.assertEqual((done.returncode, done.stdout), (USAGE, ""))
                self.assertIn("usage: " + command.split()[0], done.stderr)

    def test_survivors(self):
        runs = self.result("fragment runs 40000 120 0", ARGUMENTS.library)
        single = self.result("fragment single 40000 120 0", ARGUMENTS.library)
        self.assertEqual((runs["ops"], single["ops"]), (2 * 40000 - 2000, 2 * 40000 - 100))

    def test_latency_is_ordered_and_its_tails_add_up(self):
        result = self.result("latency 100000 5000", ARGUMENTS.library)
        for call in ("growth_malloc", "growth_free", "steady_malloc", "steady_free"):
            figures = [result[f"{call}_{name}_ns"] for name in ("p50", "p99", "p999", "p9999", "worst")]
            self.assertEqual(figures, sorted(figures), call)
            self.assertGreater(sum(result[f"{call}_tail_{cause}"] for cause in ("switched", "faults", "neither")), 0)


class CeilingLibraryTest(unittest.TestCase):
    def test_serves_the_workloads(self):
        for command in ("random_mixed 100000 8192", "random_mixed 100000 256 1 0 0 2", "random_mixed 2000 64 1 32768 2097152",
                        "calloc 10000 256", "realloc_grow half 1 4", "tiny_hot 100000 512 1000"):
            with self.subTest(command):
                done = run(command, ARGUMENTS.ceiling, HAKMEM_BENCH_FAST_BLOCKS="2000")
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertEqual(json.loads(done.stdout)["malloc_from"], ARGUMENTS.ceiling.name)

    def test_says_when_it_is_dry(self):
        done = run("tiny_hot 10000 512 1000", ARGUMENTS.ceiling, HAKMEM_BENCH_FAST_BLOCKS="999")
        self.assertEqual((done.returncode, done.stdout), (INVALID, ""))
        self.assertEqual(done.stderr, "benchfast: all 999 blocks of 512 bytes are gone: this run does not count\n")

    def test_refuses_a_bad_number_of_blocks(self):
        for text in ("", "0", "x", "10x", "-1"):
            with self.subTest(text):
                done = run("tiny_hot 10", ARGUMENTS.ceiling, HAKMEM_BENCH_FAST_BLOCKS=text)
                self.assertEqual(done.returncode, INVALID)
                self.assertIn("HAKMEM_BENCH_FAST_BLOCKS", done.stderr)

    def test_a_real_program_runs(self):
        """Infrastructure and the rest of the family: the linker, libc, alignment, realloc between libc and the pools."""
        script = ("import ctypes, threading\nlibc = ctypes.CDLL(None)\nblock = ctypes.c_void_p()\n"
                  "assert libc.posix_memalign(ctypes.byref(block), 4096, 100) == 0 and block.value % 4096 == 0\nlibc.free(block)\n"
                  "data = b''.join(bytes(i) for i in range(1000))\nwork = lambda: [str(i) * 9 for i in range(20000)]\n"
                  "thread = threading.Thread(target=work)\nthread.start()\nthread.join()\nprint(len(data))\n")
        environment = os.environ | {"LD_PRELOAD": str(ARGUMENTS.ceiling), "HAKMEM_BENCH_FAST_BLOCKS": "5000"}
        done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (0, "499500\n"), done.stderr)

    def test_is_not_installed(self):
        for script in ARGUMENTS.ceiling.parent.rglob("cmake_install.cmake"):
            self.assertNotIn("benchfast", script.read_text(), script)


def may_trace():
    """Whether the system lets a parent trace its child."""
    trace_me = "import ctypes, sys; sys.exit(ctypes.CDLL(None).ptrace(0, 0, 0, 0) != 0)"
    return subprocess.run([sys.executable, "-c", trace_me], timeout=60).returncode == 0


class RealProgramTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_its_line_and_whose_malloc(self):
        if real.find_program("sqlite3") is None:
            self.skipTest("sqlite3 is not installed")
        result = json.loads(real.result_line("sqlite", *real.run("sqlite", str(ARGUMENTS.library), self.folder),
                                             str(ARGUMENTS.library)))
        self.assertEqual(list(result), list(MEMBERS))
        self.assertEqual((result["name"], result["malloc_path"]), ("sqlite", str(ARGUMENTS.library)))
        self.assertGreater(result["peak_rss_kib"], 10 << 10)

    def test_what_the_profiler_costs_it(self):
        if real.find_program("sqlite3") is None:
            self.skipTest("sqlite3 is not installed")
        command = [sys.executable, ROOT / "bench/programs/profiler_cost.py", "--only", "sqlite", "--rounds", "1", "--library"]
        done = subprocess.run([*command, ARGUMENTS.library], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"(?m)^sqlite +\d+\.\d+ +\d+\.\d+ +[+-]\d")
        self.assertRegex(done.stdout, r"geometric mean of 1: [+-]\d+\.\d+ % user and system time")
        # A library without a profiler: such a figure is none.
        done = subprocess.run([*command, real.system_libc()], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, "showed a profile" in done.stderr), (1, True), done.stderr)

    def test_its_end_is_proof_enough(self):
        """Nobody has looked at it while it ran, as on a machine that is very busy."""
        if real.find_program("sqlite3") is None:
            self.skipTest("sqlite3 is not installed")
        if not may_trace():
            self.skipTest("no process may be traced here")
        with mock.patch.object(real.Box, "look_for_library"):
            box, _ = real.run("sqlite", str(ARGUMENTS.library), self.folder)
        self.assertGreater(box.end_rss_kib, 1 << 10)

    def test_a_run_without_proof_does_not_count(self):
        elsewhere = real.Program(("true",), "no such image", lambda box: len(box.run(["true"])) + 1)
        with mock.patch.dict(real.PROGRAMS, {"elsewhere": elsewhere}):
            with self.assertRaisesRegex(real.StepFailed, "never seen mapped"):
                real.run("elsewhere", str(ARGUMENTS.library), self.folder)

    def test_not_installed(self):
        absent = real.Program(("no-such-program",), "", lambda box: 1)
        with mock.patch.dict(real.PROGRAMS, {"absent": absent}), mock.patch.object(sys, "argv", ["real.py", "absent"]):
            self.assertEqual(real.main(), NOT_INSTALLED)

    def test_usage(self):
        done = subprocess.run([sys.executable, real.__file__, "unknown"], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (USAGE, ""))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bench", required=True, type=Path, help="the folder of the workloads")
    parser.add_argument("--library", required=True, type=lambda text: Path(text).resolve())
    parser.add_argument("--ceiling", required=True, type=lambda text: Path(text).resolve())
    ARGUMENTS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
