#!/usr/bin/env python3
"""profiler_cost.py: what the heap profiler costs real programs, in user and system time.

  profiler_cost.py --library PATH [--only NAME[,NAME]] [--rounds N] [--rate BYTES] [--gate PERCENT]

Each round runs each program of real.py without the profiler and with it, in turn; which of the two is first changes with the round.
A row compares the lowest times of the rounds: what else the machine does can only add to a run. Run it with `chrt -f 5` where other
processes use the machine. A run with the profiler counts only when its process showed a profile.

Exit status: 0; 1 a run failed, or the geometric mean is above --gate; 2 usage; 77 nothing is installed.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True

import real  # noqa: E402
from sandbox import StepFailed, find_program  # noqa: E402

PROFILE = "HAKMEM_PROFILE"
RATE = "HAKMEM_PROFILE_RATE"


def cpu_seconds(name: str, library: str, folder: Path, rate: str) -> float:
    """One run; an empty rate is a run without the profiler."""
    for variable in (PROFILE, RATE):
        os.environ.pop(variable, None)
    if rate:
        os.environ |= {PROFILE: "on", RATE: rate}
    box, _ = real.run(name, library, folder)
    if box.profiled != bool(rate):
        raise StepFailed(f"{name}: {'no process showed a profile' if rate else 'profiled without being asked'}")
    return box.cost.cpu_s


def measure(name: str, library: str, folder: Path, arguments: argparse.Namespace) -> float:
    """The ratio of a program's lowest times; prints its row."""
    off, on = [], []
    for number in range(arguments.rounds):
        for profiled in (False, True) if number % 2 == 0 else (True, False):
            seconds = cpu_seconds(name, library, folder, arguments.rate if profiled else "")
            (on if profiled else off).append(seconds)
    ratio = min(on) / min(off)
    middle = statistics.median(b / a for a, b in zip(off, on))
    print(f"{name:<12} {min(off):8.3f} {min(on):8.3f} {100 * (ratio - 1):+8.2f} {100 * (middle - 1):+8.2f}", flush=True)
    return ratio


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", required=True, metavar="PATH", help="the library to preload")
    parser.add_argument("--only", metavar="NAME[,NAME]", help="these programs only")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of runs of each program (default 5)")
    parser.add_argument("--rate", default="512KiB", metavar="BYTES", help="bytes between two samples (default: the library's)")
    parser.add_argument("--gate", type=float, metavar="PERCENT", help="exit 1 when the geometric mean is above this")
    arguments = parser.parse_args()
    arguments.names = arguments.only.split(",") if arguments.only else list(real.PROGRAMS)
    if unknown := [name for name in arguments.names if name not in real.PROGRAMS]:
        parser.error(f"no program named {', '.join(unknown)}")
    if not os.path.isfile(arguments.library):
        parser.error(f"no library at {arguments.library}")
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    return arguments


def main() -> int:
    arguments = parse_arguments()
    names = [name for name in arguments.names if all(find_program(needed) for needed in real.PROGRAMS[name].needs)]
    if not names:
        return real.EXIT_NOT_INSTALLED
    library = os.path.realpath(arguments.library)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that everything below is tidied up
    folder = Path(tempfile.mkdtemp(prefix="hakmem-bench-"))
    try:
        print(f"{'program':<12} {'off s':>8} {'on s':>8} {'%':>8} {'median':>8}")
        ratios = [measure(name, library, folder, arguments) for name in names]
    except (StepFailed, subprocess.TimeoutExpired) as failure:
        print(f"profiler_cost.py: {failure}", file=sys.stderr)
        return real.EXIT_FAILED
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    percent = 100 * (math.exp(statistics.fmean(map(math.log, ratios))) - 1)
    print(f"geometric mean of {len(names)}: {percent:+.2f} % user and system time, lowest of {arguments.rounds} rounds")
    return real.EXIT_FAILED if arguments.gate is not None and percent > arguments.gate else 0


if __name__ == "__main__":
    sys.exit(main())
