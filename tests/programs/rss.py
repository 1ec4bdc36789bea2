"""rss.py: peak RSS and wall time of each program under each malloc, interleaved, and the gate on the peak.

Observable  A table in MiB and seconds (medians), and the same figures with every sample as JSON.
Gate        The library's peak <= RATIO_MAX x the lowest of the others + SLACK_KIB (issue 2, "How fast, already now").
"""

from __future__ import annotations

import json
import platform
import statistics
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

from catalogue import Program
from sandbox import Cost, StepFailed

RATIO_MAX = 1.15
SLACK_KIB = 1024
OTHERS = ("libjemalloc.so.2", "libmimalloc.so.2", "libtcmalloc_minimal.so.4")

Samples = dict[str, dict[str, list[Cost]]]  # program, then malloc


def multiarch() -> str:
    return sysconfig.get_config_var("MULTIARCH") or f"{platform.machine()}-linux-gnu"


def mallocs(library: str) -> dict[str, str]:
    """Column name to absolute path; the system's malloc has the empty path."""
    found = {"glibc": ""}
    for name in OTHERS:
        path = Path("/usr/lib") / multiarch() / name
        if path.exists():
            found[name.removeprefix("lib").split(".")[0].removesuffix("_minimal")] = str(path.resolve())
        else:
            print(f"rss: {path} is not installed: no column for it", file=sys.stderr)
    if library:
        found["hakmem"] = library
    return found


def measure(programs: list[Program], library: str, rounds: int, run: Callable[[Program, str], Cost]) -> Samples:
    """Every malloc once per round and program; the order turns, so that none always runs first."""
    columns = list(mallocs(library).items())
    samples: Samples = {program.name: {name: [] for name, _ in columns} for program in programs}
    for turn in range(rounds):
        for program in programs:
            at = turn % len(columns)
            for name, path in columns[at:] + columns[:at]:
                print(f"rss: round {turn + 1}/{rounds} {program.name} {name}", file=sys.stderr)
                try:
                    samples[program.name][name].append(run(program, path))
                except StepFailed as failure:
                    print(f"rss: {program.name} under {name} failed: {failure}", file=sys.stderr)
    return samples


def median_rss_kib(costs: list[Cost]) -> float | None:
    return statistics.median(cost.rss_kib for cost in costs) if costs else None


def limit_kib(columns: dict[str, list[Cost]]) -> float | None:
    """The most the library may use: the gate's right-hand side."""
    others = [peak for name, costs in columns.items() if name != "hakmem" and (peak := median_rss_kib(costs)) is not None]
    return RATIO_MAX * min(others) + SLACK_KIB if others else None


def verdict(columns: dict[str, list[Cost]]) -> str:
    if "hakmem" not in columns:
        return "-"
    own, limit = median_rss_kib(columns["hakmem"]), limit_kib(columns)
    if own is None or limit is None:
        return "MISS (did not run)"
    return f"ok ({own / limit:.2f})" if own <= limit else f"MISS ({own / limit:.2f} of the limit)"


def cell(costs: list[Cost]) -> str:
    if not costs:
        return "failed"
    return f"{median_rss_kib(costs) / 1024:.1f} MiB {statistics.median(cost.wall_s for cost in costs):.2f} s"


def table(samples: Samples) -> str:
    names = list(next(iter(samples.values())))
    rows = [["program", *names, "verdict"]]
    rows += [[program, *(cell(columns[name]) for name in names), verdict(columns)] for program, columns in samples.items()]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(text.ljust(width) if i in (0, len(row) - 1) else text.rjust(width)
                               for i, (text, width) in enumerate(zip(row, widths))).rstrip() for row in rows)


def as_json(samples: Samples) -> str:
    def figures(costs: list[Cost]) -> dict:
        return {"peak_rss_kib": [cost.rss_kib for cost in costs], "wall_s": [round(cost.wall_s, 4) for cost in costs]}

    data = {program: {"mallocs": {name: figures(costs) for name, costs in columns.items()}, "verdict": verdict(columns)}
            for program, columns in samples.items()}
    return json.dumps({"ratio_max": RATIO_MAX, "slack_kib": SLACK_KIB, "programs": data}, indent=1) + "\n"


def gate_misses(samples: Samples) -> list[str]:
    return [program for program, columns in samples.items() if not verdict(columns).startswith("ok")]
