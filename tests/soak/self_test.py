#!/usr/bin/env python3
"""self_test.py: soak.py over made-up entries: its table, its JSON, its exit status, counts in proportion."""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent

ENTRIES = '''
from dataclasses import dataclass
@dataclass(frozen=True)
class Entry:
    fault: str
    name: str
    count: int
    least: int
    unit: str
    seconds: int
    command: tuple = ()
    hardened: bool = False
ENTRIES = [
    Entry("goes well", "well", 300, 7, "times", 10, ("sh", "-c", "echo count {count}")),
    Entry("is skipped", "skip", 300, 50, "times", 10, ("sh", "-c", "exit 77")),
    Entry("goes wrong", "wrong", 300, 7, "times", 10, ("sh", "-c", "echo why; exit 1")),
    Entry("is not there", "absent", 300, 7, "times", 10),
]
'''


def soak(folder, *arguments):
    done = subprocess.run(
        [sys.executable, HERE / "soak.py", "--entries", folder / "entries.py", "--build", folder, *arguments],
        capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout


def check(condition, what):
    if not condition:
        sys.exit(f"self_test: {what}")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "entries.py").write_text(ENTRIES)
        status, output = soak(folder, "--minutes", "3")
        rows = {row["fault"]: row for row in json.loads((folder / "soak.json").read_text())["rows"]}
        check(status == 1, "a failure must give status 1")
        check([row["result"] for row in rows.values()] == ["passed", "skipped", "failed", "failed"], output)
        check(rows["goes well"]["count"] == 30 and rows["is skipped"]["count"] == 50, "counts in proportion")
        check(rows["goes well"]["output"] == "count 30" and rows["goes wrong"]["output"] == "why", "outputs")
        last_table = output[output.rindex("fault "):]
        check(all(fault in last_table for fault in rows), "a row for each entry in the table")
        status, output = soak(folder, "--only", "goes well|is skipped")
        check(status == 0 and "count 300" in output, "no failure must give status 0")
        status, output = soak(folder, "--targets")
        check(status == 0 and "absent" in output.split(), "targets are the programs")
        check(soak(folder, "--only", "no such")[0] == 1, "nothing to run is a failure")


if __name__ == "__main__":
    main()
