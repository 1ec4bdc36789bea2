#!/usr/bin/env python3
"""soak.py: the faults of the tests in their long form, one after another, and a table at the end.

  soak.py --build DIR [--minutes N] [--only REGEX] [--json FILE] [--entries FILE]
  soak.py --targets          what must be built for it
  soak.py --list             what would run, and how often

Exits 1 when anything failed. What is run is in entries.py beside this file.
"""
import argparse
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True

FULL_MINUTES = 30
SKIPPED = 77
HERE = Path(__file__).resolve().parent
PROGRESS_S = 30


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=HERE.parents[1] / "build/release")
    parser.add_argument("--minutes", type=float, default=os.environ.get("SOAK_MINUTES") or FULL_MINUTES)
    parser.add_argument("--only", default="", help="entries whose fault or name matches")
    parser.add_argument("--json", type=Path, help="default: soak.json in the build folder")
    parser.add_argument("--entries", type=Path, default=HERE / "entries.py")
    parser.add_argument("--targets", action="store_true")
    parser.add_argument("--list", action="store_true")
    return parser.parse_args()


def entries_of(options):
    spec = importlib.util.spec_from_file_location("soak_entries", options.entries)
    module = importlib.util.module_from_spec(spec)
    sys.modules["soak_entries"] = module
    spec.loader.exec_module(module)
    wanted = re.compile(options.only)
    return [entry for entry in module.ENTRIES if wanted.search(entry.fault) or wanted.search(entry.name)]


def scaled(entry, minutes):
    return max(entry.least, min(entry.count, round(entry.count * minutes / FULL_MINUTES)))


def command_of(entry, count, build):
    """The command line and what its environment gains."""
    names = {"build": build, "library": build / "libhakmem.so", "hardened": build / "libhakmem-hardened.so",
             "count": count, "seconds": entry.seconds}
    if entry.command:
        return [part.format(**names) for part in entry.command], {}
    library = str(names["hardened" if entry.hardened else "library"])
    return [str(build / "tests" / entry.name)], {
        "LD_PRELOAD": library, "TEST_LIBRARY": library, "TEST_COMMAND": str(build / "hakmem"),
        "TEST_PLUGINS": str(build / "tests/plugins"), "TEST_COUNT": str(count), "TEST_SECONDS": str(entry.seconds)}


def report_progress(done, started):
    while not done.wait(PROGRESS_S):
        print(f"    {time.monotonic() - started:.0f} s", flush=True)


def run(entry, count, build):
    """(result, seconds, output): the whole process group is gone afterwards."""
    command, environment = command_of(entry, count, build)
    started = time.monotonic()
    done = threading.Event()
    threading.Thread(target=report_progress, args=(done, started), daemon=True).start()
    try:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                                   start_new_session=True)
    except OSError as error:
        done.set()
        return "failed", 0.0, str(error)
    try:
        output, _ = process.communicate(timeout=entry.seconds + 60)
        result = {0: "passed", SKIPPED: "skipped"}.get(process.returncode, "failed")
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        result = "failed"
        output += f"\nkilled after {entry.seconds + 60} s"
    finally:
        done.set()
    return result, time.monotonic() - started, output.strip()


def table(rows):
    heads = ("fault", "count", "result", "time")
    cells = [(row["fault"], f'{row["count"]} {row["unit"]}', row["result"], f'{row["seconds"]:.0f} s') for row in rows]
    widths = [max(len(line[i]) for line in [heads, *cells]) for i in range(len(heads))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in [heads, *cells]]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def main():
    options = parse()
    entries = entries_of(options)
    if options.targets:
        plugins = {f"plugin_{source.stem}" for source in HERE.parent.glob("*/plugins/*")}
        print(" ".join(sorted(plugins | {entry.name for entry in entries if not entry.command})))
        return 0
    plan = [(entry, scaled(entry, options.minutes)) for entry in entries]
    if options.list:
        for entry, count in plan:
            print(f"{entry.name}: {entry.fault}, {count} {entry.unit}")
        return 0
    if not plan:
        print("nothing matches", file=sys.stderr)
        return 1
    rows = []
    build = options.build.resolve()
    for number, (entry, count) in enumerate(plan, 1):
        print(f"[{number}/{len(plan)}] {entry.fault}: {count} {entry.unit}", flush=True)
        result, seconds, output = run(entry, count, build)
        rows.append({"fault": entry.fault, "name": entry.name, "count": count, "unit": entry.unit,
                     "hardened": entry.hardened, "result": result, "seconds": round(seconds, 1), "output": output[-4000:]})
        print(f"    {result}, {seconds:.0f} s", flush=True)
        if output:
            print("\n".join("    " + line for line in output.splitlines()[-20:]), flush=True)
    print("\n" + table(rows))
    failed = sum(row["result"] == "failed" for row in rows)
    target = options.json or build / "soak.json"
    target.write_text(json.dumps({"minutes": float(options.minutes), "failed": failed, "rows": rows}, indent=1) + "\n")
    print(f"\n{len(rows) - failed} of {len(rows)} without a failure; {target}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
