"""hot_path.py: what a hit of malloc, free and the operators costs, read from the disassembly.

A hit is a way through the function that ends in `ret` without leaving it. All such ways are walked (the
functions are a few dozen instructions long), and each is held to the limits. The shortest is the small
block's; malloc has a second one for blocks above 1 KiB. The counts of both are frozen for the compilers
in golden/hot_path.json; a change of that file comes with its reason in the same commit.

No trace: what the hot code refers to is the thread's front and the class table, and where it leaves is a
slow path. So options, statistics, debug checks and the placement policy of the pool have no part in it.

  hot_path.py --library libhakmem.so            exit 1 when a limit is broken or a count has changed
  hot_path.py --library libhakmem.so --limits   the limits and traces alone: a build of another kind
  hot_path.py --library libhakmem.so --report   the counts alone
  hot_path.py --library libhakmem.so --update   write the counts of this compiler into the golden file
  hot_path.py --self-test                       disassemblies that are wrong in one way each
"""
import argparse
import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent / "shape"))

from hits import COUNTS, hits, reachable  # noqa: E402
from library import read_library  # noqa: E402

GOLDEN = Path(__file__).resolve().parent / "golden" / "hot_path.json"

# function: (instructions of the shortest hit, of the longest, branches and stores of any)
LIMITS = {
    "malloc": (16, 24, 3, 1),
    "free": (20, 20, 4, 2),
    "_Znwm": (16, 24, 3, 1),
    "_ZdlPv": (20, 20, 4, 2),
    "_ZdlPvm": (30, 32, 6, 2),
}
FRONT, CLASS_TABLE = "_ZN6hakmem7t_frontE", "_ZN6hakmem15kTinyClassTableE"
MAY_REFER_TO = {
    "malloc": {FRONT, CLASS_TABLE},
    "free": {FRONT},
    "_Znwm": {FRONT, CLASS_TABLE},
    "_ZdlPv": {FRONT},
    # A sized delete asks whether the program replaced the plain one.
    "_ZdlPvm": {FRONT, CLASS_TABLE, "_ZdlPv", "hakmem_own_delete"},
}


def is_slow_path(name):
    return name.endswith(".cold") or "_slow" in name


def forwarded(library, name):
    """(prefix, code): a function that is only a jump to another one is that one, after the jump."""
    code, prefix = library.code_of(name), []
    if code and code[0].mnemonic == "jmp":
        prefix, jump = code[:1], code[0]
        target = library.name_of(jump.refers_to if jump.refers_to is not None else jump.target)
        code = library.code_of(target) if target != name else None
    return prefix, code


def traces(library, name, prefix, code):
    """What the hot code has to do with that it should not."""
    inside = {instruction.address for instruction in code}
    for instruction in [*prefix, *code]:
        if instruction.mnemonic.startswith("call"):
            target = instruction.target
            yield f"{name}: calls {instruction.operands if target is None else library.name_of(target)}"
        elif instruction.refers_to is not None:
            found = library.name_of(instruction.refers_to)
            if found not in MAY_REFER_TO[name]:
                yield f"{name}: refers to {found}"
        elif instruction.mnemonic.startswith("j"):
            if instruction.target is None:
                yield f"{name}: jumps to {instruction.operands}"
            elif instruction.target not in inside:
                found = library.name_of(instruction.target)
                if not is_slow_path(found):
                    yield f"{name}: leaves to {found}"
        elif "%fs:" in instruction.operands and "%fs:(" not in instruction.operands:
            yield f"{name}: reads {instruction.operands}"


def broken_limits(name, rows):
    shortest, longest, branches, stores = LIMITS[name]
    for kind, row, most in (("shortest", rows[0], shortest), ("longest", rows[-1], longest)):
        if row["instructions"] > most:
            yield f"{name}: {row['instructions']} instructions of the {kind} hit, at most {most} allowed"
    for row in rows:
        if row["branches"] > branches or row["stores"] != stores or row["calls"] or row["locked"]:
            yield f"{name}: a hit with {row}"


def measure(library):
    """(counts of the shortest and longest hit by function, what is wrong)."""
    shape, wrong = {}, []
    for name in LIMITS:
        prefix, code = forwarded(library, name)
        rows = hits(code, prefix) if code else []
        if not rows:
            wrong.append(f"{name}: no way through it ends in ret")
            continue
        shape[name] = {"shortest": rows[0], "longest": rows[-1]}
        wrong += broken_limits(name, rows)
        wrong += traces(library, name, prefix, reachable(code))
    return shape, wrong


def changed(golden, shape):
    for name, kinds in shape.items():
        for kind, row in kinds.items():
            before = golden.get(name, {}).get(kind, {})
            for what in COUNTS:
                if row[what] != before.get(what):
                    yield f"{name}: {row[what]} {what} of the {kind} hit, {before.get(what)} in {GOLDEN.name}"


def text_of(golden):
    """One line for each hit, so that a change of one is a change of one line."""
    compilers = []
    for compiler, shape in sorted(golden.items()):
        functions = [f"    {json.dumps(name)}: {{\n" + ",\n".join(
            f"      {json.dumps(kind)}: {json.dumps(row)}" for kind, row in kinds.items()) + "}"
            for name, kinds in shape.items()]
        compilers.append(f"  {json.dumps(compiler)}: {{\n" + ",\n".join(functions) + "}")
    return "{\n" + ",\n".join(compilers) + "\n}\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", default="build/release/libhakmem.so")
    parser.add_argument("--limits", action="store_true")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        import self_test
        return self_test.run(measure, changed)
    library = read_library(arguments.library)
    shape, wrong = measure(library)
    for name, kinds in shape.items():
        for kind, row in kinds.items():
            print(f"{name:8} {kind:8} hit: " + ", ".join(f"{row[what]} {what}" for what in COUNTS))
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if arguments.update and not wrong:
        GOLDEN.write_text(text_of(golden | {library.compiler: shape}))
    elif not arguments.limits and not arguments.report:
        if library.compiler in golden:
            wrong += changed(golden[library.compiler], shape)
        else:
            print(f"no golden counts for {library.compiler}, only the limits are checked")
    for line in wrong:
        print(f"FAIL {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
