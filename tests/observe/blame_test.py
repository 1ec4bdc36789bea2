#!/usr/bin/env python3
"""`hakmem map P --blame`: of a planted pinning pattern the call site comes out first, with what it pins."""
import argparse
import json
import re
import signal
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from profile_test import Pprof  # noqa: E402
from puppet import Command, Puppet  # noqa: E402

ARGUMENTS = argparse.Namespace()
SMALL, SECOND = 112, 1024  # what the pinning sites' blocks take
PINS = 4000


def site_of(row):
    return row["stack"][0]["function"].replace("(anonymous namespace)::", "").split("(")[0]


class BlameTest(unittest.TestCase):
    def setUp(self):
        self.hakmem = Command(ARGUMENTS.command)

    def start(self, **environment):
        program = subprocess.Popen([ARGUMENTS.pin], env={"LD_PRELOAD": ARGUMENTS.library} | environment,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def end():
            program.kill()
            program.communicate()

        self.addCleanup(end)
        self.assertEqual(program.stdout.readline(), "ready\n")
        return program

    def pin(self, program):
        print(file=program.stdin, flush=True)
        self.assertEqual(int(program.stdout.readline()), PINS)

    def profiled(self):
        program = self.start(HAKMEM_PROFILE="on", HAKMEM_PROFILE_RATE="4KiB")
        self.wait_for_mapping(program, "page")
        self.pin(program)
        return program

    def wait_for_mapping(self, program, name, command=None):
        def is_there():
            lines = Path(f"/proc/{program.pid}/maps").read_text().splitlines()
            return any("/dev/shm/hakmem." in line and (".profile" in line) == (name == "profile") for line in lines)
        while program.poll() is None and (command is None or command.poll() is None) and not is_there():
            pass

    def free_in_nearly_empty(self, pid, block):
        slabs = [slab for super in self.hakmem.json("map", pid)["superslabs"] for slab in super["slabs"]]
        taken = [(slab["blocks"] - slab["free_blocks"], slab) for slab in slabs if slab["block_bytes"] == block]
        return sum(slab["free_blocks"] * block for count, slab in taken if 0 < 16 * count <= slab["blocks"])

    def test_the_pinning_site_comes_first_with_what_it_pins(self):
        program = self.profiled()
        answer = self.hakmem.json("map", program.pid, "--blame")
        sites = {site_of(row): row for row in answer["sites"]}
        self.assertEqual(site_of(answer["sites"][0]), "pinning_site", answer["sites"][:2])
        self.assertEqual(site_of(answer["sites"][1]), "second_site", answer["sites"][:3])
        self.assertTrue(answer["sites"][0]["stack"][0]["file"].endswith("pin.cpp"))
        # About a hundred samples: a tenth of scatter.
        exact = self.free_in_nearly_empty(program.pid, SMALL)
        self.assertGreater(exact, 5_000_000)
        self.assertAlmostEqual(sites["pinning_site"]["pinned_bytes"] / exact, 1, delta=0.4)
        self.assertAlmostEqual(sites["pinning_site"]["pinning_blocks"] / PINS, 1, delta=0.5)
        # What stays together pins nothing, and what is gone neither.
        for site in ("dense_site", "burst_site", "idle_site"):
            self.assertLess(sites.get(site, {"pinned_bytes": 0})["pinned_bytes"], exact / 20, site)
        self.assertEqual(answer["attributed_bytes"] + answer["not_attributed_bytes"], answer["pinned_bytes"])
        self.assertEqual(sum(row["pinned_bytes"] for row in answer["sites"]), answer["attributed_bytes"])
        self.assertLessEqual(answer["purged_bytes"], answer["pinned_bytes"])

    def test_one_class(self):
        program = self.profiled()
        before = self.free_in_nearly_empty(program.pid, SECOND)
        answer = self.hakmem.json("map", program.pid, "--blame", "--class", SECOND)
        self.assertEqual({site_of(row) for row in answer["sites"]}, {"second_site"})
        # Thread caches give back meanwhile, so that some slabs become nearly empty and others wholly.
        after = self.free_in_nearly_empty(program.pid, SECOND)
        self.assertTrue(min(before, after) / 2 < answer["pinned_bytes"] < max(before, after) * 1.5, (before, answer, after))
        self.assertGreater(answer["attributed_bytes"], answer["pinned_bytes"] / 10)

    def test_text_and_pprof(self):
        program = self.profiled()
        result = self.hakmem("map", program.pid, "--blame", "--rows", "1")
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = result.stdout.splitlines()
        self.assertRegex(lines[0], r"^\d+ nearly empty slabs")
        self.assertTrue(any("pinning_site" in line and "pin.cpp:" in line for line in lines[:5]), result.stdout)
        self.assertRegex(result.stdout, r"more call stacks? \(--rows\)")
        self.assertRegex(result.stdout, r"are attributed, by \d+ of [\d ]+ live samples; .* are not")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "waste.pb.gz"
            result = self.hakmem("map", program.pid, "--blame", "-o", file)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(result.stdout, "")
            profile = Pprof(file)
        self.assertEqual((profile.types, profile.default), (["pinned_objects", "pinned_space"], "pinned_space"))
        self.assertTrue(profile.files[0].endswith("/pinning"), profile.files)  # which pprof takes for the program
        sums = dict(profile.by_site("pinned_space"))
        rest = sums.pop("", 0)  # "(not attributable)"
        self.assertEqual(next(iter(sums)), "pinning_site")
        self.assertGreater(sums["pinning_site"], rest)

    def test_a_profile_is_begun_and_ended(self):
        program = self.start()
        self.wait_for_mapping(program, "page")
        command = subprocess.Popen([ARGUMENTS.command, "map", str(program.pid), "--blame", "-d", "60s", "--rate", "4096",
                                    "--json"], stdout=subprocess.PIPE, text=True)
        self.wait_for_mapping(program, "profile", command)
        self.pin(program)
        while command.poll() is None and "SigCgt:\t0000000000000000" in Path(f"/proc/{command.pid}/status").read_text():
            pass
        command.send_signal(signal.SIGINT)
        answer = json.loads(command.communicate(timeout=60)[0])
        self.assertEqual((command.returncode, answer["rate"]), (0, 4096))
        self.assertEqual(site_of(answer["sites"][0]), "pinning_site")
        self.assertNotIn(".profile", Path(f"/proc/{program.pid}/maps").read_text())

    def test_what_is_older_than_the_profile_is_nobodys(self):
        program = self.start()
        self.wait_for_mapping(program, "page")
        self.pin(program)
        result = self.hakmem("map", program.pid, "--blame", "-d", "100ms", "--rate", "4096")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"were allocated before the profile began \([\d.]+ MiB are in slabs older")
        self.assertNotIn("pinning_site", result.stdout)
        self.assertIsNone(program.poll())

    def test_what_cannot_be_read_shows_before_the_profile(self):
        puppet = Puppet(ARGUMENTS.library).show()
        self.addCleanup(puppet.__exit__)
        page = puppet.page().read_bytes()
        text = page[64:].split(b"\0", 1)[0].decode()
        offset = int(re.search(r"table layout (\d+) 1", text).group(1))
        columns = re.findall(r"^column (\w+)", text[text.index("table layout"):], re.M)
        with open(puppet.page(), "r+b") as file:
            file.seek(offset + 8 * columns.index("reservation_array"))
            file.write(struct.pack("<Q", 4096))
        result = self.hakmem("map", puppet.pid, "--blame", "-d", "60s")
        self.assertEqual(result.returncode, 5, result.stderr)  # an idle process would not answer
        self.assertIn("are not where its page says", result.stderr)

    def test_mistakes(self):
        puppet = Puppet(ARGUMENTS.library, HAKMEM_PROFILE="on", HAKMEM_PROFILE_RATE="4KiB").show()
        self.addCleanup(puppet.__exit__)
        for status, arguments in [(2, ["-o", "x"]), (2, ["-d", "1s"]), (2, ["--rate", "4096"]), (2, ["--blame", "--rate", "4095"]),
                                  (2, ["--blame", "-d", "soon"]), (2, ["--blame", "--class", "1001"]),
                                  (4, ["--blame", "-o", "/nowhere/x"])]:
            result = self.hakmem("map", puppet.pid, *arguments)
            self.assertEqual(result.returncode, status, (arguments, result.stderr))
            self.assertNotEqual(result.stderr, "")
        self.assertEqual(self.hakmem("map", 2 ** 22 + 1, "--blame").returncode, 3)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("library", "command", "pin"):
        parser.add_argument(f"--{name}", required=True)
    ARGUMENTS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
