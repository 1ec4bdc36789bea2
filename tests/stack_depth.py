"""stack_depth.py: no entry of the library takes more than 4 KiB of the program's stack, whatever way a call goes.

stack_use.c paints a stack and sees the ways that its machine takes; those that need a container's memory limit, a
profile that is asked for just then or a full table it does not see. So this adds frames up, from the unwind table,
along every call that the disassembly has. Of a report of misuse, which ends the process or says why it does not,
8 KiB are allowed. libc's functions count nothing, nor do the program's own (a new handler): see MAY_CALL_POINTERS. A jump through a
register is taken for a switch.

  stack_depth.py --library libhakmem.so            exit 1 when an entry is too deep
  stack_depth.py --library libhakmem.so --report   the deepest way of each entry, in bytes still to come
  stack_depth.py --self-test                       a library that is too deep in one way each
"""
import argparse
import re
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent / "shape"))

from frames import Frames, parse_frames, read_frames  # noqa: E402
from library import Library, parse_disassembly, parse_symbols, read_library  # noqa: E402

ALLOWED, ALLOWED_WITH_REPORT = 4096, 8192
REPORT = re.compile(r"report_|abort|check_failed")
NOTHING = re.compile(r"^$")
# Who calls what it was given: the program's handler, libstdc++'s operator, the hook of a test, a visitor of misuse.
MAY_CALL_POINTERS = re.compile(r"call_new_handler|throw_bad_alloc|nothrow_of_libstdcxx|on_fault|report_|visit_cached|"
                               r"parse_config|parse_value|value_type_|deliver")


def entries(library, exported):
    return sorted(name for name in exported if library.address_of(name) is not None)


def violations(library, frames, exported):
    names = entries(library, exported)
    if "malloc" not in names or "free" not in names:
        yield "malloc and free are not among the library's functions"
    for skip, allowed, what in ((REPORT, ALLOWED, ""), (NOTHING, ALLOWED_WITH_REPORT, " with a report")):
        frames.known.clear()
        for name in names:
            depth, way = frames.deepest(library.address_of(name), skip)
            if depth > allowed:
                yield f"{name}{what} takes {depth} bytes of stack, allowed are {allowed}: {' > '.join(way)}"
    for name in sorted(frames.unknown):
        if not REPORT.search(name):
            yield f"{name} has a frame whose size is not known"
    for name in sorted(frames.indirect):
        if not MAY_CALL_POINTERS.search(name):
            yield f"{name} calls through a pointer, and what is behind it is not counted"


def exported_of(library):
    return {symbol.name for symbol in library.symbols if symbol.is_exported}


def report(library, frames):
    for name in entries(library, exported_of(library)):
        depth, way = frames.deepest(library.address_of(name), REPORT)
        print(f"{depth:6} {name}")
        for step in way[1:]:
            print(f"       {frames.deepest(library.address_of(step), REPORT)[0]:6} {step}")


DISASSEMBLY = """
0000000000001000 <malloc>:
    1000:\tsub    $0x{malloc:x},%rsp
    1007:\tcall   1040 <slow>
    100c:\tret

0000000000001020 <free>:
    1020:\tjmp    1044 <slow+0x4>

0000000000001040 <slow>:
    1040:\tsub    $0x{slow:x},%rsp
    1044:\taddr32 call 1060 <report_misuse>
    104a:\t{other}
    1050:\tret

0000000000001060 <report_misuse>:
    1060:\tsub    $0x{report:x},%rsp
    1067:\tcall   1060 <report_misuse>
    106c:\tret
"""
FRAMES = """
00000018 0000000000000024 0000001c FDE cie=00000000 pc=0000000000001000..0000000000001010
   LOC           CFA      ra
0000000000001000 rsp+8    c-8
0000000000001007 {cfa}+{malloc}   c-8

00000018 0000000000000024 0000001c FDE cie=00000000 pc=0000000000001020..0000000000001025

00000018 0000000000000024 0000001c FDE cie=00000000 pc=0000000000001040..0000000000001051
   LOC           CFA      ra
0000000000001040 rsp+8    c-8
0000000000001044 rsp+{slow}   c-8

00000018 0000000000000024 0000001c FDE cie=00000000 pc=0000000000001060..000000000000106d
   LOC           CFA      ra
0000000000001060 rsp+8    c-8
0000000000001067 rsp+{report}   c-8
"""
SYMBOLS = """
   1: 0000000000001000    13 FUNC    GLOBAL DEFAULT   12 malloc
   2: 0000000000001020     5 FUNC    GLOBAL DEFAULT   12 free@@BASE
   3: 0000000000001040    17 FUNC    LOCAL  DEFAULT   12 slow
   4: 0000000000001060    13 FUNC    LOCAL  DEFAULT   12 report_misuse
"""


def self_test():
    def found(malloc, slow, report_size, other="nop", cfa="rsp"):
        values = {"malloc": malloc, "slow": slow, "report": report_size, "other": other, "cfa": cfa}
        symbols, _ = parse_symbols(SYMBOLS)
        library = Library("g++ 12", parse_disassembly(DISASSEMBLY.format(**values)), symbols)
        frames = Frames(library, parse_frames(FRAMES.format(**values)))
        return [line.split(":")[0] for line in violations(library, frames, {"malloc", "free"})]

    too_deep = "{} takes {} bytes of stack, allowed are 4096"
    cases = [
        (found(1000, 3096, 4096), []),
        (found(1001, 3096, 4095), [too_deep.format("malloc", 4097)]),
        (found(16, 4097, 16), [too_deep.format("free", 4097), too_deep.format("malloc", 4113)]),
        (found(1000, 3096, 4097), ["malloc with a report takes 8193 bytes of stack, allowed are 8192"]),
        (found(16, 16, 16, "call   *%rax"), ["slow calls through a pointer, and what is behind it is not counted"]),
        (found(16, 16, 16, "call   *0x10(%rip)        # 3000 <pointer>"),
         ["slow calls through a pointer, and what is behind it is not counted"]),
        (found(16, 16, 16, "call   1000 <malloc>"), []),
        (found(1001, 3096, 4095, "call   1000 <malloc>"), [too_deep.format("free", 4097), too_deep.format("malloc", 5098)]),
        (found(16, 16, 16, cfa="rbp"), ["malloc has a frame whose size is not known"]),
    ]
    wrong = [f"found {got}, expected {expected}" for got, expected in cases if got != expected]
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        wrong = self_test()
    elif arguments.library is None:
        parser.error("--library or --self-test")
    else:
        library = read_library(arguments.library)
        frames = read_frames(library, arguments.library)
        if arguments.report:
            report(library, frames)
        wrong = list(violations(library, frames, exported_of(library)))
    print("\n".join(wrong), end="\n" if wrong else "")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
