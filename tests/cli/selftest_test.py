#!/usr/bin/env python3
"""hakmem selftest --security: every promise is kept, and one that is not kept is found."""
import argparse
import json
import subprocess
import sys
import unittest

ARGUMENTS = argparse.Namespace()
FINE, FINDING, USAGE = 0, 1, 2


def selftest(*arguments):
    return subprocess.run([ARGUMENTS.command, "selftest", *arguments], capture_output=True, text=True, timeout=300)


class SelftestTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.result = selftest("--security", "--json")
        cls.report = json.loads(cls.result.stdout)
        cls.crimes = {crime["crime"]: crime for crime in cls.report["crimes"]}

    def test_every_promise_is_kept(self):
        broken = [(name, flavour, crime[flavour]["by"]) for name, crime in self.crimes.items()
                  for flavour in ("default", "hardened") if not crime[flavour]["promise_kept"]]
        self.assertEqual(broken, [])
        self.assertTrue(self.report["promises_kept"])
        self.assertEqual(self.result.returncode, FINE)

    def test_the_hardened_flavour_leaves_out_no_more_than_it_says(self):
        spared = {name for name, crime in self.crimes.items() if not crime["hardened"]["promised"]}
        self.assertEqual(spared, {f"{deed}-after-free-{size}" for deed in ("write", "read") for size in (5000, 30000)}
                         | {"remote-write-after-free-5000"})

    def test_the_table_has_a_line_for_each_crime(self):
        result = selftest("--security")
        self.assertEqual(result.returncode, FINE, result.stdout)
        for crime in self.crimes.values():
            self.assertIn(crime["text"], result.stdout)
        self.assertNotIn("PROMISE BROKEN", result.stdout)

    # The default library in the hardened one's place keeps few of its promises.
    def test_a_broken_promise_is_found(self):
        result = selftest("--security", "--json", "--hardened-library", ARGUMENTS.library)
        self.assertEqual(result.returncode, FINDING)
        crimes = {crime["crime"]: crime["hardened"] for crime in json.loads(result.stdout)["crimes"]}
        self.assertFalse(crimes["overflow-1"]["promise_kept"])
        self.assertFalse(crimes["new-free"]["caught"])
        self.assertTrue(crimes["double-free"]["promise_kept"])

    def test_zeroing_of_larger_blocks_finds_what_is_else_spared(self):
        variables = {"HAKMEM_ZERO_FREED": "32KiB"}
        result = subprocess.run([ARGUMENTS.command, "selftest", "--security", "--json"], capture_output=True,
                                text=True, timeout=300, env=variables)
        crimes = {crime["crime"]: crime["hardened"] for crime in json.loads(result.stdout)["crimes"]}
        for crime in ("write-after-free-5000", "write-after-free-30000", "remote-write-after-free-5000"):
            self.assertEqual(crimes[crime]["by"], "write-after-free", crime)
        for crime in ("read-after-free-5000", "read-after-free-30000"):
            self.assertEqual(crimes[crime]["by"], "made harmless", crime)
        self.assertTrue(json.loads(result.stdout)["promises_kept"])

    def test_usage(self):
        self.assertEqual(selftest().returncode, USAGE)
        self.assertEqual(selftest("--security", "--library", "/nonexistent").returncode, USAGE)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--command", required=True)
    parser.add_argument("--library", required=True, help="libhakmem.so")
    ARGUMENTS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
