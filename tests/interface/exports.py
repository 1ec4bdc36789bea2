#!/usr/bin/env python3
"""libhakmem.so from outside: exactly the promised symbols, unversioned; libc alone; as little static TLS as promised."""
import argparse
import re
import subprocess
import sys
from pathlib import Path

FAMILY = """malloc free calloc realloc reallocarray aligned_alloc memalign posix_memalign valloc pvalloc
    malloc_usable_size free_sized free_aligned_sized cfree malloc_trim mallinfo mallinfo2 malloc_info
    malloc_stats mallopt""".split()
SANDBOX = ["prctl"]  # to see a program enter one
OPERATORS = """_Znwm _Znam _ZnwmRKSt9nothrow_t _ZnamRKSt9nothrow_t _ZnwmSt11align_val_t _ZnamSt11align_val_t
    _ZnwmSt11align_val_tRKSt9nothrow_t _ZnamSt11align_val_tRKSt9nothrow_t _ZdlPv _ZdaPv _ZdlPvm _ZdaPvm
    _ZdlPvRKSt9nothrow_t _ZdaPvRKSt9nothrow_t _ZdlPvSt11align_val_t _ZdaPvSt11align_val_t
    _ZdlPvmSt11align_val_t _ZdaPvmSt11align_val_t _ZdlPvSt11align_val_tRKSt9nothrow_t
    _ZdaPvSt11align_val_tRKSt9nothrow_t""".split()
HEADER = Path(__file__).resolve().parents[2] / "include" / "hakmem" / "hakmem.h"


def declared():
    """The functions of hakmem.h."""
    return re.findall(r"^HAK_API\b[^;(]*?(\w+)\(", HEADER.read_text(), re.M)


def symbols(readelf, library):
    """(name with its version, is defined, binding) for each dynamic symbol."""
    table = subprocess.run([readelf, "-W", "--dyn-syms", library], check=True, capture_output=True, text=True)
    rows = [line.split() for line in table.stdout.splitlines()]
    for row in rows:
        if len(row) >= 8 and row[0].rstrip(":").isdigit() and row[3] != "SECTION":
            yield row[7], row[6] != "UND", row[4]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", required=True)
    parser.add_argument("--readelf", default="readelf")
    parser.add_argument("--tls-bytes", type=int, default=8, help="the one word of the thread's front")
    options = parser.parse_args()
    found = list(symbols(options.readelf, options.library))
    exported = {name for name, is_defined, _ in found if is_defined}
    expected = {*FAMILY, *SANDBOX, *OPERATORS, *declared()}
    findings = [f"lacks {name}" for name in sorted(expected - exported)]
    findings += [f"exports {name}" for name in sorted(exported - expected)]
    findings += [f"needs {name}, of C++" for name, is_defined, binding in found
                 if not is_defined and name.startswith("_Z") and binding != "WEAK"]
    findings += [f"needs {name}" for name, is_defined, _ in found
                 if not is_defined and re.match(r"__cxa_(?!finalize)|__gxx|_Unwind", name)]
    headers = subprocess.run([options.readelf, "-Wdl", options.library], check=True, capture_output=True, text=True).stdout
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", headers)
    if needed != ["libc.so.6"]:
        findings.append(f"needs the libraries {needed}")
    tls = re.search(r"^\s*TLS\s+(?:0x\w+\s+){4}(0x\w+)", headers, re.M)
    if tls is None or int(tls.group(1), 16) > options.tls_bytes:
        findings.append(f"has static TLS of {tls.group(1) if tls else 'unknown size'}")
    if re.search(r"\((?:INIT|FINI|FINI_ARRAY)\)", headers) and "(FINI_ARRAY)" in headers:
        size = re.search(r"\(FINI_ARRAYSZ\)\s+(\d+)", headers)
        if size and int(size.group(1)) > 8:  # the compiler's own __do_global_dtors_aux
            findings.append("has destructors of its own")
    print(*findings, sep="\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
