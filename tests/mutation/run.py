#!/usr/bin/env python3
"""Breaks the library in one place after the other; some test must fail each time.

    run.py --quick        the handful that CI runs
    run.py                all
    run.py --only TEXT    those whose name contains TEXT
    run.py --list         the table

Works on a release build (--build, default build/release) that is up to date, and leaves it as it is: what a mutant
changes is compiled at -O0 into a folder of its own, with the build's own commands, and linked with the rest.
A mutant that does not apply, exactly once, or does not compile is an error, not a kill.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

from mutants import MUTANTS

ROOT = pathlib.Path(__file__).resolve().parents[2]
ARGUMENTS = {"test_schedule": ["--count", "1500"]}
TEST_SECONDS_MAX = 240      # a mutant that hangs is killed


class Build:
    """What ninja knows of a build: how each object and each test comes to be."""

    def __init__(self, folder):
        self.folder = folder
        self.sources = {}   # object -> (compile command, source)
        self.links = {}     # test -> link command
        self.archives = {}  # archive -> its objects
        self.uses = {}      # object -> files it includes

    def ninja(self, *arguments):
        return subprocess.run(["ninja", "-C", str(self.folder), *arguments], check=True, capture_output=True, text=True).stdout

    def learn(self, test):
        if test in self.links:
            return
        for line in self.ninja("-t", "commands", test).splitlines():
            compiled = re.search(r" -o (\S+\.o) -c (\S+)$", line)
            archived = re.search(r"/ar qc (\S+)\s+(.*?) && ", line)
            linked = re.search(rf" -o (tests/{test})(\s|$)", line)
            if compiled:
                self.sources[compiled.group(1)] = (line, compiled.group(2))
            elif archived:
                self.archives[archived.group(1)] = archived.group(2).split()
            elif linked:
                self.links[test] = line.removeprefix(": && ").removesuffix(" && :")
        if not self.uses:
            target = None
            for line in self.ninja("-t", "deps").splitlines():
                if line.startswith("    "):
                    self.uses[target].add(os.path.normpath(self.folder / line.strip()))
                elif ": #deps" in line:
                    target = line.split(": #deps")[0]
                    self.uses[target] = set()

    def objects_of(self, test):
        """Those the test is linked from, archives' members included."""
        found = []
        for word in self.links[test].split():
            found += [word] if word in self.sources else self.archives.get(word, [])
        return found


def compile_mutant(build, obj, source, mutated, folder):
    """The object's own command, with the mutated file in the place of the right one. Returns where it is."""
    command, path = build.sources[obj]
    out = folder / obj.replace("/", "+")
    words = [word for word in shlex.split(command) if word not in ("-g", "-O2", "-MD", "-Werror")]
    for flag in ("-MT", "-MF"):
        if flag in words:
            place = words.index(flag)
            del words[place:place + 2]
    words[words.index("-o") + 1] = str(out)
    if os.path.normpath(build.folder / path) == str(source):
        words[-1] = str(mutated)
    first_include = next(i for i, word in enumerate(words) if word.startswith("-I"))
    words[first_include:first_include] = [f"-I{folder / 'src'}", "-O0", "-w"]
    done = subprocess.run(words, cwd=build.folder, capture_output=True, text=True)
    return (out, "") if done.returncode == 0 else (None, done.stderr)


def link_mutant(build, test, compiled, folder):
    """The test, with the mutated objects in the place of the right ones, in archives too: a test has only what it uses."""
    words = shlex.split(build.links[test])
    words[words.index("-o") + 1] = str(folder / test)
    for place, word in enumerate(words):
        if word in compiled:
            words[place] = str(compiled[word])
        elif any(obj in compiled for obj in build.archives.get(word, [])):
            words[place] = str(folder / word.replace("/", "+"))
            subprocess.run(["rm", "-f", words[place]], check=True)
            members = [str(compiled.get(obj, obj)) for obj in build.archives[word]]
            subprocess.run(["ar", "qc", words[place], *members], cwd=build.folder, check=True)
    done = subprocess.run(words, cwd=build.folder, capture_output=True, text=True)
    return done.returncode == 0, done.stderr


def judge(build, mutant, workers):
    """What became of a mutant: "killed" by which test, "survived", or "error" with a text."""
    source = ROOT / "src" / mutant.file
    text = source.read_text()
    if text.count(mutant.old) != 1:
        return "error", f"applies {text.count(mutant.old)} times"
    if not mutant.tests:  # a unit test cannot, and the row says what does
        return "elsewhere", mutant.reason
    with tempfile.TemporaryDirectory(prefix="hakmem-mutant-") as name:
        folder = pathlib.Path(name)
        mutated = folder / "src" / mutant.file
        mutated.parent.mkdir(parents=True)
        mutated.write_text(text.replace(mutant.old, mutant.new))
        for test in mutant.tests:
            build.learn(test)
            objects = build.objects_of(test)
            touched = [obj for obj in objects
                       if str(source) in build.uses.get(obj, ()) or
                       os.path.normpath(build.folder / build.sources[obj][1]) == str(source)]
            if not touched:
                return "error", f"{test} has nothing of {mutant.file}"
            results = list(workers.map(lambda obj: compile_mutant(build, obj, source, mutated, folder), touched))
            for out, errors in results:
                if out is None:
                    return "error", errors[-2000:]
            linked, errors = link_mutant(build, test, {o: r[0] for o, r in zip(touched, results)}, folder)
            if not linked:
                return "error", errors[-2000:]
            try:
                done = subprocess.run([str(folder / test), *ARGUMENTS.get(test, ["--gtest_brief=1", "--gtest_fail_fast"])],
                                      cwd=folder, capture_output=True, text=True, timeout=TEST_SECONDS_MAX, errors="replace")
            except subprocess.TimeoutExpired:
                return "killed", f"{test} (hangs)"
            if done.returncode != 0:
                return "killed", test
    return "survived", " ".join(mutant.tests)


def main():
    parser = argparse.ArgumentParser(description="Break the library; some test must fail.")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    options = parser.parse_args()
    chosen = [m for m in MUTANTS if options.only in m.name and (m.quick or not options.quick)]
    if options.list:
        for mutant in chosen:
            print(f"{mutant.name:55} {' '.join(mutant.tests) or mutant.reason}")
        return 0
    build = Build(options.build.resolve())
    counts = dict.fromkeys(("killed", "elsewhere", "survived", "error"), 0)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as workers:
        for mutant in chosen:
            result, detail = judge(build, mutant, workers)
            counts[result] += 1
            print(f"{mutant.name:55} {result:10} {detail}", flush=True)
    print(f"{len(chosen)} mutants: {counts['killed']} killed, {counts['elsewhere']} checked elsewhere, "
          f"{counts['survived']} survived, {counts['error']} errors")
    return 0 if chosen and counts["survived"] == counts["error"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
