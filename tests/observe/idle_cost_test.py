#!/usr/bin/env python3
"""What slow paths pay for stats and probes while nobody asks: at most 1 % of their instructions, and 2 % where each
acquires a slab; and for the profiler, which has a wider bound.

callgrind counts each instruction by the line it was compiled from, so one run of the library as it is shipped shows what
its observing lines cost; tests/hot_path.py shows that hits have none. And what the profiler costs a program that does nothing
but allocate, when it is on."""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ARGUMENTS = argparse.Namespace()
SOURCES = Path(__file__).resolve().parents[2] / "src"
SHARE_MAX = 0.01
# Of slow paths that acquire or release a slab: the clock is read for its age, and three probes and stopwatches lie on the way.
SHARE_WITH_SLABS_MAX = 0.02
PROFILED_MAX = 3  # times the instructions of tiny_hot
HITS = re.compile(r"^(malloc|free|calloc|realloc|operator (new|delete)\b.*)$")
# Which lines are whose: by file, or by what the line says.
PARTS = [
    ("latency", r"os/latency\.h", r""),
    ("probes", r".*", r"HAKMEM_PROBE\("),
    ("slab age", r"(pool/shared_pool\.cpp|superslab/slab\.h)", r"\bborn =|slab_clock"),
    ("profiler", r"profile/.*", r""),
    ("profiler", r"(front|heap)/.*", r"gated|allowance|is_counted_here|steps_left_|(pop|push)_counted|profiler\(\)"),
    ("counters", r"base/counter\.h", r""),
]
# Whose share is bounded; the counters are those of malloc_stats, hak_counters and the scale test, whoever looks.
BOUNDED = ("latency", "probes", "slab age")
# Its looks at whether a thread is gated stand in lines that do other work too: this is more than it costs.
PROFILER_MAX = 0.08
AGE_CALL = ("SharedPool::acquire", "os::now_coarse")


def profile(program, *arguments, **environment):
    """The text that callgrind writes of a run."""
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder) / "counts"
        # A small reservation is all that valgrind has room for.
        variables = {"PATH": os.environ["PATH"], "LD_PRELOAD": ARGUMENTS.library, "HAKMEM_RESERVE": "4GiB"} | environment
        subprocess.run(["valgrind", "-q", "--tool=callgrind", "--compress-strings=no", "--compress-pos=no",
                        "--soname-synonyms=somalloc=nouserintercepts", f"--callgrind-out-file={counts}",
                        str(program), *map(str, arguments)], env=variables, check=True, capture_output=True, timeout=250)
        return counts.read_text(errors="replace")


def lines_of(text):
    """(object, function, file, line, instructions), and (caller, callee, instructions with what it calls)."""
    own, calls = [], []
    at = {"ob": "", "fn": "", "fl": "", "cfn": ""}
    is_call = False
    for line in text.splitlines():
        if line[:1].isdigit():
            words = line.split()
            if is_call:
                calls.append((at["fn"], at["cfn"], int(words[1])))
            elif len(words) > 1:
                own.append((at["ob"], at["fn"], at["fl"], int(words[0]), int(words[1])))
            is_call = False
        elif line.startswith("calls="):
            is_call = True
        elif match := re.match(r"(ob|fn|cfn|fl|fi|fe)=(.*)", line):
            name = "fl" if match[1] in ("fi", "fe") else match[1]
            at[name] = match[2]
    return own, calls


class Lines:
    """What the lines of src/ say."""

    def __init__(self):
        self.files = {}

    def part(self, file, line):
        name = file.split("/src/", 1)[-1]
        for part, of_file, of_text in PARTS:
            if re.fullmatch(of_file, name) and (of_text == "" or re.search(of_text, self.text(name, line))):
                return part
        return None

    def text(self, name, line):
        if name not in self.files:
            path = SOURCES / name
            self.files[name] = path.read_text().splitlines() if path.is_file() else []
        return self.files[name][line - 1] if 0 < line <= len(self.files[name]) else ""


def cost(program, *arguments):
    """Instructions of all slow paths, and of each part of them."""
    own, calls = lines_of(profile(program, *arguments, HAKMEM_STATS="off"))
    lines, slow, parts = Lines(), 0, {}
    for owner, function, file, line, count in own:
        if not owner.endswith(Path(ARGUMENTS.library).name) or HITS.match(function):
            continue
        slow += count
        part = lines.part(file, line)
        if part is not None:
            parts[part] = parts.get(part, 0) + count
    clock = sum(count for caller, callee, count in calls if AGE_CALL[0] in caller and AGE_CALL[1] in callee)
    parts["slab age"] = parts.get("slab age", 0) + clock
    return slow, parts, clock


class IdleTest(unittest.TestCase):
    def check(self, name, share_max, program, *arguments):
        slow, parts, clock = cost(program, *arguments)
        shares = {part: 100 * count / slow for part, count in parts.items()}
        bounded = sum(shares.get(part, 0) for part in BOUNDED)
        print(f"{name}: {slow} instructions of slow paths; " + ", ".join(f"{part} {share:.2f} %" for part, share in shares.items())
              + f"; {bounded:.2f} % of {100 * share_max:g} %", file=sys.stderr)
        self.assertGreater(slow, 1_000_000)
        self.assertGreater(parts["latency"], 0, "no line is recognised")
        self.assertLessEqual(bounded, 100 * share_max, shares)
        self.assertLessEqual(shares.get("profiler", 0), 100 * PROFILER_MAX)
        return clock

    def test_small_blocks(self):
        self.check("small", SHARE_MAX, ARGUMENTS.bench / "random_mixed", 20_000, 8192)

    def test_mid_blocks(self):
        # So many that the slabs it takes to begin with do not count, be there ticks or none: they follow the clock.
        self.check("mid", SHARE_MAX, ARGUMENTS.bench / "random_mixed", 200_000, 256, 1234567, 8192, 40960)

    def test_large_blocks(self):
        self.check("large", SHARE_WITH_SLABS_MAX, ARGUMENTS.bench / "random_mixed", 20_000, 64, 1234567, 32768, 2097152)

    def test_where_each_malloc_acquires_a_slab(self):
        self.assertGreater(self.check("fill", SHARE_WITH_SLABS_MAX, ARGUMENTS.fill), 0, "the clock of the slabs' age is not seen")


class ProfiledTest(unittest.TestCase):
    def pair(self, **environment):
        """Instructions of a malloc and a free, as the difference of two lengths."""
        of = []
        for turns in (100_000, 200_000):
            own, _ = lines_of(profile(ARGUMENTS.bench / "tiny_hot", turns, 16, HAKMEM_SCAVENGER="off", **environment))
            of.append(sum(row[4] for row in own))
        return (of[1] - of[0]) / 100_000

    def test_a_loop_that_does_nothing_but_allocate(self):
        off, on = self.pair(), self.pair(HAKMEM_PROFILE="on")
        print(f"tiny_hot: {off:.1f} instructions a pair, {on:.1f} with the profiler at its default rate", file=sys.stderr)
        self.assertGreater(on, off)
        self.assertLess(on, PROFILED_MAX * off)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--library", required=True)
    parser.add_argument("--bench", type=Path, required=True)
    parser.add_argument("--fill", required=True, help="tests/observe/large_fill.c, built")
    ARGUMENTS, rest = parser.parse_known_args()
    if shutil.which("valgrind") is None:
        print("valgrind is not there")
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], *rest])
