#!/usr/bin/env python3
"""Breaks the library in one place after the other; some test must fail each time.

    run.py --quick        the handful that CI runs
    run.py                all
    run.py --only TEXT    those whose name contains TEXT
    run.py --test NAME    those that this test may kill
    run.py --list         the table

Works on a release build (--build, default build/release) that is up to date, and leaves it as it is: what a mutant
changes is compiled at -O0 into a folder of its own, with the build's own commands, and linked with the rest.
A mutant that does not apply, exactly once, or does not compile is an error, not a kill. Before the first of them each
test runs with what they will change, as it is, at -O0, and linked in each way that they will be: a test that fails then,
or that a limit ends, kills nobody.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import resource
import shlex
import signal
import subprocess
import sys
import tempfile

from mutants import MUTANTS

ROOT = pathlib.Path(__file__).resolve().parents[2]
ARGUMENTS = {"test_schedule": ["--count", "1500"], "test_scavenger": ["--count", "300"]}
TEST_SECONDS_MAX = 240      # a mutant that hangs is killed
TEST_CPU_SECONDS_MAX = 120  # one that turns in a circle sooner
TEST_BYTES_MAX = 4 << 30    # one that grows without end was seen to take all of a machine's memory


class Build:
    """What ninja knows of a build: how each object and each test comes to be."""

    def __init__(self, folder):
        self.folder = folder
        self.sources = {}   # object -> (compile command, source)
        self.links = {}     # test -> link command
        self.archives = {}  # archive -> its objects
        self.uses = {}      # object -> files it includes
        self.members = {}   # test -> names of the members it takes from archives

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
        self.members[test] = self.members_linked(test)
        if not self.uses:
            target = None
            for line in self.ninja("-t", "deps").splitlines():
                if line.startswith("    "):
                    self.uses[target].add(os.path.normpath(self.folder / line.strip()))
                elif ": #deps" in line:
                    target = line.split(": #deps")[0]
                    self.uses[target] = set()

    def members_linked(self, test):
        """As the linker tells: most tests take a few boxes of an archive that has them all."""
        words = shlex.split(self.links[test])
        with tempfile.TemporaryDirectory(prefix="hakmem-mutant-") as name:
            words[words.index("-o") + 1] = f"{name}/{test}"
            done = subprocess.run([*words, f"-Wl,-Map={name}/map"], cwd=self.folder, capture_output=True, text=True)
            if done.returncode != 0:
                raise RuntimeError(done.stderr)
            text = pathlib.Path(name, "map").read_text()
        return set(re.findall(r"\.a\(([^)\s]+\.o)\)", text))

    def objects_of(self, test):
        """Those the test is linked from, the members it takes from archives included."""
        found = []
        for word in self.links[test].split():
            members = [obj for obj in self.archives.get(word, []) if os.path.basename(obj) in self.members[test]]
            found += [word] if word in self.sources else members
        return found


def compile_object(build, obj, out, source=None, mutated=None, flags=()):
    """The object's own command at -O0, with the mutated file in the place of the right one. Returns what is wrong."""
    command, path = build.sources[obj]
    words = [word for word in shlex.split(command) if word not in ("-g", "-O2", "-MD", "-Werror")]
    for flag in ("-MT", "-MF"):
        if flag in words:
            place = words.index(flag)
            del words[place:place + 2]
    words[words.index("-o") + 1] = str(out)
    includes = ()
    if mutated is not None:
        if os.path.normpath(build.folder / path) == str(source):
            words[-1] = str(mutated)
        includes = (f"-I{mutated.parents[1]}",)  # src/ of the mutant
    first_include = next(i for i, word in enumerate(words) if word.startswith("-I"))
    words[first_include:first_include] = [*includes, "-O0", "-w", *flags]
    done = subprocess.run(words, cwd=build.folder, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stderr[-2000:]


def link_mutant(build, test, compiled, folder, first=None):
    """The test, with other objects in the place of the right ones, in archives too: a test has only what it uses.
    Of an inline function the linker keeps what it meets first, so the object `first` gives the tone."""
    words = shlex.split(build.links[test])
    words[words.index("-o") + 1] = str(folder / test)
    for place, word in enumerate(words):
        if word in compiled:
            words[place] = str(compiled[word])
        elif any(obj in compiled for obj in build.archives.get(word, [])):
            words[place] = str(folder / word.replace("/", "+"))
            subprocess.run(["rm", "-f", words[place]], check=True)
            members = [str(compiled.get(obj, obj)) for obj in build.archives[word] if obj != first]
            subprocess.run(["ar", "qc", words[place], *members], cwd=build.folder, check=True)
    if first is not None:
        words = [word for word in words if word != str(compiled[first])]
        words.insert(words.index("-o"), str(compiled[first]))
    done = subprocess.run(words, cwd=build.folder, capture_output=True, text=True)
    return done.stderr[-2000:] if done.returncode != 0 else ""


def set_limits():
    resource.setrlimit(resource.RLIMIT_DATA, (TEST_BYTES_MAX, TEST_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (TEST_CPU_SECONDS_MAX, TEST_CPU_SECONDS_MAX + 1))


def run_test(test, folder):
    """How the test dies, or ""."""
    try:
        done = subprocess.run([str(folder / test), *ARGUMENTS.get(test, ["--gtest_brief=1", "--gtest_fail_fast"])],
                              cwd=folder, capture_output=True, text=True, timeout=TEST_SECONDS_MAX, errors="replace",
                              preexec_fn=set_limits)
    except subprocess.TimeoutExpired:
        return f"{test} (hangs)"
    if done.returncode == -signal.SIGXCPU:
        return f"{test} (cpu)"
    return test if done.returncode != 0 else ""


def source_of(mutant):
    return ROOT / "src" / mutant.file


class Judge:
    def __init__(self, build, workers, folder):
        self.build, self.workers, self.folder = build, workers, folder
        self.plain = {}  # object -> itself at -O0, without a mutant: nothing is inlined there

    def compile_all(self, objects, outs, **more):
        errors = self.workers.map(lambda obj: compile_object(self.build, obj, outs[obj], **more), objects)
        return next((error for error in errors if error), "")

    def touched(self, test, source):
        build = self.build
        return [obj for obj in build.objects_of(test)
                if str(source) in build.uses.get(obj, ()) or
                os.path.normpath(build.folder / build.sources[obj][1]) == str(source)]

    def make_plain(self, objects):
        missing = [obj for obj in objects if obj not in self.plain]
        outs = {obj: self.folder / obj.replace("/", "+") for obj in missing}
        errors = self.compile_all(missing, outs)
        if not errors:
            self.plain.update(outs)
        return errors

    def control(self, test, sources):
        """What is wrong with the test when these files are as they are, compiled as for a mutant, or ""."""
        self.build.learn(test)
        touched = sorted({obj for source in sources for obj in self.touched(test, source)})
        if errors := self.make_plain(touched):
            return errors
        with tempfile.TemporaryDirectory(prefix="hakmem-control-") as name:
            folder = pathlib.Path(name)
            plain = {obj: self.plain[obj] for obj in touched}
            wrong = link_mutant(self.build, test, plain, folder) or run_test(test, folder)
            for header in sorted(source for source in sources if source.suffix == ".h"):
                if not wrong and (dies := self.by_one_object(test, self.touched(test, header), header, None, folder)):
                    wrong = f"{dies} with one object's {header.name}"
        return wrong

    def by_one_object(self, test, touched, source, mutated, folder):
        """A mutant of a header: one object that has all its functions goes first, the others are without inlining.
        What the compiler copies in spite of that stays as it was, so who survives this has not survived yet.
        Without a mutant (None) it is a control."""
        chosen = [obj for obj in touched if "/src/" in os.path.normpath(self.build.folder / self.build.sources[obj][1])]
        if not chosen:
            return ""
        first = next((obj for obj in chosen if os.path.basename(obj).split(".")[0] == source.stem), chosen[0])
        if self.make_plain(touched):
            return ""
        compiled = {obj: self.plain[obj] for obj in touched} | {first: folder / "first.o"}
        if compile_object(self.build, first, compiled[first], source, mutated, ("-fkeep-inline-functions",)):
            return ""
        return "" if link_mutant(self.build, test, compiled, folder, first) else run_test(test, folder)

    def by_all_objects(self, test, touched, source, mutated, folder):
        compiled = {obj: folder / obj.replace("/", "+") for obj in touched}
        if errors := self.compile_all(touched, compiled, source=source, mutated=mutated):
            return "", errors
        if errors := link_mutant(self.build, test, compiled, folder):
            return "", errors
        return run_test(test, folder), ""

    def judge(self, mutant):
        """What became of a mutant: "killed" by which test, "survived", or "error" with a text."""
        source = source_of(mutant)
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
                self.build.learn(test)
                touched = self.touched(test, source)
                if not touched:
                    return "error", f"{test} has nothing of {mutant.file}"
                killer = ""
                if source.suffix == ".h":
                    killer = self.by_one_object(test, touched, source, mutated, folder)
                if not killer:
                    killer, errors = self.by_all_objects(test, touched, source, mutated, folder)
                    if errors:
                        return "error", errors
                if killer:
                    return "killed", killer
        return "survived", " ".join(mutant.tests)


def controls_pass(judge, chosen):
    passed = True
    for test in sorted({test for mutant in chosen for test in mutant.tests}):
        wrong = judge.control(test, {source_of(mutant) for mutant in chosen if test in mutant.tests})
        print(f"{'control: ' + test:55} {'failed     ' + wrong if wrong else 'passed'}", flush=True)
        passed = passed and not wrong
    return passed


def main():
    parser = argparse.ArgumentParser(description="Break the library; some test must fail.")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--test", default="")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    options = parser.parse_args()
    chosen = [m for m in MUTANTS if options.only in m.name and (m.quick or not options.quick) and
              (not options.test or options.test in m.tests)]
    if options.list:
        for mutant in chosen:
            print(f"{mutant.name:55} {' '.join(mutant.tests) or mutant.reason}")
        return 0
    build = Build(options.build.resolve())
    counts = dict.fromkeys(("killed", "elsewhere", "survived", "error"), 0)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as workers, \
            tempfile.TemporaryDirectory(prefix="hakmem-mutants-") as folder:
        judge = Judge(build, workers, pathlib.Path(folder))
        if not controls_pass(judge, chosen):
            return 1
        for mutant in chosen:
            result, detail = judge.judge(mutant)
            counts[result] += 1
            print(f"{mutant.name:55} {result:10} {detail}", flush=True)
    print(f"{len(chosen)} mutants: {counts['killed']} killed, {counts['elsewhere']} checked elsewhere, "
          f"{counts['survived']} survived, {counts['error']} errors")
    return 0 if chosen and counts["survived"] == counts["error"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
