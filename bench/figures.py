#!/usr/bin/env python3
"""Measure hakmem beside other allocators, and judge the gates on speed and memory.

`make figures` builds everything and calls this without arguments. Each row is one program of bench/workloads
with fixed arguments and seed. All allocators run it once per round, in random order, so that a noisy minute
hits all of them; hakmem is compared with another allocator by the median of the ratios within the rounds.
LD_PRELOAD is set for the measured child only, and a run counts only when the child reports that `malloc` came
from the file that was asked for.

Exit status: 0; 1 when --gate is given and a gate failed or could not be judged; 2 for bad arguments or missing
programs.
"""

import argparse
import glob
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HOT_PATH = os.path.join(ROOT, "tests", "hot_path.py")
# The name of the last part among the rows: instruction counts, read from the disassembly.
HOT_PATH_ROW = "hot_path"
PEERS = {"mimalloc": "libmimalloc.so.2", "jemalloc": "libjemalloc.so.2", "tcmalloc": "libtcmalloc_minimal.so.4"}
CHILD_TIMEOUT_SECONDS = 120
# Settings of the other allocators would measure the caller's shell. HAKMEM_* stays, and is printed.
DROPPED_ENVIRONMENT = ("LD_PRELOAD", "MALLOC_", "MIMALLOC_", "TCMALLOC_", "GLIBC_TUNABLES", "_RJEM_")


@dataclass(frozen=True)
class Gate:
    """What hakmem must reach in a row: faster than each peer, or one bound on the median."""

    kind: str  # "faster", "at_most" or "at_least"
    bound: float = 0.0


@dataclass(frozen=True)
class Row:
    name: str
    title: str
    command: tuple
    gate: Gate | None = None
    # Which member of the result line is the figure, and what divides it to give the unit.
    field: str = "mops"
    divisor: float = 1.0
    unit: str = "Mops/s"
    # Memory hardly differs between rounds, and the waiting rows cost seconds: fewer rounds say as much.
    rounds_max: int = 1000


FASTER = Gate("faster")
GIVES_BACK = Gate("at_least", 90.0)
# The gated rows come from the issue "hakmem runs real programs". A speed row takes some tenths of a second.
ROWS = (
    Row("random_mixed_256", "random_mixed, ws 256", ("random_mixed", "30000000", "256"), FASTER),
    Row("random_mixed_8192", "random_mixed, ws 8192", ("random_mixed", "20000000", "8192"), FASTER),
    Row("random_mixed_400000", "random_mixed, ws 400000", ("random_mixed", "8000000", "400000"), FASTER),
    Row("random_mixed_mid", "random_mixed, 1-9 KiB, ws 256",
        ("random_mixed", "10000000", "256", "1234567", "1024", "9216"), FASTER),
    Row("remote", "remote, 16-271 B freed by another thread", ("remote", "8000000", "16", "271"), FASTER),
    Row("thread_classes", "64 threads x 40 classes x 4 blocks: RSS when all are live",
        ("thread_classes",), Gate("at_most", 65.0), "live_rss_kib", 1024, "MiB", 5),
    Row("give_back_trim", "a million blocks freed, then malloc_trim(0): share of the peak RSS given back",
        ("give_back", "trim"), GIVES_BACK, "given_back_percent", 1, "%", 3),
    Row("give_back_idle", "a million blocks freed, then 3 s of little activity: share given back",
        ("give_back", "idle"), GIVES_BACK, "given_back_percent", 1, "%", 2),
)
# Run when named, or with --rows all.
MORE_ROWS = (
    Row("random_mixed_8192_mt", "random_mixed, ws 8192, 2 threads",
        ("random_mixed", "10000000", "8192", "1234567", "16", "1039", "2")),
    Row("mid", "random_mixed, 1-8 KiB, ws 256", ("random_mixed", "10000000", "256", "1234567", "1024", "8192")),
    Row("large", "random_mixed, 32 KiB-2 MiB, ws 64",
        ("random_mixed", "500000", "64", "1234567", "32768", "2097152")),
    Row("tiny_hot_16", "tiny_hot, 16 B", ("tiny_hot", "20000000", "16", "1")),
    Row("tiny_hot_64", "tiny_hot, 64 B in batches of 100", ("tiny_hot", "20000000", "64", "100")),
    Row("tiny_hot_512", "tiny_hot, 512 B in batches of 1000", ("tiny_hot", "5000000", "512", "1000")),
    Row("remote_mid", "remote, 1-8 KiB freed by another thread", ("remote", "1000000", "1024", "8192")),
    Row("calloc_256", "calloc, 256 B", ("calloc", "5000000", "256")),
    Row("calloc_64k", "calloc, 64 KiB", ("calloc", "20000", "65536")),
    Row("realloc_half", "realloc by half to 64 MiB", ("realloc_grow", "half", "3"),
        field="seconds", unit="s"),
    Row("realloc_step", "realloc by 4 KiB to 32 MiB", ("realloc_grow", "step", "1", "32"),
        field="seconds", unit="s"),
    Row("thread_churn", "threads created and joined, 100 blocks each", ("thread_churn", "2000"),
        field="seconds", unit="s"),
)


@dataclass(frozen=True)
class Allocator:
    name: str
    path: str | None  # None: the system's malloc, nothing preloaded


class RunError(Exception):
    """A run that does not count, and why."""


class UsageError(Exception):
    """An argument that cannot be used, and why."""


def find_library(file_name):
    """The path of a library in the multiarch directories (/usr/lib/x86_64-linux-gnu and its like), or None."""
    folders = (f"/usr/lib/{platform.machine()}-linux-*", "/usr/lib*")
    found = [path for folder in folders for path in sorted(glob.glob(f"{folder}/{file_name}"))]
    return found[0] if found else None


def choose_allocators(options):
    """The allocators that exist, hakmem first. A missing one is skipped with a line."""
    chosen = []
    candidates = [("hakmem", options.hakmem, ""), ("glibc", None, "")]
    candidates += [(name, find_library(file), f"{file} is not installed") for name, file in PEERS.items()]
    for name, path, why in candidates:
        if name == "glibc":
            chosen.append(Allocator(name, None))
        elif path is None or not os.path.exists(path):
            print(f"skipped: {name}, {why or f'{path} does not exist'}")
        else:
            chosen.append(Allocator(name, os.path.abspath(path)))
    for text in options.allocator:
        name, _, path = text.partition("=")
        if not name or not os.path.exists(path) or name in [a.name for a in chosen]:
            raise UsageError(f"--allocator {text}: expected a new name=path of an existing library")
        chosen.append(Allocator(name, os.path.abspath(path)))
    return chosen


def child_environment(allocator):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(DROPPED_ENVIRONMENT)}
    if allocator.path is not None:
        environment["LD_PRELOAD"] = allocator.path
    return environment


def run_once(row, allocator, bench_dir):
    """One run's result line as a dictionary. Raises RunError when the run does not count."""
    command = [os.path.join(bench_dir, row.command[0]), *row.command[1:]]
    try:
        done = subprocess.run(command, env=child_environment(allocator), capture_output=True, text=True,
                              timeout=CHILD_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        raise RunError(f"no result after {CHILD_TIMEOUT_SECONDS} s") from None
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [""]
        raise RunError(f"exit status {done.returncode}: {last[0]}")
    try:
        result = json.loads(done.stdout)
    except json.JSONDecodeError:
        raise RunError(f"no result line: {done.stdout[:100]!r}") from None
    holder = result["malloc_path"]
    if allocator.path is None:
        is_loaded = result["malloc_from"].startswith("libc.so")
    else:
        is_loaded = os.path.exists(holder) and os.path.samefile(holder, allocator.path)
    if not is_loaded:
        raise RunError(f"malloc came from {holder}")
    return result


class Samples:
    """The results of one row: per allocator a list with one entry per round, None where the run failed."""

    def __init__(self, row, allocators):
        self.row = row
        self.results = {allocator.name: [] for allocator in allocators}
        self.errors = {}

    def add(self, name, result):
        self.results[name].append(result)

    def fail(self, name, error):
        self.results[name].append(None)
        self.errors.setdefault(name, str(error))

    def figures(self, name):
        scale = self.row.divisor
        return [None if r is None else r[self.row.field] / scale for r in self.results.get(name, [])]

    def valid(self, name):
        return [figure for figure in self.figures(name) if figure is not None]

    def ratios(self, name):
        """hakmem / name of each round in which both ran."""
        pairs = zip(self.figures("hakmem"), self.figures(name))
        return [ours / other for ours, other in pairs if ours is not None and other]

    def peak_mib(self, name):
        return statistics.median(r["peak_rss_kib"] for r in self.results[name] if r is not None) / 1024


def measure(rows, allocators, options):
    """Runs everything, round by round. Returns the Samples of each row."""
    order = random.Random(options.seed)
    all_samples = [Samples(row, allocators) for row in rows]
    total = sum(min(options.rounds, row.rounds_max) for row in rows) * len(allocators)
    shows_progress = sys.stderr.isatty()
    done = 0
    start = time.monotonic()
    for turn in range(options.rounds):
        for samples in all_samples:
            if turn >= samples.row.rounds_max:
                continue
            for allocator in order.sample(allocators, len(allocators)):
                if shows_progress:
                    left = (time.monotonic() - start) / done * (total - done) if done else 0
                    print(f"\r{done}/{total} runs, round {turn + 1}, {samples.row.name}, about {left:.0f} s left\033[K",
                          end="", file=sys.stderr, flush=True)
                try:
                    samples.add(allocator.name, run_once(samples.row, allocator, options.bench_dir))
                except RunError as error:
                    samples.fail(allocator.name, error)
                done += 1
    if shows_progress:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return all_samples


def judge(samples):
    """(verdict, reason) of a row: PASS, FAIL, or "not judged" where hakmem is absent; None without a gate."""
    gate, unit = samples.row.gate, samples.row.unit
    if gate is None:
        return None
    if "hakmem" not in samples.results:
        return "not judged", "hakmem was not measured"
    if "hakmem" in samples.errors:
        return "FAIL", f"hakmem: {samples.errors['hakmem']}"
    if gate.kind != "faster":
        figure = statistics.median(samples.valid("hakmem"))
        passed = figure <= gate.bound if gate.kind == "at_most" else figure >= gate.bound
        return ("PASS" if passed else "FAIL",
                f"{figure:.2f} {unit}, must be {gate.kind.replace('_', ' ')} {gate.bound:g} {unit}")
    ratios = {name: statistics.median(samples.ratios(name)) for name in PEERS if samples.ratios(name)}
    missing = [name for name in PEERS if name not in ratios]
    if not ratios:
        return "not judged", "no peer was measured"
    lost = [name for name, ratio in ratios.items() if ratio <= 1.0]
    reason = "hakmem is " + ", ".join(f"{ratio:.3f} x {name}" for name, ratio in ratios.items())
    if missing:
        reason += f"; not compared: {', '.join(missing)}"
    return "FAIL" if lost else "PASS", reason + "; must be faster than each"


def print_row(samples):
    row = samples.row
    rounds = max(len(results) for results in samples.results.values())
    print(f"\n{row.title}\n  {' '.join(row.command)}   {rounds} rounds")
    print(f"  {'allocator':<12}{row.unit:>10}{'min':>10}{'max':>10}{'peak MiB':>10}{'hakmem/it':>11}   min..max")
    lower_is_better = row.unit in ("MiB", "s")
    names = sorted(samples.results, key=lambda name: statistics.median(samples.valid(name) or [0]),
                   reverse=not lower_is_better)
    for name in names:
        figures = samples.valid(name)
        if not figures:
            print(f"  {name:<12}{'-':>10}")
            continue
        cells = [statistics.median(figures), min(figures), max(figures), samples.peak_mib(name)]
        line = f"  {name:<12}" + "".join(f"{cell:>10.{3 if row.unit == 's' else 2}f}" for cell in cells)
        ratios = samples.ratios(name) if name != "hakmem" else []
        if ratios:
            line += f"{statistics.median(ratios):>11.3f}   {min(ratios):.3f}..{max(ratios):.3f}"
        print(line)
    for name, error in samples.errors.items():
        print(f"  error: {name}: {error}")
    verdict = judge(samples)
    if verdict:
        print(f"  {verdict[0]}  {verdict[1]}")


def hot_path_verdict():
    """Prints the instruction counts of malloc and free. None where the check does not exist yet."""
    if not os.path.exists(HOT_PATH):
        print(f"\nskipped: {HOT_PATH_ROW}, tests/hot_path.py does not exist")
        return None
    print("\ninstructions of the hot paths", flush=True)
    done = subprocess.run([sys.executable, HOT_PATH, "--report"], cwd=ROOT)
    verdict = "PASS" if done.returncode == 0 else "FAIL"
    print(f"  {verdict}  tests/hot_path.py --report")
    return verdict


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {"processor": model, "cores": os.cpu_count(), "kernel": platform.release(),
            "load": os.getloadavg()[0], "hakmem_environment": {k: v for k, v in os.environ.items()
                                                               if k.startswith("HAKMEM_")}}


def write_json(path, options, before, all_samples, verdicts):
    rows = []
    for samples in all_samples:
        names = [name for name in samples.results if samples.valid(name)]
        rows.append({
            "name": samples.row.name, "command": samples.row.command, "unit": samples.row.unit,
            "median": {name: statistics.median(samples.valid(name)) for name in names},
            "median_ratio": {name: statistics.median(samples.ratios(name)) for name in names
                             if name != "hakmem" and samples.ratios(name)},
            "results": samples.results, "errors": samples.errors})
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"machine": before, "rounds": options.rounds, "seed": options.seed, "rows": rows,
                   "verdicts": verdicts}, file, indent=1)
        file.write("\n")


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], epilog="rows: " + " ".join(
        row.name for row in ROWS + MORE_ROWS) + f" {HOT_PATH_ROW}")
    parser.add_argument("--hakmem", default=os.path.join(ROOT, "build/release/libhakmem.so"), metavar="PATH")
    parser.add_argument("--bench-dir", default=os.path.join(ROOT, "build/release/bench"), metavar="DIR")
    parser.add_argument("--allocator", action="append", default=[], metavar="NAME=PATH", help="compare with one more")
    parser.add_argument("--rows", metavar="NAME,NAME", help="only these rows; `all`: the gated ones and the others")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="2 rounds")
    parser.add_argument("--seed", type=int, default=42, help="of the order within a round")
    parser.add_argument("--json", metavar="FILE", help="write every result line and the verdicts")
    parser.add_argument("--gate", action="store_true", help="exit 1 unless every gate of the rows passed")
    options = parser.parse_args()
    if options.quick:
        options.rounds = 2
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    known = {row.name: row for row in ROWS + MORE_ROWS}
    names = [row.name for row in ROWS] + [HOT_PATH_ROW]
    if options.rows == "all":
        names = list(known) + [HOT_PATH_ROW]
    elif options.rows is not None:
        names = options.rows.split(",")
    for name in names:
        if name not in known and name != HOT_PATH_ROW:
            parser.error(f"unknown row {name}")
    rows = [known[name] for name in names if name in known]
    for program in sorted({row.command[0] for row in rows}):
        if not os.access(os.path.join(options.bench_dir, program), os.X_OK):
            parser.error(f"{options.bench_dir}/{program} is missing: build it first (make figures does)")
    return options, rows, HOT_PATH_ROW in names


def main():
    options, rows, wants_hot_path = parse_options()
    before = machine()
    print(f"{before['processor']}, {before['cores']} cores, Linux {before['kernel']}, load {before['load']:.2f}")
    for name, value in before["hakmem_environment"].items():
        print(f"{name}={value}")
    allocators = choose_allocators(options)
    start = time.monotonic()
    all_samples = measure(rows, allocators, options)
    for samples in all_samples:
        print_row(samples)
    verdicts = {samples.row.name: judge(samples)[0] for samples in all_samples if samples.row.gate}
    if wants_hot_path:
        verdict = hot_path_verdict()
        if verdict:
            verdicts[HOT_PATH_ROW] = verdict
    bad = [name for name, verdict in verdicts.items() if verdict != "PASS"]
    print(f"\n{len(verdicts) - len(bad)} of {len(verdicts)} gates passed in {time.monotonic() - start:.0f} s"
          f", load {os.getloadavg()[0]:.2f}" + (f"; not: {', '.join(bad)}" if bad else ""))
    if options.json:
        write_json(options.json, options, before, all_samples, verdicts)
    return 1 if options.gate and bad else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UsageError as error:
        print(f"figures.py: {error}", file=sys.stderr)
        sys.exit(2)
