#!/usr/bin/env python3
"""Runs each command that looks at processes once, and leaves what they say in one folder, with pictures of the dashboard.

  observe.py --command build/release/hakmem --library build/release/libhakmem.so \
             --leak build/release/tests/profile_leak --pin build/release/tests/pinning --output build/demo-observe

Programs run under hakmem meanwhile: redis-server with clients that write values of two sizes (on a port of its own,
loopback only), two that leak (the second is --leak), one whose small long-lived blocks lie scattered among many that are
freed (--pin), and node. They are ended when it is done. index.txt says which file has which command's answer.
"""
import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))
from browser import CHROMIUM, DRIVER, Browser, Served  # noqa: E402

PYTHON = "/usr/bin/python3"
LEAK = """
import time
kept, spike = [], [bytes(2000) for _ in range(40000)]
print("ready", flush=True)
del spike[::2]
while True:
    kept += [bytes(100 + n % 400) for n in range(1000)]
    time.sleep(0.1)
"""
NODE = """
const held = [];
for (let i = 0; i < 4000; ++i) held.push(Buffer.alloc(20000 + i, 1));
console.log("ready");
setInterval(() => { for (let i = 0; i < 20; ++i) held[i] = Buffer.alloc(9000 + i, 1); }, 5);
"""
VIEWS = ["overview", "map", "classes", "fragmentation", "timeline", "latency", "flame", "options"]
LOOKS = 20


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()).group(1)) * 1024


class Demo:
    def __init__(self, arguments):
        self.command, self.library = arguments.command.resolve(), arguments.library.resolve()
        self.output = arguments.output
        self.programs = []
        self.index = []

    def __enter__(self):
        shutil.rmtree(self.output, ignore_errors=True)
        (self.output / "screenshots").mkdir(parents=True)
        self.temporary = tempfile.TemporaryDirectory()
        return self

    def __exit__(self, *ignored):
        for program in reversed(self.programs):
            program.terminate()
            program.wait()
        self.temporary.cleanup()

    def start(self, *command, **options):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HAKMEM_") and k != "LD_PRELOAD"}
        options = {"stdin": subprocess.DEVNULL} | options
        program = subprocess.Popen([str(word) for word in command], cwd=self.temporary.name,
                                   env=environment | options.pop("environment", {}), text=True, **options)
        self.programs.append(program)
        return program

    # Under hakmem, until it says its first line.
    def start_under(self, *command, **environment):
        program = self.start(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             environment={"LD_PRELOAD": str(self.library)} | environment)
        if not program.stdout.readline():
            sys.exit(f"{command[0]} ended at once")
        return program

    def start_redis(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        log = open(self.output / "redis.log", "w")
        server = self.start("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                            environment={"LD_PRELOAD": str(self.library)}, stdout=log, stderr=log)
        ask = ["redis-cli", "-p", str(port), "ping"]
        while subprocess.run(ask, capture_output=True, text=True).stdout.strip() != "PONG":
            if server.poll() is not None:
                sys.exit(f"redis-server ended: see {self.output / 'redis.log'}")
        load = ["redis-benchmark", "-p", str(port), "-q", "-r", "100000", "-P", "16", "-t", "set"]
        subprocess.run([*load, "-n", "200000", "-d", "400"], stdout=subprocess.DEVNULL, check=True)
        # Over the same keys, until they are ended: a value is now shorter and now longer.
        for size in ("400", "1400"):
            self.start(*load, "-n", "100000000", "-d", size, stdout=subprocess.DEVNULL)
        return server

    # Profiled from its start, so that each of its call sites is known.
    def start_pin(self, program):
        pin = self.start_under(program, HAKMEM_PROFILE="on", HAKMEM_PROFILE_RATE="16KiB")
        print(file=pin.stdin, flush=True)
        pin.stdout.readline()
        return pin

    def note(self, status, path, command):
        self.index.append(f"{status}  {path.relative_to(self.output)}  {command}")
        print(self.index[-1], flush=True)

    # Findings (1) are no failure here.
    def say(self, name, *arguments, fine=(0, 1)):
        command = [str(self.command), *map(str, arguments)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
        path = self.output / name
        path.write_text(result.stdout + result.stderr)
        self.note(result.returncode, path, f"hakmem {' '.join(map(str, arguments))}")
        if result.returncode not in fine:
            sys.exit(f"hakmem {' '.join(map(str, arguments))}: {result.stderr}")
        return result.stdout

    def gdb(self, name, pid):
        if shutil.which("gdb") is None:
            return
        script = Path(__file__).resolve().parent.parent / "gdb" / "hakmem_gdb.py"
        command = ["gdb", "-q", "-nx", "-batch", "-p", str(pid), "-ex", f"source {script}", "-ex", "hak classes", "-ex", "hak check"]
        result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        (self.output / name).write_text(result.stdout)
        self.note(result.returncode, self.output / name, f"gdb -p {pid}: hak classes, hak check")

    # Of each process the look that was furthest from what the kernel had just before and just after it.
    def ledgers(self, programs):
        rows = [f"{'':14} {'VmRSS':>10} {'ledger':>10} {'outside':>9} {'unexplained':>12} {'figures':>8}   in KiB and ms of age, the worst of {LOOKS} looks"]
        for name, pid in programs:
            worst = None
            for _ in range(LOOKS):
                before = resident(pid)
                stat = json.loads(subprocess.run([self.command, "stat", str(pid), "--json"], capture_output=True, check=True).stdout)
                after = resident(pid)
                total = sum(row["bytes"] for row in stat["ledger"])
                unexplained = next(row["bytes"] for row in stat["ledger"] if row["id"] == "unexplained")
                outside = max(total - max(before, after), min(before, after) - total, 0)
                if worst is None or outside + abs(unexplained) > worst[2] + abs(worst[3]):
                    worst = (after, total, outside, unexplained, stat["age_ms"] * 1024)
            rows.append(f"{name:14} " + " ".join(f"{value // 1024:>{width}}" for value, width in zip(worst, (10, 10, 9, 12, 8))))
        path = self.output / "ledgers.txt"
        path.write_text("\n".join(rows) + "\n")
        self.note(0, path, "hakmem stat --json beside VmRSS")

    def look_at(self, name, pid):
        self.say(f"{name}-stat.txt", "stat", pid)
        self.say(f"{name}-stat.json", "stat", pid, "--json")
        self.say(f"{name}.prom", "stat", pid, "--openmetrics")
        self.say(f"{name}-latency.txt", "stat", pid, "--latency", 2)
        self.say(f"{name}-top.txt", "top", pid, "-n", 3, "-i", 1)
        self.say(f"{name}-map.txt", "map", pid)
        self.say(f"{name}-explain.txt", "explain", pid)
        self.say(f"{name}-verify.txt", "verify", "--pid", pid)
        self.say(f"{name}-doctor.txt", "doctor", pid)
        self.say(f"{name}-purge.txt", "purge", pid)
        self.gdb(f"{name}-gdb.txt", pid)

    def profiles(self, redis, leak, planted):
        self.say("redis-profile.txt", "profile", redis.pid, "-d", "3s")
        self.say("leak-profile.txt", "profile", leak.pid, "-d", "3s", "--growth", "--rate", "16384")
        self.say("planted-leak-profile.txt", "profile", planted.pid, "-d", "3s", "--growth")
        self.say("planted-leak.folded", "profile", planted.pid, "-d", "1s", "--folded")
        self.say("planted-leak.speedscope.json", "profile", planted.pid, "-d", "1s", "--speedscope")
        self.say("planted-leak.html", "profile", planted.pid, "-d", "1s", "--html")
        before, after = self.output / "before.pb.gz", self.output / "after.pb.gz"
        self.say("planted-leak-pprof.txt", "profile", planted.pid, "-d", "1s", "-o", before)
        self.say("planted-leak-pprof-later.txt", "profile", planted.pid, "-d", "2s", "-o", after)
        self.say("planted-leak-diff.txt", "profile", "diff", before, after)

    def blame(self, pin):
        self.say("pin-map.txt", "map", pin.pid)
        self.say("pin-blame.txt", "map", pin.pid, "--blame", "--rows", 5)
        self.say("pin-blame.json", "map", pin.pid, "--blame", "--json")
        self.say("pin-waste.txt", "map", pin.pid, "--blame", "-o", self.output / "pin-waste.pb.gz")

    def others(self):
        self.say("ps.txt", "ps")
        self.say("doctor-system.txt", "doctor")
        self.say("explain-from.txt", "explain", "--from", "MALLOC_CONF=dirty_decay_ms:5000,narenas:4")
        self.say("verify-file.txt", "verify", PYTHON)
        self.say("run.txt", "run", "--summary", "--profile", self.output / "run.pb.gz", "--", PYTHON, "-c",
                 "kept = [bytes(5000) for _ in range(20000)]; print(len(kept))")

    def serve(self, name, pid, browser, views):
        served = Served(str(self.command), pid, "--latency")
        try:
            metrics = urllib.request.Request(f"http://127.0.0.1:{served.port}/metrics", headers={"Authorization": f"Bearer {served.token}"})
            with urllib.request.urlopen(metrics) as answer:
                (self.output / f"{name}-serve-metrics.prom").write_bytes(answer.read())
            browser.open(served.address)
            # A time line has a course only after some seconds.
            browser.wait("return +document.querySelector('#moment').max >= 8")
            for scheme in ("light", "dark"):
                browser.scheme(scheme)
                for view in views:
                    browser.run("location.hash = arguments[0]", view)
                    browser.wait(f"return document.querySelector('nav [aria-current]').hash === '#{view}'"
                                 " && document.querySelector('main > [data-ready]')")
                    if view == "flame":
                        browser.wait("return document.querySelector('iframe').contentDocument?.querySelectorAll('#graph button').length > 3")
                    path = self.output / "screenshots" / f"{name}-{view}-{scheme}.png"
                    browser.screenshot(path)
                    self.note(0, path, f"hakmem serve {pid} --latency: {view}, {scheme}")
            browser.open("about:blank")
        finally:
            served.close()

    def pictures(self, redis, pin):
        if DRIVER is None or CHROMIUM is None:
            print("no pictures of the dashboard: chromium and chromium-driver are not there", flush=True)
            return
        browser = Browser()
        try:
            self.serve("redis", redis.pid, browser, [view for view in VIEWS if view != "flame"])
            self.serve("pin", pin.pid, browser, ["map", "fragmentation", "flame"])
            path = self.output / "screenshots" / "planted-leak-flame-graph.png"
            browser.open((self.output / "planted-leak.html").resolve().as_uri())
            browser.screenshot(path)
            self.note(0, path, "hakmem profile --html")
        finally:
            browser.close()

    def run(self, planted, pin):
        redis = self.start_redis()
        leak = self.start_under(PYTHON, "-c", LEAK, PYTHONMALLOC="malloc")
        planted = self.start_under(planted, 1, "for-ever")
        pin = self.start_pin(pin)
        programs = [("redis-server", redis.pid), ("python3", leak.pid), ("leak.cpp", planted.pid), ("pin.cpp", pin.pid)]
        if shutil.which("node") is not None:
            programs.append(("node", self.start_under("node", "-e", NODE).pid))
        self.others()
        self.look_at("redis", redis.pid)
        self.look_at("leak", leak.pid)
        self.ledgers(programs)
        self.profiles(redis, leak, planted)
        self.blame(pin)
        self.pictures(redis, pin)
        (self.output / "index.txt").write_text("exit status, file, what was asked\n" + "\n".join(self.index) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", type=Path, required=True)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--leak", type=Path, required=True, help="tests/observe/leak.cpp, built")
    parser.add_argument("--pin", type=Path, required=True, help="tests/observe/pin.cpp, built")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    if shutil.which("redis-server") is None or shutil.which("redis-benchmark") is None:
        sys.exit("redis-server and redis-benchmark are needed (Debian: redis-server, redis-tools)")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with Demo(arguments) as demo:
        demo.run(arguments.leak.resolve(), arguments.pin.resolve())


if __name__ == "__main__":
    main()
