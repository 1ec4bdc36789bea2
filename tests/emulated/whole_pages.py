#!/usr/bin/env python3
"""whole_pages.py: what a program asks of the system is whole pages, of the size that it was told.

  whole_pages.py --page-bytes N --emulator "qemu-aarch64 -L ROOT" [--preload LIBRARIES] [--control] PROGRAM

qemu-user pretends pages of N bytes, and grants what only a kernel with smaller ones would. So it writes down each call,
and a kernel with such pages is looked for here: it refuses an address within a page, and takes a longer range than was
meant where a length ends within one. --control also runs the program with pages of 4 KiB, which must not pass.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SKIPPED = 77
SMALL = 4096
CALLS_MIN = 20
# qemu 7.2 keeps a record for each page of 4 KiB that is reserved.
RESERVE = "1GiB"
SECONDS = "240"
CALL = re.compile(r"\b(mmap|munmap|mprotect|madvise|mremap)\(([^()]*)\)(?: = (0x[0-9a-f]+))?")
# The library's first call: its reservation. What stands before is the dynamic linker's.
START = re.compile(r"mmap\([^()]*MAP_NORESERVE")


def number(word):
    return 0 if word == "NULL" else int(word, 0)


def judged(log, page):
    """(how many calls, the lines that a kernel with such pages would take otherwise)."""
    start = START.search(log)
    if not start:
        sys.exit("whole_pages: the log shows no reservation, so the library was not there")
    files = {m.group(3) for m in CALL.finditer(log) if m.group(1) == "mmap" and "MAP_ANONYMOUS" not in m.group(2)}
    stacks = {m.group(3) for m in CALL.finditer(log) if "MAP_STACK" in m.group(2)}
    count, wrong = 0, []
    for match in CALL.finditer(log, start.start()):
        name, words = match.group(1), match.group(2).split(",")
        if name == "mmap" and "MAP_ANONYMOUS" not in words[3]:
            continue
        # A file ends where it ends, and libc leaves PTHREAD_STACK_MIN of a stack that is not used for now.
        if name == "munmap" and words[0] in files or name == "madvise" and words[0] in stacks:
            continue
        count += 1
        # mremap(old, old size, new size, flags, new)
        places = [0, 1] + ([2, 4] if name == "mremap" else [])
        if any(number(words[place]) % page for place in places if place < len(words)):
            wrong.append(match.group())
    return count, wrong


def log_of(options, page):
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        emulator = [*options.emulator.split(), "-p", str(page)]
        environment = {"HAKMEM_RESERVE": RESERVE, "TEST_SECONDS": SECONDS, **os.environ, "TEST_PAGE_BYTES": str(page), "TEST_EMULATOR": " ".join(emulator)}
        preload = ["-E", f"LD_PRELOAD={options.preload}"] if options.preload else []
        status = subprocess.run([*emulator, "-strace", "-D", log, *preload, options.program], env=environment).returncode
        if status != 0:
            print(f"whole_pages: {options.program} ended with {status} and pages of {page}", file=sys.stderr)
            sys.exit(SKIPPED if status == SKIPPED else 1)
        return log.read_text(errors="replace")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--page-bytes", type=int, required=True)
    parser.add_argument("--emulator", required=True)
    parser.add_argument("--preload")
    parser.add_argument("--control", action="store_true")
    parser.add_argument("program")
    options = parser.parse_args()
    emulator = options.emulator.split()[0]
    if not shutil.which(emulator):
        print(f"whole_pages: {emulator} is not there (package qemu-user)", file=sys.stderr)
        return SKIPPED
    count, wrong = judged(log_of(options, options.page_bytes), options.page_bytes)
    print(f"{count} calls, {len(wrong)} of them not in whole pages of {options.page_bytes}")
    print(*wrong[:20], sep="\n")
    if count < CALLS_MIN:
        print("too few to say anything")
        return 1
    if options.control and not judged(log_of(options, SMALL), options.page_bytes)[1]:
        print("calls in pages of 4 KiB pass, too: nothing is judged")
        return 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
