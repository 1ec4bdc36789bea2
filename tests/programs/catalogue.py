"""catalogue.py: the list of programs, in the order in which they were declared.

Contract  A program is a function of a Sandbox. It makes its inputs there (deterministic), runs its steps, and keeps what must be
          the same under every malloc. `needs` are executables without which it is skipped; `images` are parts of executable
          names that must have been seen with the library mapped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sandbox import Sandbox

WORK = Path(__file__).with_name("work")  # the scripts that interpreters run


@dataclass(frozen=True)
class Program:
    name: str
    needs: tuple[str, ...]
    images: frozenset[str]
    brings_own_malloc: bool  # linked with another malloc: the system's must be preloaded to be measured
    body: Callable[[Sandbox], None]


PROGRAMS: dict[str, Program] = {}


def program(name: str, needs: list[str], images: list[str], brings_own_malloc: bool = False):
    """Declare the decorated function as the program `name`."""

    def declare(body: Callable[[Sandbox], None]) -> Callable[[Sandbox], None]:
        if name in PROGRAMS:
            raise ValueError(f"program {name} declared twice")
        PROGRAMS[name] = Program(name, tuple(needs), frozenset(images), brings_own_malloc, body)
        return body

    return declare
