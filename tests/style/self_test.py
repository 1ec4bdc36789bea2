"""One bad piece of code for each way a rule can be broken, and the look-alikes that are fine."""
from pathlib import Path

from rules import FUNCTION_LINES_MAX, LINES_MAX, RULES
from source_text import Source

CONTRACT = ("// pool/x.h: x.\n//\n// Responsibility  a\n// Contract        b\n"
            "// Observable      c\n// Composable      d\n#pragma once\n")


def function_of(lines, head="int f(int a)"):
    return f"{head} {{\n" + "  ++a;\n" * (lines - 2) + "}\n"


# (rule that must fire, file, text)
BAD = [
    ("layers", "src/pool/x.cpp", '#include "front/thread_cache.h"\n'),
    ("layers", "src/base/text.cpp", '#include "os/pages.h"\n'),
    ("layers", "src/pool/x.cpp", '#include "shared_pool.h"\n'),
    ("layers", "src/extra/x.cpp", "int a;\n"),
    ("file-length", "src/pool/x.cpp", "int a;\n" * (LINES_MAX + 1)),
    ("function-length", "src/pool/x.cpp", function_of(FUNCTION_LINES_MAX + 1)),
    ("function-length", "tools/x.cpp",
     "namespace a {\nclass B : public C {\n public:\n" +
     function_of(71, "template <typename T, int N = 3>\nstd::array<T, N> f(const T& a) const noexcept") +
     "};\n}\n"),
    ("function-length", "tests/x_test.cpp", function_of(71, "TEST(Pool, Fills)")),
    ("function-length", "tools/x.cpp", function_of(71, "A::A(int a) : b_{a}, c_(a)")),
    ("function-length", "tools/x.cpp", function_of(71, "bool operator==(const A& a, const A& b)")),
    ("contract", "src/pool/x.h", CONTRACT.replace("// Observable      c\n", "")),
    ("contract", "src/pool/x.h", "#pragma once\n" + CONTRACT),
    ("contract", "src/pool/x.h", CONTRACT.replace("#pragma once\n", "")),
    ("environment", "src/heap/x.cpp", "extern char** environ;\n"),
    ("environment", "src/api/x.cpp", 'auto a = secure_getenv("A");\n'),
    ("system-calls", "src/api/x.cpp", "#include <unistd.h>\n"),
    ("system-calls", "src/pool/x.cpp", "#include <sys/mman.h>\n"),
    ("system-calls", "src/pool/x.cpp", "#include <sys/syscall.h>\n"),
    ("system-calls", "src/pool/x.cpp", '#include "os/raw_syscall.h"\n'),
    ("system-calls", "src/pool/x.cpp", "void f() { ::madvise(p, n, 4); }\n"),
    ("system-calls", "src/pool/x.cpp", "void f() { syscall(1); }\n"),
    ("system-calls", "src/pool/x.cpp", 'void f() { asm volatile("syscall"); }\n'),
    ("conditionals", "src/front/x.cpp", "#if defined(__x86_64__)\n#endif\n"),
    ("conditionals", "src/front/x.cpp", "# ifdef A\n#endif\n"),
    ("memory-order", "src/front/x.cpp", "int f() { return a.load(); }\n"),
    ("memory-order", "src/front/x.cpp", "void f() { a->store(g(1)); }\n"),
    ("memory-order", "src/front/x.cpp", "void f() { a.fetch_add(1); }\n"),
    ("memory-order", "src/front/x.cpp", "void f() { a.compare_exchange_weak(b,\n c); }\n"),
    ("memory-order", "src/front/x.cpp", "std::atomic<int> a_{0};\nvoid f() { ++a_; }\n"),
    ("memory-order", "src/front/x.cpp", "std::atomic<int> a_{0};\nvoid f() { x.a_ = 1; }\n"),
    ("passkey", "src/front/x.cpp", "void f() { super->open(PoolKey(), 0); }\n"),
    ("passkey", "src/front/x.cpp", "void f() { PoolKey key{}; }\n"),
    ("passkey", "tests/unit/pool/x_test.cpp", "void f() { g(std::bit_cast<PoolKey>('a')); }\n"),
    ("passkey", "src/superslab/x.h",
     CONTRACT + "class PoolKey {\n  friend class SharedPool;\n  friend class Cache;\n};\n"),
    ("sleep", "tests/unit/pool/x_test.cpp", "void f() { usleep(1); }\n"),
    ("sleep", "tests/x.py", "import time\ntime.sleep(1)\n"),
]

# (file, text) in which nothing may fire
GOOD = [
    ("src/pool/x.h", CONTRACT + '#include <atomic>\n#include "base/bits.h"\n#include "pool/y.h"\n'),
    ("src/api/x.cpp", '#include "hakmem/hakmem.h"\n#include "observe/counters.h"\n'),
    ("src/os/x.cpp", "#include <unistd.h>\n#if defined(A)\n#endif\n"
                     "void f() { syscall(1); mmap(a); g(environ); }\n"),
    ("src/pool/x.cpp", "// environ, getenv, PoolKey(), #if, a.load()\n/* mmap() */\n"
                       'const char* a = "getenv(\\"A\\") mmap( PoolKey(";\n'),
    ("src/pool/x.cpp", "int environment;\nvoid f() { os::madvise_free(1); map.munmapped(2); }\n"),
    ("src/pool/x.cpp", "void f() { g(PoolKey()); }\n"),
    ("src/superslab/x.h", CONTRACT + "class PoolKey {\n  friend class SharedPool;\n"
                                     "  friend class PoolShard;\n  PoolKey() = default;\n};\nvoid open(PoolKey, int);\n"
                                     "void move(PoolKey key, int);\n"),
    ("src/front/x.cpp", "std::atomic<int> a_{0};\nstd::atomic<int> b_[3] = {};\nstd::atomic<A*> c_ = nullptr;\n"
                        "int f() { return a_.load(std::memory_order_relaxed) == 1; }\n"
                        "void g() {\n  b.compare_exchange_strong(\n      c, h(d),\n"
                        "      std::memory_order_acq_rel);\n}\n"),
    ("src/pool/x.cpp", function_of(FUNCTION_LINES_MAX)),
    ("src/pool/x.cpp", "constexpr int kTable[] = {\n" + "  1,\n" * 100 + "};\n"),
    ("src/pool/x.cpp", "struct A {\n" + "  int f(int a) { return a; }\n" * 100 + "};\n"),
    ("src/pool/x.cpp", "namespace {\n" + 'int f(char a) { return a == \'{\'; }  // }\n' * 100 + "}\n"),
    ("src/pool/x.cpp", "A::A(int a)\n    : b_{a},\n      c_{a} {}\n" + "int a;\n" * 100),
    ("src/pool/x.cpp", "int a = 1'000'000;\nint f() { return 2'000; }\n" * 50),
    ("src/pool/x.cpp", "alignas(64) constinit A a{f(1)};\n" + "int b;\n" * 100),
    ("tests/unit/pool/x_test.cpp", "// no sleep here\nint f();\n"),
]


def run(findings):
    failures = []
    for rule, name, text in BAD:
        found = list(findings([Source(Path(name), text)], []))
        if not found or any(f": {rule}: " not in line for line in found):
            failures.append(f"{rule} should fire, and alone, on {name}:\n{text[:300]}\n  but: {found}")
    for name, text in GOOD:
        found = list(findings([Source(Path(name), text)], []))
        if found:
            failures.append(f"nothing should fire on {name}:\n{text[:300]}\n  but: {found}")
    failures += [f"no bad example for the rule {rule.name}" for rule in RULES
                 if rule.name not in {bad[0] for bad in BAD}]

    broken = Source(Path("src/front/x.cpp"), "#if 1\n#endif\n")
    excuse = [("conditionals", "src/front/x.cpp", "")]
    if list(findings([broken], excuse)):
        failures.append("an exception does not excuse")
    if len(list(findings([], excuse))) != 1:
        failures.append("an exception that is not needed is no finding")
    print(*failures, sep="\n")
    print(f"{len(BAD) + len(GOOD) + 2} cases, {len(failures)} failed")
    return 1 if failures else 0
