#!/usr/bin/env python3
"""`hakmem bench compare` from outside, over suites made here: verdicts, files, exit codes, messages.

The workloads are shell scripts that print the figure this test gave them for the allocator that is
preloaded; the allocators are copies of libhakmem.so under other names.
"""
import argparse
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ARGUMENTS = argparse.Namespace()
FINE, FINDING, USAGE, MISSING, PERMISSION, UNSUPPORTED = 0, 1, 2, 3, 4, 5

# The figure is looked up by the preloaded file's name; "glibc" where none is. malloc_path is what a
# real workload finds with dladdr(). Each run appends its allocator to the file `order`.
WORKLOAD = """#!/bin/sh
who=$(basename "${LD_PRELOAD:-glibc}" .so)
path=${LD_PRELOAD:-/lib/libc.so.6}
cd "$(dirname "$0")"
echo "$1 $who" >> order
eval "value=\\$$who"
. "./$1.figures"
"""
RESULT = """eval "value=\\$$who"
echo '{"mops": '"$value"', "peak_rss_kib": 2048, "malloc_path": "'"$path"'"}'
"""


def row(name, **members):
    return {"name": name, "title": f"the row {name}", "program": "workload", "args": [name], "figure": "mops",
            "better": "higher", "unit": "Mops/s", "kind": "speed"} | members


class CompareTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "workload").write_text(WORKLOAD)
        (self.folder / "workload").chmod(0o755)
        self.libraries = {}
        for name in ("hakmem", "strong", "weak", "same"):
            self.libraries[name] = self.folder / f"{name}.so"
            shutil.copy(ARGUMENTS.library, self.libraries[name])

    def figures(self, name, code="", **values):
        lines = [f"{who}={value}" for who, value in values.items()]
        (self.folder / f"{name}.figures").write_text("\n".join([*lines, code, RESULT]))

    def suite(self, *rows, **more):
        file = self.folder / "suite.json"
        file.write_text(json.dumps({"rows": rows} | more))
        return file

    def command(self, *arguments, against=("strong", "weak", "same")):
        words = [ARGUMENTS.command, "bench", "compare", "--suite", self.folder / "suite.json",
                 "--hakmem", self.libraries["hakmem"]]
        for name in against:
            words += ["--allocator", f"{name}={self.libraries[name]}"]
        return [*map(str, words), "--against", ",".join(against), *arguments]

    def run_command(self, *arguments, **more):
        environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
        return subprocess.run(self.command(*arguments, **more), capture_output=True, text=True, timeout=60,
                              env=environment, cwd=self.folder)

    def measured(self, *arguments, code=FINE, **more):
        file = self.folder / "out.json"
        done = self.run_command("--json", str(file), *arguments, **more)
        self.assertEqual(done.returncode, code, done.stderr + done.stdout)
        return json.loads(file.read_text()), done

    def usual(self):
        self.suite(row("speed"))
        self.figures("speed", hakmem=100, strong=150, weak=50, same=100)

    # What it says

    def test_four_words_and_losses_first(self):
        self.suite(row("speed"), row("memory", better="lower", unit="MiB", kind="memory", scale=1024))
        self.figures("speed", hakmem=100, strong=150, weak=50, same=100)
        self.figures("memory", hakmem=1024, strong=512, weak=4096, same=1024)
        document, done = self.measured("--rounds", "10")
        found = {(c["row"], c["against"]): (c["verdict"], c["ratio"]) for c in document["comparisons"]}
        self.assertEqual(found, {
            ("speed", "strong"): ("slower", 100 / 150), ("memory", "strong"): ("slower", 0.5),
            ("speed", "weak"): ("faster", 2), ("memory", "weak"): ("faster", 4),
            ("speed", "same"): ("equivalent", 1), ("memory", "same"): ("equivalent", 1)})
        lines = done.stdout.splitlines()
        self.assertRegex(lines[0], r"^row +hakmem +best other +ratio \[95 % interval\] +verdict +peak MiB +theirs$")
        self.assertRegex(lines[1], r"^memory +1.00 MiB +0.5 strong +0.500 \[0.500, 0.500\] +slower +2.00 +2.00$")
        self.assertRegex(lines[2], r"^speed .* slower ")
        self.assertIn("of 6 comparisons: 2 slower, 0 inconclusive, 2 equivalent (within 2 %), 2 faster", done.stdout)
        self.assertNotIn("\033", done.stdout + done.stderr)

    @unittest.skipUnless(shutil.which("valgrind"), "needs valgrind")
    def test_a_lost_row_is_profiled_for_the_page(self):
        tiny = Path(ARGUMENTS.command).parent / "bench" / "tiny_hot"
        shutil.copy(tiny, self.folder / "tiny_hot")
        # BenchFast looks up no owner: it takes half the time.
        self.suite(row("lost", program="tiny_hot", args=["1000000", "16", "1"]),
                   row("won"))
        self.figures("won", hakmem=100, weak=50)
        shutil.copy(Path(ARGUMENTS.command).parent / "libhakmem-benchfast.so", self.libraries["weak"])
        document, _ = self.measured("--rounds", "10", "--html", "out.html", against=("weak",))
        self.assertEqual([p["row"] for p in document["loss_profiles"]], ["lost"])
        profile = document["loss_profiles"][0]
        self.assertEqual(profile["against"], "weak")
        for who in ("hakmem", "other"):
            self.assertNotIn("error", profile[who])
            self.assertIn("malloc", [f["function"] for f in profile[who]["functions"]])
            self.assertLess(sum(f["instructions"] for f in profile[who]["functions"]), profile[who]["instructions"] * 1.0001)
        document, _ = self.measured("--rounds", "10", "--html", "out.html", "--no-profile", against=("weak",))
        self.assertEqual(document["loss_profiles"], [])

    def test_noise_is_inconclusive(self):
        self.suite(row("speed"))
        self.figures("speed", 'n=$(wc -l < order); [ $((n % 2)) = 0 ] && hakmem=120 || hakmem=80', same=100)
        document, _ = self.measured("--rounds", "8", "--warmup", "0", against=("same",))
        self.assertEqual(document["comparisons"][0]["verdict"], "inconclusive")

    def test_too_few_rounds_say_so(self):
        self.usual()
        document, done = self.measured("--rounds", "3")
        self.assertEqual({c["verdict"] for c in document["comparisons"]}, {"inconclusive"})
        self.assertIn("[too few runs]", done.stdout)
        self.assertIn("no verdict but inconclusive is possible before round 7", done.stdout)

    def test_adaptive_run_ends_with_the_first_verdict_possible(self):
        self.usual()
        document, _ = self.measured()
        self.assertEqual((document["rows"][0]["rounds"], document["rows"][0]["stopped_by"]), (7, "precision"))

    def test_rounds_max_and_budget_end_it(self):
        self.usual()
        self.suite(row("speed", rounds_max=2))
        document, _ = self.measured("--rounds", "9")
        self.assertEqual((document["rows"][0]["rounds"], document["rows"][0]["stopped_by"]), (2, "rounds"))
        document, _ = self.measured("--budget", "0.001s")
        self.assertEqual(document["rows"][0]["stopped_by"], "budget")
        self.assertLessEqual(document["rows"][0]["rounds"], 1)

    def test_document(self):
        self.usual()
        document, _ = self.measured("--rounds", "2", "--seed", "7")
        self.assertEqual(document["format"], "hakmem bench compare")
        self.assertEqual(document["settings"]["seed"], 7)
        self.assertFalse(document["interrupted"])
        self.assertIn("--seed 7", document["command"])
        self.assertEqual([a["name"] for a in document["allocators"]], ["hakmem", "strong", "weak", "same"])
        self.assertTrue(all(re.fullmatch("[0-9a-f]+", a["build_id"]) for a in document["allocators"]))
        self.assertIn("kernel", [fact["name"] for fact in document["machine"]])
        runs = document["rows"][0]["runs"]
        self.assertEqual(len(runs), 8)
        self.assertEqual({run["peak_rss_mib"] for run in runs}, {2.0})
        self.assertEqual(document["rows"][0]["allocators"]["weak"]["figure"]["median"], 50)

    # How it measures

    def orders(self, seed):
        (self.folder / "order").unlink(missing_ok=True)
        self.measured("--rounds", "6", "--seed", seed, "--warmup", "1")
        return (self.folder / "order").read_text().split("\n")[:-1]

    def test_order_is_random_and_the_seeds(self):
        self.usual()
        first, again, other = self.orders("1"), self.orders("1"), self.orders("2")
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)
        self.assertEqual(len(first), 7 * 4)
        for start in range(0, len(first), 4):
            self.assertEqual(len(set(first[start:start + 4])), 4, "each allocator once a round")

    def test_environment_of_the_child(self):
        self.suite(row("speed"))
        self.figures("speed", 'env > seen', hakmem=1, same=1)
        os.environ.update(MIMALLOC_VERBOSE="1", MALLOC_ARENA_MAX="1", HAKMEM_DECAY="2s", KEPT="yes")
        try:
            document, _ = self.measured("--rounds", "1", against=("same",))
        finally:
            for name in ("MIMALLOC_VERBOSE", "MALLOC_ARENA_MAX", "HAKMEM_DECAY", "KEPT"):
                del os.environ[name]
        seen = (self.folder / "seen").read_text()
        self.assertIn("HAKMEM_DECAY=2s", seen)
        self.assertIn("KEPT=yes", seen)
        self.assertNotRegex(seen, "(?m)^(MIMALLOC|MALLOC)_")
        self.assertTrue(document["command"].startswith("HAKMEM_DECAY=2s "))

    def test_real_row_is_a_script_that_preloads_itself(self):
        self.suite(row("real", program="real.py", real=True, kind="program"))
        (self.folder / "real.py").write_text(
            "import json, os\nassert 'LD_PRELOAD' not in os.environ\npath = os.environ['BENCH_PRELOAD']\n"
            "print(json.dumps({'mops': 5, 'malloc_path': path}))\n")
        document, _ = self.measured("--rounds", "1", against=("same",))
        self.assertEqual([run["figure"] for run in document["rows"][0]["runs"]], [5, 5])

    # What goes wrong

    def test_wrong_malloc_does_not_count(self):
        self.suite(row("speed"))
        self.figures("speed", '[ $who = same ] && path=/lib/libc.so.6', hakmem=1, same=1, weak=1)
        document, done = self.measured("--rounds", "4", against=("same", "weak"))
        self.assertEqual([c["against"] for c in document["comparisons"]], ["weak"])
        self.assertIn("failed: speed under same: round 1: malloc came from /lib/libc.so.6 (2 times)", done.stdout)

    def test_failures_do_not_stop_the_rest(self):
        for code, why in (("exit 3", "exit status 3"), ("kill -SEGV $$", "died of SIGSEGV"),
                          ("echo no; exit", "no result line"), ("echo '{}'; exit", "malloc_path"),
                          ("sleep 9", "no result after 1 s")):
            with self.subTest(code):
                self.suite(row("bad"), row("good"))
                self.figures("bad", f"[ $who = weak ] && {{ {code}; }}", hakmem=1, weak=1, same=1)
                self.figures("good", hakmem=1, weak=1, same=1)
                document, done = self.measured("--rounds", "1", "--timeout", "1s", "--warmup", "0",
                                               against=("weak", "same"))
                self.assertEqual(len(document["comparisons"]), 3)
                self.assertIn("failed: bad under weak: round 1", done.stdout)
                self.assertIn(why, done.stdout)

    def test_a_failure_of_hakmem_is_a_finding(self):
        self.suite(row("bad"))
        self.figures("bad", '[ $who = hakmem ] && exit 1', same=1)
        document, _ = self.measured("--rounds", "9", against=("same",), code=FINDING)
        self.assertEqual((document["comparisons"], document["rows"][0]["stopped_by"]), ([], "gave up"))

    def test_a_row_that_cannot_run_here_is_left_out(self):
        self.suite(row("absent"))
        self.figures("absent", 'echo "no redis-server" >&2; exit 77')
        _, done = self.measured("--rounds", "2", against=("same",))
        self.assertIn("left out: absent under hakmem: warm-up: skipped: no redis-server", done.stdout)
        self.assertIn("nothing could be compared", done.stdout)

    def test_fail_on(self):
        self.usual()
        rounds = ("--rounds", "10")
        self.assertEqual(self.run_command(*rounds, "--fail-on", "slower").returncode, FINDING)
        self.assertEqual(self.run_command(*rounds, "--fail-on", "slower:2%").returncode, FINDING)
        self.assertEqual(self.run_command(*rounds, "--fail-on", "slower:60%").returncode, FINE)
        self.assertEqual(self.run_command(*rounds, "--fail-on", "slower", against=("weak",)).returncode, FINE)
        for bad in ("slower:", "slower:2", "slower2%", "slow", "slower:x%"):
            self.assertEqual(self.run_command("--fail-on", bad).returncode, USAGE, bad)

    def test_gates(self):
        self.suite(row("one", gate={"kind": "faster", "than": ["weak"]}), row("none"),
                   row("two", gate={"kind": "at_least", "bound": 200}),
                   checks=[{"name": "check", "title": "a check", "program": "check.py", "args": ["{hakmem}"]}])
        self.figures("one", hakmem=100, weak=50, strong=200)
        self.figures("two", hakmem=100, weak=50, strong=200)
        (self.folder / "check.py").write_text("import sys\nprint(sys.argv[1])\n")
        document, done = self.measured("--rounds", "1", "--gates", "--fail-on", "gate", against=("weak", "strong"),
                                       code=FINDING)
        self.assertEqual([(g["name"], g["verdict"]) for g in document["gates"]],
                         [("one", "PASS"), ("two", "FAIL"), ("check", "PASS")])
        self.assertIn(f"PASS        check: {self.libraries['hakmem']}\n", done.stdout)
        self.assertIn("100.00 Mops/s, must be at least 200 Mops/s", done.stdout)
        self.assertIn("2 of 3 gates passed", done.stdout)

    def test_bad_suite(self):
        good = row("speed")
        for bad, message in (
                ([good | {"better": "up"}], 'row 1 (speed): member "better" must be one of higher, lower, not "up"'),
                ([good | {"scale": 0}], 'row 1 (speed): member "scale" must be above 0, not 0'),
                ([good | {"args": [1]}], 'row 1 (speed): member "args" must be a list of texts, not [1]'),
                ([good | {"smok": True}], 'row 1 (speed): has unknown member "smok"'),
                ([good | {"smoke": 1}], 'member "smoke" must be true or false, not 1'),
                ([good | {"name": "A b"}], 'member "name" may only have a-z, 0-9 and _, not "A b"'),
                ([good | {"rounds_max": 0}], 'member "rounds_max" must be a whole number of at least 1, not 0'),
                ([good | {"gate": {"kind": "at_most"}}], 'row 1 (speed): its gate has no member "bound"'),
                ([{k: v for k, v in good.items() if k != "unit"}], 'row 1 (speed) has no member "unit"'),
                ([good, good], "row 2 (speed): the name was used before"),
                ([], "the file has no rows")):
            with self.subTest(message):
                file = self.suite(*bad)
                done = self.run_command("--json", "never.json")
                self.assertEqual(done.returncode, USAGE)
                self.assertTrue(done.stderr.startswith(f"hakmem bench compare: {file}: "), done.stderr)
                self.assertIn(message.replace("(speed): has", "(speed) has"), done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1)
        self.suite().write_text("{")
        self.assertIn("is not JSON", self.run_command().stderr)
        self.suite().unlink()
        self.assertEqual(self.run_command().returncode, MISSING)
        self.assertFalse((self.folder / "never.json").exists())

    def test_bad_arguments(self):
        self.usual()
        text = self.folder / "text"
        text.write_text("no library")
        for arguments, code, message in (
                (["--allocator", "x"], USAGE, "expected NAME=PATH"),
                (["--allocator", "x=/no/such.so"], MISSING, "/no/such.so is not a file"),
                (["--allocator", f"x={text}"], UNSUPPORTED, "is not a shared library"),
                (["--allocator", f"weak={self.libraries['weak']}"], USAGE, "there is a weak already"),
                (["--rows", "spead"], USAGE, "--rows spead: there is no such row; there are speed"),
                (["--json", "/no/such/folder/x.json"], MISSING, "cannot be written"),
                (["--html", str(self.folder)], PERMISSION, "cannot be written"),
                (["--margin", "2"], USAGE, "2 is not a percentage like 2%"),
                (["--budget", "soon"], USAGE, "soon is not a time like 90s, 20m or 1h"),
                (["--rounds", "0"], USAGE, "--rounds")):
            with self.subTest(arguments):
                done = self.run_command(*arguments)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(message, done.stderr)
        self.suite(row("speed", program="absent"))
        done = self.run_command()
        self.assertEqual(done.returncode, MISSING)
        self.assertIn("row speed: absent is not in", done.stderr)

    def test_a_script_that_was_not_installed_is_left_out(self):
        self.usual()
        self.suite(row("speed"), row("real", program="absent.py", real=True))
        document, done = self.measured("--rounds", "1")
        self.assertEqual([r["row"]["name"] for r in document["rows"]], ["speed"])
        self.assertIn("left out: row real: absent.py is not here", done.stderr)
        self.assertEqual(self.run_command("--rows", "real").returncode, MISSING)

    # Files and signals

    def test_html_is_one_file_with_the_data_in_it(self):
        self.suite(row("speed", title="</script><b>&"))
        self.figures("speed", hakmem=1, same=1)
        document, _ = self.measured("--rounds", "2", "--html", "out.html", against=("same",))
        page = (self.folder / "out.html").read_text()
        data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S).group(1)
        self.assertEqual(json.loads(data), document)
        for address in re.findall(r"https?://[^\"'\s)]*", page):
            self.assertEqual(address, "http://www.w3.org/2000/svg", "a name, not a reference")
        self.assertNotRegex(page, r"<link|@import|\bsrc=|url\(")
        self.assertNotIn("@STYLE@", page)
        if shutil.which("node"):
            script = re.search(r"<script>(.*?)</script>", page, re.S).group(1)
            (self.folder / "page.js").write_text(script)
            subprocess.run(["node", "--check", self.folder / "page.js"], check=True)
        self.assertIn("@media (prefers-color-scheme: dark)", page)

    def interrupted(self, process):
        """Sends SIGINT once the second round has begun; returns (stdout, stderr)."""
        while (self.folder / "order").read_text().count("\n") < 5:
            self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        return process.communicate(timeout=30)

    def test_interrupt_leaves_partial_results(self):
        self.usual()
        (self.folder / "order").touch()
        (self.folder / "out.json").write_text("the old one")
        with subprocess.Popen(self.command("--rounds", "1000", "--json", "out.json", "--html", "out.html"),
                              cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            out, err = self.interrupted(process)
        self.assertEqual(process.returncode, 128 + signal.SIGINT)
        self.assertTrue(out.startswith("interrupted: these are partial results"), out)
        self.assertIn("interrupted; the results are partial", err)
        document = json.loads((self.folder / "out.json").read_text())
        self.assertTrue(document["interrupted"])
        self.assertEqual(document["rows"][0]["stopped_by"], "interrupted")
        self.assertIn("interrupted", (self.folder / "out.html").read_text())
        self.assertEqual(sorted(path.name for path in self.folder.glob("out*")), ["out.html", "out.json"])

    def test_progress_line_on_a_terminal_only(self):
        self.usual()
        reading, writing = pty.openpty()
        done = subprocess.run(self.command("--rounds", "2"), stdout=subprocess.PIPE, stderr=writing, timeout=60)
        os.close(writing)
        shown = b""
        try:
            while part := os.read(reading, 4096):
                shown += part
        except OSError:  # how a terminal says that nobody writes to it any more
            pass
        os.close(reading)
        shown = shown.decode()
        self.assertIn("left  round 2  speed under ", shown)
        self.assertTrue(shown.endswith("\r\033[K"))
        self.assertNotIn(b"\033", done.stdout)

    def test_help_and_list(self):
        self.usual()
        text = self.run_command("--help").stdout
        for word in ("--rounds", "--fail-on", "--html", "inconclusive", "Holm", "Examples", "Exit status"):
            self.assertIn(word, text)
        self.assertLessEqual(max(map(len, text.splitlines())), 110)
        self.assertIn("speed", self.run_command("--list").stdout)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--command", required=True)
    parser.add_argument("--library", required=True)
    ARGUMENTS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
