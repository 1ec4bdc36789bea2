"""The programs that compare.py runs. Each uses two threads, needs no network, and prints what it computed."""
import os
import random
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

HERE = Path(__file__).resolve().parent
GIT_IDENTITY = "demo <demo@example.invalid>"


@dataclass(frozen=True)
class Workload:
    name: str
    command: list[str]
    prepare: Callable[[Path], None]
    variables: dict[str, str] = field(default_factory=dict)


def prepare_nothing(folder: Path) -> None:
    pass


def prepare_pack(folder: Path, files: int = 32, versions: int = 20) -> None:
    """A git pack of generated text: every version changes some lines of every file."""
    choose = random.Random(1)
    lines = ["".join(choose.choices("abcdefghijklmnopqrstuvwxyz    ", k=60)) for _ in range(5000)]
    texts = [choose.choices(lines, k=500) for _ in range(files)]
    stream = []
    for version in range(versions):
        stream.append(f"commit refs/heads/main\ncommitter {GIT_IDENTITY} {version} +0000\ndata 1\nx\n")
        for number, text_lines in enumerate(texts):
            for _ in range(12):
                text_lines[choose.randrange(len(text_lines))] = choose.choice(lines)
            text = "\n".join(text_lines)
            stream.append(f"M 100644 inline f{number}\ndata {len(text)}\n{text}\n")
    variables = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    subprocess.run(["git", "init", "-q", "--bare", "repo"], cwd=folder, env=variables, check=True)
    subprocess.run(["git", "--git-dir=repo", "fast-import", "--quiet"], input="".join(stream).encode(),
                   cwd=folder, env=variables, check=True)
    pack, = (folder / "repo" / "objects" / "pack").glob("*.pack")
    pack.rename(folder / "demo.pack")


def system_python() -> str:
    """Debian's python3, which has sqlite3 and is not a wrapper."""
    return "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else os.path.realpath(sys.executable)


WORKLOADS = [
    # PYTHONMALLOC=malloc: otherwise Python asks malloc for arenas only.
    Workload("python3: JSON and SQLite in two threads", [system_python(), str(HERE / "json_sqlite.py")],
             prepare_nothing, {"PYTHONMALLOC": "malloc"}),
    # It inflates every object, and rebuilds and hashes those that are kept as differences.
    Workload("git: index-pack in two threads",
             ["git", "index-pack", "--threads=2", "-o", "pack.idx", "demo.pack"], prepare_pack),
]
