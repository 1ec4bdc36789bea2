"""Two small functions that are as they should be, and the same ones wrong in one way each."""
from library import Library, compiler_of, parse_disassembly, parse_slots, parse_symbols

DISASSEMBLY = """
0000000000001000 <malloc>:
    1000:\tcmp    $0x400,%rdi
    1007:\tja     1030 <malloc.cold>
    1009:\tmov    0x1ff0(%rip),%rax        # 3000 <_GLOBAL_OFFSET_TABLE_+0x8>
    1010:\tlea    0xfe9(%rip),%rdx        # 2000 <_ZN6hakmem15kTinyClassTableE>
    1013:\tmov    %fs:(%rax),%rcx
    1014:\tmovzbl (%rdx,%rdi,1),%esi
    1015:\tmov    (%rcx,%rsi,8),%rax
    1016:\tmov    %rax,(%rcx,%rsi,8)
    1017:\tnopl   (%rax)
    1019:\tret

0000000000001030 <malloc.cold>:
    1030:\tjmp    1050 <_ZN6hakmem3api13allocate_slowEm>

0000000000001080 <free>:
    1080:\tmov    0x1f70(%rip),%rax        # 3000 <_GLOBAL_OFFSET_TABLE_+0x8>
    1087:\tmov    %fs:(%rax),%rdx
    108b:\tcmpq   $0x1,(%rdx)
    108d:\tje     1030 <malloc.cold>
    108f:\tmov    %rdi,(%rcx)
    1092:\taddq   $0x8,(%rdx)
    1096:\tret
"""
SYMBOLS = """
   1: 0000000000001000    26 FUNC    GLOBAL DEFAULT   12 malloc
   2: 0000000000001000    26 FUNC    GLOBAL DEFAULT   12 _Znwm
   3: 0000000000001080    23 FUNC    GLOBAL DEFAULT   12 free@@BASE
   4: 0000000000001080    23 FUNC    GLOBAL DEFAULT   12 _ZdlPv
   5: 0000000000001080    23 FUNC    GLOBAL DEFAULT   12 _ZdlPvm
   6: 0000000000001030     5 FUNC    LOCAL  DEFAULT   12 malloc.cold
   7: 0000000000001050    16 FUNC    LOCAL  DEFAULT   12 _ZN6hakmem3api13allocate_slowEm
   8: 0000000000002000    65 OBJECT  LOCAL  DEFAULT   14 _ZN6hakmem15kTinyClassTableE
   9: 0000000000002800    64 OBJECT  LOCAL  DEFAULT   15 _ZN6hakmem7optionsE
  10: 0000000000002900     8 OBJECT  LOCAL  DEFAULT   15 _ZN6hakmem7countedE
  11: 0000000000001060    16 FUNC    LOCAL  DEFAULT   12 _ZN6hakmem10SharedPool7acquireEv
  12: 0000000000000000     8 TLS     LOCAL  DEFAULT   17 _ZN6hakmem7t_frontE
"""
SLOTS = """
0000000000003000  0000000000000012 R_X86_64_TPOFF64                             0
0000000000003008  0000000000000008 R_X86_64_RELATIVE                         2800
0000000000003010  0000001e00000006 R_X86_64_GLOB_DAT      0000000000000000 getenv + 0
"""
STORE = "    1016:\tmov    %rax,(%rcx,%rsi,8)\n"

# (what is put in place of what, a part of the message that must come)
WRONG = [
    (STORE, STORE + "    1018:\tcall   1050 <x>\n", "malloc: calls _ZN6hakmem3api13allocate_slowEm"),
    (STORE, STORE + "    1018:\tcall   *%rax\n", "malloc: calls *%rax"),
    (STORE, STORE + "    1018:\tmov    %rax,0x8(%rcx)\n", "'stores': 2"),
    (STORE, STORE + "    1018:\tincq   0xe0(%rip)        # 2900 <x>\n", "malloc: refers to _ZN6hakmem7countedE"),
    (STORE, STORE + "    1018:\tcmpb   $0x0,0xe0(%rip)        # 2810 <x>\n", "malloc: refers to _ZN6hakmem7optionsE"),
    (STORE, STORE + "    1018:\tmov    0xe0(%rip),%r8        # 3008 <x>\n", "malloc: refers to _ZN6hakmem7optionsE"),
    (STORE, STORE + "    1018:\tmov    0xe0(%rip),%r8        # 3010 <x>\n", "malloc: refers to getenv"),
    (STORE, STORE + "    1018:\tmov    %fs:0x28,%r8\n", "malloc: reads %fs:0x28"),
    (STORE, STORE + "    1018:\tje     1060 <x>\n", "malloc: leaves to _ZN6hakmem10SharedPool7acquireEv"),
    (STORE, STORE + "    1018:\tje     1050 <x>\n    1018:\tje     1050 <x>\n    1018:\tje     1050 <x>\n",
     "'branches': 4"),
    (STORE, "    1016:\tlock cmpxchg %rax,(%rcx,%rsi,8)\n", "'locked': 1"),
    (STORE, "    1016:\txchg   %rax,(%rcx,%rsi,8)\n", "'locked': 1"),
    (STORE, STORE + "    1018:\tadd    $0x1,%rax\n" * 8, "17 instructions of the shortest hit"),
    ("    1019:\tret\n", "    1019:\tjmp    1050 <x>\n", "malloc: no way through it ends in ret"),
    ("    1096:\tret\n", "    1096:\tjmp    *%rax\n", "free: no way through it ends in ret"),
]
# Not wrong, and not what the golden file says: (in place of what, what, the message).
DIFFERENT = [
    (STORE, STORE + "    1018:\tadd    $0x1,%rax\n", "malloc: 10 instructions of the shortest hit, 9 in"),
    (STORE, STORE + "    1018:\tcmp    %rax,(%rcx)\n", "malloc: 5 loads of the shortest hit, 4 in"),
]
SHAPE = {"malloc": {"instructions": 9, "loads": 4, "stores": 1, "branches": 1, "calls": 0, "locked": 0},
         "free": {"instructions": 7, "loads": 4, "stores": 2, "branches": 1, "calls": 0, "locked": 0}}
COMMENTS = [("  [     0]  GCC: (Debian 12.2.0-14+deb12u1) 12.2.0\n", "g++ 12"),
            ("  [     0]  GCC: (Debian 12.2.0-14) 12.2.0\n  [    27]  Debian clang version 14.0.6\n", "clang++ 14"),
            ("", "unknown")]


def library_of(disassembly):
    symbols, thread_local = parse_symbols(SYMBOLS)
    return Library("g++ 12", parse_disassembly(disassembly), symbols, parse_slots(SLOTS, symbols, thread_local))


def failures(measure, changed):
    golden, wrong = measure(library_of(DISASSEMBLY))
    yield from (f"the good sample: {line}" for line in wrong)
    for name, counts in SHAPE.items():
        if golden[name]["shortest"] != counts:
            yield f"{name} is counted as {golden[name]['shortest']}"
    yield from (f"the good sample: {line}" for line in changed(golden, golden))
    for before, after, message in WRONG:
        _, wrong = measure(library_of(DISASSEMBLY.replace(before, after)))
        if not any(message in line for line in wrong):
            yield f"{message!r} does not come for {after!r}, but {wrong}"
    for before, after, message in DIFFERENT:
        shape, wrong = measure(library_of(DISASSEMBLY.replace(before, after)))
        lines = [*wrong, *changed(golden, shape)]
        if wrong or not any(message in line for line in lines):
            yield f"{message!r} does not come for {after!r}, but {lines}"
    for comment, compiler in COMMENTS:
        if compiler_of(comment) != compiler:
            yield f"{comment!r} is taken for {compiler_of(comment)}"


def run(measure, changed):
    found = list(failures(measure, changed))
    for line in found:
        print(f"FAIL {line}")
    print(f"{len(WRONG)} wrong samples, {len(DIFFERENT)} changed ones, {len(found)} failures")
    return 1 if found else 0
