#!/usr/bin/env python3
"""What a thousand operations cost behind the fast paths has a bound, and the bound is the same for 1 thread, for 8 and for 64.

Ticks come by the clock, so a loaded machine has more of them for as much work: what a tick may do at most is taken off
before a figure is held to its bound."""

import argparse
import json
import os
import subprocess
import sys
import unittest
from pathlib import Path

ARGUMENTS = argparse.Namespace()
THREADS = (1, 8, 64)
LIVE = (1000, 100_000)
STEPS = 20_000
# Close watches after a tick (tick.cpp), and some slow paths more to get there. The last tick of the warm-up has its, too.
WATCHES = 4200
OPEN_MESSAGES = 8
CLASSES = 120
# A thread's stacks still grow in its first ten thousands of calls: so many refills and flushes of its own come on top.
GROWTH = 200


def growth(*arguments):
    environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"} | {"LD_PRELOAD": ARGUMENTS.library}
    done = subprocess.run([ARGUMENTS.bench / "scale", "work", *map(str, arguments)], env=environment, capture_output=True, text=True,
                          timeout=120, check=True)
    return json.loads(done.stdout)


class FlatTest(unittest.TestCase):
    def check(self, result, **bounds):
        """`bounds`: how much a counter may grow for a thousand operations, for a tick, and for a thread."""
        counters = result["counters"]
        ticks = counters["ticks"]
        for name, (per_1000, per_tick, per_thread) in bounds.items():
            limit = per_1000 * result["ops"] / 1000 + per_tick * ticks + per_thread * result["threads"]
            with self.subTest(name, threads=result["threads"], live=result["live"], ticks=ticks):
                self.assertLessEqual(counters[name], limit)

    def each(self, remote, partners):
        for threads in THREADS:
            for live in LIVE:
                yield growth(threads, live, STEPS, remote, 16, 1024, partners)

    def test_work_of_ones_own(self):
        for result in self.each(0, 0):
            self.check(result, slow_paths=(5, WATCHES, WATCHES), refills=(1, CLASSES, GROWTH), flushes=(1, CLASSES, GROWTH),
                       pool_visits=(0.2, 2 * CLASSES, 10), lock_pool_acquired=(0.2, 2 * CLASSES, 10), lock_list_acquired=(0.1, 4, 2),
                       lock_huge_acquired=(0.1, 4, 2), lock_metadata_acquired=(0.2, CLASSES, 40))
            self.assertEqual(result["counters"]["blocks_sent"], 0)
            self.assertEqual(result["counters"]["caches_parked"], 0)

    def test_blocks_that_a_neighbour_frees(self):
        """A twentieth of all calls frees a neighbour's block: a message holds 126 of them, however many threads there are."""
        for result in self.each(10, 1):
            if result["threads"] == 1:
                continue
            self.check(result, messages_sent=(0.5, OPEN_MESSAGES, 2), atomics_inbox=(2, 4 * OPEN_MESSAGES, 4),
                       slow_paths=(8, WATCHES, WATCHES), pool_visits=(0.2, 2 * CLASSES, 10),
                       lock_pool_acquired=(0.2, 2 * CLASSES, 10), lock_metadata_acquired=(2, CLASSES + 2 * OPEN_MESSAGES, 40))
            self.assertGreater(result["counters"]["blocks_sent"], result["ops"] // 25)

    def test_blocks_that_anybody_frees(self):
        """A message has a block or two then, but takes no lock that there is one of in the process."""
        for result in self.each(10, 0):
            if result["threads"] == 1:
                continue
            self.check(result, lock_metadata_acquired=(5, CLASSES + 2 * OPEN_MESSAGES, 80), lock_pool_acquired=(0.2, 2 * CLASSES, 10),
                       lock_list_acquired=(0.1, 4, 2), lock_huge_acquired=(0.1, 4, 2), pool_visits=(0.2, 2 * CLASSES, 10))
            self.assertGreater(result["counters"]["blocks_sent"], result["ops"] // 25)

    def test_a_system_call_is_for_growth_only(self):
        for result in self.each(10, 0):
            counters = result["counters"]
            waits = counters["system_calls_futex_wait"] + counters["system_calls_futex_wake"]
            self.assertLessEqual(counters["system_calls"] - waits, 10 + 40 * counters["ticks"])

    def test_sleeping_threads(self):
        for threads in (8, 64):
            environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"} | {"LD_PRELOAD": ARGUMENTS.library}
            done = subprocess.run([ARGUMENTS.bench / "scale", "idle", str(threads)], env=environment, capture_output=True, text=True,
                                  timeout=60, check=True)
            self.assertLessEqual(json.loads(done.stdout)["beyond_kib"], 256, threads)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bench", required=True, type=Path)
    parser.add_argument("--library", required=True)
    ARGUMENTS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
