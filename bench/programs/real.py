#!/usr/bin/env python3
"""real.py: one real program under one malloc, and what it cost, as one result line of the benchmark suite.

  real.py --list                     the programs, one a line
  real.py NAME [--library PATH]      run it; PATH, or else the variable BENCH_PRELOAD, is preloaded into the measured
                                     program and into nothing else; without both it is the system's malloc

Inputs are made in a temporary folder, the same ones every time, and are not timed. `ops` is 1, a run, where the program's own
unit is not named. `seconds` is the program's wall time from its start to its end; for redis the client's. `peak_rss_kib` is the
largest process of the program, `end_rss_kib` what was resident when it called exit (the last of the samples of every 10 ms, where
it must not be traced). `threads` is 1, whatever the program starts by itself. A run under a library counts only when the library
was seen mapped in the program.

Exit status: 0; 1 the run failed; 2 usage; 77 not installed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "programs"))

import compilers  # noqa: E402
import servers  # noqa: E402
import tools  # noqa: E402
from catalogue import WORK  # noqa: E402
from run import system_libc  # noqa: E402
from sandbox import End, Running, Sandbox, StepFailed, build_launcher, find_program  # noqa: E402

EXIT_FAILED = 1
EXIT_NOT_INSTALLED = 77
TIMEOUT_SECONDS = 100
PAGE_KIB = os.sysconf("SC_PAGESIZE") // 1024


class Box(Sandbox):
    """A sandbox that also remembers how large the measured process was at its end, and whether it was profiled."""

    end_rss_kib = 0
    profiled = False

    def look_at_end(self, end: End | None) -> None:
        super().look_at_end(end)
        if end is not None:
            self.end_rss_kib = end.resident_pages * PAGE_KIB
            self.profiled |= any(f" /dev/shm/hakmem.{os.geteuid()}/" in line and ".profile" in line for line in end.maps)

    def look_for_library(self, running: Running) -> None:
        super().look_for_library(running)
        try:
            pid = running.program_pid()
            resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            self.profiled |= any(Path(f"/dev/shm/hakmem.{os.geteuid()}").glob(f"{pid}.*.profile"))
        except (OSError, IndexError, ValueError):
            return  # it has not started yet, or is gone
        if resident > 0:  # 0: it has ended, and waits to be reaped
            self.end_rss_kib = resident * PAGE_KIB

    def run_without_library(self, argv: list[str]) -> bytes:
        """A helper of the program: a client, a tool that makes an input."""
        done = subprocess.run(argv, cwd=self.work, env=self.environment(None), stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=self.timeout_s, check=False)
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace")[-1000:]
            raise StepFailed(f"{' '.join(argv)[:160]}: exit code {done.returncode}\n{said}")
        return done.stdout


@dataclass(frozen=True)
class Program:
    needs: tuple[str, ...]
    image: str  # part of the executable's name
    body: Callable[[Box], int]  # makes the input, runs the program, returns the ops
    brings_own_malloc: bool = False  # linked with another malloc: libc's is preloaded to measure the system's


def python3(box: Box) -> int:
    """Debian's interpreter: one that was built elsewhere may have its own idea of malloc."""
    env = {"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    box.run(["/usr/bin/python3", str(WORK / "work.py")], env=env)
    owner = os.path.realpath((box.work / "malloc_owner").read_text())
    if box.library and owner != box.library:
        raise StepFailed(f"python3: malloc_usable_size resolves to {owner}, not to {box.library}")
    return 1


def ruby(box: Box) -> int:
    box.run(["ruby", str(WORK / "work.rb")])
    return 1


def node(box: Box) -> int:
    box.run(["node", str(WORK / "work.js")])
    return 1


def sqlite(box: Box) -> int:
    """In memory: the file system is not what is measured."""
    script = box.work / "work.sql"
    script.write_text(tools.SQL)
    box.run(["sqlite3", "-batch", ":memory:"], stdin=script)
    return 1


def clang(box: Box) -> int:
    """Without optimisation most of the time is the front end's, which is what allocates."""
    (box.work / "large.cpp").write_text(compilers.source(units=3))
    box.run(["clang++", "-std=c++20", "-O0", "-w", "-c", "large.cpp", "-o", "large.o"])
    return 1


def ghostscript(box: Box) -> int:
    (box.work / "in.ps").write_text(tools.POSTSCRIPT)
    box.run(["gs", "-q", "-dBATCH", "-dNOPAUSE", "-dSAFER", "-sDEVICE=png16m", "-dTextAlphaBits=4", "-dGraphicsAlphaBits=4",
             "-r60", "-o", "page-%02d.png", "in.ps"])
    return 1


def z3(box: Box) -> int:
    """One process for each problem; ops are the problems."""
    problems = (tools.factor_problem(), tools.pigeon_problem(8), tools.arithmetic_problem(28), tools.arithmetic_problem(32))
    for number, text in enumerate(problems):
        file = box.work / f"problem-{number}.smt2"
        file.write_text(text)
        box.run(["z3", "-smt2", file.name])
    return len(problems)


class Redis(servers.Redis):
    """The tests' server; here its clients run without the library."""

    def ask(self, *words: str) -> bytes:
        return self.box.run_without_library(["redis-cli", "-h", "127.0.0.1", "-p", str(self.port), *words])


def redis(box: Box) -> int:
    """ops are the client's requests, seconds its time."""
    requests, commands = 100_000, "set,get,lpush,rpop,sadd,hset,zadd"
    server = Redis(box)
    server.start()
    start = time.perf_counter()
    box.run_without_library(["redis-benchmark", "-h", "127.0.0.1", "-p", str(server.port), "-P", "16", "-n", str(requests),
                             "-d", "120", "-r", "20000", "-c", "20", "-q", "-t", commands])
    seconds = time.perf_counter() - start
    server.stop()
    box.cost.wall_s = seconds
    return requests * (commands.count(",") + 1)


def db_bench(box: Box) -> int:
    """rocksdb's own benchmark; ops are its writes and reads. Fixed seed; nothing waits for the disk."""
    writes, reads = 200_000, 40_000
    box.run(["db_bench", "--benchmarks=fillrandom,readrandom,seekrandom", f"--num={writes}", f"--reads={reads}", "--db=db",
             "--seed=42", "--threads=1", "--value_size=200", "--disable_wal=1", "--compression_type=none",
             "--write_buffer_size=16777216", "--cache_size=8388608", "--statistics=0"])
    return writes + 2 * reads


PROGRAMS = {
    "python3": Program(("/usr/bin/python3",), "python3", python3),
    "ruby": Program(("ruby",), "ruby", ruby),
    "redis": Program(("redis-server", "redis-cli", "redis-benchmark"), "redis-server", redis, brings_own_malloc=True),
    "sqlite": Program(("sqlite3",), "sqlite3", sqlite),
    "clang": Program(("clang++",), "clang", clang),
    "ghostscript": Program(("gs",), "gs", ghostscript),
    "z3": Program(("z3",), "z3", z3),
    "node": Program(("node",), "node", node),
    "db_bench": Program(("db_bench",), "db_bench", db_bench),
}


def result_line(name: str, box: Box, ops: int, library: str) -> str:
    seconds = box.cost.wall_s
    path = library or system_libc()
    return json.dumps({
        "name": name, "args": "", "ops": ops, "seconds": round(seconds, 6), "mops": round(ops / seconds * 1e-6, 9),
        "peak_rss_kib": max(box.cost.rss_kib, box.end_rss_kib), "end_rss_kib": box.end_rss_kib, "threads": 1,
        "malloc_from": os.path.basename(path), "malloc_path": path})


def run(name: str, library: str, folder: Path) -> tuple[Box, int]:
    """One run, and its ops. Raises StepFailed when it does not count."""
    program = PROGRAMS[name]
    preload = library or (system_libc() if program.brings_own_malloc else "")
    box = Box(folder / name, build_launcher(folder), preload, TIMEOUT_SECONDS, frozenset({program.image}))
    try:
        ops = program.body(box)
    finally:
        box.close()
    if preload and not box.proof_is_complete():
        raise StepFailed(f"{name}: {preload} was never seen mapped in {program.image}")
    return box, ops


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", choices=PROGRAMS)
    parser.add_argument("--list", action="store_true", help="print the programs' names and leave")
    parser.add_argument("--library", default=os.environ.get("BENCH_PRELOAD", ""), metavar="PATH", help="the library to preload")
    arguments = parser.parse_args()
    if not arguments.list and not arguments.name:
        parser.error("a program's name is needed")
    if arguments.library and not os.path.isfile(arguments.library):
        parser.error(f"no library at {arguments.library}")
    return arguments


def main() -> int:
    arguments = parse_arguments()
    if arguments.list:
        print("\n".join(PROGRAMS))
        return 0
    absent = [needed for needed in PROGRAMS[arguments.name].needs if find_program(needed) is None]
    if absent:
        print(f"real.py: not installed: {', '.join(absent)}", file=sys.stderr)
        return EXIT_NOT_INSTALLED
    library = os.path.realpath(arguments.library) if arguments.library else ""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that everything below is tidied up
    folder = Path(tempfile.mkdtemp(prefix="hakmem-bench-"))
    try:
        print(result_line(arguments.name, *run(arguments.name, library, folder), library))
        return 0
    except (StepFailed, subprocess.TimeoutExpired) as failure:
        print(f"real.py: {failure}", file=sys.stderr)
        return EXIT_FAILED
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
