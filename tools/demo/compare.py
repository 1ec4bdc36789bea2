#!/usr/bin/env python3
"""Two real multi-threaded programs under the system's malloc and under hakmem: time and peak memory.

Which malloc a program really calls is not assumed: in an unmeasured first run the dynamic linker reports what
it bound `malloc` to, and in each measured run the mappings of the live process are read. The output of both
sides must be the same. Exit status: 0, or 1 when a run failed or a proof did not hold.
"""
import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from workloads import WORKLOADS, Workload

MIB = 1024 * 1024
MAPS_TRIES, MAPS_PAUSE_S = 200, 0.002


class Failure(Exception):
    pass


@dataclass
class Side:
    """One malloc, and what was measured with it."""
    name: str
    library: Path | None
    bound_to: str = ""
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    peak_bytes: list[int] = field(default_factory=list)
    outputs: set[bytes] = field(default_factory=set)


def environment(workload: Workload, side: Side) -> dict[str, str]:
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("LD_", "PYTHON", "GIT_"))}
    variables |= workload.variables
    if side.library:
        variables["LD_PRELOAD"] = str(side.library)
    return variables


def bound_malloc(workload: Workload, side: Side, folder: Path) -> str:
    """The file that every use of `malloc` in the process was bound to, as the dynamic linker tells it."""
    with tempfile.TemporaryDirectory(dir=folder) as reports:
        variables = environment(workload, side) | {
            "LD_DEBUG": "bindings", "LD_BIND_NOW": "1", "LD_DEBUG_OUTPUT": f"{reports}/bindings"}
        result = subprocess.run(workload.command, env=variables, cwd=folder, stdin=subprocess.DEVNULL,
                                capture_output=True)
        if result.returncode != 0:
            raise Failure(f"{workload.name} under {side.name}: exit status {result.returncode}\n"
                          f"{result.stderr.decode(errors='replace')}")
        text = "\n".join(report.read_text(errors="replace") for report in Path(reports).iterdir())
    bindings = re.findall(r"binding file (\S+) \[0\] to (\S+) \[0\]: normal symbol `malloc'", text)
    # Before its own relocation is done the dynamic linker uses a malloc of its own. And where a program
    # takes malloc's address, libraries are bound to the program's jump slot, which is bound in its turn.
    program = workload.command[0]
    has_jump_slot = any(user == program != target for user, target in bindings)
    targets = {target for _, target in bindings if not Path(target).name.startswith("ld-linux")}
    targets -= {program} if has_jump_slot else set()
    expected = str(side.library) if side.library else "libc.so.6"
    if len(targets) != 1 or not next(iter(targets)).endswith(expected):
        raise Failure(f"{workload.name} under {side.name}: malloc was bound to {sorted(targets)}")
    return targets.pop()


def has_mapped(pid: int, library_name: str) -> bool:
    """Whether a process that has just been started maps hakmem, once it maps libc."""
    for _ in range(MAPS_TRIES):
        maps = Path(f"/proc/{pid}/maps").read_text()
        # The loader maps preloaded libraries before libc, so what is not there now does not come.
        if "libc.so.6" in maps:
            return library_name in maps
        time.sleep(MAPS_PAUSE_S)
    raise Failure("a program was over before its mappings could be read")


def measure(workload: Workload, side: Side, folder: Path) -> None:
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        child = subprocess.Popen(workload.command, env=environment(workload, side), cwd=folder,
                                 stdin=subprocess.DEVNULL, stdout=output)
        mapped = has_mapped(child.pid, "libhakmem.so")
        _, status, usage = os.wait4(child.pid, 0)
        elapsed = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        side.outputs.add(output.read())
    if child.returncode != 0:
        raise Failure(f"{workload.name} under {side.name}: exit status {child.returncode}")
    if mapped != bool(side.library):
        raise Failure(f"{workload.name} under {side.name}: libhakmem.so is {'' if mapped else 'not '}mapped")
    side.seconds.append(elapsed)
    side.cpu_seconds.append(usage.ru_utime + usage.ru_stime)
    side.peak_bytes.append(usage.ru_maxrss * 1024)


def compare(workload: Workload, library: Path, rounds: int) -> list[Side]:
    sides = [Side("system", None), Side("hakmem", library)]
    with tempfile.TemporaryDirectory(prefix="hakmem-demo-") as name:
        folder = Path(name)
        workload.prepare(folder)
        for side in sides:
            side.bound_to = bound_malloc(workload, side, folder)
        for round_number in range(rounds):
            for side in sides if round_number % 2 == 0 else reversed(sides):
                measure(workload, side, folder)
    if len(set.union(*(side.outputs for side in sides))) != 1:
        raise Failure(f"{workload.name}: the output is not the same under both mallocs")
    return sides


def rows(workload: Workload, sides: list[Side]):
    first = sides[0]
    for side in sides:
        seconds, peak = statistics.median(side.seconds), statistics.median(side.peak_bytes)
        against = ("" if side is first else
                   f"{seconds / statistics.median(first.seconds) - 1:+.0%} time, "
                   f"{peak / statistics.median(first.peak_bytes) - 1:+.0%} memory")
        yield (workload.name if side is first else "", side.name, f"{seconds:.2f} s",
               f"{min(side.seconds):.2f}-{max(side.seconds):.2f}",
               f"{statistics.median(side.cpu_seconds):.2f} s", f"{peak / MIB:.1f} MiB", against,
               side.bound_to)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", type=Path, required=True, help="libhakmem.so")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    library = arguments.library.resolve()
    table = [("program", "malloc", "time", "range", "CPU", "peak RSS", "hakmem against system",
              "malloc is bound to")]
    try:
        for workload in WORKLOADS:
            table += rows(workload, compare(workload, library, arguments.rounds))
    except Failure as failure:
        print(f"compare: {failure}", file=sys.stderr)
        return 1
    widths = [max(map(len, column)) for column in zip(*table)]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    print(f"\nMedian of {arguments.rounds} interleaved runs; both sides gave the same output.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
