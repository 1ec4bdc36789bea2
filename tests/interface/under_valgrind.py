#!/usr/bin/env python3
"""Valgrind with the library preloaded: memcheck finds an error of the program as without it, and callgrind, which
replaces no malloc, runs the library's."""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
ERROR_STATUS = 9
MEMCHECK = ("valgrind", "-q", f"--error-exitcode={ERROR_STATUS}", "--leak-check=full")


def run_valgrind(command, program, library):
    environment = {**os.environ, "LD_PRELOAD": library}
    done = subprocess.run([*command, program], env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", required=True)
    parser.add_argument("--program", required=True, help="writes one byte behind a block, and loses a block")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("valgrind is not installed")
        return SKIPPED
    findings = []
    status, said = run_valgrind(MEMCHECK, options.program, options.library)
    for wanted in ("Invalid write of size 1", "1,000 bytes in 1 blocks are definitely lost"):
        if wanted not in said:
            findings.append(f"memcheck does not say: {wanted}")
    if status != ERROR_STATUS:
        findings.append(f"memcheck ends with {status}")
    with tempfile.TemporaryDirectory() as folder:
        counts = os.path.join(folder, "counts")
        callgrind = ("valgrind", "--tool=callgrind", "--compress-strings=no", f"--callgrind-out-file={counts}")
        status, said_there = run_valgrind(callgrind, options.program, options.library)
        with open(counts, encoding="utf-8", errors="replace") as file:
            if status != 0 or os.path.basename(options.library) not in file.read():
                findings.append(f"callgrind ends with {status} and knows nothing of the library: {said_there}")
    print(*findings, *([said] if findings else []), sep="\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
