#!/usr/bin/env python3
"""`hakmem bench scale`, from outside: its table and its document agree with each other, and its exit codes."""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ARGUMENTS = argparse.Namespace()
FINE, FINDING, USAGE, MISSING, UNSUPPORTED = 0, 1, 2, 3, 5
SMALL = ["--threads", "8,1,2,8", "--live", "2000,500", "--steps", "1000"]
COLUMNS = ["slow_paths", "refills_and_flushes", "ticks", "locks", "process_wide_locks", "contended", "atomics", "messages",
           "pool_visits", "system_calls"]


def scale(*arguments, **variables):
    environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"} | variables
    return subprocess.run([ARGUMENTS.command, "bench", "scale", *map(str, arguments)], env=environment, capture_output=True, text=True,
                          timeout=120)


def as_printed(figure):
    return "0" if figure == 0 else f"{figure:.2f}" if figure < 9.995 else f"{figure:.0f}"


class ScaleTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def document(self, *arguments):
        file = self.folder / "scale.json"
        done = scale(*arguments, "--json", file)
        self.assertEqual((done.returncode, done.stderr), (FINE, ""), done.stdout)
        return json.loads(file.read_text()), done.stdout

    def test_every_point_in_order(self):
        document, _ = self.document(*SMALL)
        self.assertEqual((document["format"], document["format_version"]), ("hakmem bench scale", 1))
        self.assertEqual([(point["live"], point["threads"]) for point in document["points"]],
                         [(live, threads) for live in (500, 2000) for threads in (1, 2, 8)])
        self.assertEqual([column["name"] for column in document["columns"]], COLUMNS)
        self.assertEqual([sleeping["threads"] for sleeping in document["sleeping"]], [8])
        self.assertEqual(document["errors"], [])

    def test_figures_are_the_counters_per_thousand_operations(self):
        document, _ = self.document(*SMALL, "--rounds", "3")
        for point in document["points"]:
            self.assertEqual(len(point["results"]), 3)
            for result in point["results"]:
                self.assertEqual(result["ops"], 2 * point["threads"] * 1000)
                self.assertEqual(result["live"], point["live"])
            for column in document["columns"]:
                sums = sorted(sum(result["counters"][name] for name in column["counters"]) for result in point["results"])
                self.assertAlmostEqual(point["per_1000"][column["name"]], sums[1] * 1000 / point["results"][0]["ops"])

    def test_the_share_of_remote_frees_is_exact(self):
        document, _ = self.document("--threads", "1,2,8", "--live", "500", "--steps", "5000", "--remote", "20")
        alone, *others = document["points"]
        self.assertEqual(alone["per_1000"]["messages"], 0)
        self.assertIsNone(alone["blocks_per_message"])
        for point in others:
            result = point["results"][0]
            # Twenty of two hundred calls; what waits in open messages before and after differs by these at most.
            waiting = 126 * 8 * point["threads"]
            self.assertLessEqual(abs(result["counters"]["blocks_sent"] - result["ops"] // 10), waiting)
        document, _ = self.document("--threads", "8", "--live", "500", "--steps", "1000", "--remote", "0")
        self.assertEqual(document["points"][0]["results"][0]["counters"]["blocks_sent"], 0)

    def test_table(self):
        document, text = self.document(*SMALL)
        self.assertTrue(text.startswith("per 1000 calls of malloc and free of 16 to 1024 bytes; 10 % of the frees by any other thread; "), text)
        for live in ("500", "2 000"):
            self.assertIn(f"\nlive {live}\nthreads ", text)
        lines = [line.split() for line in text.splitlines() if re.match(r" +\d+ +[\d.]+ ", line)]
        self.assertEqual(len(lines), len(document["points"]))
        for words, point in zip(lines, document["points"]):
            size = point["blocks_per_message"]
            shown = [as_printed(point["per_1000"][name]) for name in COLUMNS]
            shown.insert(COLUMNS.index("messages") + 1, "-" if size is None else f"{size:.1f}")
            self.assertEqual(words, [str(point["threads"]), *shown])

    def test_what_is_not_flat_is_said(self):
        """Any of 63 threads frees a block and there are few open messages: slow paths and messages cannot stay as with two."""
        document, text = self.document("--threads", "1,2,64", "--live", "1000", "--steps", "2000")
        grown = {growth["column"] for growth in document["growths"]}
        for growth in document["growths"]:
            column = next(one for one in document["columns"] if one["name"] == growth["column"])
            self.assertGreater(growth["to"], max(growth["from"] * document["growth_factor"], growth["from"] + column["floor"]))
        self.assertIn("messages", grown)
        self.assertRegex(text, r"(?m)^  messages +[\d.]+ with 64 threads, [\d.]+ with 2 threads \(1 000 live\)$")
        flat = re.search(r"(?m)^flat in both: (.*)$", text).group(1).split(", ")
        self.assertEqual(len(flat) + len(grown), len(COLUMNS))
        self.assertEqual(scale("--threads", "1,2,64", "--live", "1000", "--steps", "2000", "--fail-on-growth").returncode, FINDING)

    def test_one_point_is_flat(self):
        done = scale("--threads", "2", "--live", "1000", "--steps", "1000", "--fail-on-growth")
        self.assertEqual((done.returncode, done.stderr), (FINE, ""))
        self.assertNotIn("not flat", done.stdout)
        self.assertNotIn("sleeping", done.stdout, "two threads say little about what each costs")

    def test_quick(self):
        done = scale("--quick")
        self.assertEqual((done.returncode, done.stderr), (FINE, ""))
        self.assertEqual(re.findall(r"(?m)^live (.*)$", done.stdout), ["1 000", "100 000"])
        kept = [int(found) for found in re.findall(r"threads: (\d+) KiB each$", done.stdout, re.M)]
        self.assertEqual(len(kept), 2)
        self.assertLessEqual(max(kept), 256)

    def test_a_run_that_fails_is_said_and_left_out(self):
        program = self.folder / "scale"
        program.write_text('#!/bin/sh\n[ "$2" = 2 ] && { echo broken >&2; exit 3; }\nexec ' + str(ARGUMENTS.bench / "scale") + ' "$@"\n')
        program.chmod(0o755)
        done = scale("--threads", "1,2", "--live", "100", "--steps", "1000", "--bench-dir", self.folder)
        self.assertEqual(done.returncode, FINDING)
        self.assertIn("2 threads, 100 live: exit status 3: broken\n", done.stdout)
        self.assertRegex(done.stdout, r"(?m)^ +1 +[\d.]+ ")

    def test_a_library_without_counters(self):
        done = scale("--threads", "1", "--live", "100", "--steps", "1000", "--hakmem", ARGUMENTS.ceiling)
        self.assertEqual((done.returncode, done.stdout), (UNSUPPORTED, ""))
        self.assertEqual(done.stderr, "hakmem bench scale: this libhakmem.so has no counters\n")

    def test_usage(self):
        for arguments in (["--threads", "0"], ["--threads", "x"], ["--live", "0"], ["--steps", "1"], ["--remote", "101"], ["--min", "9", "--max", "8"],
                          ["--unknown"]):
            with self.subTest(arguments):
                done = scale(*arguments)
                self.assertEqual((done.returncode, done.stdout), (USAGE, ""), done.stderr)

    def test_missing_files(self):
        for arguments in (["--hakmem", "/no/such.so"], ["--json", "/no/such/folder/x.json"]):
            with self.subTest(arguments):
                done = scale(*SMALL, *arguments)
                self.assertEqual((done.returncode, done.stdout), (MISSING, ""), done.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--command", required=True)
    parser.add_argument("--bench", required=True, type=Path)
    parser.add_argument("--ceiling", required=True)
    ARGUMENTS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
