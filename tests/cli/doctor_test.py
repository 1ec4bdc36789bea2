#!/usr/bin/env python3
"""hakmem doctor: each finding where it belongs, and none where all is well."""
import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from puppet import PYTHON, Command, Puppet  # noqa: E402

ARGUMENTS = argparse.Namespace()
FINE, FINDING, USAGE, MISSING, PERMISSION, UNSUPPORTED = range(6)
MIB = 1 << 20
LIBC = ("import ctypes, resource; c = ctypes.CDLL(None); c.malloc.restype = ctypes.c_void_p;"
        " c.malloc.argtypes = [ctypes.c_size_t]; ")
WORDS = ("what", "reason", "command", "effect", "basis")


class DoctorTest(unittest.TestCase):
    def setUp(self):
        self.hakmem = Command(ARGUMENTS.command)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.system()

    def system(self, thp="madvise", overcommit=0, promised=10, maps=65530, shm=True):
        """A host that is well but for what is named."""
        for name, text in {"sys/kernel/mm/transparent_hugepage/enabled": "always madvise never".replace(thp, f"[{thp}]"),
                           "proc/sys/vm/overcommit_memory": overcommit, "proc/sys/vm/max_map_count": maps,
                           "proc/meminfo": f"CommitLimit:  1000 kB\nCommitted_AS: {promised} kB"}.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        link = self.root / "dev"
        link.unlink(missing_ok=True)
        if shm:
            link.symlink_to("/dev")

    def puppet(self, **environment):
        puppet = Puppet(ARGUMENTS.library, **environment)
        self.addCleanup(puppet.__exit__)
        return puppet

    def found(self, *arguments):
        """Findings by id."""
        answer = self.hakmem.json("doctor", "--root", self.root, *arguments)
        self.assertEqual(answer["schema"], "hakmem.doctor/1")
        found = {rule["id"]: rule for rule in answer["rules"] if rule["status"] == "finding"}
        self.assertEqual(answer["findings"], len(found))
        for finding in found.values():
            self.assertTrue(all(finding[word] for word in WORDS), finding)
        return found

    def check(self, expected, *arguments):
        self.assertEqual(sorted(self.found(*arguments)), sorted(expected))

    def test_a_healthy_system(self):
        result = self.hakmem("doctor", "--root", self.root)
        self.assertEqual((result.returncode, result.stderr), (FINE, ""), result.stdout)
        self.assertRegex(result.stdout, r"^0 findings; \d+ of \d+ rules looked at, the others need a process\n$")
        self.assertIn(self.hakmem("doctor").returncode, (FINE, FINDING))

    def test_a_sick_system(self):
        for ids, wrong in ((["HAK001"], {"thp": "always"}), (["HAK003"], {"maps": 1000}), (["HAK009"], {"shm": False}),
                           (["HAK002"], {"overcommit": 2, "promised": 900}), ([], {"overcommit": 2, "promised": 500}),
                           ([], {"overcommit": 1, "promised": 900}), ([], {"thp": "never"})):
            self.system(**wrong)
            with self.subTest(wrong):
                self.check(ids)
        text = self.hakmem("doctor", "--root", self.root, HAKMEM_DECOY="1")
        self.assertEqual(text.returncode, FINDING)
        self.assertRegex(text.stdout, r"HAK010 ignored-options: .*\n  reason   .*HAKMEM_DECOY.*\n  try      .*\n"
                                      r"  expect   .*\n  basis    .*\n1 finding;")

    def test_a_memory_limit(self):
        line = next(text for text in Path("/proc/self/cgroup").read_text().splitlines()
                    if re.match(r"\d+:([^:]*,)?(memory)?(,[^:]*)?:", text))
        version_1 = ":memory" in line or ",memory" in line
        folder = self.root / "sys/fs/cgroup" / ("memory" if version_1 else ".")
        folder.mkdir(parents=True)
        limit, used = (("memory.limit_in_bytes", "memory.usage_in_bytes") if version_1
                       else ("memory.max", "memory.current"))
        for bytes_used, ids in ((95, ["HAK004"]), (50, [])):
            (folder / limit).write_text(f"{100 * MIB}\n")
            (folder / used).write_text(f"{bytes_used * MIB}\n")
            self.check(ids)
        (folder / limit).write_text("max\n")
        self.check([])

    def test_a_healthy_process(self):
        puppet = self.puppet().show()
        self.check([], puppet.pid)
        rules = self.hakmem.json("doctor", puppet.pid)["rules"]
        self.assertNotIn("not looked at", [rule["status"] for rule in rules])

    def test_options(self):
        puppet = self.puppet(HAKMEM_DECOY="1").show()
        self.assertIn("HAKMEM_DECOY", self.found(puppet.pid)["HAK010"]["reason"])
        off = self.puppet(HAKMEM_STATS="off")
        off.tell("grow(4)")
        self.check(["HAK009"], off.pid)
        aside = self.puppet(HAKMEM_TINY_USE_SUPERSLAB="off")
        aside.tell("grow(4)")
        self.check(["HAK011"], aside.pid)

    def test_loaded_late(self):
        late = subprocess.Popen([PYTHON, "-c", f"import ctypes, sys; ctypes.CDLL({ARGUMENTS.library!r}); print(flush=True);"
                                 " sys.stdin.read()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(late.communicate)
        late.stdout.readline()
        self.check(["HAK006"], late.pid)

    def test_a_second_allocator(self):
        if not list(Path("/usr/lib").glob("*/libjemalloc.so.2")):
            self.skipTest("jemalloc is not there")
        first = self.puppet(LD_PRELOAD=f"libjemalloc.so.2 {ARGUMENTS.library}")
        first.tell("grow(4)")
        found = self.found(first.pid)
        self.assertIn("HAK008", found)
        self.assertIn("libjemalloc.so.2", found["HAK008"]["what"])
        second = self.puppet(LD_PRELOAD=f"{ARGUMENTS.library} libjemalloc.so.2").show()
        self.assertRegex(self.found(second.pid)["HAK007"]["what"], r"libjemalloc\.so\.2 \(jemalloc\)")

    def test_fragmentation(self):
        puppet = self.puppet().show(200)
        self.check([], puppet.pid)
        puppet.tell("del held[0][::2]; churn_for(1.2)")
        found = self.found(puppet.pid)["HAK012"]
        self.assertRegex(found["what"], r"^(9\d|1\d\d)\.\d MiB of 2\d\d\.\d MiB in slabs are free blocks$")

    def test_memory_that_nobody_gives_back(self):
        kept = self.puppet(HAKMEM_DECAY="never").show(8)
        kept.tell("grow(64); held.pop(); churn_for(1.2)")
        self.assertIn("HAK016", self.found(kept.pid))
        # With a decay time, once the program sleeps.
        idle = self.puppet(HAKMEM_DECAY="60s").show(8)
        idle.tell("grow(64); held.pop(); churn_for(1.2)")
        self.assertNotIn("HAK014", self.found(idle.pid))

    def test_it_sleeps_with_free_memory(self):
        idle = self.puppet(HAKMEM_DECAY="2s", HAKMEM_SCAVENGER="off").show(8)
        idle.tell("grow(100); grow(100); churn_for(1.1); held.pop(); churn_for(1.1)")
        os.kill(idle.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, idle.pid, signal.SIGCONT)
        while self.hakmem.json("stat", idle.pid)["age_ms"] < 3100:
            pass
        self.assertIn("HAKMEM_SCAVENGER=off", self.found(idle.pid)["HAK014"]["reason"])

    def test_under_a_limit(self):
        for limit, expected in (("300MiB", ["HAK015", "HAK016"]), ("600MiB", ["HAK016"])):
            puppet = self.puppet(HAKMEM_MEMORY_LIMIT=limit, HAKMEM_DECAY="never").show(8)
            puppet.tell("grow(150); grow(70, 3000); held.pop(); churn_for(1.2)")
            self.check(expected, puppet.pid)

    def test_locked_memory(self):
        locked = self.puppet().show()
        if locked.tell("import ctypes; out = ctypes.CDLL(None).mlockall(3)") != "0":
            self.skipTest("memory cannot be locked")
        locked.tell("grow(64); held.pop(); churn_for(2.5)")
        self.assertIn("HAK018", self.found(locked.pid))

    def test_frees_with_a_wrong_size(self):
        puppet = self.puppet().show()
        puppet.tell(LIBC + "d = c._ZdlPvm; d.argtypes = [ctypes.c_void_p, ctypes.c_size_t]; d.restype = None;"
                           " d(c.malloc(100), 5000); churn_for(1.2)")
        self.assertEqual(self.found(puppet.pid)["HAK019"]["what"], "1 free named a size that is not the block's")
        puppet.tell("d(c.malloc(100), 5000); d(c.malloc(100), 5000); churn_for(1.2)")
        self.assertEqual(self.found(puppet.pid)["HAK019"]["what"], "3 frees named a size that is not the block's")

    def test_memory_was_refused(self):
        puppet = self.puppet(HAKMEM_RESERVE="32MiB").show(8)
        refused = puppet.tell(
            LIBC + "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize();"
                   " resource.setrlimit(resource.RLIMIT_AS, (used + (4 << 20), -1));"
                   " out = any(c.malloc(200000) is None for _ in range(10000));"
                   " resource.setrlimit(resource.RLIMIT_AS, (-1, -1)); churn_for(1.2)")
        self.assertEqual(refused, "True")
        self.check(["HAK017"], puppet.pid)

    def test_nearly_all_mappings(self):
        puppet = self.puppet().show()
        self.system(maps=40)
        self.assertIn("of 40 mappings are in use", self.found(puppet.pid)["HAK003"]["what"])

    def test_whom_it_refuses(self):
        child = subprocess.Popen(["true"])
        child.wait()
        for arguments, code in (((child.pid,), MISSING), ((os.getpid(),), MISSING), (("-1",), USAGE), (("--bad",), USAGE)):
            result = self.hakmem("doctor", *arguments)
            self.assertEqual(result.returncode, code, result.stderr)
        self.assertIn("does not use hakmem", self.hakmem("doctor", os.getpid()).stderr)

    def test_every_rule_is_documented(self):
        text = Path(ARGUMENTS.documentation).read_text()
        rules = self.hakmem.json("doctor")["rules"]
        self.assertEqual([rule["id"] for rule in rules], [f"HAK{n:03}" for n in range(1, len(rules) + 1)])
        for rule in rules:
            self.assertRegex(text, rf"\| {rule['id']} `{rule['name']}` \|")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--library", required=True)
    parser.add_argument("--command", required=True)
    parser.add_argument("--documentation", required=True)
    ARGUMENTS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
