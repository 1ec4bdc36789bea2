#!/usr/bin/env python3
"""Runs a fuzz target until so many operations are done: the same ones for the same arguments.

    run.py TARGET --operations N [--seed N]

TARGET is a libFuzzer program (build/ubsan/tests/fuzz_api, fuzz_garbage). Rounds with rising seeds follow each other, each
from a corpus of a few random inputs (from nothing libFuzzer would grow them by bytes) and with a fixed number of inputs,
until the operations add up. What failed is left in the current
folder as crash-*, to be given to the program as its argument.
"""
import argparse
import pathlib
import random
import re
import subprocess
import sys
import tempfile

INPUT_BYTES_MAX = 3000      # five hundred operations
FIRST_INPUTS = 8


def main():
    parser = argparse.ArgumentParser(description="Fuzz for a number of operations.")
    parser.add_argument("target")
    parser.add_argument("--operations", type=float, required=True)
    parser.add_argument("--inputs", type=int, default=20000, help="of a round")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    done, rounds = 0, 0
    while done < options.operations:
        with tempfile.TemporaryDirectory(prefix="hakmem-fuzz-") as corpus:
            seed = options.seed + rounds
            generator = random.Random(seed)
            for i in range(FIRST_INPUTS):
                pathlib.Path(corpus, f"{i}").write_bytes(generator.randbytes(INPUT_BYTES_MAX))
            command = [options.target, f"-seed={seed}", f"-runs={options.inputs}", "-len_control=0",
                       f"-max_len={INPUT_BYTES_MAX}", "-verbosity=0", "-timeout=60", corpus]
            result = subprocess.run(command, stderr=subprocess.PIPE, text=True, errors="replace")
        counted = re.findall(r": (\d+) operations", result.stderr)
        if result.returncode != 0 or not counted or int(counted[-1]) == 0:
            print(f"{' '.join(command)}\n{result.stderr}", file=sys.stderr)
            return 1
        done += int(counted[-1])
        rounds += 1
        if done < options.operations:
            print(f"{done} operations so far", flush=True)
    print(f"{options.target}: {done} operations in {rounds} rounds of {options.inputs} inputs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
