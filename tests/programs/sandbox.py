"""sandbox.py: one run of one program, in its own folder, under one malloc.

Responsibility  Start processes (own group, timeout), gather output, cost and the proof that the library was loaded.
Contract        Every process started here is gone when `close` returns; nothing else is ever signalled.
                A step that does not exit 0 raises StepFailed, whatever the malloc.
Composable      Needs the `launch` helper (launch.cpp). Used by the program files; knows none of them.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin"
POLL_SECONDS = 0.01
STDERR_LINES_MAX = 15
KEPT_VARIABLES = ("HAKMEM_",)  # so that a whole test run may be repeated under another configuration


class StepFailed(Exception):
    """A program did not do what it does under a correct malloc; the text is for people."""


@dataclass
class Cost:
    """What a run cost: peak RSS of its largest process (KiB), wall time of its steps, and their user and system time (seconds)."""

    rss_kib: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0


@dataclass(frozen=True)
class End:
    """A process that has called exit: file and command name, resident pages, the lines of its maps."""

    names: frozenset[str]
    resident_pages: int
    maps: list[str]


@dataclass
class Running:
    """A process group we started: the launcher is its leader and holds the group's number until we reap it."""

    argv: list[str]
    launcher: subprocess.Popen
    report: Path
    stdout: Path
    stderr: Path
    deadline: float

    def has_ended(self) -> bool:
        """Whether the launcher has exited; leaves it a zombie, so that its group number cannot be reused."""
        if self.launcher.returncode is not None:
            return True
        return os.waitid(os.P_PID, self.launcher.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def end(self) -> End | None:
        """What the program was at its end; None when it has not come there, or must not be traced."""
        try:
            exe, comm, statm, *maps = self.report.with_name(self.report.name + ".end").read_text(errors="replace").splitlines()
        except (OSError, ValueError):
            return None
        return End(frozenset({os.path.basename(exe), comm}), int(statm.split()[1]), maps)

    def program_pid(self) -> int:
        """Pid of the program itself; valid once the launcher has written it."""
        return int(self.report.read_text().split()[0])

    def reap(self) -> None:
        """Kill what is left of the group, then forget it. Safe to call twice."""
        if self.launcher.returncode is None:
            try:
                os.killpg(self.launcher.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # the launcher died before it was scheduled into its session
            self.launcher.wait()


@dataclass
class Sandbox:
    """A fresh folder, an environment without surprises, and at most one preloaded library."""

    root: Path
    launcher: Path
    library: str  # absolute path; empty: the system's malloc
    timeout_s: float
    images: frozenset[str]  # parts of executables' names which must be seen with the library mapped
    outputs: dict[str, bytes] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)
    loaded: set[str] = field(default_factory=set)
    server_rss_kib: int = 0  # when set, the peak of the process the test is about
    running: list[Running] = field(default_factory=list)
    step_count: int = 0

    def __post_init__(self) -> None:
        self.work = self.root / "work"  # the same path for every malloc: paths may reach the output
        self.logs = self.root / "logs"
        for folder in (self.work, self.logs):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)

    def environment(self, extra: dict[str, str] | None) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k.startswith(KEPT_VARIABLES)}
        fixed = {"PATH": SEARCH_PATH, "HOME": str(self.work), "TMPDIR": str(self.work), "TZ": "UTC", "LC_ALL": "C.UTF-8"}
        return kept | fixed | (extra or {})

    def start(self, argv: list[str], stdin: Path | None = None, env: dict[str, str] | None = None) -> Running:
        """Start a program in the work folder and return at once."""
        self.step_count += 1
        stem = self.logs / f"{self.step_count:02d}"
        paths = {kind: stem.with_suffix("." + kind) for kind in ("report", "stdout", "stderr")}
        with open(stdin or os.devnull, "rb") as source, open(paths["stdout"], "wb") as out, open(paths["stderr"], "wb") as err:
            process = subprocess.Popen(
                [str(self.launcher), str(os.getpid()), str(paths["report"]), self.library, *argv],
                stdin=source, stdout=out, stderr=err, cwd=self.work, env=self.environment(env), start_new_session=True,
            )
        running = Running(argv, process, **paths, deadline=time.monotonic() + self.timeout_s)
        self.running.append(running)
        return running

    def finish(self, running: Running) -> bytes:
        """Wait for a started program; return its stdout. Raises StepFailed on a timeout, a signal or an exit code."""
        while not running.has_ended():
            if time.monotonic() > running.deadline:
                running.reap()
                raise StepFailed(self.describe(running, f"no end after {self.timeout_s:g} s; killed"))
            self.look_for_library(running)
            time.sleep(POLL_SECONDS)
        running.reap()
        self.look_at_end(running.end())
        fields = running.report.read_text().split()
        if len(fields) != 5:
            raise StepFailed(self.describe(running, "the launcher itself failed"))
        status, rss_kib, wall_ns, cpu_us = (int(text) for text in fields[1:])
        self.cost.rss_kib = max(self.cost.rss_kib, rss_kib)
        self.cost.wall_s += wall_ns / 1e9
        self.cost.cpu_s += cpu_us / 1e6
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            raise StepFailed(self.describe(running, f"killed by {signal.Signals(-code).name}"))
        if code > 0:
            raise StepFailed(self.describe(running, f"exit code {code}"))
        return running.stdout.read_bytes()

    def run(self, argv: list[str], stdin: Path | None = None, env: dict[str, str] | None = None) -> bytes:
        return self.finish(self.start(argv, stdin, env))

    def keep(self, name: str, data: bytes) -> None:
        """Remember an output that must be the same under every malloc."""
        if name in self.outputs:
            raise ValueError(f"output {name} kept twice")
        self.outputs[name] = data

    def keep_run(self, name: str, argv: list[str], stdin: Path | None = None, env: dict[str, str] | None = None) -> None:
        self.keep(name, self.run(argv, stdin, env))

    def look_for_library(self, running: Running) -> None:
        """Note which executables of the group have the library mapped (the proof that it was really loaded)."""
        if not self.library or self.proof_is_complete():
            return
        for pid in group_members(running.launcher.pid):
            try:
                names = process_names(pid)
                maps = Path(f"/proc/{pid}/maps").read_text(errors="replace")
                if f" {self.library}\n" in maps and names == process_names(pid):  # not in the middle of an exec
                    self.loaded |= names
            except OSError:
                continue  # it ended meanwhile

    def look_at_end(self, end: End | None) -> None:
        """The same of the program itself, which stood still at its end: nobody can have come too late."""
        if end is not None and self.library and any(line.endswith(f" {self.library}") for line in end.maps):
            self.loaded |= end.names

    def images_unproven(self) -> list[str]:
        return sorted(part for part in self.images if not any(part in image for image in self.loaded))

    def proof_is_complete(self) -> bool:
        return not self.images_unproven()

    def describe(self, running: Running, what: str) -> str:
        stderr = running.stderr.read_text(errors="replace").splitlines()[-STDERR_LINES_MAX:]
        command = " ".join(running.argv)
        return "\n".join([f"{command[:160]}: {what}", *("  stderr: " + line for line in stderr)])

    def close(self) -> None:
        for running in self.running:
            running.reap()
        if self.server_rss_kib:
            self.cost.rss_kib = self.server_rss_kib


def process_names(pid: int) -> set[str]:
    """File and command name: Debian's redis-server is a link to redis-check-rdb, and node renames its main thread."""
    return {os.path.basename(os.readlink(f"/proc/{pid}/exe")), Path(f"/proc/{pid}/comm").read_text().strip()}


def group_members(group: int) -> list[int]:
    """Pids of a process group, from /proc/<pid>/stat (the kernel here has no `children` file)."""
    members = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            stat = Path(f"/proc/{name}/stat").read_text(errors="replace")
        except OSError:
            continue
        fields = stat.rpartition(")")[2].split()  # the name before ")" may hold anything: state, ppid, pgrp follow it
        if int(fields[2]) == group:
            members.append(int(name))
    return members


def peak_rss_kib(pid: int) -> int:
    """VmHWM of a live process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise StepFailed(f"process {pid} has no VmHWM")


def find_program(name: str) -> str | None:
    return shutil.which(name, path=SEARCH_PATH)


def build_launcher(folder: Path) -> Path:
    """Compile launch.cpp; static where the machine can, so that its own RSS hides nothing."""
    source = Path(__file__).with_name("launch.cpp")
    target = folder / "launch"
    compiler = find_program("g++") or find_program("clang++")
    if compiler is None:
        raise SystemExit("run.py: needs g++ or clang++ to build its launcher")
    for linkage in (["-static"], []):
        command = [compiler, "-std=c++20", "-O1", "-Wall", "-Wextra", *linkage, "-o", str(target), str(source)]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
        if built.returncode == 0:
            return target
    raise SystemExit(f"run.py: cannot build {source}:\n{built.stderr}")
