#!/usr/bin/env python3
"""Runs each command that looks at processes once, and leaves what they say in one folder.

  observe.py --command build/release/hakmem --library build/release/libhakmem.so \
             --leak build/release/tests/profile_leak --pin build/release/tests/pinning --output build/demo-observe

Four programs run under hakmem meanwhile: redis-server with clients that write (on a port of its own, loopback
only), two that leak (the second is --leak), and one whose small long-lived blocks lie scattered among many that are freed (--pin). They are
ended when it is done.
"""
import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

LEAK = """
import time
kept, spike = [], [bytes(2000) for _ in range(40000)]
print("ready", flush=True)
del spike[::2]
while True:
    kept += [bytes(100 + n % 400) for n in range(2000)]
    time.sleep(0.01)
"""


class Demo:
    def __init__(self, arguments):
        self.command, self.library = arguments.command.resolve(), arguments.library.resolve()
        self.output = arguments.output
        self.programs = []

    def __enter__(self):
        shutil.rmtree(self.output, ignore_errors=True)
        self.output.mkdir(parents=True)
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
        load = ["redis-benchmark", "-p", port, "-q", "-n", 200000, "-r", 100000, "-d", 400, "-P", 16, "-t", "set,lpush"]
        subprocess.run([str(word) for word in load], stdout=subprocess.DEVNULL, check=True)
        load[load.index("-n") + 1] = 100_000_000  # until it is ended
        self.start(*load, stdout=subprocess.DEVNULL)
        return server

    def start_leak(self):
        leak = self.start("/usr/bin/python3", "-c", LEAK, stdout=subprocess.PIPE,
                          environment={"LD_PRELOAD": str(self.library), "PYTHONMALLOC": "malloc"})
        leak.stdout.readline()
        return leak

    # The same in C++, with names for its call sites.
    def start_planted(self, program):
        planted = self.start(program, 1, "for-ever", environment={"LD_PRELOAD": str(self.library)}, stdout=subprocess.PIPE)
        planted.stdout.readline()
        return planted

    # Profiled from its start, so that each of its call sites is known.
    def start_pin(self, program):
        pin = self.start(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         environment={"LD_PRELOAD": str(self.library), "HAKMEM_PROFILE": "on", "HAKMEM_PROFILE_RATE": "16KiB"})
        pin.stdout.readline()
        print(file=pin.stdin, flush=True)
        pin.stdout.readline()
        return pin

    # Findings (1) are no failure here.
    def say(self, name, *arguments):
        command = [str(self.command), *map(str, arguments)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
        path = self.output / name
        path.write_text(result.stdout + result.stderr)
        print(f"{result.returncode}  {path}  hakmem {' '.join(map(str, arguments))}", flush=True)
        if result.returncode not in (0, 1):
            sys.exit(f"hakmem {' '.join(map(str, arguments))}: {result.stderr}")

    def gdb(self, name, pid):
        if shutil.which("gdb") is None:
            return
        script = Path(__file__).resolve().parent.parent / "gdb" / "hakmem_gdb.py"
        command = ["gdb", "-q", "-nx", "-batch", "-p", str(pid), "-ex", f"source {script}", "-ex", "hak classes", "-ex", "hak check"]
        result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        (self.output / name).write_text(result.stdout)
        print(f"{result.returncode}  {self.output / name}  gdb -p {pid}: hak classes, hak check", flush=True)

    def run(self, planted, pin):
        redis, leak = self.start_redis(), self.start_leak()
        planted, pin = self.start_planted(planted), self.start_pin(pin)
        self.say("ps.txt", "ps")
        self.say("doctor-system.txt", "doctor")
        for name, pid in (("redis", redis.pid), ("leak", leak.pid)):
            self.say(f"{name}-stat.txt", "stat", pid)
            self.say(f"{name}-stat.json", "stat", pid, "--json")
            self.say(f"{name}.prom", "stat", pid, "--openmetrics")
            self.say(f"{name}-top.txt", "top", pid, "-n", 3, "-i", 1)
            self.say(f"{name}-map.txt", "map", pid)
            self.say(f"{name}-explain.txt", "explain", pid)
            self.say(f"{name}-verify.txt", "verify", "--pid", pid)
            self.say(f"{name}-doctor.txt", "doctor", pid)
            self.say(f"{name}-purge.txt", "purge", pid)
            self.gdb(f"{name}-gdb.txt", pid)
        self.say("leak-profile.txt", "profile", leak.pid, "-d", "3s", "--growth", "--rate", "16384")
        self.say("planted-leak-profile.txt", "profile", planted.pid, "-d", "3s", "--growth")
        self.say("pin-map.txt", "map", pin.pid)
        self.say("pin-blame.txt", "map", pin.pid, "--blame", "--rows", 5)
        self.say("pin-blame.json", "map", pin.pid, "--blame", "--json")
        self.say("pin-waste.txt", "map", pin.pid, "--blame", "-o", self.output / "pin-waste.pb.gz")


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
    with Demo(arguments) as demo:
        demo.run(arguments.leak.resolve(), arguments.pin.resolve())


if __name__ == "__main__":
    main()
