#!/usr/bin/env python3
"""`hakmem bench ceiling`, from outside: its table, its exit codes, and a ceiling that runs dry."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ARGUMENTS = argparse.Namespace()
FINE, FINDING, USAGE, MISSING = 0, 1, 2, 3
ROWS = {
    "hot": ["tiny_hot", "20000", "16", "1"],
    "pair": ["random_mixed", "20000", "256", "1234567", "0", "0", "2"],
    "batch": ["tiny_hot", "20000", "512", "1000"],
}


def row(name, program, args, **more):
    return {"name": name, "title": name, "program": program, "args": args, "figure": "mops", "better": "higher",
            "unit": "Mops/s", "kind": "speed"} | more


class CeilingTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.suite = Path(folder.name) / "suite.json"
        rows = [row(name, program, args, ceiling=True) for name, (program, *args) in ROWS.items()]
        # Its batches need 1 000 blocks at once.
        rows.append(row("dry", "tiny_hot", ["20000", "512", "1000"], ceiling=True, ceiling_blocks=999))
        rows.append(row("other", "tiny_hot", ["20000"]))
        self.suite.write_text(json.dumps({"rows": rows}))

    def ceiling(self, *arguments, suite=None, **variables):
        # STRICT: hakmem ends the program when it sees a variable of the ceiling's.
        environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"} | {"HAKMEM_STRICT": "on"} | variables
        return subprocess.run([ARGUMENTS.command, "bench", "ceiling", "--suite", suite or self.suite, *arguments],
                              env=environment, capture_output=True, text=True, timeout=120)

    def test_table(self):
        done = self.ceiling("--rows", "hot,pair,batch", "--rounds", "2")
        self.assertEqual((done.returncode, done.stderr), (FINE, ""), done.stdout)
        for name in ROWS:
            line = re.search(rf"^{name} +([\d.]+) +([\d.]+)  Mops/s +([\d.]+) +([\d.]+)\.\.([\d.]+)$", done.stdout, re.M)
            self.assertIsNotNone(line, done.stdout)
            low, ratio, high = (float(line.group(i)) for i in (4, 3, 5))
            self.assertTrue(0 < low <= ratio <= high, line.group())

    def test_a_dry_ceiling_is_invalid(self):
        done = self.ceiling("--rows", "hot,dry", "--rounds", "3")
        self.assertEqual(done.returncode, FINDING)
        self.assertRegex(done.stdout, r"(?m)^dry +invalid$")
        self.assertRegex(done.stdout, r"(?m)^dry under ceiling: .*exit status 70: benchfast: all 999 blocks of 512 bytes are gone")
        self.assertRegex(done.stdout, r"(?m)^hot +[\d.]+ ")

    def test_the_users_number_of_blocks_holds(self):
        self.assertEqual(self.ceiling("--rows", "dry", "--rounds", "1", HAKMEM_BENCH_FAST_BLOCKS="1000").returncode, FINE)
        done = self.ceiling("--rows", "batch", "--rounds", "1", HAKMEM_BENCH_FAST_BLOCKS="10")
        self.assertEqual(done.returncode, FINDING)
        self.assertIn("all 10 blocks", done.stdout)

    def test_instructions(self):
        if shutil.which("valgrind") is None:
            self.skipTest("valgrind is not installed")
        done = self.ceiling("--rows", "hot,pair", "--rounds", "1", "--instructions")
        self.assertEqual(done.returncode, FINE, done.stderr)
        _, _, counts = done.stdout.partition("instructions of malloc + free")
        normal, ceiling, ratio = map(float, re.search(r"(?m)^hot +([\d.]+) +([\d.]+) +([\d.]+)$", counts).groups())
        self.assertTrue(10 < ceiling < normal, counts)
        self.assertAlmostEqual(ratio, normal / ceiling, places=2)
        self.assertNotIn("pair ", counts.partition("\n")[2], "two threads are not counted")

    def test_list(self):
        done = self.ceiling("--list")
        self.assertEqual((done.returncode, [line.split()[0] for line in done.stdout.splitlines()]), (FINE, [*ROWS, "dry"]))

    def test_usage(self):
        for arguments in (["--rows", "unknown"], ["--rows", "other"], ["--rounds", "0"], ["--unknown"]):
            with self.subTest(arguments):
                done = self.ceiling(*arguments)
                self.assertEqual((done.returncode, done.stdout), (USAGE, ""), done.stderr)

    def test_missing_files(self):
        for arguments, suite in ((["--ceiling", "/no/such.so"], None), (["--hakmem", "/no/such.so"], None), ([], "/no/such.json")):
            with self.subTest(arguments):
                done = self.ceiling(*arguments, suite=suite)
                self.assertEqual((done.returncode, done.stdout), (MISSING, ""), done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--command", required=True)
    ARGUMENTS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
