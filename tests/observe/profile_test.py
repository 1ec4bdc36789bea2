#!/usr/bin/env python3
"""The heap profile of a process, and `hakmem profile`: a planted leak comes out first, and others can read it."""
import argparse
import glob
import gzip
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from puppet import FOLDER, Command, Puppet  # noqa: E402

ARGUMENTS = argparse.Namespace()
LEAKED = 2 * 40_000 * 500  # by a thread


def fields(data):
    """The fields of one protobuf message: (number, value), the value an int or bytes."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        else:
            assert key & 7 == 2, "a wire type that profile.proto does not have"
            length = varint()
            yield key >> 3, data[at:at + length]
            at += length


def packed(data):
    return [value for _, value in fields(b"".join(b"\x08" + v for v in re.findall(rb"[\x80-\xff]*[\x00-\x7f]", data)))]


class Pprof:
    """profile.proto as its definition has it, read independently of what wrote it."""

    def __init__(self, path):
        top = list(fields(gzip.decompress(Path(path).read_bytes())))
        strings = [v.decode() for k, v in top if k == 6]
        assert strings[0] == ""
        functions = {f[1]: strings[f[2]] for f in (dict(fields(v)) for k, v in top if k == 5)}
        places = {}
        for message in (list(fields(v)) for k, v in top if k == 4):
            line = next((dict(fields(v)) for k, v in message if k == 4), None)
            places[dict(message)[1]] = functions[line[1]] if line else hex(dict(message)[3])
        self.types = [strings[dict(fields(v))[1]] for k, v in top if k == 1]
        self.default = strings[dict(top)[14]]
        self.mappings = [dict(fields(v)) for k, v in top if k == 3]
        self.files = [strings[m.get(5, 0)] for m in self.mappings]
        self.build_ids = [strings[m[6]] for m in self.mappings if 6 in m]
        self.samples = []
        for sample in (dict(fields(v)) for k, v in top if k == 2):
            values = [v - (1 << 64) if v >> 63 else v for v in packed(sample[2])]
            assert len(values) == len(self.types)
            self.samples.append(([places[n] for n in packed(sample.get(1, b""))], values))

    def by_site(self, column):
        """Sums by the innermost function, largest first."""
        sums = {}
        for stack, values in self.samples:
            name = stack[0].replace("(anonymous namespace)::", "") if stack else ""
            site = name.split("(")[0]
            sums[site] = sums.get(site, 0) + values[self.types.index(column)]
        return sorted(sums.items(), key=lambda item: -item[1])


class ProfileTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.command = Command(ARGUMENTS.command)
        cls.folder = Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.file = cls.folder / "leak.pb.gz"
        cls.run_leak("2", cls.file)

    @classmethod
    def run_leak(cls, threads, file):
        result = subprocess.run([ARGUMENTS.command, "run", "--profile", file, "--", ARGUMENTS.leak, threads],
                                input="\n\n", text=True, capture_output=True, timeout=120,
                                env=os.environ | {"HAKMEM_PROFILE_RATE": "16KiB"})
        assert result.returncode == 0 and result.stderr == "", result.stderr
        assert result.stdout.split()[-1] == str(int(threads) * LEAKED)

    def attached(self, *arguments):
        leak = subprocess.Popen([ARGUMENTS.leak, *arguments], env={"LD_PRELOAD": ARGUMENTS.library},
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def end():
            leak.kill()
            leak.communicate()

        self.addCleanup(end)
        leak.stdout.readline()
        maps = Path(f"/proc/{leak.pid}/maps")
        while leak.poll() is None and "/dev/shm/hakmem." not in maps.read_text():
            pass
        return leak

    def profile(self, leak, *arguments):
        result = self.command("profile", leak.pid, "-d", "1s", "--rate", "4096", *arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_the_leaking_site_comes_first_with_what_it_leaked(self):
        profile = Pprof(self.file)
        (site, live), *others = profile.by_site("inuse_space")
        self.assertEqual(site, "leaking_site")
        self.assertAlmostEqual(live / (2 * LEAKED), 1, delta=0.1)
        self.assertLess(sum(v for _, v in others), live / 10)
        blocks = dict(profile.by_site("inuse_objects"))["leaking_site"]
        self.assertAlmostEqual(blocks / (2 * LEAKED / 500), 1, delta=0.1)

    def test_what_was_freed_counts_as_allocated_and_not_as_live(self):
        profile = Pprof(self.file)
        live, allocated = dict(profile.by_site("inuse_space")), dict(profile.by_site("alloc_space"))
        for site in ("churning_site", "peaking_site", "growing_site"):
            self.assertEqual(live.get(site, 0), 0, site)
            self.assertGreater(allocated[site], 10_000_000, site)
        churned = 2 * 2 * 40_000 * sum(16 + 64 * k for k in range(10))
        self.assertAlmostEqual(allocated["churning_site"] / churned, 1, delta=0.05)

    def test_the_peak_has_what_was_live_then(self):
        # By one thread: with two, the peak is where they meet, and one of them may be growing_site() then.
        file = self.folder / "peak.pb.gz"
        self.run_leak("1", file)
        peak = dict(Pprof(file).by_site("peak_space"))
        self.assertAlmostEqual(peak["peaking_site"] / (40_000 * 2000), 1, delta=0.1)
        self.assertAlmostEqual(peak["leaking_site"] / LEAKED, 1, delta=0.1)
        self.assertEqual(peak.get("growing_site", 0), 0)

    def test_it_says_what_ran(self):
        profile = Pprof(self.file)
        notes = subprocess.run(["readelf", "-n", ARGUMENTS.leak], capture_output=True, text=True, check=True).stdout
        found = re.search(r"Build ID: (\w+)", notes)
        if found:
            self.assertIn(found.group(1), profile.build_ids)
        self.assertIn("main", {name for stack, _ in profile.samples for name in stack})
        self.assertFalse([name for stack, _ in profile.samples for name in stack[:1] if "hakmem" in name])

    def test_go_reads_it(self):
        go = shutil.which("go") or next(iter(sorted(glob.glob("/usr/lib/go-*/bin/go"), reverse=True)), None)
        if go is None:
            self.skipTest("no go here (golang-1.19-go)")
        top = subprocess.run([go, "tool", "pprof", "-top", "-sample_index=inuse_space", self.file], capture_output=True,
                             text=True, env=os.environ | {"HOME": str(self.folder)}, check=True).stdout
        rows = top.split("cum%")[1].strip().splitlines()
        self.assertIn("leaking_site", rows[0], top)

    def test_a_running_process_is_profiled_and_then_left_alone(self):
        leak = self.attached("2", "for-ever")
        folded = self.profile(leak, "--growth", "--folded")
        lines = [line.rsplit(" ", 1) for line in folded.splitlines()]
        self.assertIn("leaking_site", lines[0][0].split(";")[-1])
        self.assertEqual(sorted((int(n) for _, n in lines), reverse=True), [int(n) for _, n in lines])
        table = self.profile(leak)
        self.assertIn("leaking_site", table.splitlines()[2])
        self.assertFalse([p for p in FOLDER.iterdir() if p.name.startswith(f"{leak.pid}.") and "profile" in p.name])
        self.assertIsNone(leak.poll())

    def test_speedscope_has_what_its_schema_asks_for(self):
        data = json.loads(self.profile(self.attached("1", "for-ever"), "--speedscope", "--allocated", "-o", "-"))
        self.assertEqual(data["$schema"], "https://www.speedscope.app/file-format-schema.json")
        frames, (profile,) = data["shared"]["frames"], data["profiles"]
        self.assertTrue(all(isinstance(frame["name"], str) for frame in frames))
        self.assertEqual((profile["type"], profile["unit"]), ("sampled", "bytes"))
        self.assertEqual(len(profile["samples"]), len(profile["weights"]))
        self.assertEqual(profile["endValue"] - profile["startValue"], sum(profile["weights"]))
        self.assertTrue(all(0 <= n < len(frames) for stack in profile["samples"] for n in stack))

    def test_json_has_each_call_site(self):
        data = json.loads(self.profile(self.attached("1", "for-ever"), "--json", "--growth"))
        self.assertEqual((data["schema"], data["figure"], data["rate"]), ("hakmem.profile/1", "growth_space", 4096))
        first = data["sites"][0]
        self.assertIn("leaking_site", first["stack"][0]["function"])
        self.assertTrue(first["stack"][0]["file"].endswith("leak.cpp"))
        self.assertAlmostEqual(first["bytes"] / first["blocks"], 500, delta=25)
        sizes = [abs(site["bytes"]) for site in data["sites"]]
        self.assertEqual(sizes, sorted(sizes, reverse=True))

    def test_html_stands_alone(self):
        page = self.profile(self.attached("1", "for-ever"), "--html")
        self.assertNotIn("http", page.replace("http://www.w3.org", ""))
        data = json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', page, re.S).group(1))
        self.assertIn("leaking_site", data["stacks"][0]["f"][0])

    def test_diff_shows_what_came(self):
        more = self.folder / "more.pb.gz"
        self.run_leak("4", more)
        table = self.command("profile", "diff", self.file, more, "--live")
        self.assertEqual(table.returncode, 0, table.stderr)
        rows = table.stdout.splitlines()
        self.assertIn("leaking_site", rows[2])
        self.assertIn("MiB", rows[2])
        same = self.command("profile", "diff", self.file, self.file)
        self.assertEqual(len(same.stdout.splitlines()), 2, same.stdout)

    def test_the_file_is_private_and_the_child_has_its_own(self):
        puppet = Puppet(ARGUMENTS.library, HAKMEM_PROFILE="on", HAKMEM_PROFILE_RATE="4KiB")
        self.addCleanup(puppet.__exit__)
        answer = puppet.tell(
            "find = lambda: [l.split()[5] for l in open('/proc/self/maps') if '.profile' in l]; grow(8);"
            " mine = find(); r, w = os.pipe(); child = os.fork();"
            " child == 0 and (churn(find), grow(1), os.write(w, repr(find()).encode()), os._exit(0));"
            " os.close(w); theirs = eval(os.read(r, 4096)); os.waitpid(child, 0); out = (child, mine, theirs)")
        child, mine, theirs = eval(answer)
        self.assertEqual((len(mine), len(theirs)), (1, 1))
        self.assertTrue(Path(mine[0]).name.startswith(f"{puppet.pid}."))
        self.assertTrue(Path(theirs[0]).name.startswith(f"{child}."))
        self.assertEqual(stat.S_IMODE(os.stat(mine[0]).st_mode), 0o600)
        puppet.show()
        result = self.command("profile", puppet.pid)  # profiled already: what there is
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("call site", result.stdout)

    def test_off_is_off(self):
        puppet = Puppet(ARGUMENTS.library)
        self.addCleanup(puppet.__exit__)
        self.assertNotIn(".profile", puppet.show().tell("out = open('/proc/self/maps').read().replace('\\n', ' ')"))

    def test_mistakes(self):
        damaged = self.folder / "damaged.pb.gz"
        damaged.write_bytes(self.file.read_bytes()[:200])
        for status, arguments in [(2, []), (2, ["1", "--html", "--folded"]), (3, [2 ** 22 + 1]),
                                  (2, ["1", "--rate", "0"]), (2, ["1", "--rate", "4095"]),
                                  (5, ["diff", damaged, self.file]), (3, ["diff", "/nowhere", self.file]),
                                  (4, ["diff", self.file, self.file, "-o", "/nowhere/x"])]:
            result = self.command("profile", *arguments)
            self.assertEqual(result.returncode, status, (arguments, result.stderr))
            self.assertNotEqual(result.stderr, "")

    def test_it_writes_what_it_has_when_interrupted(self):
        leak = self.attached("1", "for-ever")
        output = self.folder / "early.pb.gz"
        command = subprocess.Popen([ARGUMENTS.command, "profile", str(leak.pid), "-d", "60s", "--rate", "4096", "-o",
                                    str(output)], stderr=subprocess.PIPE, text=True)
        maps = Path(f"/proc/{leak.pid}/maps")
        while command.poll() is None and ".profile" not in maps.read_text():
            pass
        while command.poll() is None and "SigCgt:\t0000000000000000" in Path(f"/proc/{command.pid}/status").read_text():
            pass
        command.send_signal(signal.SIGINT)
        self.assertEqual(command.wait(timeout=60), 0, command.stderr.read())
        command.stderr.close()
        self.assertEqual(Pprof(output).default, "inuse_space")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("library", "command", "leak"):
        parser.add_argument(f"--{name}", required=True)
    ARGUMENTS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
