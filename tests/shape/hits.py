"""The ways through a function that end in `ret` without leaving it, and what each costs."""
import re

WAYS_MAX = 1000
STEPS_MAX = 200
COUNTS = ["instructions", "loads", "stores", "branches", "calls", "locked"]
# Read only, though a memory operand stands where a destination would.
READS_ONLY = ("cmp", "test", "ucomi", "comi")
NO_ACCESS = ("lea", "nop", "prefetch")


def _operands(text):
    """Split at the commas that are not inside parentheses."""
    return [part.strip() for part in re.split(r",(?![^(]*\))", text) if part.strip()]


def _is_memory(operand):
    return "(" in operand or operand.startswith("%fs:")


def accesses(instruction):
    """(loads, stores) of one instruction."""
    mnemonic, operands = instruction.mnemonic, _operands(instruction.operands)
    if mnemonic.startswith(NO_ACCESS) or not operands:
        return 0, 0
    if mnemonic.startswith("push"):
        return sum(map(_is_memory, operands)), 1
    if mnemonic.startswith("pop") and mnemonic != "popcnt":
        return 1, sum(map(_is_memory, operands))
    sources, destination = sum(map(_is_memory, operands[:-1])), _is_memory(operands[-1])
    if mnemonic.startswith(("j", "call")) or mnemonic.startswith(READS_ONLY):
        return sources + destination, 0
    if mnemonic.startswith(("mov", "set", "vmov")):
        return sources, int(destination)
    return sources + destination, int(destination)  # add, sub, xor, inc...: read, change, write


def _ends(code, i):
    """True where a way leaves the function or ends."""
    return code[i].mnemonic.startswith("ret") or code[i].mnemonic == "jmp"


def _next(code, place, i):
    """Indexes of what may follow instruction i, inside the function."""
    instruction = code[i]
    following = [] if _ends(code, i) else [i + 1]
    if instruction.mnemonic.startswith("j") and instruction.target in place:
        following.append(place[instruction.target])
    return [k for k in following if k < len(code)]


def reachable(code):
    """Every instruction that can follow the first, without what lies behind a jump out."""
    place = {instruction.address: i for i, instruction in enumerate(code)}
    seen, waiting = set(), [0]
    while waiting:
        i = waiting.pop()
        if i not in seen:
            seen.add(i)
            waiting.extend(_next(code, place, i))
    return [code[i] for i in sorted(seen)]


def hits(code, prefix=()):
    """The counts of each way to a ret, the shortest first. `prefix` was executed before."""
    place = {instruction.address: i for i, instruction in enumerate(code)}
    found, waiting = [], [(0,)]
    while waiting and len(found) < WAYS_MAX:
        way = waiting.pop()
        if code[way[-1]].mnemonic.startswith("ret"):
            found.append([*prefix, *(code[i] for i in way)])
        elif len(way) < STEPS_MAX:
            waiting.extend((*way, i) for i in _next(code, place, way[-1]))
    return sorted(map(count, found), key=lambda counts: [counts[name] for name in COUNTS])


def count(way):
    """A jump that is always taken is an instruction, not a branch."""
    loads, stores = (sum(column) for column in zip(*map(accesses, way)))
    is_locked = [i.mnemonic == "lock" or (i.mnemonic.startswith("xchg") and "(" in i.operands) for i in way]
    return {"instructions": len(way), "loads": loads, "stores": stores,
            "branches": sum(i.mnemonic.startswith("j") and i.mnemonic != "jmp" for i in way),
            "calls": sum(i.mnemonic.startswith("call") for i in way), "locked": sum(is_locked)}
