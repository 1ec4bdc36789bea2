#!/usr/bin/env python3
"""Verifies the protocol models exhaustively, and proves that each seeded mutant of them fails.

    run.py               all models, all mutants; exit 0 when every model holds and every mutant is killed
    run.py --list        the runs, one a line
    run.py --only NAME   only the model NAME (message, park_adopt, purge, locks)
    run.py --trace RUN   one run by its name in --list; if it fails, its steps in order

Needs spin and gcc. A model is verified in several small configurations (which thread does how much), and a
statement that no configuration reaches is an error too: a model that never adopts proves nothing about adopting.
A statement the right protocol can never reach carries the comment `cold: why`.
"""

import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
CPU_SECONDS_MAX = 60        # of the verifier, for each run
MEMORY_MIB_MAX = 1900
DEPTH_MAX = 20000
# gcc needs 15 s for park_adopt's verifier at -O1 and 2 s at -O0, more than the search then takes.
OPTIMISE = {False: "-O0", True: "-O1"}

# model -> (configurations, mutant -> (configuration, what it must fail with)).
# "assert": an assertion of the model is violated; "stuck": an invalid end state (deadlock).
MODELS = {
    "message": (
        ["CAP=1 FREES=2 OPS=1", "CAP=1 FREES=1 OPS=3", "CAP=2 FREES=2 OPS=0", "CAP=2 FREES=1 OPS=3"],
        {
            **{n: ("CAP=1 FREES=2 OPS=1", "assert") for n in (1, 2, 3, 4, 5, 7, 8, 9)},
            6: ("CAP=2 FREES=1 OPS=0", "assert"),
        },
    ),
    "park_adopt": (
        [
            "OPS0=0 OPS1=1 OPS2=1 EXIT1=1 EXIT2=1",
            "OPS0=1 OPS1=1 OPS2=1 EXIT1=1",
            "OPS0=0 OPS1=2 OPS2=1 EXIT2=1",
            "OPS0=0 OPS1=1 OPS2=2 EXIT2=1",
            "OPS0=0 OPS1=1 OPS2=1 SCAVENGER=1",
            "OPS0=0 OPS1=2 OPS2=1 EXIT2=1 LIST_LATER=1",
            "OPS0=0 OPS1=1 OPS2=2 EXIT1=1 LIST_LATER=1",
            "OPS0=0 OPS1=1 OPS2=1 NS=2",
            "OPS0=0 OPS1=1 OPS2=2 NS=2",
            "OPS0=1 OPS1=1 OPS2=0 RETIRE=1",
        ],
        {
            **{n: ("OPS0=1 OPS1=1 OPS2=1 EXIT1=1", "assert")
               for n in (1, 2, 4, 5, 6, 9, 11, 12, 13, 14, 15, 16)},
            **{n: ("OPS0=0 OPS1=2 OPS2=1 EXIT2=1", "assert") for n in (3, 7, 8)},
            17: ("OPS0=0 OPS1=1 OPS2=2 EXIT1=1 LIST_LATER=1", "assert"),
            10: ("OPS0=0 OPS1=1 OPS2=1 SCAVENGER=1", "assert"),
            **{n: ("OPS0=1 OPS1=1 OPS2=0 RETIRE=1", "assert") for n in (18, 19, 20)},
        },
    ),
    "purge": (
        [
            "OPS1=3 OPS2=1 LEFT1=1 LEFT2=0",
            "OPS1=2 OPS2=2 LEFT1=1 LEFT2=0",
            "OPS1=4 OPS2=0 LEFT1=2 LEFT2=0",
            "OPS1=4 OPS2=0 LEFT1=1 LEFT2=1",
        ],
        {n: ("OPS1=4 OPS2=0 LEFT1=1 LEFT2=1", "assert") for n in range(1, 12)},
    ),
    "locks": (
        ["ROUNDS1=1 ROUNDS2=1", "ROUNDS1=3 ROUNDS2=0", "ROUNDS1=1 ROUNDS2=0 WALKER=1"],
        {
            **{n: ("ROUNDS1=1 ROUNDS2=1", "stuck") for n in (1, 9, 17)},
            **{n: ("ROUNDS1=2 ROUNDS2=0", "stuck") for n in (2, 3, 4, 5, 6, 10, 11, 12, 13, 14, 19, 20)},
            **{n: ("ROUNDS1=2 ROUNDS2=0", "assert") for n in (7, 8, 15, 18, 21)},
            16: ("ROUNDS1=1 ROUNDS2=0 WALKER=1", "assert"),
        },
    ),
}


@dataclasses.dataclass(frozen=True)
class Run:
    """One verification: a model, its configuration, and the mutant number (0: the protocol itself)."""

    model: str
    configuration: str
    mutant: int
    expected: str  # "holds", "assert" or "stuck"

    @property
    def name(self) -> str:
        """A name without blanks, for --trace."""
        kind = f"mutant_{self.mutant}" if self.mutant else "model"
        return f"{self.model}:{kind}:{self.configuration.replace(' ', ',')}"

    @property
    def defines(self) -> list[str]:
        """The -D arguments for spin."""
        extra = [f"-DMUTANT_{self.mutant}"] if self.mutant else []
        return [f"-D{word}" for word in self.configuration.split()] + extra


@dataclasses.dataclass
class Outcome:
    """What the verifier said: result ("holds", "assert", "stuck", "error"), and the details."""

    run: Run
    result: str
    states: int = 0
    seconds: float = 0.0
    memory_mib: float = 0.0
    text: str = ""
    unreached: frozenset = frozenset()
    statements: frozenset = frozenset()


def all_runs(only: str | None) -> list[Run]:
    """Every run of the models asked for, the protocols first."""
    runs = []
    for model, (configurations, mutants) in MODELS.items():
        if only in (None, model):
            runs += [Run(model, c, 0, "holds") for c in configurations]
            runs += [Run(model, c, n, kind) for n, (c, kind) in sorted(mutants.items())]
    return runs


def limit_child() -> None:
    """In the verifier's process: bound the processor time (a wall clock would punish a busy machine)."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_MAX, CPU_SECONDS_MAX + 1))


def unreached(text: str) -> frozenset:
    """The (process, line, state number) triples of pan's list of unreached statements."""
    found, process = [], ""
    for line in text.splitlines():
        if line.startswith("unreached in "):
            process = line.split()[-1]
        place = re.match(r"^\s+\S+\.pml:(\d+), state (\d+),", line)
        if place and process:
            found.append((process, int(place.group(1)), int(place.group(2))))
    return frozenset(found)


def all_statements(text: str) -> frozenset:
    """The same triples for every statement, from the transition table that `pan -d` prints."""
    found, process = [], ""
    for line in text.splitlines():
        header = re.match(r"^(?:proctype|init|claim)\s+:?(\w+)", line)
        if header:
            process = header.group(1)
        place = re.match(r"^\s+state\s+(\d+) -.*\.pml:(\d+) =>", line)
        if place:
            found.append((process, int(place.group(2)), int(place.group(1))))
    return frozenset(found)


def parse(run: Run, text: str, seconds: float) -> Outcome:
    """Reads pan's report. Anything but a complete search or a counterexample is an error."""
    errors = re.search(r"errors: (\d+)", text)
    states = re.search(r"(\d+) states, stored", text)
    memory = re.search(r"([\d.]+)\s+total actual memory", text)
    outcome = Outcome(run, "error", text=text, seconds=seconds)
    if not errors or not states or "max search depth too small" in text or "out of memory" in text:
        return outcome
    if "Search not completed" in text and errors.group(1) == "0":
        return outcome
    outcome.states = int(states.group(1))
    outcome.memory_mib = float(memory.group(1)) if memory else 0.0
    outcome.unreached = unreached(text)
    if errors.group(1) == "0":
        outcome.result = "holds"
    elif "assertion violated" in text and "invalid array index" not in text:
        outcome.result = "assert"
    elif "invalid end state" in text:
        outcome.result = "stuck"
    return outcome


def verify(run: Run, trace: bool = False) -> Outcome:
    """Generates, compiles and runs the verifier in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="hakmem-model-") as folder:
        source = str(HERE / f"{run.model}.pml")
        steps = [
            ["spin", "-a", *run.defines, source],
            ["gcc", "-w", OPTIMISE[run.mutant == 0 and run.model != "park_adopt"], "-DSAFETY", "-DNOCLAIM",
             "-DCOLLAPSE", "-DVECTORSZ=2048", f"-DMEMLIM={MEMORY_MIB_MAX}", "-o", "pan", "pan.c"],
        ]
        for step in steps:
            done = subprocess.run(step, cwd=folder, capture_output=True, text=True, timeout=300)
            if done.returncode != 0 or "Error" in done.stdout:
                return Outcome(run, "error", text=done.stdout + done.stderr)
        pan = subprocess.run(["./pan", f"-m{DEPTH_MAX}"], cwd=folder, capture_output=True, text=True,
                             preexec_fn=limit_child, timeout=600)
        seconds = re.search(r"elapsed time ([\d.]+) seconds", pan.stdout)
        outcome = parse(run, pan.stdout + pan.stderr, float(seconds.group(1)) if seconds else 0.0)
        if not run.mutant:
            table = subprocess.run(["./pan", "-d"], cwd=folder, capture_output=True, text=True, timeout=60)
            outcome.statements = all_statements(table.stdout)
        if trace and outcome.result in ("assert", "stuck"):
            replay = subprocess.run(
                ["spin", "-t", "-p", "-k", f"{run.model}.pml.trail", *run.defines, source],
                cwd=folder, capture_output=True, text=True, timeout=60)
            outcome.text += replay.stdout
        return outcome


def cold_lines(model: str) -> set[int]:
    """The lines that say why the right protocol never reaches them."""
    return {number for path in HERE.glob(f"{model}*.pml")
            for number, line in enumerate(path.read_text().splitlines(), 1) if "cold:" in line}


def never_reached(outcomes: list[Outcome]) -> list[str]:
    """One complaint for each line no statement of which was reached, by any process in any configuration.

    Configurations change constants only, never the program's structure, so the state numbers are comparable.
    Lines are known by number alone, because pan mixes up the names of a file and of what it includes.
    """
    complaints = []
    for model in sorted({o.run.model for o in outcomes}):
        done = [o for o in outcomes if o.run.model == model and o.result == "holds" and not o.run.mutant]
        if not done:
            continue
        never = frozenset.intersection(*(o.unreached for o in done))
        table = {line for _, line, _ in done[0].statements}      # without lines merged into the one before
        reached = {line for _, line, _ in done[0].statements - never} | cold_lines(model)
        complaints += [f"{model}.pml:{line}: reached in no configuration"
                       for line in sorted(({line for _, line, _ in never} - reached) & table)]
    return complaints


def report(outcome: Outcome) -> bool:
    """Prints one line; True when the run did what was expected."""
    good = outcome.result == outcome.run.expected
    word = {"holds": "holds", "assert": "killed", "stuck": "killed (deadlock)"}.get(outcome.result, "ERROR")
    if not good:
        word = f"WRONG: {outcome.result}, expected {outcome.run.expected}"
    print(f"{outcome.run.name:66} {word:18} {outcome.states:>9} states {outcome.seconds:6.1f} s "
          f"{outcome.memory_mib:6.0f} MiB", flush=True)
    if not good:
        print("\n".join("    " + line for line in outcome.text.splitlines()[-25:]), flush=True)
    return good


def main() -> int:
    """Parses the command line and runs; returns the exit status."""
    parser = argparse.ArgumentParser(description="Verify the protocol models.")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--only", choices=sorted(MODELS))
    parser.add_argument("--trace", metavar="RUN")
    options = parser.parse_args()
    runs = all_runs(options.only)
    if options.list:
        print("\n".join(run.name for run in runs))
        return 0
    for tool in ("spin", "gcc"):
        if not shutil.which(tool):
            print(f"run.py: {tool} is not installed", file=sys.stderr)
            return 1
    if options.trace:
        chosen = [run for run in runs if run.name == options.trace]
        if not chosen:
            parser.error(f"no run is called {options.trace}; see --list")
        print(verify(chosen[0], trace=True).text)
        return 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as workers:
        outcomes = list(workers.map(verify, runs))
    good = [report(outcome) for outcome in outcomes]
    complaints = never_reached(outcomes)
    for line in complaints:
        print(line)
    killed = sum(ok for ok, o in zip(good, outcomes) if o.run.mutant)
    print(f"{sum(good)} of {len(runs)} runs as expected, {killed} of {sum(1 for r in runs if r.mutant)} mutants killed")
    return 0 if all(good) and not complaints else 1


if __name__ == "__main__":
    sys.exit(main())
