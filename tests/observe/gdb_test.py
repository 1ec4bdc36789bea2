#!/usr/bin/env python3
"""The gdb script, on a running process, on a core file that gdb makes of it, and on the core of a crash."""
import argparse
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from puppet import PYTHON, Puppet  # noqa: E402

ARGUMENTS = argparse.Namespace()
# gcore writes what is reserved, too: so little is reserved.
HOLD = ("import ctypes; c = ctypes.CDLL(None); c.malloc.restype = ctypes.c_void_p; c.malloc.argtypes = [ctypes.c_size_t];"
        " c.free.argtypes = [ctypes.c_void_p]; out = [c.malloc(n) for n in (100, 5000, 300000, 5000000)]")


def gdb(*arguments):
    *target, command = map(str, arguments)
    result = subprocess.run(["gdb", "-q", "-nx", "-batch", *target, "-ex", f"source {ARGUMENTS.script}", "-ex", command],
                            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    return result.stderr + result.stdout


class GdbTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.puppet = Puppet(ARGUMENTS.library, HAKMEM_RESERVE="128MiB").show(20)
        cls.puppet.tell("del held[0][::3]")
        cls.blocks = [int(text) for text in re.findall(r"\d+", cls.puppet.tell(HOLD))]
        cls.folder = tempfile.TemporaryDirectory()
        cls.core = Path(cls.folder.name) / "core"
        made = gdb("-p", cls.puppet.pid, f"gcore {cls.core}")
        assert cls.core.exists(), made

    @classmethod
    def tearDownClass(cls):
        cls.puppet.__exit__()
        cls.folder.cleanup()

    def file(self, text):
        """The command that runs these lines."""
        path = Path(self.folder.name) / "lines.gdb"
        path.write_text(text)
        return f"source {path}"

    def both(self, command):
        """The lines of the script itself, which must be the same of the process and of its core."""
        answers = []
        for target in (("-p", self.puppet.pid), (PYTHON, self.core)):
            text = gdb(*target, self.file(f"echo ----\\n\n{command}\n"))
            answers.append(text.split("----\n", 1)[-1].split("[Inferior")[0])
        self.assertEqual(*answers)
        return answers[0]

    def test_the_heap_is_sound(self):
        said = self.both("hak check")
        self.assertRegex(said, r"^\d+ SuperSlabs, \d{2,} slabs: no problem\n$")

    def test_pointers(self):
        said = self.both("\n".join(f"hak ptr {block + 3:#x}" for block in self.blocks) + "\nhak ptr $sp")
        for block, size in zip(self.blocks, (112, 5120, 327680)):
            self.assertRegex(said, rf"{block + 3:#x}: byte 3 of block \d+ \({block:#x}, {size} bytes\), taken")
        self.assertIn(f"byte 3 of the huge block {self.blocks[3]:#x}", said)
        self.assertIn("not in a slot of hakmem's", said)

    def test_a_slab_and_its_free_blocks(self):
        said = self.both(f"hak slab {self.blocks[0]:#x}")
        head = re.match(r"slab 0x\w+: 1 slot, class \d+ of 112 bytes, (\d+) of 585 blocks free", said)
        self.assertIsNotNone(head, said)
        rows = said.splitlines()[1:]
        self.assertEqual(sum(row.split()[1].count("1") for row in rows), int(head.group(1)))
        # A free block is told from a taken one.
        row, at = next((row, row.split()[1].find("1")) for row in rows if "1" in row.split()[1])
        free = int(row.split()[0], 16) + at * 112
        self.assertIn("112 bytes), free", self.both(f"hak ptr {free:#x}"))

    def test_classes(self):
        rows = [line.split() for line in self.both("hak classes").splitlines()[1:]]
        of = {int(row[0]): list(map(int, row[1:])) for row in rows}
        # A third of 20 MiB of bytearrays of 1000 bytes, in the class of 1024.
        slabs, blocks, free, free_bytes = of[1024]
        self.assertEqual((blocks, free_bytes), (slabs * 64, free * 1024))
        self.assertTrue(6000 < free < 8000, free)
        self.assertEqual([int(row[4]) for row in rows], sorted((int(row[4]) for row in rows), reverse=True))

    def test_damage_is_found(self):
        slab = int(re.match(r"slab (0x\w+)", self.both(f"hak slab {self.blocks[0]:#x}")).group(1), 16)
        script = (f"python\nheap = Heap()\nslab = heap.find({slab})[3]\n"
                  "at = slab.record + heap.slab_at['free_count']\n"
                  "gdb.selected_inferior().write_memory(at, (slab.free_count + 1).to_bytes(4, 'little'))\n"
                  "gdb.execute('hak check')\n"
                  "gdb.selected_inferior().write_memory(at, slab.free_count.to_bytes(4, 'little'))\nend\n")
        said = gdb("-p", self.puppet.pid, self.file(script))
        self.assertRegex(said, rf"slab {slab:#x}: \d+ bits for \d+ free blocks")
        self.assertIn(": 1 problem\n", said)

    def test_a_program_without_hakmem(self):
        self.assertIn("no heap of hakmem", gdb("/bin/true", "hak check"))


class CrashTest(unittest.TestCase):
    """A core as the kernel writes it, of a process that reserves what it does by default."""

    def test_a_segmentation_fault(self):
        puppet = Puppet(ARGUMENTS.library).show(20)
        self.addCleanup(puppet.__exit__)
        blocks = [int(text) for text in re.findall(r"\d+", puppet.tell(HOLD))]
        with tempfile.TemporaryDirectory() as folder:
            puppet.tell(f"import resource; os.chdir({folder!r}); most = resource.getrlimit(resource.RLIMIT_CORE)[1];"
                        " resource.setrlimit(resource.RLIMIT_CORE, (most, most))")
            puppet.send("ctypes.string_at(0)")
            self.assertEqual(puppet.process.wait(timeout=120), -signal.SIGSEGV)
            core = next(Path(folder).glob("core*"), None)
            if core is None:
                self.skipTest(f"no core here: core_pattern is {Path('/proc/sys/kernel/core_pattern').read_text().strip()}")
            script = Path(folder) / "lines.gdb"
            script.write_text("\n".join(f"hak ptr {block + 3:#x}" for block in blocks[1:]) + "\nhak check\n")
            said = gdb(PYTHON, core, f"source {script}")
        for block, size in zip(blocks[1:], (5120, 327680)):
            self.assertRegex(said, rf"{block + 3:#x}: byte 3 of block \d+ \({block:#x}, {size} bytes\), taken")
        self.assertIn(f"byte 3 of the huge block {blocks[3]:#x}", said)
        self.assertRegex(said, r"\d+ SuperSlabs?, \d{2,} slabs: no problem\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--library", required=True)
    parser.add_argument("--script", required=True)
    ARGUMENTS, rest = parser.parse_known_args()
    if shutil.which("gdb") is None:
        print("gdb is not there")
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], *rest])
