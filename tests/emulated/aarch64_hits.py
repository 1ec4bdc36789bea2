#!/usr/bin/env python3
"""aarch64_hits.py: what a hit of malloc and free costs on aarch64, read from the disassembly.

  aarch64_hits.py --library libhakmem.so [--tools aarch64-linux-gnu-]

A hit is a way through the function that ends in `ret` without leaving it, as in tests/hot_path.py. No way may call
anything, also not for the thread's memory, or order or reserve memory as atomic operations and barriers do.
"""
import argparse
import re
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "shape"))

from library import HEAD, LINE, Instruction, parse_symbols  # noqa: E402

WAYS_MAX = 1000
STEPS_MAX = 200
# function: instructions of the shortest hit and of the longest
LIMITS = {"malloc": (17, 23), "free": (24, 24), "_Znwm": (17, 23), "_ZdlPv": (24, 24)}
CONDITIONAL = re.compile(r"^(?:b\.\w+|cbn?z|tbn?z)$")
ATOMIC = re.compile(r"^(?:ld(?:a|x|ax|ap|lax?)r|st(?:l|x|lx)r|[lc]asp?|swp|ld(?:add|clr|eor|set|smax|umax|smin|umin)|d[ms]b|isb)")


def parse_disassembly(text):
    """Instructions by their function's first address."""
    functions, code = {}, []
    for line in text.splitlines():
        head, found = HEAD.match(line), LINE.match(line)
        if head:
            code = functions.setdefault(int(head.group(1), 16), [])
        elif found and found.group(2) != "nop":
            code.append(Instruction(int(found.group(1), 16), found.group(2), re.split(r"\s*(?:<|//)", found.group(3))[0]))
    return functions


def target_of(instruction):
    found = re.search(r"(?:^|,\s*)([0-9a-f]+)$", instruction.operands)
    return int(found.group(1), 16) if found else None


def ways(code):
    """Each way from the first instruction to a ret, as a list of instructions."""
    place = {instruction.address: i for i, instruction in enumerate(code)}
    waiting, found = [(0,)], []
    while waiting and len(found) < WAYS_MAX:
        way = waiting.pop()
        last = code[way[-1]]
        if last.mnemonic == "ret":
            found.append([code[i] for i in way])
            continue
        following = [] if last.mnemonic in ("b", "br") else [way[-1] + 1]
        if last.mnemonic == "b" or CONDITIONAL.match(last.mnemonic):
            following.append(place.get(target_of(last)))
        if len(way) < STEPS_MAX:
            waiting += [(*way, i) for i in following if i is not None and i < len(code)]
    return sorted(found, key=len)


def wrong_with(name, found):
    if not found:
        yield f"{name}: no way through it ends in ret"
        return
    for what, way, most in zip(("shortest", "longest"), (found[0], found[-1]), LIMITS[name]):
        if len(way) > most:
            yield f"{name}: {len(way)} instructions of the {what} hit, at most {most} allowed"
    for instruction in {instruction for way in found for instruction in way}:
        if instruction.mnemonic in ("bl", "blr"):
            yield f"{name}: calls {instruction.operands}"
        if ATOMIC.match(instruction.mnemonic):
            yield f"{name}: {instruction.mnemonic} {instruction.operands}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", required=True)
    parser.add_argument("--tools", default="aarch64-linux-gnu-")
    options = parser.parse_args()

    def output(tool, *arguments):
        return subprocess.run([options.tools + tool, *arguments, options.library], check=True, capture_output=True,
                              text=True).stdout

    functions = parse_disassembly(output("objdump", "-d", "--no-show-raw-insn"))
    symbols, _ = parse_symbols(output("readelf", "-Ws"))
    at = {symbol.name: symbol.address for symbol in symbols}
    wrong = []
    for name in LIMITS:
        found = ways(functions.get(at.get(name), []) or [])
        lengths = sorted({len(way) for way in found})
        print(f"{name:8} instructions of its hits: {', '.join(map(str, lengths))}")
        wrong += wrong_with(name, found)
    # Initial-exec memory is found by a constant of the loader's, any other by a call.
    if re.search(r"R_AARCH64_TLS(?:DESC|_DTPMOD)", output("readelf", "-rW")):
        wrong.append("thread-local memory is found by a call")
    for line in wrong:
        print(f"FAIL {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
