#!/usr/bin/env python3
"""run.py: real programs under the system's malloc and under a preloaded one; their output must be the same, byte for byte.

  run.py --list                                    the programs, one per line
  run.py [--only NAME[,NAME]] --library PATH       the tests: exit 0, 1 (a test failed) or 77 (all of them skipped)
  run.py --rss [--library PATH] [--only NAME[,NAME]] [--rounds N] [--gate] [--json FILE]
                                                   peak RSS and wall time under five mallocs; --gate exits 1 on a miss

A test passes when both runs exit 0 at every step, keep the same outputs, and the library was seen mapped in the processes the
test is about. Inputs are made on the spot, the same ones every time. HAKMEM_* variables reach the programs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))

import difference  # noqa: E402
import rss  # noqa: E402
from catalogue import PROGRAMS, Program  # noqa: E402
from sandbox import Cost, Sandbox, StepFailed, build_launcher, find_program  # noqa: E402

import interpreters, tools, compilers, servers  # noqa: E402, F401  (each declares its programs)

EXIT_FAILED = 1
EXIT_SKIPPED = 77
OUTPUTS_SHOWN_MAX = 3


def system_libc() -> str:
    """The libc this very process uses: preloaded, it comes before any malloc a program was linked with."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = line.partition("/")[1] + line.partition("/")[2]
        if os.path.basename(path).startswith(("libc.so", "libc-")):
            return os.path.realpath(path)
    raise SystemExit("run.py: cannot find the system's libc")


class Runner:
    """Runs programs in one temporary folder; owns the launcher."""

    def __init__(self, folder: Path, timeout_s: float) -> None:
        self.folder = folder
        self.timeout_s = timeout_s
        self.launcher = build_launcher(folder)

    def run(self, program: Program, library: str) -> Sandbox:
        """One run; an empty library is the system's malloc. Raises StepFailed when a step or the proof fails."""
        preload = library or (system_libc() if program.brings_own_malloc else "")
        box = Sandbox(self.folder / program.name, self.launcher, preload, self.timeout_s, program.images)
        try:
            program.body(box)
        finally:
            box.close()
        if library and not box.proof_is_complete():
            raise StepFailed(f"{library} was never seen mapped in: {', '.join(box.images_unproven())}"
                             f" (seen in: {', '.join(sorted(box.loaded)) or 'nothing'})")
        return box

    def measure(self, program: Program, library: str) -> Cost:
        return self.run(program, library).cost


def compare(expected: dict[str, bytes], actual: dict[str, bytes]) -> list[str]:
    """Complaints, most important first; empty when every output is the same."""
    if not expected:
        return ["the test keeps no output at all"]
    complaints = [f"outputs differ in name: {sorted(expected)} and {sorted(actual)}"] if expected.keys() != actual.keys() else []
    for name in expected.keys() & actual.keys():
        lines = difference.describe(expected[name], actual[name])
        if lines:
            complaints.append("\n".join([f"output '{name}' differs:", *("  " + line for line in lines)]))
    return complaints


def missing(program: Program) -> list[str]:
    return [name for name in program.needs if find_program(name) is None]


def test(runner: Runner, program: Program, library: str) -> bool:
    """Run one program both ways and say how it went."""
    try:
        system = runner.run(program, "")
    except StepFailed as failure:
        print(f"FAIL  {program.name}: already under the system's malloc:\n{failure}")
        return False
    try:
        preloaded = runner.run(program, library)
    except StepFailed as failure:
        print(f"FAIL  {program.name}: under {library}:\n{failure}")
        return False
    complaints = compare(system.outputs, preloaded.outputs)
    if complaints:
        print(f"FAIL  {program.name}: output under {library} is not the system's")
        print("\n".join(complaints[:OUTPUTS_SHOWN_MAX]))
        return False
    size = sum(len(data) for data in system.outputs.values())
    print(f"ok    {program.name}: {len(system.outputs)} outputs, {size} bytes; {system.cost.wall_s:.2f} s and {preloaded.cost.wall_s:.2f} s;"
          f" loaded in {', '.join(sorted(preloaded.loaded))}")
    return True


def run_tests(runner: Runner, programs: list[Program], library: str) -> int:
    failed, skipped = [], []
    for program in programs:
        if absent := missing(program):
            print(f"skip  {program.name}: not installed: {', '.join(absent)}")
            skipped.append(program.name)
        elif not test(runner, program, library):
            failed.append(program.name)
        sys.stdout.flush()
    print(f"{len(programs) - len(failed) - len(skipped)} passed, {len(failed)} failed, {len(skipped)} skipped")
    if failed:
        return EXIT_FAILED
    return EXIT_SKIPPED if len(skipped) == len(programs) else 0


def run_rss(runner: Runner, programs: list[Program], library: str, arguments: argparse.Namespace) -> int:
    for program in programs:
        if absent := missing(program):
            print(f"skip  {program.name}: not installed: {', '.join(absent)}", file=sys.stderr)
    present = [program for program in programs if not missing(program)]
    if not present:
        return EXIT_SKIPPED
    samples = rss.measure(present, library, arguments.rounds, runner.measure)
    print(rss.table(samples))
    print(f"medians of {arguments.rounds}; hakmem may use {rss.RATIO_MAX} x the lowest of the others + {rss.SLACK_KIB // 1024} MiB")
    if arguments.json:
        Path(arguments.json).write_text(rss.as_json(samples))
    misses = rss.gate_misses(samples) if library else []
    return EXIT_FAILED if arguments.gate and misses else 0


def chosen(only: str | None) -> list[Program]:
    names = only.split(",") if only else list(PROGRAMS)
    unknown = [name for name in names if name not in PROGRAMS]
    if unknown:
        raise SystemExit(f"run.py: no program named {', '.join(unknown)}; --list shows them")
    return [PROGRAMS[name] for name in names]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="print the programs' names and leave")
    parser.add_argument("--only", metavar="NAME[,NAME]", help="these programs only")
    parser.add_argument("--library", metavar="PATH", help="the library to preload")
    parser.add_argument("--timeout", type=float, default=180, metavar="SECONDS", help="limit for each step (default 180)")
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder behind")
    parser.add_argument("--rss", action="store_true", help="measure instead of test")
    parser.add_argument("--rounds", type=int, default=3, help="with --rss: samples of each (default 3)")
    parser.add_argument("--gate", action="store_true", help="with --rss: exit 1 when the library uses too much")
    parser.add_argument("--json", metavar="FILE", help="with --rss: write every sample there")
    arguments = parser.parse_args()
    if not arguments.list and not arguments.rss and not arguments.library:
        parser.error("--library is needed")
    if arguments.gate and not (arguments.rss and arguments.library):
        parser.error("--gate needs --rss and --library")
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    return arguments


def main() -> int:
    arguments = parse_arguments()
    if arguments.list:
        print("\n".join(PROGRAMS))
        return 0
    programs = chosen(arguments.only)
    library = os.path.realpath(arguments.library) if arguments.library else ""
    if library and not os.path.isfile(library):
        raise SystemExit(f"run.py: no library at {arguments.library}")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that everything below is tidied up
    folder = Path(tempfile.mkdtemp(prefix="hakmem-programs-"))
    try:
        runner = Runner(folder, arguments.timeout)
        if arguments.rss:
            return run_rss(runner, programs, library, arguments)
        return run_tests(runner, programs, library)
    finally:
        if arguments.keep:
            print(f"kept {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
