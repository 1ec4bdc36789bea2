"""A process under hakmem that does what a test tells it, and the hakmem command that looks at it."""
import contextlib
import json
import os
import re
import subprocess
from pathlib import Path

# Debian's Python: what a preload of this machine's compiler can always be loaded into.
PYTHON = "/usr/bin/python3"
FOLDER = Path(f"/dev/shm/hakmem.{os.geteuid()}")

# Runs each line it reads and answers with what `out` is afterwards. grow(n) holds n MiB of small blocks that are
# written to; churn() goes through slow paths until `condition` holds.
SCRIPT = r"""
import os, sys, time
held, out = [], None
def grow(mib, size=1000):
    held.append([bytearray(b"x" * size) for _ in range(mib * 1048576 // size)])
def shows_page():
    with open("/proc/self/maps") as maps:
        return any("/dev/shm/hakmem." in line and ".profile" not in line for line in maps)
def churn(condition, limit_s=20):
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end: return False
        for size in range(100, 3000, 100): [bytes(size) for _ in range(200)]
    return True
def churn_for(seconds):
    end = time.monotonic() + seconds
    churn(lambda: time.monotonic() > end)
def churn_until_told():
    import select
    print("busy", flush=True)
    churn(lambda: select.select([sys.stdin], [], [], 0)[0], 60)
for line in sys.stdin:
    out = None
    exec(line)
    print(out, flush=True)
"""


class Puppet:
    def __init__(self, library, python=PYTHON, prefix=(), **environment):
        self.process = subprocess.Popen(
            [*prefix, python, "-c", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={"PATH": os.environ["PATH"], "PYTHONMALLOC": "malloc", "LD_PRELOAD": str(library)} | environment)
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.process.stdin.close()
        self.process.stdout.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def tell(self, line):
        self.send(line)
        return self.process.stdout.readline().strip()

    # Without waiting for the answer, which receive() gives.
    def send(self, line):
        print(line, file=self.process.stdin, flush=True)

    def receive(self):
        return self.process.stdout.readline().strip()

    @contextlib.contextmanager
    def busy(self):
        """It goes through slow paths, however long that takes, so that it answers."""
        self.send("churn_until_told()")
        self.receive()
        yield
        self.send("")
        self.receive()
        self.receive()

    # With a heap that is worth a page.
    def show(self, mib=8):
        assert self.tell(f"grow({mib}); out = churn(shows_page)") == "True", "the process shows no page"
        return self

    def end(self):
        self.process.stdin.close()
        return self.process.wait()

    def page(self):
        """The file it shows, as its mappings have it."""
        with open(f"/proc/{self.pid}/maps") as maps:
            return next((Path(line.split(None, 5)[5].strip()) for line in maps
                         if "/dev/shm/hakmem." in line and ".profile" not in line), None)


# "1 threads". Nouns behind a count go through tools/live/text.h, but for those of CLI11.
PLURAL_OF_ONE = re.compile(r"(?<![\w.,:/])1 (?!means |has |was |options be )[A-Za-z]{2,}(?<!s)s\b")


class Command:
    def __init__(self, path):
        self.path = path

    def __call__(self, *arguments, **environment):
        variables = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD" and not k.startswith("HAKMEM_")}
        result = subprocess.run([self.path, *map(str, arguments)], env=variables | environment, capture_output=True,
                                text=True, timeout=60)
        wrong = PLURAL_OF_ONE.search(result.stdout + result.stderr)
        assert wrong is None, f"hakmem {' '.join(map(str, arguments))} says: {wrong.group()}"
        return result

    def json(self, *arguments):
        result = self(*arguments, "--json")
        assert result.returncode in (0, 1), result.stderr
        return json.loads(result.stdout)
