#!/usr/bin/env python3
"""The shipped files look as promised: what they need, what they export, what they keep to themselves."""
import argparse
import re
import subprocess
import sys
from pathlib import Path

MAP = Path(__file__).resolve().parent.parent / "src" / "api" / "exports.map"
MUST_EXPORT = {"malloc", "free", "calloc", "realloc", "posix_memalign", "aligned_alloc",
               "malloc_usable_size", "_Znwm", "_ZdlPv", "_ZnwmSt11align_val_t"}
# In a static program libstdc++.a has the other forms, which call the basic ones.
SHARED_MUST_EXPORT = MUST_EXPORT | {"_Znam", "_ZdlPvm", "_ZdaPvm", "_ZnwmRKSt9nothrow_t"}
# What hakmem.o may define besides: libc's own names for the same functions.
LIBC_NAMES = re.compile(r"(__libc_|__malloc_|__posix_memalign|__free_hook|__realloc_hook|"
                        r"__memalign_hook|__mallopt|__after_morecore|__morecore|__default_morecore|_dl_|"
                        r"__vasprintf|mcheck|tr_break)")
LOADERS = {"ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}


def read_map():
    """The names and patterns after `global:` in the version script."""
    text = re.sub(r"/\*.*?\*/", " ", MAP.read_text(), flags=re.S)
    names = text[text.index("global:") + 7:text.index("local:")].replace(";", " ").split()
    return re.compile("|".join(f"(?:{re.escape(n).replace(chr(92) + '*', '.*')})" for n in names))


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def defined(nm, file, *options):
    """{symbol: type letter} of what the file defines for others."""
    lines = output(nm, *options, "--defined-only", str(file)).splitlines()
    rows = [line.split() for line in lines if len(line.split()) == 3]
    return {name: kind for _, kind, name in rows}


def check_shared(tools, library, allowed):
    dynamic = output(tools.readelf, "-dW", str(library))
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic))
    if not needed <= {"libc.so.6"} | LOADERS:
        yield f"{library.name} needs {sorted(needed)}, not libc alone"
    if re.findall(r"\(SONAME\).*\[(.*)\]", dynamic) != [f"{library.name}.0"]:
        yield f"{library.name} has another SONAME"
    for flag in ("BIND_NOW|NOW", "NODELETE"):
        if not re.search(rf"\bFLAGS.*\b(?:{flag})\b", dynamic):
            yield f"{library.name} is not linked with {flag}"
    if "TEXTREL" in dynamic:
        yield f"{library.name} has text relocations"
    if not re.search(r"\bSTATIC_TLS\b", dynamic) and "TLS" in output(tools.readelf, "-lW", str(library)):
        yield f"{library.name} uses another TLS model than initial-exec"
    exported = defined(tools.nm, library, "-D")
    yield from (f"{library.name} exports {n}" for n in sorted(exported) if not allowed.fullmatch(n))
    yield from (f"{library.name} lacks {n}" for n in sorted(SHARED_MUST_EXPORT - set(exported)))


def check_archive(tools, archive, allowed):
    members = output(tools.ar, "t", str(archive)).split()
    if members != ["hakmem.o", "hakmem_new.o"]:
        yield f"{archive.name} has the members {members}"
    symbols = defined(tools.nm, archive, "-g")
    yield from (f"{archive.name} shows {n}" for n in sorted(symbols)
                if not allowed.fullmatch(n) and not LIBC_NAMES.match(n))
    yield from (f"{archive.name} lacks {n}" for n in sorted(MUST_EXPORT - set(symbols)))


def check_static_program(tools, program):
    """libc's allocator must not have come along."""
    if program.exists() and "_int_malloc" in output(tools.nm, str(program)).split():
        yield f"{program.name} contains libc's malloc"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--readelf", default="readelf")
    parser.add_argument("--nm", default="nm")
    parser.add_argument("--ar", default="ar")
    tools = parser.parse_args()
    allowed = read_map()
    findings = [*check_shared(tools, tools.build / "libhakmem.so", allowed),
                *check_shared(tools, tools.build / "libhakmem-hardened.so", allowed),
                *check_archive(tools, tools.build / "libhakmem.a", allowed),
                *check_static_program(tools, tools.build / "tests" / "link_static_c"),
                *check_static_program(tools, tools.build / "tests" / "link_static_cxx")]
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
