"""servers.py: redis-server under load on a free loopback port, with a snapshot by fork and a restart from it."""

from __future__ import annotations

import random
import re
import socket
import time

from catalogue import program
from sandbox import POLL_SECONDS, Running, Sandbox, StepFailed, peak_rss_kib

READY_SECONDS = 30
BENCHMARK_REQUESTS = 60_000
BENCHMARK_TESTS = "set,get,incr,lpush,rpush,lpop,sadd,hset,zadd,lrange_100,mset"


def free_port() -> int:
    """A port nobody listens on now; somebody may take it before redis does, hence the retry in Redis.start."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Redis:
    """One server process and the clients that talk to it."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box
        self.port = 0
        self.server: Running | None = None

    def start(self) -> None:
        for _ in range(5):
            self.port = free_port()
            self.server = self.box.start([
                "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                "--enable-debug-command", "yes", "--dbfilename", "dump.rdb", "--dir", "."])
            if self.is_ready():
                return
            self.server.reap()
        log = self.server.stdout.read_text(errors="replace")[-1500:]
        raise StepFailed(self.box.describe(self.server, f"not ready; it said\n{log}"))

    def is_ready(self) -> bool:
        limit = time.monotonic() + READY_SECONDS
        while time.monotonic() < limit and not self.server.has_ended():
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as link:
                    link.sendall(b"PING\r\n")
                    if link.recv(64).startswith(b"+PONG"):
                        return True
            except OSError:
                pass
            time.sleep(POLL_SECONDS)
        return False

    def ask(self, *words: str) -> bytes:
        if self.server.has_ended():
            raise StepFailed(self.box.describe(self.server, "the server has ended") + "\n" + self.server_log())
        return self.box.run(["redis-cli", "-h", "127.0.0.1", "-p", str(self.port), *words])

    def server_log(self) -> str:
        return self.server.stdout.read_text(errors="replace")[-2500:]

    def info(self, section: str, name: str) -> str:
        found = re.search(rf"^{name}:(.*?)\r?$", self.ask("info", section).decode(), re.MULTILINE)
        if found is None:
            raise StepFailed(f"redis: INFO {section} has no {name}")
        return found.group(1)

    def stop(self) -> None:
        """Ask it to leave; it answers by closing the connection. Its exit code counts."""
        self.box.look_for_library(self.server)
        self.box.server_rss_kib = max(self.box.server_rss_kib, peak_rss_kib(self.server.program_pid()))
        self.ask("shutdown", "nosave")
        wall_before_s = self.box.cost.wall_s
        self.box.finish(self.server)
        self.box.cost.wall_s = wall_before_s  # the clients' time is the run's time; the server's would count it twice


def commands() -> str:
    """A fixed data set with every kind of value, as inline commands; growth, deletion and growth again."""
    rng = random.Random(23)
    lines = []
    for number in range(120_000):
        key = rng.randrange(12_000)
        value = "v" * rng.randrange(1, 200) + str(number)
        lines.append(rng.choice((
            f"SET string:{key} {value}", f"APPEND string:{key} {value}", f"DEL string:{rng.randrange(12_000)}",
            f"HSET hash:{key % 400} field:{rng.randrange(300)} {value}", f"LPUSH list:{key % 200} {value} {number}",
            f"RPOP list:{key % 200}", f"SADD set:{key % 100} member:{rng.randrange(5_000)}",
            f"ZADD sorted:{key % 100} {rng.randrange(10_000)} member:{rng.randrange(3_000)}", f"INCR counter:{key}",
            f"MSET many:{key} {value} many:{key + 1} {number}", f"SETRANGE range:{key % 50} {rng.randrange(20_000)} {number}")))
    return "\r\n".join(lines) + "\r\n"


@program("redis", needs=["redis-server", "redis-cli", "redis-benchmark"], images=["redis-server"],
         brings_own_malloc=True)
def redis(box: Sandbox) -> None:
    server = Redis(box)
    server.start()
    target = ["-h", "127.0.0.1", "-p", str(server.port)]
    box.run(["redis-benchmark", *target, "-P", "16", "-n", str(BENCHMARK_REQUESTS), "-d", "120", "-r", "20000", "-c", "20", "-q",
             "-t", BENCHMARK_TESTS])
    box.keep("list length after the benchmark", server.ask("llen", "mylist"))
    server.ask("flushall")

    feed = box.work / "commands"
    feed.write_text(commands())
    server.box.run(["redis-cli", *target, "--pipe"], stdin=feed)
    server.ask("bgsave")
    server.box.run(["redis-benchmark", *target, "-P", "16", "-n", "40000", "-d", "300", "-q", "-t", "set"])  # copy on write meanwhile
    limit = time.monotonic() + READY_SECONDS
    while server.info("persistence", "rdb_bgsave_in_progress") != "0":
        if time.monotonic() > limit:
            raise StepFailed("redis: BGSAVE did not end")
        time.sleep(2 * POLL_SECONDS)
    box.keep("bgsave", server.info("persistence", "rdb_last_bgsave_status").encode())

    server.ask("del", "key:__rand_int__")
    digest = check_values(server)
    server.ask("save")
    server.stop()
    server.start()
    if server.ask("debug", "digest") != digest:
        raise StepFailed("redis: the data set read back from dump.rdb is not the one that was saved")
    server.stop()


def check_values(server: Redis) -> bytes:
    """Keep sizes, samples of each type, and the digest over the whole data set, which is returned."""
    for words in ("dbsize", "get string:17", "strlen string:4000", "hlen hash:3", "hget hash:3 field:5", "lrange list:7 0 -1",
                  "llen list:100", "scard set:9", "zrange sorted:4 0 50 withscores", "mget many:1 many:2 counter:5", "get range:7",
                  "sort set:1 alpha limit 0 100"):
        server.box.keep(words, server.ask(*words.split()))
    digest = server.ask("debug", "digest")
    server.box.keep("digest", digest)
    return digest
