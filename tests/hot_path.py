"""hot_path.py: what a hit of malloc, free and the operators costs, read from the disassembly.

A hit is a way through the function that ends in `ret` without leaving it: no call, no jump out. All
such ways are walked (the functions are a few dozen instructions long), and each is held to the limits.
The shortest is the small block's; malloc has a second one for blocks above 1 KiB.

  hot_path.py --library libhakmem.so            exit 1 when a limit is broken
  hot_path.py --library libhakmem.so --report   the counts alone
"""
import argparse
import re
import subprocess
import sys

# function: (instructions of the shortest hit, conditional branches of any hit, stores of any hit)
LIMITS = {
    "malloc": (16, 3, 1),
    "free": (20, 4, 2),
    "_Znwm": (16, 3, 1),
    "_ZdlPv": (20, 4, 2),
}
INSTRUCTIONS_OF_LONGEST_HIT = {"malloc": 24, "_Znwm": 24}

LINE = re.compile(r"^\s*([0-9a-f]+):\s+(\S+)\s*(.*)$")
WAYS_MAX = 1000


def disassemble(library):
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", library], check=True,
                          capture_output=True, text=True).stdout
    functions, names = {}, []
    for line in text.splitlines():
        head = re.match(r"^[0-9a-f]+ <(.+)>:$", line)
        if head:
            names = functions.setdefault(head.group(1), [])
            continue
        found = LINE.match(line)
        if found and isinstance(names, list):
            operands = found.group(3).split("#")[0].split("<")[0].strip()
            names.append((int(found.group(1), 16), found.group(2), operands))
    return functions


def aliases_of(library):
    """Names of one address: objdump heads a function with only one of them."""
    text = subprocess.run(["readelf", "-Ws", library], check=True, capture_output=True, text=True).stdout
    address = {}
    for line in text.splitlines():
        parts = line.split()
        if len(parts) >= 8 and parts[3] == "FUNC" and parts[1] != "0000000000000000":
            address[parts[7].split("@")[0]] = int(parts[1], 16)
    return address


def is_store(mnemonic, operands):
    """AT&T: the last operand is the destination. test and cmp only read."""
    if mnemonic.startswith(("test", "cmp", "nop", "lea", "j", "prefetch")):
        return False
    return operands.endswith(")") and not operands.endswith("(%rip)") and mnemonic != "call"


def hits(code):
    """Every way from the first instruction to a ret inside the function."""
    place = {address: i for i, (address, _, _) in enumerate(code)}
    found = []

    def walk(i, way, branches):
        while True:
            if len(found) > WAYS_MAX or i is None or i >= len(code) or len(way) > 200:
                return
            _, mnemonic, operands = code[i]
            if mnemonic.startswith(("nop", "cs", "data16", "xchg")) and "%ax,%ax" in operands:
                i += 1
                continue
            way = way + [code[i]]
            if mnemonic.startswith("ret"):
                found.append((way, branches))
                return
            if mnemonic == "call":
                return
            if mnemonic.startswith("j"):
                target = re.match(r"^\*", operands) or int(operands.split()[0], 16)
                inside = place.get(target) if isinstance(target, int) else None
                if mnemonic == "jmp":
                    i = inside
                    continue
                branches += 1
                walk(inside, way, branches)
            i += 1

    walk(0, [], 0)
    return found


def measure(code):
    ways = hits(code)
    rows = []
    for way, branches in ways:
        rows.append({
            "instructions": len(way),
            "branches": branches,
            "stores": sum(is_store(m, o) for _, m, o in way),
            "locked": sum(m == "lock" or m.startswith("xchg") for _, m, o in way),
        })
    return sorted(rows, key=lambda row: row["instructions"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", default="build/release/libhakmem.so")
    parser.add_argument("--report", action="store_true")
    arguments = parser.parse_args()
    functions, addresses = disassemble(arguments.library), aliases_of(arguments.library)
    by_address = {code[0][0]: code for code in functions.values() if code}
    bad = []
    for name, (most, branches, stores) in LIMITS.items():
        code = functions.get(name) or by_address.get(addresses.get(name))
        rows = measure(code) if code else []
        if not rows:
            bad.append(f"{name}: no way through it ends in ret")
            continue
        for kind, row in (("shortest hit", rows[0]), ("longest hit", rows[-1])):
            print(f"{name:8} {kind:12} {row['instructions']:3} instructions {row['branches']} branches "
                  f"{row['stores']} stores {row['locked']} locked")
        if rows[0]["instructions"] > most:
            bad.append(f"{name}: {rows[0]['instructions']} instructions, at most {most} allowed")
        longest = INSTRUCTIONS_OF_LONGEST_HIT.get(name, most)
        if rows[-1]["instructions"] > longest:
            bad.append(f"{name}: {rows[-1]['instructions']} instructions, at most {longest} allowed")
        for row in rows:
            if row["branches"] > branches or row["stores"] != stores or row["locked"]:
                bad.append(f"{name}: a hit with {row}")
    if arguments.report:
        return 0 if not bad else 1
    for line in bad:
        print(f"FAIL {line}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
