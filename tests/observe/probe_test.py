#!/usr/bin/env python3
"""What tracers and /proc/PID/maps are told: probes in slow paths, names of mappings."""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from puppet import PYTHON, Puppet  # noqa: E402

ARGUMENTS = argparse.Namespace()
PROBES = {"growth", "slab_acquire", "slab_release", "slab_adopt", "purge", "huge_map", "huge_unmap", "misuse"}
NAMES = ("hakmem: slots", "hakmem: tags and slab records", "hakmem: metadata")
# Allows everything, but is there.
FILTER = ("import ctypes, os, struct; c = ctypes.CDLL(None); code = ctypes.create_string_buffer(struct.pack('<HBBI', 6, 0, 0,"
          " 0x7fff0000)); prog = struct.pack('<H6xQ', 1, ctypes.addressof(code)); assert c.prctl(38, 1, 0, 0, 0) == 0;"
          " assert c.prctl(22, 2, prog, 0, 0) == 0; os.execve('/bin/sh', ['sh', '-c', 'true'], {'LD_PRELOAD': %r})")


def output(*command, **more):
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True, timeout=60, **more).stdout


class ProbeTest(unittest.TestCase):
    def test_each_is_described_and_one_nop(self):
        notes = output("readelf", "-nW", ARGUMENTS.library)
        probes = re.findall(r"Provider: (\w+)\s+Name: (\w+)\s+Location: 0x(\w+), Base: 0x(\w+), Semaphore: 0x(0+)\s+"
                            r"Arguments: ((?:8@\S+ ?){3})\n", notes)
        self.assertEqual({(probe[0], probe[1]) for probe in probes}, {("hakmem", name) for name in PROBES})
        sections = output("readelf", "-SW", ARGUMENTS.library)
        base = re.search(r"\.stapsdt\.base\s+PROGBITS\s+(\w+)", sections)
        self.assertEqual({int(probe[3], 16) for probe in probes}, {int(base.group(1), 16)})
        for probe in probes:
            place = int(probe[2], 16)
            code = output("objdump", "-d", f"--start-address={place}", f"--stop-address={place + 1}", ARGUMENTS.library)
            self.assertRegex(code, r"\tnop\s", probe)

    def test_linkers_that_drop_sections_keep_the_base(self):
        archive = ARGUMENTS.library.parent / "libhakmem.a"
        if not archive.exists():
            self.skipTest("the archive is not built")
        with tempfile.TemporaryDirectory() as folder:
            source, program = Path(folder) / "main.c", Path(folder) / "program"
            source.write_text("#include <stdlib.h>\nint main(void) { free(malloc(1)); return 0; }\n")
            for linker in ("bfd", "gold", "lld"):
                if shutil.which(f"ld.{linker}") is None:
                    continue
                output("gcc", f"-fuse-ld={linker}", "-Wl,--gc-sections", source, archive, "-pthread", "-o", program)
                bases = {int(base, 16) for base in re.findall(r"Base: 0x(\w+)", output("readelf", "-nW", program))}
                section = re.search(r"\.stapsdt\.base\s+PROGBITS\s+(\w+)", output("readelf", "-SW", program))
                self.assertIsNotNone(section, linker)
                self.assertEqual(bases, {int(section.group(1), 16)}, linker)

    def test_gdb_lists_them_from_the_file(self):
        if shutil.which("gdb") is None:
            self.skipTest("gdb is not there")
        said = output("gdb", "-q", "-nx", "-batch", "-ex", "info probes stap hakmem", ARGUMENTS.library, stdin=subprocess.DEVNULL)
        self.assertEqual(set(re.findall(r"^stap +hakmem +(\w+) +0x[0-9a-f]+ ", said, re.M)), PROBES)

    def test_perf_lists_them_from_the_file(self):
        if shutil.which("perf") is None:
            self.skipTest("perf is not there")
        with tempfile.TemporaryDirectory() as folder:
            environment = os.environ | {"HOME": folder}
            output("perf", "--buildid-dir", folder, "buildid-cache", "--add", ARGUMENTS.library, env=environment)
            said = output("perf", "--buildid-dir", folder, "list", "sdt", env=environment)
        self.assertEqual(set(re.findall(r"sdt_hakmem:(\w+)", said)), PROBES)

    def test_gdb_stops_at_one_and_reads_its_values(self):
        if shutil.which("gdb") is None:
            self.skipTest("gdb is not there")
        # "kill" is what ends it: the program is stopped inside of malloc.
        commands = ["set breakpoint pending on", f"set exec-wrapper env LD_PRELOAD={ARGUMENTS.library}", "break main", "run",
                    "break -probe-stap hakmem:huge_map", "continue", "print $_probe_argc",
                    "printf \"%lx %ld %ld\\n\", $_probe_arg0, $_probe_arg1, $_probe_arg2", "finish",
                    "info symbol $pc", "kill"]
        told = [part for command in commands for part in ("-ex", command)]
        said = output("gdb", "-q", "-nx", "-batch", *told, ARGUMENTS.program, stdin=subprocess.DEVNULL)
        self.assertIn("$1 = 3", said)
        address, mapped, asked = re.search(r"^([0-9a-f]+) (\d+) (\d+)$", said, re.M).groups()
        self.assertEqual((int(address, 16) % 4096, int(asked)), (0, 5000000))
        self.assertEqual(int(mapped), -(-5000000 // os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PAGE_SIZE"))
        self.assertRegex(said, rf"Value returned is \$\d+ = \(void \*\) 0x{address}\b")


class NameTest(unittest.TestCase):
    def calls(self, *command, answer=None, **environment):
        """The prctl calls of a program. With an answer ("retval=0") strace gives that in the kernel's place."""
        if shutil.which("strace") is None:
            self.skipTest("strace is not there")
        with tempfile.NamedTemporaryFile() as log:
            preload = [f"-E{name}={value}" for name, value in environment.items()]
            inject = [] if answer is None else ["-e", f"inject=prctl:{answer}"]
            output("strace", "-f", "-qq", "-e", "trace=prctl", *inject, "-o", log.name, *preload, *command)
            return [line for line in Path(log.name).read_text().splitlines() if "prctl(" in line]

    def named(self, calls):
        return [re.search(r'"(.*)"', call).group(1) for call in calls if "PR_SET_VMA" in call]

    def of_a_large_program(self, **how):
        return self.calls(PYTHON, "-c", "held = [bytes(n) for n in range(1, 40000)]; huge = [bytes(5000000) for _ in range(9)]",
                          LD_PRELOAD=ARGUMENTS.library, PYTHONMALLOC="malloc", **how)

    def test_names_are_given_once_or_refused_once(self):
        calls = self.of_a_large_program()
        asked = [at for at, call in enumerate(calls, 1) if "PR_SET_VMA" in call]
        accepts = calls[asked[0] - 1].endswith("= 0")
        self.assertEqual(self.named(calls), list(NAMES) if accepts else [NAMES[0]])
        # The other answer, which this kernel would not give.
        if accepts:
            calls = self.of_a_large_program(answer=f"error=EINVAL:when={asked[0]}")
            self.assertEqual(self.named(calls), [NAMES[0]])
        else:
            calls = self.of_a_large_program(answer=f"retval=0:when={asked[0]}+")
            self.assertEqual(self.named(calls), list(NAMES))

    def test_none_where_the_process_starts_in_a_sandbox(self):
        self.assertEqual(self.named(self.calls(PYTHON, "-c", FILTER % str(ARGUMENTS.library))), [])

    def test_maps_has_them_where_the_kernel_does(self):
        with Puppet(ARGUMENTS.library).show() as puppet:
            maps = Path(f"/proc/{puppet.pid}/maps").read_text()
        named = {name for name in NAMES if f"[anon:{name}]" in maps}
        refused = subprocess.run([PYTHON, "-c", "import ctypes, mmap; m = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS); c = ctypes.CDLL(None);"
                                  " a = ctypes.c_ulong(ctypes.addressof(ctypes.c_char.from_buffer(m)));"
                                  " raise SystemExit(c.prctl(0x53564d41, ctypes.c_ulong(0), a, ctypes.c_ulong(4096), b'x') != 0)"])
        self.assertEqual(named, set() if refused.returncode else set(NAMES))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--program", type=Path, required=True)
    ARGUMENTS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
