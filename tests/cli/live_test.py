#!/usr/bin/env python3
"""The commands that look at processes: stat, ps, purge, verify, over real processes."""
import argparse
import fcntl
import json
import os
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from puppet import FOLDER, PYTHON, Command, Puppet  # noqa: E402

ARGUMENTS = argparse.Namespace()
FINE, FINDING, USAGE, MISSING, PERMISSION, UNSUPPORTED = range(6)
MIB = 1 << 20
NOBODY = 65534


class LiveTest(unittest.TestCase):
    def setUp(self):
        self.hakmem = Command(ARGUMENTS.command)

    def puppet(self, **environment):
        puppet = Puppet(ARGUMENTS.library, **environment)
        self.addCleanup(puppet.__exit__)
        return puppet

    def folder(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return Path(folder.name)

    def refusal(self, result, code, reason):
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertTrue(result.stderr.startswith("hakmem: "), result.stderr)
        self.assertIn(reason, result.stderr)

    def json_of_busy(self, puppet, *arguments):
        with puppet.busy():
            return self.hakmem.json(*arguments)

    @staticmethod
    def resident(pid):
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()).group(1)) * 1024

    def ended(self):
        child = subprocess.Popen(["true"])
        child.wait()
        return child.pid


class StatTest(LiveTest):
    def test_the_ledger_sums_to_what_the_kernel_says(self):
        puppet = self.puppet().show(200)
        puppet.tell("grow(60, 30000); grow(40, 300000); grow(100, 5000000); del held[0][::3]")
        puppet.tell("churn_for(2)")  # what was freed has decayed: nothing moves while it is measured
        stat = self.json_of_busy(puppet, "stat", puppet.pid)
        self.assertTrue(stat["answered"])
        rows = {row["id"]: row["bytes"] for row in stat["ledger"]}
        resident = self.resident(puppet.pid)
        allowed = max(resident // 100, 2 * MIB)
        self.assertEqual(sum(rows.values()), stat["rss_bytes"])
        self.assertLess(abs(sum(rows.values()) - resident), allowed)
        self.assertLess(abs(rows["unexplained"]), allowed)
        # Nor is anything hidden in what is not the heap's: this program writes to all it has, but for what its
        # blocks are rounded up by.
        self.assertLess(rows["other"], allowed)
        self.assertLess(-rows["absent"], allowed + 8 * MIB)
        held = rows["small_live"] + rows["huge_live"]
        self.assertLess(abs(held - 333 * MIB), 40 * MIB)
        self.assertGreater(rows["free"], 30 * MIB)
        totals = stat["totals"]
        in_slots = sum(rows[name] for name in ("small_live", "free", "cached", "tail")) + totals["huge_in_slots_bytes"]
        self.assertEqual(in_slots, totals["active_slots"] * 65536)
        slots = totals["active_slots"] + totals["empty_slots"] + totals["unused_slots"]
        self.assertEqual(slots * 65536, totals["committed_bytes"])
        self.assertEqual(totals["shared_fail"], 0)
        self.assertGreater(totals["refills"], 0)

    def test_huge_pages(self):
        setting = Path("/sys/kernel/mm/transparent_hugepage/enabled")
        if not setting.exists() or "[never]" in setting.read_text():
            self.skipTest("the system gives none")
        few = self.puppet(HAKMEM_THP="off").show(48)
        self.assertEqual(self.hakmem.json("stat", few.pid)["huge_page_bytes"], 0)
        self.assertNotIn("huge pages", self.hakmem("stat", few.pid).stdout)
        refused = re.search(r"thp_fault_fallback \d+", Path("/proc/vmstat").read_text())
        # A limit that says that memory is not short: nothing else is asked then.
        many = self.puppet(HAKMEM_MEMORY_LIMIT="1TiB").show(48)
        if re.search(r"thp_fault_fallback \d+", Path("/proc/vmstat").read_text())[0] != refused[0]:
            self.skipTest("the system's memory is in small pieces")
        stat = self.hakmem.json("stat", many.pid)
        self.assertGreater(stat["counters"]["pool_huge_pages"], 4)
        self.assertGreater(stat["huge_page_bytes"], 8 * MIB)
        self.assertRegex(self.hakmem("stat", many.pid).stdout, r"\n[0-9.]+ MiB of the heap are in huge pages\n")
        metrics = self.hakmem("stat", many.pid, "--openmetrics").stdout
        self.assertRegex(metrics, r"hakmem_huge_page_bytes\{[^}]*\} [1-9]")

    def test_the_ledger_sums_while_threads_allocate(self):
        """Between two looks at VmRSS the sum is one that the process had, but for 1 % or 2 MiB."""
        puppet = self.puppet().show(150)
        puppet.tell("import threading; stop = time.monotonic() + 6; work = [threading.Thread(target=lambda: churn(lambda:"
                    " time.monotonic() > stop)) for _ in range(4)]; [t.start() for t in work]; grow(30, 200000)")
        for _ in range(5):
            before = self.resident(puppet.pid)
            stat = self.hakmem.json("stat", puppet.pid)
            after = self.resident(puppet.pid)
            self.assertEqual(sum(row["bytes"] for row in stat["ledger"]), stat["rss_bytes"])
            allowed = max(before // 100, 2 * MIB)
            self.assertTrue(min(before, after) - allowed < stat["rss_bytes"] < max(before, after) + allowed,
                            (before, stat["rss_bytes"], after))
            unexplained = next(row["bytes"] for row in stat["ledger"] if row["id"] == "unexplained")
            self.assertLess(abs(unexplained), allowed)
        puppet.tell("[t.join() for t in work]")

    def test_counters(self):
        puppet = self.puppet().show(8)
        before = self.json_of_busy(puppet, "stat", puppet.pid)["counters"]
        after = self.json_of_busy(puppet, "stat", puppet.pid)
        counters = after["counters"]
        self.assertEqual(list(before), list(counters))
        self.assertTrue(all(before[name] <= counters[name] for name in counters))
        self.assertGreater(counters["slow_paths"], before["slow_paths"])
        self.assertEqual(counters["atomics"], sum(counters[name] for name in counters if name.startswith("atomics_")))
        for name in ("refills", "flushes", "messages_sent"):
            self.assertEqual(counters[name], after["totals"][name])
        text = self.hakmem("stat", puppet.pid, "--openmetrics").stdout
        families = re.findall(r"^# TYPE (\S+) counter$", text, re.M)
        self.assertEqual(len(families), len(set(families)))
        self.assertTrue({f"hakmem_{name}_total" for name in counters} <= set(families))

    def test_rounding_has_bounds(self):
        puppet = self.puppet().show(8)
        before = self.json_of_busy(puppet, "stat", puppet.pid)["rounding"]
        # A bytearray of 1000 bytes is 1001 for malloc, and takes 1024: 23 of at most 63.
        puppet.tell("grow(100)")
        after = self.json_of_busy(puppet, "stat", puppet.pid)["rounding"]
        blocks = 100 * MIB // 1000
        grown = after["at_most_bytes"] - before["at_most_bytes"]
        self.assertLess(abs(grown / blocks - (63 + 7)), 12)  # a header of 56 bytes and the bytes themselves
        self.assertTrue(0 < after["estimate_bytes"] <= after["at_most_bytes"] / 2)

    def test_a_hundred_thousand_slabs(self):
        puppet = self.puppet(HAKMEM_RESERVE="100GiB").show(8)
        puppet.tell("import ctypes; c = ctypes.CDLL(None); c.malloc.restype = ctypes.c_void_p;"
                    " keep = [c.malloc(40000) for _ in range(100000)]; churn_for(1.2)")
        for arguments in (["stat", puppet.pid], ["top", puppet.pid, "-n", "1"]):
            spent = []
            for _ in range(5):
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                result = self.hakmem(*arguments)
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                self.assertRegex(result.stdout, r"slots of 64 KiB: 10\d{4} ACTIVE.* of 100.0 GiB reserved")
                spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
            # Time of the processor, with the start of the command: others on this machine add least to the least.
            self.assertLess(min(spent), 0.05, (arguments, spent))
        slabs = self.hakmem.json("map", puppet.pid)["superslabs"]
        self.assertGreater(sum(len(super["slabs"]) for super in slabs), 100000)

    def test_one_thread_and_two(self):
        puppet = self.puppet(HAKMEM_SCAVENGER="off").show()
        self.assertRegex(self.hakmem("stat", puppet.pid).stdout, r"\A\S+  up \d+ s  1 thread  figures ")
        puppet.tell("import threading; end = threading.Event(); thread = threading.Thread(target=end.wait); thread.start()")
        self.assertRegex(self.hakmem("stat", puppet.pid).stdout, r"\A\S+  up \d+ s  2 threads  figures ")
        puppet.tell("end.set(); thread.join()")

    def test_classes_are_the_programs(self):
        puppet = self.puppet().show(8)
        puppet.tell("grow(10, 5000)")
        classes = {c["block_bytes"]: c for c in self.json_of_busy(puppet, "stat", puppet.pid)["classes"]}
        of_5000 = classes[5120]
        live = of_5000["blocks"] - of_5000["free_blocks"] - of_5000["cached_blocks"]
        self.assertTrue(2097 <= live <= 2200, live)

    def test_an_idle_process_has_old_figures(self):
        puppet = self.puppet().show()
        os.kill(puppet.pid, signal.SIGSTOP)
        while self.hakmem.json("stat", puppet.pid)["age_ms"] < 2000:
            pass
        result = self.hakmem("stat", puppet.pid)
        self.assertEqual(result.returncode, FINE, result.stderr)
        self.assertRegex(result.stdout, r"figures \d+ s old: idle since, or its caches had all it asked for")
        self.assertFalse(self.hakmem.json("stat", puppet.pid)["answered"])
        os.kill(puppet.pid, signal.SIGCONT)
        self.assertTrue(self.json_of_busy(puppet, "stat", puppet.pid)["answered"])

    def test_openmetrics(self):
        puppet = self.puppet().show()
        text = self.hakmem("stat", puppet.pid, "--openmetrics").stdout
        self.assertTrue(text.endswith("# EOF\n"))
        self.assertRegex(text, rf'hakmem_pool_acquires_total\{{pid="{puppet.pid}",name="[^"]+"\}} \d+\n')
        if shutil.which("promtool") is None:
            self.skipTest("promtool is not there")
        judged = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
        self.assertEqual((judged.returncode, judged.stdout, judged.stderr), (0, "", ""))

    def timed(self, puppet, *options):
        with puppet.busy():
            result = self.hakmem("stat", puppet.pid, "--latency", "1", *options)
        puppet.tell("b = [bytearray(5000000) for _ in range(3)]")
        self.assertEqual(result.returncode, FINE, result.stderr)
        return result.stdout

    def test_slow_paths_are_timed_while_somebody_asks(self):
        puppet = self.puppet().show()
        self.assertNotIn("latency", self.json_of_busy(puppet, "stat", puppet.pid))
        before = self.json_of_busy(puppet, "stat", puppet.pid)["counters"]
        stat = json.loads(self.timed(puppet, "--json"))
        self.assertEqual((stat["latency"]["seconds"], stat["latency"]["answered"]), (1, True))
        causes = {cause["cause"]: cause for cause in stat["latency"]["causes"]}
        for cause in causes.values():
            self.assertEqual(sum(bucket["count"] for bucket in cause["buckets"]), cause["count"])
            self.assertTrue(cause["p50_ns"] <= cause["p99_ns"] <= cause["longest_ns"] <= max(cause["total_ns"], 0), cause)
        for cause, counter in (("refill", "refills"), ("tick", "ticks"), ("acquire", "pool_acquires")):
            passed = stat["counters"][counter] - before[counter]
            self.assertTrue(0 < causes[cause]["count"] <= passed, (cause, causes[cause], passed))
        # It ends by itself: what the process does later is not timed.
        again = self.json_of_busy(puppet, "stat", puppet.pid)
        later = self.json_of_busy(puppet, "stat", puppet.pid)
        end = time.monotonic() + 30
        while later["counters"]["refills"] == again["counters"]["refills"] and time.monotonic() < end:
            later = self.json_of_busy(puppet, "stat", puppet.pid)
        self.assertGreater(later["counters"]["refills"], again["counters"]["refills"])
        self.assertEqual(again["latency"], later["latency"])

    def test_latency_as_text_and_for_prometheus(self):
        puppet = self.puppet().show()
        self.assertNotIn("slow_path_seconds", self.hakmem("stat", puppet.pid, "--openmetrics").stdout)
        text = self.timed(puppet)
        self.assertRegex(text, r"slow paths of 1 s by cause.*\n.*cause +count +p50 +p99 +longest +total\n  refill +\d+ ")
        text = self.hakmem("stat", puppet.pid, "--openmetrics").stdout
        buckets = re.findall(r'^hakmem_slow_path_seconds_bucket\{.*cause="refill",le="(.*)"\} (\d+)$', text, re.M)
        bounds, counts = [float(bound) for bound, _ in buckets], [int(count) for _, count in buckets]
        self.assertEqual((bounds, counts), (sorted(bounds), sorted(counts)))
        self.assertEqual((bounds[0], bounds[-1], len(bounds)), (2e-9, float("inf"), 32))
        whole = re.search(r'^hakmem_slow_path_seconds_count\{.*cause="refill"\} (\d+)$', text, re.M).group(1)
        self.assertEqual(counts[-1], int(whole))
        if shutil.which("promtool") is not None:
            judged = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
            self.assertEqual((judged.returncode, judged.stdout, judged.stderr), (0, "", ""))

    # A watch of 0.3 s, in which the process passes the slow path of one huge block. Then it does `after`.
    def watched_huge_block(self, after):
        puppet = self.puppet().show()
        puppet.tell("churn_for(0.3)")
        with open(puppet.page(), "r+b", buffering=0) as page:
            os.pwrite(page.fileno(), struct.pack("<I", 300), 28)
            os.pwrite(page.fileno(), struct.pack("<Q", 0x110), 48)
        self.assertEqual(puppet.tell(f"out = churn(lambda: open('{puppet.page()}', 'rb').read(64)[56] & 16);"
                                     f" b = bytearray(5000000); {after}"), "True")
        return puppet

    def test_figures_since_the_start_are_of_all_watches(self):
        puppet = self.watched_huge_block("churn_for(0.6)")
        puppet.tell("import threading; stop = []; work = threading.Thread(target=churn, args=(lambda: stop, 100)); work.start()")
        count = lambda text: int(re.search(r'^hakmem_slow_path_seconds_count\{.*cause="huge_map"\} (\d+)$', text, re.M).group(1))  # noqa: E731
        # The second watch has no huge block, and so no longest of one.
        self.assertEqual(count(self.hakmem("stat", puppet.pid, "--latency", "0.2", "--openmetrics").stdout), 1)
        latency = self.hakmem.json("stat", puppet.pid)["latency"]
        puppet.tell("stop.append(1); work.join()")
        self.assertEqual(latency["seconds"], 0)
        self.assertEqual([cause["count"] for cause in latency["causes"] if cause["cause"] == "huge_map"], [1])
        for cause in latency["causes"]:
            self.assertNotIn("longest_ns", cause)
            self.assertEqual(cause["p50_ns"] > 0, cause["count"] > 0, cause)

    def test_a_watch_that_ended_while_the_process_was_idle_is_over(self):
        puppet = self.watched_huge_block("")
        end = time.monotonic() + 0.4
        while time.monotonic() < end:
            pass
        command = subprocess.Popen([ARGUMENTS.command, "stat", str(puppet.pid), "--latency", "0.2", "--json"],
                                   stdout=subprocess.PIPE, text=True)
        # No write of the page comes between: the process goes on when it has been asked.
        while command.poll() is None and puppet.page().read_bytes()[48:56] == struct.pack("<Q", 0x110):
            pass
        with puppet.busy():
            causes = json.loads(command.communicate(timeout=60)[0])["latency"]["causes"]
        self.assertEqual([(c["count"], c["longest_ns"]) for c in causes if c["cause"] == "huge_map"], [(0, 0)])

    def test_it_says_when_the_process_did_not_answer_at_the_end(self):
        for options in ([], ["--json"]):
            puppet = self.puppet().show()
            puppet.send(f"churn(lambda: open('{puppet.page()}', 'rb').read(64)[56] & 16); out = 'asked'")
            result = self.hakmem("stat", puppet.pid, "--latency", "0.1", *options)
            self.assertEqual((result.returncode, puppet.receive()), (FINE, "asked"), result.stderr)
            if options:
                self.assertEqual([json.loads(result.stdout)["latency"]["answered"]], [False])
            else:
                self.assertIn("the process has not answered since", result.stdout)
                self.assertIn("no slow path was passed", result.stdout)
                self.assertNotIn("p99", result.stdout)

    def test_a_process_without_slow_paths_is_not_timed(self):
        result = self.hakmem("stat", self.puppet().show().pid, "--latency", "1")
        self.assertEqual(result.returncode, FINDING)
        self.assertIn("has not passed a slow path for 5 s", result.stderr)

    def test_again_and_again(self):
        puppet = self.puppet().show()
        result = self.hakmem("stat", puppet.pid, "-i", "0.1", "-n", "3", "--json")
        self.assertEqual([json.loads(line)["pid"] for line in result.stdout.splitlines()], [puppet.pid] * 3)

    def test_a_process_that_ends_ends_the_watching(self):
        puppet = self.puppet().show()
        watcher = subprocess.Popen([ARGUMENTS.command, "stat", str(puppet.pid), "-i", "0.1"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.assertIn("up", watcher.stdout.readline())
        puppet.end()
        _, said = watcher.communicate(timeout=30)
        self.assertEqual((watcher.returncode, said), (FINE, f"hakmem: process {puppet.pid} has ended\n"))

    def test_nothing_to_read(self):
        self.refusal(self.hakmem("stat", self.ended()), MISSING, "no process")
        self.refusal(self.hakmem("stat", os.getpid()), MISSING, "does not use hakmem")
        off = self.puppet(HAKMEM_STATS="off")
        off.tell("grow(4); churn_for(0.3)")
        self.refusal(self.hakmem("stat", off.pid), MISSING, "HAKMEM_STATS=off")
        small = self.puppet()
        small.tell("out = 1")
        result = self.hakmem("stat", small.pid)
        if result.returncode != FINE:
            self.refusal(result, MISSING, "shows no figures")
        self.assertEqual(self.hakmem("stat").returncode, USAGE)
        self.assertEqual(self.hakmem("stat", "-3").returncode, USAGE)

    def test_a_child_does_not_pass_for_its_parent(self):
        puppet = self.puppet().show()
        child = int(puppet.tell("r, w = os.pipe(); out = os.fork(); out == 0 and (os.read(r, 1), os._exit(0))"))
        result = self.hakmem("stat", child)
        puppet.tell("os.write(w, b'x'); os.waitpid(-1, 0)")
        if result.returncode != FINE:  # it may have made its own
            self.refusal(result, MISSING, "no page of its own yet")

    def test_a_removed_page(self):
        puppet = self.puppet().show()
        puppet.page().unlink()
        self.refusal(self.hakmem("stat", puppet.pid), MISSING, "is gone")

    def test_a_damaged_page(self):
        puppet = self.puppet().show()
        page = puppet.page()
        sound = page.read_bytes()
        text = struct.unpack_from("<I", sound, 16)[0]
        for offset, damage, said in ((0, b"\0" * 8, "its first word"), (8, struct.pack("<I", 9), "version 9"),
                                     (16, struct.pack("<I", 1 << 31), "its description"),
                                     (20, struct.pack("<I", 1 << 31), "its description"),
                                     (text, b"table totals 99999992 1\n", "the place of a table"),
                                     (text, b"table totals 0 99999999\n", "the size of a table"),
                                     (text, b"table ../../ 0 1       \n", "a table"),
                                     (24, struct.pack("<I", 1), "no page of its own")):
            with self.subTest(said):
                with open(page, "r+b") as file:
                    file.seek(offset)
                    file.write(damage)
                result = self.hakmem("stat", puppet.pid)
                with open(page, "r+b") as file:
                    file.seek(offset)
                    file.write(sound[offset:offset + len(damage)])
                self.refusal(result, MISSING if "own" in said else UNSUPPORTED, said)
        self.assertEqual(self.hakmem("stat", puppet.pid).returncode, FINE)

    def test_stopped_in_the_middle_of_a_write(self):
        puppet = self.puppet().show()
        with open(puppet.page(), "r+b") as file:
            file.seek(40)
            file.write(struct.pack("<Q", 7))
        self.refusal(self.hakmem("stat", puppet.pid), MISSING, "was stopped while it wrote")

    def test_another_users_process(self):
        if os.geteuid() != 0:
            self.skipTest("only root can become somebody else")
        puppet = self.puppet().show()
        folder = self.folder()
        folder.chmod(0o755)
        command = folder / "hakmem"
        shutil.copy(ARGUMENTS.command, command)
        for arguments in (["stat", puppet.pid], ["verify", "--pid", puppet.pid]):
            result = subprocess.run([command, *map(str, arguments)], capture_output=True, text=True, user=NOBODY,
                                    group=NOBODY, extra_groups=[])
            self.refusal(result, PERMISSION, "may not be looked at")

    def test_the_ledger_of_a_program_with_a_heap_of_its_own(self):
        """node: what its engine maps for itself is no heap of ours, and no gap either."""
        if shutil.which("node") is None:
            self.skipTest("node is not there")
        script = ("const held = []; for (let i = 0; i < 4000; ++i) held.push(Buffer.alloc(20000 + i, 1), {text: 'x'.repeat(i)});"
                  " console.log('ready'); setInterval(() => { for (let i = 0; i < 20; ++i) held[i * 2] = Buffer.alloc(9000 + i); }, 5);")
        node = subprocess.Popen(["node", "-e", script], stdout=subprocess.PIPE, text=True,
                                env={"LD_PRELOAD": ARGUMENTS.library, "PATH": os.environ["PATH"]})
        self.addCleanup(node.stdout.close)
        self.addCleanup(node.wait)
        self.addCleanup(node.kill)
        self.assertEqual(node.stdout.readline(), "ready\n")
        for _ in range(5):
            before = self.resident(node.pid)
            stat = self.hakmem.json("stat", node.pid)
            after = self.resident(node.pid)
            allowed = max(stat["rss_bytes"] // 100, 2 * MIB)
            rows = {row["id"]: row["bytes"] for row in stat["ledger"]}
            self.assertLess(abs(rows["unexplained"]), allowed)
            self.assertTrue(min(before, after) - allowed < stat["rss_bytes"] < max(before, after) + allowed,
                            (before, stat["rss_bytes"], after))
        self.assertGreater(rows["small_live"], 60 * MIB)

    def test_a_server(self):
        if shutil.which("redis-server") is None:
            self.skipTest("redis-server is not there")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = subprocess.Popen(["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", ""],
                                  env={"LD_PRELOAD": ARGUMENTS.library, "PATH": os.environ["PATH"]},
                                  cwd=self.folder(), stdout=subprocess.PIPE, text=True)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        while "Ready to accept" not in (line := server.stdout.readline()):
            self.assertTrue(line, "redis-server did not start")
        with socket.create_connection(("127.0.0.1", port)) as client:
            # Figures are as old as the last tick, and blocks that come from the caches make none: again over the same
            # keys with values of another class each time, until a tick fell behind the end.
            for i in range(400):
                value = b"v" * (800 + 1200 * (i // 40 % 2))
                client.sendall(b"".join(b"SET k%d %s\r\n" % (i % 40 * 500 + j, value) for j in range(500)))
                got = 0
                while got < 500 * 5:
                    got += len(client.recv(65536))
                if i < 39:
                    continue
                stat = self.hakmem.json("stat", server.pid)
                rows = {row["id"]: row["bytes"] for row in stat["ledger"]}
                if rows["small_live"] > 16 * MIB and abs(rows["unexplained"]) < max(stat["rss_bytes"] // 100, 2 * MIB):
                    break
        self.assertGreater(rows["small_live"], 16 * MIB)
        self.assertLess(abs(rows["unexplained"]), max(stat["rss_bytes"] // 100, 2 * MIB))
        self.assertEqual(self.hakmem("verify", "--pid", server.pid).returncode, FINE)


class PsTest(LiveTest):
    def test_processes(self):
        shown, off = self.puppet().show(), self.puppet(HAKMEM_STATS="off")
        off.tell("grow(1)")
        shown.tell("churn_for(1.2)")  # its first figures may be of a heap that still grew
        rows = {row["pid"]: row for row in self.hakmem.json("ps")["processes"]}
        self.assertTrue(rows[shown.pid]["figures"])
        self.assertGreater(rows[shown.pid]["heap_bytes"], 8 * MIB)
        self.assertFalse(rows[off.pid]["figures"])
        self.assertIn("HAKMEM_STATS=off", rows[off.pid]["why"])
        self.assertNotIn(os.getpid(), rows)
        text = self.hakmem("ps").stdout
        self.assertRegex(text, rf"(?m)^ *{shown.pid} .* MiB .*{PYTHON}")

    def test_pages_of_the_dead_are_taken_away(self):
        puppet = self.puppet().show()
        page = puppet.page()
        puppet.process.kill()
        puppet.process.wait()
        self.assertTrue(page.exists())
        living = self.puppet().show()
        page.write_text("x")  # the living one has taken it away already, when it made its own
        # Who lives in another namespace has a lock. Other names are not ours.
        space = os.stat("/proc/self/ns/pid").st_ino
        left, locked, notes = (FOLDER / name for name in (f"{self.ended()}.{space + 1}", f"1.{space + 1}", "notes"))
        for other in (left, locked, notes):
            other.write_text("x")
            self.addCleanup(other.unlink, missing_ok=True)
        with open(locked) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self.assertGreaterEqual(self.hakmem.json("ps")["stale_removed"], 2)
        self.assertFalse(page.exists() or left.exists())
        self.assertTrue(living.page().exists() and locked.exists() and notes.exists())


class PurgeTest(LiveTest):
    def test_what_is_free_goes_back(self):
        puppet = self.puppet(HAKMEM_DECAY="never").show()
        puppet.tell("grow(64); held.clear()")
        with puppet.busy():
            result = self.hakmem("purge", puppet.pid)
        self.assertEqual(result.returncode, FINE, result.stderr)
        self.assertGreater(float(re.search(r"gave back ([\d.]+) MiB", result.stdout).group(1)), 40)
        self.assertIn("requested_purge", [e["kind"] for e in self.hakmem.json("stat", puppet.pid)["events"]])

    def test_an_idle_process_does_not_answer(self):
        puppet = self.puppet().show()
        result = self.hakmem("purge", puppet.pid, "--wait", "10")
        self.assertEqual(result.returncode, FINDING, result.stderr)
        self.assertIn("has been asked", result.stdout)


class VerifyTest(LiveTest):
    def build(self, text, *options):
        folder = self.folder()
        source, program = folder / "main.c", folder / "program"
        source.write_text(text)
        subprocess.run([ARGUMENTS.compiler, source, "-o", program, *options], check=True)
        return program

    def verdict(self, *arguments, code, reason, **environment):
        result = self.hakmem("verify", *arguments, **environment)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        self.assertIn(reason, result.stdout)

    def test_files(self):
        self.verdict(PYTHON, code=FINDING, reason="libc.so.6; libhakmem.so is not loaded")
        self.verdict(PYTHON, code=FINE, reason="malloc comes from", LD_PRELOAD=ARGUMENTS.library)
        self.verdict(PYTHON, code=FINDING, reason="HAKMEM_TINY_USE_SUPERSLAB", LD_PRELOAD=ARGUMENTS.library,
                     HAKMEM_TINY_USE_SUPERSLAB="off")
        linked = self.build("#include <stdlib.h>\nint main(void) { free(malloc(1)); return 0; }\n", "-Wl,--no-as-needed",
                            ARGUMENTS.library, f"-Wl,-rpath,{Path(ARGUMENTS.library).parent}")
        self.verdict(linked, code=FINE, reason="libhakmem.so")
        own = self.build("#include <stddef.h>\nstatic char heap[1 << 20]; static size_t used;\n"
                         "void* malloc(size_t n) { used += (n + 15) & ~15ul; return heap + used - ((n + 15) & ~15ul); }\n"
                         "void free(void* p) {}\nvoid* calloc(size_t a, size_t b) { return malloc(a * b); }\n"
                         "void* realloc(void* p, size_t n) { return malloc(n); }\nint mi_malloc;\n"
                         "int main(void) { return 0; }\n", "-rdynamic", "-fno-builtin")
        self.verdict(own, code=FINDING, reason="defines malloc itself (mimalloc)", LD_PRELOAD=ARGUMENTS.library)
        archive = Path(ARGUMENTS.library).parent / "libhakmem.a"
        main = "#include <stdlib.h>\nint main(void) { free(malloc(1)); return 0; }\n"
        self.verdict(self.build(main, "-static"), code=FINDING, reason="statically linked, and hakmem is not in it")
        if archive.exists():
            self.verdict(self.build(main, "-static", archive, "-pthread"), code=FINE, reason="linked statically")

    def test_another_preload_comes_first(self):
        folder = self.folder()
        source, wrapper = folder / "w.c", folder / "wrapper.so"
        source.write_text("#include <stddef.h>\nvoid* __libc_malloc(size_t);\nvoid* malloc(size_t n) { return __libc_malloc(n); }\n")
        subprocess.run([ARGUMENTS.compiler, "-shared", "-fPIC", source, "-o", wrapper], check=True)
        self.verdict(PYTHON, code=FINDING, reason="which comes before", LD_PRELOAD=f"{wrapper}:{ARGUMENTS.library}")

    def test_processes(self):
        puppet = self.puppet().show()
        self.verdict("--pid", puppet.pid, code=FINE, reason="its heap serves")
        quiet = self.puppet(HAKMEM_STATS="off")
        quiet.tell("out = 1")
        self.verdict("--pid", quiet.pid, code=FINE, reason="malloc comes from")
        through = self.puppet(HAKMEM_TINY_USE_SUPERSLAB="off")
        through.tell("out = 1")
        self.verdict("--pid", through.pid, code=FINDING, reason="sends every request to libc's malloc")
        with subprocess.Popen([PYTHON, "-c", "input()"], stdin=subprocess.PIPE) as plain:
            self.verdict("--pid", plain.pid, code=FINDING, reason="not loaded")
            plain.communicate(b"\n")
        answer = self.hakmem.json("verify", "--pid", puppet.pid)
        self.assertEqual((answer["hakmem"], answer["malloc"]), (True, os.path.realpath(ARGUMENTS.library)))

    def test_nothing_to_judge(self):
        self.refusal(self.hakmem("verify", "no/such"), MISSING, "No such file")
        self.refusal(self.hakmem("verify", "--pid", self.ended()), MISSING, "no process")
        self.refusal(self.hakmem("verify", __file__), UNSUPPORTED, "not a 64-bit ELF program")
        self.refusal(self.hakmem("verify", ARGUMENTS.library), UNSUPPORTED, "is a library")
        self.refusal(self.hakmem("verify"), USAGE, "FILE or --pid")


class ExplainTest(LiveTest):
    def rows(self, *arguments, **environment):
        result = self.hakmem("explain", *arguments, "--json", **environment)
        return result.returncode, json.loads(result.stdout)

    def test_where_values_come_from(self):
        code, answer = self.rows(HAKMEM_DECAY="5s", HAKMEM_CACHE_LIMIT="much", HAKMEM_DECOY="1")
        self.assertEqual(code, FINDING)
        options = {row["name"]: row for row in answer["options"]}
        self.assertEqual((options["decay"]["value"], options["decay"]["source"]), ("5s", "HAKMEM_DECAY=5s"))
        self.assertEqual(options["cache_limit"]["source"], "default: HAKMEM_CACHE_LIMIT=much was ignored")
        self.assertEqual((options["strict"]["value"], options["strict"]["default"]), ("off", True))
        self.assertEqual(len(answer["ignored"]), 2)
        self.assertTrue(any("HAKMEM_DECOY (nearest: HAKMEM_DECAY)" in line for line in answer["ignored"]))
        self.assertEqual(self.rows()[0], FINE)

    def test_of_a_process(self):
        puppet = self.puppet(HAKMEM_DECAY="250ms", MALLOC_ARENA_MAX="2").show()
        code, answer = self.rows(puppet.pid)
        self.assertEqual(code, FINE)
        options = {row["name"]: row for row in answer["options"]}
        self.assertEqual((options["decay"]["value"], options["decay"]["source"]), ("250 ms", "HAKMEM_DECAY=250ms"))
        self.assertEqual([other["setting"] for other in answer["others"]], ["MALLOC_ARENA_MAX=2"])
        self.refusal(self.hakmem("explain", os.getpid()), MISSING, "does not use hakmem")

    def documented(self, command):
        """What docs/OBSERVE.md shows as the output of a command."""
        lines = Path(ARGUMENTS.documentation).read_text().splitlines()
        begin = lines.index(f"    $ hakmem {command}") + 1
        return "".join(f"{line[4:]}\n" for line in lines[begin:lines.index("", begin)])

    def test_the_documentation_shows_all_of_it(self):
        puppet = self.puppet(HAKMEM_DECAY="250ms", HAKMEM_DECOY="1", MALLOC_ARENA_MAX="2").show()
        self.assertEqual(self.hakmem("explain", puppet.pid).stdout, self.documented("explain 4121"))
        setting = "MALLOC_CONF=dirty_decay_ms:5000,narenas:4"
        self.assertEqual(self.hakmem("explain", "--from", setting).stdout, self.documented(f"explain --from '{setting}'"))

    def test_translation(self):
        for text, expected in (("MALLOC_CONF=dirty_decay_ms:5000,narenas:4,confirm_conf:true",
                                ["HAKMEM_DECAY=5000ms", "", "HAKMEM_VERBOSE=on"]),
                               ("dirty_decay_ms:-1,tcache:false", ["HAKMEM_DECAY=never", "HAKMEM_CACHE_LIMIT=1"]),
                               ("MIMALLOC_PURGE_DELAY=0", ["HAKMEM_DECAY=0ms"]),
                               ("MIMALLOC_ARENA_RESERVE=1048576", ["HAKMEM_RESERVE=1048576k"]),
                               ("MALLOC_ARENA_MAX=2", [""])):
            with self.subTest(text):
                code, answer = self.rows("--from", text)
                self.assertEqual((code, [row["equivalent"] for row in answer["others"]]), (FINE, expected))
                # What it says must be what the library understands.
                variables = dict(row.split("=") for row in expected if row)
                self.assertEqual(self.rows(**variables)[0], FINE)
        self.assertIn("dirty_decay_ms?", self.rows("--from", "dirty_decay_m:1")[1]["others"][0]["note"])
        self.refusal(self.hakmem("explain", "--from", "PATH=/bin"), USAGE, "not a setting of")


class MapTest(LiveTest):
    def test_slabs_are_the_programs(self):
        puppet = self.puppet().show()
        puppet.tell("grow(32, 5000)")
        answer = self.json_of_busy(puppet, "map", puppet.pid)
        stat = self.hakmem.json("stat", puppet.pid)
        slabs = [slab for super in answer["superslabs"] for slab in super["slabs"] if slab["block_bytes"] == 5120]
        taken = sum(slab["blocks"] - slab["free_blocks"] for slab in slabs)
        held = 32 * MIB // 5000
        self.assertTrue(held <= taken <= held + 300, (held, taken))
        counted = next(c for c in stat["classes"] if c["block_bytes"] == 5120)
        self.assertEqual(len(slabs), counted["slabs"])
        rows = [super["map"] for super in answer["superslabs"]]
        self.assertEqual({len(row) for row in rows}, {32})
        unused = sum(row.count(".") for row in rows) + 32 * answer["never_opened"]
        self.assertLess(abs(unused - stat["totals"]["unused_slots"]), 200)

    def test_slabs_have_an_age(self):
        begin = time.monotonic()
        puppet = self.puppet().show()
        puppet.tell("grow(8, 5000)")
        middle = time.monotonic()
        puppet.tell("churn_for(0.3); grow(8, 10000)")
        slabs = [slab for super in self.json_of_busy(puppet, "map", puppet.pid)["superslabs"] for slab in super["slabs"]]
        end = time.monotonic()
        older = [slab["age_ms"] for slab in slabs if slab["block_bytes"] == 5120]
        younger = sorted(slab["age_ms"] for slab in slabs if slab["block_bytes"] == 10240)
        younger = younger[:len(younger) * 9 // 10]  # Python may have had one before
        step = 50  # what the two clocks are coarse by
        self.assertGreater(min(older), 300 - step)
        self.assertLess(max(older), 1000 * (end - begin) + step)
        self.assertLess(max(younger), 1000 * (end - middle) + step)
        self.assertLess(max(younger), min(older) + step - 250)

    def test_text_and_filter(self):
        puppet = self.puppet().show(16)
        text = self.hakmem("map", puppet.pid, "--rows", "2").stdout
        self.assertRegex(text, r"(?m)^  0/0 +[.e0-9#>H?]{32}$")
        self.assertIn("more (--rows)", text)
        self.assertRegex(self.hakmem("map", puppet.pid, "--class", "1152").stdout, r"(?m)^  0/\d+ +[.e0-9#>H?-]{32}$")
        self.refusal(self.hakmem("map", puppet.pid, "--class", "1001"), USAGE, "no size class has blocks of that size")
        self.refusal(self.hakmem("map", self.ended()), MISSING, "no process")

    def test_the_process_is_not_stopped_nor_trusted(self):
        puppet = self.puppet().show()
        page = puppet.page().read_bytes()
        stat = self.hakmem.json("stat", puppet.pid)
        self.assertEqual(self.hakmem("map", puppet.pid).returncode, FINE)
        text = page[64:].split(b"\0", 1)[0].decode()
        offset = int(re.search(r"table layout (\d+) 1", text).group(1))
        columns = re.findall(r"^column (\w+)", text[text.index("table layout"):], re.M)
        self.assertGreater(stat["totals"]["reservations"], 0)
        with open(puppet.page(), "r+b") as file:
            file.seek(offset + 8 * columns.index("reservation_array"))
            file.write(struct.pack("<Q", 4096))
        self.refusal(self.hakmem("map", puppet.pid), UNSUPPORTED, "are not where its page says")


class TopTest(LiveTest):
    def test_plain_when_there_is_no_terminal(self):
        puppet = self.puppet().show()
        with puppet.busy():
            result = self.hakmem("top", puppet.pid, "-i", "0.3", "-n", "2")
        self.assertEqual(result.returncode, FINE, result.stderr)
        self.assertEqual(result.stdout.count("where "), 2)
        self.assertNotIn("\033", result.stdout)
        self.assertRegex(result.stdout, r"a second: [1-9]\d* refills")

    def test_json_is_a_line_a_look(self):
        puppet = self.puppet().show()
        result = self.hakmem("top", puppet.pid, "-i", "0.1", "-n", "2", "--json")
        looks = [json.loads(line) for line in result.stdout.splitlines() if line]
        self.assertEqual([(look["schema"], look["pid"]) for look in looks], [("hakmem.stat/1", puppet.pid)] * 2)

    def test_a_terminal_is_left_as_it_was(self):
        puppet = self.puppet().show()
        primary, secondary = os.openpty()
        self.addCleanup(os.close, primary)
        before = termios.tcgetattr(secondary)
        top = subprocess.Popen([ARGUMENTS.command, "top", str(puppet.pid)], stdin=secondary, stdout=secondary)
        shown = b""
        while b"q ends" not in shown:
            shown += os.read(primary, 65536)
        os.write(primary, b"q")
        while b"\033[?1049l" not in shown:
            shown += os.read(primary, 65536)
        self.assertEqual(top.wait(), FINE)
        self.assertEqual(termios.tcgetattr(secondary), before)
        os.close(secondary)
        self.assertIn(b"\033[?1049h", shown)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("--command", "--library", "--documentation"):
        parser.add_argument(name, required=True)
    parser.add_argument("--compiler", default="cc")
    ARGUMENTS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
