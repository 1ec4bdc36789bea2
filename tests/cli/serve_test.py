#!/usr/bin/env python3
"""hakmem serve over HTTP: who is let in, what there is to read, and what stays when the process ends."""
import argparse
import gzip
import http.client
import json
import socket
import struct
import subprocess
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from browser import Served, wait_until  # noqa: E402
from puppet import Command, Puppet  # noqa: E402

ARGUMENTS = argparse.Namespace()
FINE, FINDING, USAGE, MISSING, PERMISSION, UNSUPPORTED = range(6)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)


class ServeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.puppet = Puppet(ARGUMENTS.library).show(20)
        cls.served = Served(ARGUMENTS.command, cls.puppet.pid)

    @classmethod
    def tearDownClass(cls):
        assert cls.served.close() == FINE
        cls.puppet.__exit__()

    def ask(self, path, method="GET", served=None, token=True, body=None, **headers):
        served = served or self.served
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
        self.addCleanup(connection.close)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            names["Authorization"] = f"Bearer {served.token}"
        connection.request(method, path, body, names)
        return Answer(connection.getresponse())

    # Bytes as they are.
    def raw(self, data):
        with socket.create_connection(("127.0.0.1", self.served.port), timeout=30) as connection:
            connection.sendall(data)
            answer = b""
            while part := connection.recv(65536):
                answer += part
            return answer.decode()


class AccessTest(ServeTest):
    def test_nothing_without_the_token(self):
        wrong = "0" * 32
        for path in ("/", "/api/history", "/api/reading", "/api/map", "/api/options", "/metrics", "/debug/pprof/heap", "/flame", "/nothing"):
            for answer in (self.ask(path, token=False), self.ask(f"{path}?t={wrong}", token=False),
                           self.ask(path, token=False, Authorization=f"Bearer {self.served.token[:-1]}"),
                           self.ask(path, token=False, Cookie=f"hakmem_{self.served.port}={wrong}"),
                           self.ask(path, token=False, Cookie=f"hakmem_{self.served.port}=")):
                self.assertEqual(answer.status, 403, path)
                self.assertNotIn(str(self.puppet.pid), answer.text)
                self.assertNotIn("set-cookie", answer.headers)

    def test_the_address_that_was_printed_gives_a_cookie_and_leaves_the_token(self):
        answer = self.ask(f"/?t={self.served.token}", token=False)
        self.assertEqual((answer.status, answer.headers["location"]), (303, "/"))
        cookie, *attributes = answer.headers["set-cookie"].split("; ")
        self.assertLessEqual({"HttpOnly", "SameSite=Strict"}, set(attributes))
        page = self.ask("/", token=False, Cookie=f"other=1; {cookie}; more=2")
        self.assertEqual(page.status, 200)
        self.assertIn("script-src 'sha256-", page.headers["content-security-policy"])
        self.assertNotIn("unsafe", page.headers["content-security-policy"])
        self.assertEqual(self.ask("/", token=False, Cookie=cookie.replace("hakmem_", "hakmem_1")).status, 403)

    def test_a_page_of_another_name_is_refused(self):
        for host in ("evil.example", f"evil.example:{self.served.port}", "127.0.0.1", f"127.0.0.1.evil.example:{self.served.port}",
                     f"127.0.0.1:{self.served.port + 1}", ""):
            self.assertEqual(self.ask("/metrics", Host=host).status, 403, host)
        self.assertEqual(self.ask("/metrics", Host=f"localhost:{self.served.port}").status, 200)
        two = f"GET /metrics?t={self.served.token} HTTP/1.1\r\nHost: 127.0.0.1:{self.served.port}\r\nHost: evil\r\n\r\n"
        self.assertIn("400", self.raw(two.encode()).split("\r\n")[0])
        none = f"GET /metrics?t={self.served.token} HTTP/1.1\r\n\r\n"
        self.assertIn("403", self.raw(none.encode()).split("\r\n")[0])

    def test_only_reading(self):
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            answer = self.ask("/api/reading", method, body=b"x" * 1000)
            self.assertEqual((answer.status, answer.headers["allow"]), (405, "GET, HEAD"), method)
        head = self.ask("/api/reading", "HEAD")
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertGreater(int(head.headers["content-length"]), 100)

    def test_nonsense_and_silence_stop_nobody(self):
        silent = [socket.create_connection(("127.0.0.1", self.served.port)) for _ in range(20)]
        self.assertIn("400", self.raw(b"\0\1\2\r\n\r\n").split("\r\n")[0])
        self.assertIn("413", self.raw(b"GET / HTTP/1.1\r\nA: " + b"x" * 20000).split("\r\n")[0])
        self.assertEqual(self.ask("/api/map?at=99999999999999999999999").status, 200)
        self.assertEqual(self.ask("/api/map?at=-1&at").status, 200)
        self.assertEqual(self.ask("/%00%zz").status, 404)
        for connection in silent:
            connection.close()

    def test_no_other_address_is_listened_on(self):
        listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
                     if line.split()[3] == "0A" and line.split()[1].endswith(f":{self.served.port:04X}")]
        self.assertEqual(listening, [f"0100007F:{self.served.port:04X}"])


class FiguresTest(ServeTest):
    def test_the_time_line_grows_and_is_given_from_any_moment(self):
        first = self.ask("/api/history").json
        self.assertEqual((first["pid"], first["ended_ms"], first["trouble"]), (self.puppet.pid, 0, ""))
        last = first["samples"][-1]["t"]
        wait_until(lambda: len(self.ask(f"/api/history?since={last}").json["samples"]) >= 2, "no new samples")
        later = self.ask(f"/api/history?since={last}").json["samples"]
        self.assertTrue(all(sample["t"] > last for sample in later))
        for sample in first["samples"] + later:
            self.assertEqual(sum(sample["ledger"]), sample["rss"])

    def test_a_reading_of_the_past_stays_as_it_was(self):
        before = self.ask("/api/reading")
        moment = before.headers["x-hakmem-time"]
        self.puppet.tell("grow(60)")
        wait_until(lambda: self.ask("/api/reading").json["rss_bytes"] > before.json["rss_bytes"] + (50 << 20), "growth is not seen")
        self.assertEqual(self.ask(f"/api/reading?at={moment}").json, before.json)
        self.assertEqual(self.ask("/api/reading?at=0").json["schema"], "hakmem.stat/1")

    def test_the_map_is_what_hakmem_map_says(self):
        wait_until(lambda: self.map_cells() == self.cells_of_command(), "the maps differ")

    def test_the_maps_of_the_past_stay_as_they_were(self):
        with self.puppet.busy():
            seen = {}

            def some_were_seen():
                answer = self.ask("/api/map")
                seen[answer.headers["x-hakmem-time"]] = answer.body
                return len(seen) >= 4
            wait_until(some_were_seen, "no new maps")
        self.assertGreater(len(set(seen.values())), 1)
        for moment, body in seen.items():
            self.assertEqual(self.ask(f"/api/map?at={moment}").body, body)

    def map_cells(self):
        body = self.ask("/api/map").body
        words = struct.unpack(f"<{len(body) // 4}I", body)
        superslabs, classes = words[0], words[1]
        sizes = words[4:4 + 2 * classes:2]
        places = words[4 + 2 * classes:4 + 2 * classes + 2 * superslabs]
        cells = words[4 + 2 * classes + 2 * superslabs:]
        self.assertEqual(len(cells), superslabs * 96)
        slabs = [i for i in range(superslabs * 32) if cells[3 * i] & 255 == 2]
        self.assertTrue(all(0 <= words[3] - cells[3 * i + 2] < 600 for i in slabs))  # seconds of age
        # Slabs alone, as the command lists them.
        return [(places[2 * (i // 32)], places[2 * (i // 32) + 1], i % 32, sizes[cells[3 * i] >> 8 & 255], cells[3 * i] >> 16, cells[3 * i + 1])
                for i in slabs]

    def cells_of_command(self):
        heap = Command(ARGUMENTS.command).json("map", self.puppet.pid)
        return [(row["reservation"], row["number"], slab["slot"], slab["block_bytes"], slab["blocks"] - slab["free_blocks"], slab["owner"])
                for row in heap["superslabs"] for slab in row["slabs"]]

    def test_options_are_what_hakmem_explain_says(self):
        self.assertEqual(self.ask("/api/options").json, Command(ARGUMENTS.command).json("explain", self.puppet.pid))

    def test_the_heap_profile_of_a_process_that_is_profiled(self):
        refused = self.ask("/debug/pprof/heap")
        self.assertEqual(refused.status, 503)
        self.assertIn(f"process {self.puppet.pid} is not profiled now", refused.text)
        self.assertIn("is not profiled now", self.ask("/flame").text)
        puppet = Puppet(ARGUMENTS.library, HAKMEM_PROFILE="on", HAKMEM_PROFILE_RATE="64KiB").show(20)
        self.addCleanup(puppet.__exit__)
        served = Served(ARGUMENTS.command, puppet.pid)
        self.addCleanup(served.close)
        profile = gzip.decompress(self.ask("/debug/pprof/heap", served=served).body)
        self.assertIn(b"inuse_space", profile)
        self.assertIn(b"python3", profile)
        page = self.ask("/flame", served=served)
        self.assertTrue(page.headers["content-type"].startswith("text/html"))
        self.assertIn("frame-ancestors 'self'", page.headers["content-security-policy"])
        self.assertIn(f"[{puppet.pid}]", page.text)

    def test_promtool_accepts_the_metrics(self):
        answer = self.ask(f"/metrics?t={self.served.token}", token=False)
        self.assertEqual(answer.status, 200)
        self.assertIn("hakmem_resident_bytes{", answer.text)
        judged = subprocess.run(["promtool", "check", "metrics"], input=answer.text, capture_output=True, text=True, timeout=60)
        self.assertEqual((judged.returncode, judged.stdout + judged.stderr), (0, ""))

    def test_slow_paths_are_timed_while_it_serves(self):
        puppet = Puppet(ARGUMENTS.library).show(20)
        self.addCleanup(puppet.__exit__)
        served = Served(ARGUMENTS.command, puppet.pid, "--latency")
        self.addCleanup(served.close)
        asked = []

        def are_timed():
            puppet.tell("churn_for(0.2)")
            asked.append(self.ask(f"/metrics?t={served.token}", token=False, served=served))
            return 'hakmem_slow_path_seconds_bucket{' in asked[-1].text
        wait_until(are_timed, "no slow path is timed")
        judged = subprocess.run(["promtool", "check", "metrics"], input=asked[-1].text, capture_output=True, text=True, timeout=60)
        self.assertEqual((judged.returncode, judged.stdout + judged.stderr), (0, ""))
        self.assertNotIn("slow_path_seconds", self.ask("/metrics").text, "nobody asked this one")


class EndTest(ServeTest):
    def test_a_dead_process_stays_readable(self):
        puppet = Puppet(ARGUMENTS.library).show(20)
        self.addCleanup(puppet.__exit__)
        served = Served(ARGUMENTS.command, puppet.pid)
        self.addCleanup(served.close)
        puppet.end()
        wait_until(lambda: self.ask("/api/history", served=served).json["ended_ms"] > 0, "its end is not noticed")
        self.assertEqual(self.ask("/api/reading", served=served).json["pid"], puppet.pid)
        self.assertGreater(len(self.ask("/api/map", served=served).body), 1000)
        metrics = self.ask("/metrics", served=served)
        self.assertEqual((metrics.status, metrics.text), (503, f"process {puppet.pid} has ended\n"))
        self.assertIn("has ended", served.process.stderr.readline())

    def refused(self, code, reason, *arguments):
        result = Command(ARGUMENTS.command)("serve", *arguments)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        self.assertIn(reason, result.stderr)
        self.assertEqual(result.stdout, "")

    def test_exit_status(self):
        child = subprocess.Popen(["true"])
        child.wait()
        self.refused(MISSING, f"process {child.pid}", child.pid)
        stranger = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
        self.refused(MISSING, f"process {stranger.pid}", stranger.pid)
        stranger.communicate()
        self.refused(USAGE, "PID")
        self.refused(USAGE, f"--port {self.served.port}: cannot listen", self.puppet.pid, "--port", self.served.port)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("--command", "--library"):
        parser.add_argument(name, required=True)
    ARGUMENTS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
