#!/usr/bin/env python3
"""The stats page of a process: when there is one, whose it is, what becomes of it."""
import argparse
import fcntl
import os
import shutil
import stat
import struct
import subprocess
import sys
import threading
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from puppet import FOLDER, PYTHON, Command, Puppet  # noqa: E402

ARGUMENTS = argparse.Namespace()
SEQUENCE, REQUEST, ANSWERED = 40, 48, 56
REFRESH, PURGE, PROFILE, NO_PROFILE, LATENCY = 1, 2, 4, 8, 16


def word(path, offset):
    with open(path, "rb") as page:
        page.seek(offset)
        return struct.unpack("<Q", page.read(8))[0]


class PageTest(unittest.TestCase):
    def puppet(self, **environment):
        puppet = Puppet(ARGUMENTS.library, **environment)
        self.addCleanup(puppet.__exit__)
        return puppet

    def test_it_is_private_memory_and_no_descriptor_stays_open(self):
        puppet = self.puppet().show()
        page = puppet.page()
        status = os.stat(page)
        self.assertEqual((stat.S_IMODE(status.st_mode), status.st_uid), (0o600, os.geteuid()))
        self.assertEqual(stat.S_IMODE(os.stat(page.parent).st_mode), 0o700)
        self.assertEqual(puppet.tell("out = sorted(os.listdir('/proc/self/fd'))[:3]"), "['0', '1', '2']")
        descriptors = [os.readlink(f"/proc/{puppet.pid}/fd/{n}") for n in os.listdir(f"/proc/{puppet.pid}/fd")]
        self.assertFalse([d for d in descriptors if "shm" in d])

    def test_what_is_gone_before_it_has_a_heap_shows_nothing(self):
        before = set(FOLDER.iterdir()) if FOLDER.exists() else set()
        subprocess.run(["/bin/true"], env={"LD_PRELOAD": ARGUMENTS.library}, check=True)
        self.assertFalse({p for p in FOLDER.iterdir()} - before if FOLDER.exists() else set())

    def test_the_next_process_clears_up(self):
        puppet = self.puppet().show()
        page = puppet.page()
        self.assertEqual(puppet.end(), 0)
        self.assertTrue(page.exists())  # no destructor of the library ever runs
        self.puppet().show()
        self.assertFalse(page.exists())

    def test_names_of_the_living_hide_nothing(self):
        """Of hundreds, on whichever side of them a directory lists the one that nobody holds."""
        self.puppet().show()  # there is a folder
        space = os.stat("/proc/self/ns/pid").st_ino
        held, stale = [], FOLDER / f"4000000.{space + 1}"
        for number in range(400):
            if number == 200:
                stale.write_text("x")
            path = FOLDER / f"{number + 1}.{space + 1}"
            self.addCleanup(path.unlink, missing_ok=True)
            held.append(open(path, "w"))
            fcntl.flock(held[-1], fcntl.LOCK_EX)
        self.puppet().show()
        self.assertFalse(stale.exists())
        self.assertTrue(all(Path(file.name).exists() for file in held))
        for file in held:
            file.close()
        self.puppet().show()
        self.assertFalse(any(Path(file.name).exists() for file in held))

    def test_files_of_another_pid_namespace(self):
        """As of a container that shares its /dev/shm: who lives keeps the file, who is gone does not."""
        own = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
        if shutil.which("unshare") is None or subprocess.run([*own, "true"], capture_output=True).returncode:
            self.skipTest("no pid namespace is to be had")
        other = Puppet(ARGUMENTS.library, prefix=own)
        self.addCleanup(other.__exit__)
        other.show()
        page = Path(other.tell("out = next(l.split()[5] for l in open('/proc/self/maps') if '/dev/shm/hakmem.' in l)"))
        self.puppet().show()
        self.assertEqual(Command(ARGUMENTS.command)("ps").returncode, 0)
        self.assertTrue(page.exists())
        other.end()
        self.puppet().show()
        self.assertFalse(page.exists())

    def test_off(self):
        puppet = self.puppet(HAKMEM_STATS="off")
        self.assertEqual(puppet.tell("grow(8); churn_for(0.5); out = shows_page()"), "False")

    def test_none_in_the_hardened_flavour(self):
        puppet = Puppet(Path(ARGUMENTS.library).with_name("libhakmem-hardened.so"), HAKMEM_STATS="on")
        self.addCleanup(puppet.__exit__)
        self.assertEqual(puppet.tell("grow(8); churn_for(0.5); out = shows_page()"), "False")
        result = Command(ARGUMENTS.command)("stat", puppet.pid)
        self.assertEqual((result.returncode, result.stderr),
                         (3, f"hakmem: process {puppet.pid} runs the hardened flavour, which shows nobody its heap\n"))
        self.assertEqual(Command(ARGUMENTS.command)("verify", "--pid", puppet.pid).returncode, 0)

    # A process that did it before it had a reason to show its page, which takes 1 MiB and a tick.
    def puppet_that_first(self, does):
        for _ in range(50):
            puppet = self.puppet()
            if puppet.tell(f"{does}; out = shows_page()") == "False":
                return puppet
        self.fail("it shows its page at once")

    def test_a_process_that_hides_itself_shows_nothing(self):
        puppet = self.puppet_that_first("import ctypes; ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)")
        self.assertEqual(puppet.tell("grow(8); churn_for(0.5); out = shows_page()"), "False")

    def test_a_file_size_limit_is_no_signal(self):
        puppet = self.puppet_that_first("import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))")
        self.assertEqual(puppet.tell("grow(8); churn_for(0.5); out = shows_page()"), "False")

    def test_a_child_of_fork_makes_its_own(self):
        puppet = self.puppet().show()
        mine = puppet.page()
        answer = puppet.tell(
            "r, w = os.pipe(); child = os.fork(); "
            "child == 0 and (churn(lambda: open('/proc/self/maps').read().find(f'{os.getpid()}.') > 0),"
            " os.write(w, open('/proc/self/maps').read().encode()), os._exit(0)); "
            "os.close(w); data = b''.join(iter(lambda: os.read(r, 65536), b'')); os.waitpid(child, 0);"
            " out = (child, [l.split()[5] for l in data.decode().splitlines() if '/dev/shm/hakmem.' in l])")
        child, pages = eval(answer)
        self.assertEqual(len(pages), 1)
        self.assertTrue(Path(pages[0]).name.startswith(f"{child}."))
        self.assertTrue(mine.exists(), "the child must not take its parent's page away")
        # It ended without its exit handlers; the next process that makes a page clears up.
        self.assertTrue(Path(pages[0]).exists())
        self.puppet().show()
        self.assertFalse(Path(pages[0]).exists())

    def test_exec_starts_anew(self):
        puppet = self.puppet().show()
        page = puppet.page()
        before = os.stat(page).st_ino
        answer = puppet.tell("os.execv(sys.executable, [sys.executable, '-c', 'print(1, flush=True)\\n'"
                             " + open('/proc/self/cmdline').read().split('\\0')[2]])")
        self.assertEqual(answer, "1")
        self.assertEqual(puppet.show().page(), page)
        self.assertNotEqual(os.stat(page).st_ino, before)

    def test_a_request_is_answered_at_the_next_tick(self):
        puppet = self.puppet().show()
        page = puppet.page()
        with open(page, "r+b") as file:
            file.seek(REQUEST)
            file.write(struct.pack("<Q", 0x101))
        puppet.tell("churn_for(0.5)")
        self.assertEqual(word(page, ANSWERED), 0x101)
        self.assertEqual(word(page, SEQUENCE) % 2, 0)

    def test_written_at_most_ten_times_a_second(self):
        puppet = self.puppet().show()
        page = puppet.page()
        for watched, most in ((False, 4), (True, 22)):
            before = word(page, SEQUENCE)
            with open(page, "r+b") as file:
                file.seek(REQUEST)
                file.write(struct.pack("<Q", 0x201 if watched else word(page, REQUEST)))
            puppet.tell("churn_for(2)")
            writes = (word(page, SEQUENCE) - before) // 2
            self.assertTrue(1 <= writes <= most, f"{writes} writes in 2 s, watched: {watched}")

    def test_rubbish_in_the_page_does_the_process_no_harm(self):
        puppet = self.puppet().show()
        with open(puppet.page(), "r+b") as file:
            file.write(os.urandom(32768))
        self.assertEqual(puppet.tell("churn_for(1.2); out = 'well'"), "well")

    def test_another_users_folder_is_not_used(self):
        self.need_namespace()
        self.in_namespace("mount -t tmpfs none /dev/shm && mkdir -m 777 /dev/shm/hakmem.0", "False")
        self.in_namespace("mount -t tmpfs none /dev/shm && mkdir -m 700 /dev/shm/x && ln -s x /dev/shm/hakmem.0", "False")
        self.in_namespace("mount -t tmpfs none /dev/shm && mkdir -m 700 /dev/shm/hakmem.0", "True")

    def test_no_room_and_no_tmpfs_are_no_errors(self):
        self.need_namespace()
        self.in_namespace("mount -t tmpfs -o size=16k none /dev/shm", "False")
        self.in_namespace("umount /dev/shm; mount -t ramfs none /dev/shm", "False")
        self.in_namespace("mount -t tmpfs -o ro none /dev/shm", "False")

    def need_namespace(self):
        if shutil.which("unshare") is None or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
            self.skipTest("no mount namespace is to be had")

    def in_namespace(self, preparation, expected):
        with self.subTest(preparation):
            inner = "grow = [bytearray(1000) for _ in range(9000)]\nimport time\nend = time.monotonic() + 0.6\n" \
                    "while time.monotonic() < end: [bytes(700) for _ in range(2000)]\n" \
                    "print('/dev/shm/hakmem.' in open('/proc/self/maps').read())"
            result = subprocess.run(
                ["unshare", "-m", "sh", "-c", f"{preparation} && LD_PRELOAD=$1 PYTHONMALLOC=malloc exec {PYTHON} -c \"$2\"",
                 "sh", ARGUMENTS.library, inner], capture_output=True, text=True)
            self.assertEqual((result.returncode, result.stdout.strip(), result.stderr), (0, expected, ""))


class RequestWordTest(unittest.TestCase):
    """Several commands write one word: none of them loses what another has asked for."""

    def setUp(self):
        self.puppet = Puppet(ARGUMENTS.library).show()
        self.addCleanup(self.puppet.__exit__)
        self.page = self.puppet.page()

    def argument(self):
        return struct.unpack("<I", self.page.read_bytes()[28:32])[0]

    def asked(self):
        return word(self.page, REQUEST) % 256

    def refused(self, *arguments):
        self.assertNotEqual(HAKMEM(*arguments).returncode, 0, arguments)

    def test_a_refresh_writes_nothing_while_another_request_waits(self):
        self.refused("stat", self.puppet.pid, "--latency", "7")
        self.assertEqual((self.asked(), self.argument()), (LATENCY, 7000))
        before = word(self.page, REQUEST)
        self.assertFalse(HAKMEM.json("stat", self.puppet.pid)["answered"])
        self.assertEqual((word(self.page, REQUEST), self.argument()), (before, 7000))

    def test_other_requests_are_asked_for_together(self):
        self.refused("stat", self.puppet.pid, "--latency", "7")
        self.refused("purge", self.puppet.pid, "--wait", "10")
        self.assertEqual((self.asked(), self.argument()), (LATENCY | PURGE, 7000))
        # A profile has an argument of its own, and purging has none.
        self.refused("profile", self.puppet.pid, "-d", "0", "--rate", "65536")
        self.assertEqual((self.asked(), self.argument()), (PROFILE | PURGE, 65536))
        self.puppet.tell("churn_for(0.5)")
        with self.puppet.busy():
            stat = HAKMEM.json("stat", self.puppet.pid)
        self.assertEqual(stat["totals"]["profile_rate"], 65536)
        self.assertIn("requested_purge", [event["kind"] for event in stat["events"]])

    def test_what_others_overwrite_is_asked_for_again(self):
        """As commands of before did it: a refresh in place of whatever was there."""
        ended = threading.Event()

        def overwrite():
            with open(self.page, "r+b", buffering=0) as file:
                while not ended.wait(0.02):
                    number = word(self.page, REQUEST) // 256 + 1
                    os.pwrite(file.fileno(), struct.pack("<Q", number * 256 + REFRESH), REQUEST)

        thread = threading.Thread(target=overwrite)
        self.puppet.tell("import threading; stop = []; work = threading.Thread(target=churn, args=(lambda: stop, 100)); work.start()")
        thread.start()
        try:
            for _ in range(3):
                result = HAKMEM("profile", self.puppet.pid, "-d", "100ms", "--rate", "65536")
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(HAKMEM.json("stat", self.puppet.pid)["totals"]["profile_rate"], 0)
            causes = HAKMEM.json("stat", self.puppet.pid, "--latency", "1")["latency"]["causes"]
            self.assertGreater({cause["cause"]: cause["count"] for cause in causes}["refill"], 0)
            self.assertEqual(HAKMEM("purge", self.puppet.pid, "--wait", "5000").returncode, 0)
        finally:
            ended.set()
            thread.join()
        self.puppet.tell("stop.append(1); work.join()")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--library", required=True)
    parser.add_argument("--command", required=True)
    ARGUMENTS, rest = parser.parse_known_args()
    HAKMEM = Command(ARGUMENTS.command)
    unittest.main(argv=[sys.argv[0], *rest])
