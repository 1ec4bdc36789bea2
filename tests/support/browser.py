"""Chromium without a window, driven by the WebDriver protocol: what the tests of the dashboard look through."""
import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

DRIVER, CHROMIUM = shutil.which("chromedriver"), shutil.which("chromium")
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
KEYS = {"left": "\ue012", "up": "\ue013", "right": "\ue014", "down": "\ue015", "enter": "\ue007", "escape": "\ue00c",
        "home": "\ue011", "tab": "\ue004"}
# The machine may be busy with other tests.
PATIENCE_S = 60


class Browser:
    def __init__(self, width=1360, height=860):
        self.profile = tempfile.TemporaryDirectory()
        self.driver = subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                       env=os.environ | {"TMPDIR": self.profile.name})
        self.base = None
        for line in self.driver.stdout:
            if found := re.search(r"started successfully on port (\d+)", line):
                self.base = f"http://127.0.0.1:{found.group(1)}"
                break
        assert self.base, "chromedriver did not start"
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                     f"--window-size={width},{height}", f"--user-data-dir={self.profile.name}/profile"]
        self.session = ""
        answer = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"binary": CHROMIUM, "args": arguments}, "goog:loggingPrefs": {"browser": "ALL"},
            "timeouts": {"script": PATIENCE_S * 1000}}}})
        self.session = f"/session/{answer['sessionId']}"

    def close(self):
        try:
            self.call("DELETE", self.session)
        finally:
            self.driver.kill()
            self.driver.wait()
            self.driver.stdout.close()
            self.profile.cleanup()

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=2 * PATIENCE_S) as response:
                return json.load(response)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(json.load(error)["value"]["message"]) from None

    def open(self, address):
        self.call("POST", self.session + "/url", {"url": address})

    def reload(self):
        self.call("POST", self.session + "/refresh", {})

    def run(self, script, *arguments):
        return self.call("POST", self.session + "/execute/sync", {"script": script, "args": arguments})

    # The script calls its last argument when it is done.
    def run_async(self, script, *arguments):
        return self.call("POST", self.session + "/execute/async", {"script": script, "args": arguments})

    def wait(self, script, what=None):
        """Until the JavaScript returns what is truthy; returns that."""
        done = self.run_async("""
            const [limit, done] = arguments;
            const end = performance.now() + limit;
            const look = () => {
              let value = null;
              try { value = (() => { %s })(); } catch (error) { value = null; }
              if (value || performance.now() > end) done(value); else requestAnimationFrame(look);
            };
            look();""" % script, PATIENCE_S * 1000 - 5000)
        assert done, f"{what or script}: not so; the page says: {self.run('return document.body.innerText')[:1500]}"
        return done

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).innerText", selector)

    def move(self, x, y):
        self.actions([{"type": "pointerMove", "duration": 0, "x": int(x), "y": int(y)}])

    def click(self, x, y):
        self.actions([{"type": "pointerMove", "duration": 0, "x": int(x), "y": int(y)},
                      {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}])

    def drag(self, x, y, dx, dy):
        self.actions([{"type": "pointerMove", "duration": 0, "x": int(x), "y": int(y)}, {"type": "pointerDown", "button": 0},
                      {"type": "pointerMove", "duration": 100, "x": int(x + dx), "y": int(y + dy)}, {"type": "pointerUp", "button": 0}])

    def actions(self, steps):
        self.call("POST", self.session + "/actions", {"actions": [
            {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": steps}]})

    def wheel(self, x, y, delta):
        self.call("POST", self.session + "/actions", {"actions": [{"type": "wheel", "id": "wheel", "actions": [
            {"type": "scroll", "x": int(x), "y": int(y), "deltaX": 0, "deltaY": delta, "duration": 0}]}]})

    def keys(self, *names):
        steps = [{"type": kind, "value": KEYS.get(name, name)} for name in names for kind in ("keyDown", "keyUp")]
        self.call("POST", self.session + "/actions", {"actions": [{"type": "key", "id": "keys", "actions": steps}]})

    def scheme(self, name):
        self.call("POST", self.session + "/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": {
            "features": [{"name": "prefers-color-scheme", "value": name}]}})

    def screenshot(self, path=None):
        picture = base64.b64decode(self.call("GET", self.session + "/screenshot"))
        if path:
            Path(path).write_bytes(picture)
        return picture

    # What the page, and the browser about it, complained of since the last time.
    def complaints(self):
        return [entry["message"] for entry in self.call("POST", self.session + "/se/log", {"type": "browser"})
                if entry["level"] in ("WARNING", "SEVERE")]


class Served:
    """`hakmem serve` over a process, until closed."""

    def __init__(self, command, pid, *arguments):
        self.process = subprocess.Popen([command, "serve", str(pid), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True)
        self.hello = self.process.stdout.readline()
        self.address = self.process.stdout.readline().strip()
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\?t=([0-9a-f]{32})", self.address)
        assert found, f"{self.hello}{self.address}{self.process.stderr.read() if self.process.poll() is not None else ''}"
        self.port, self.token = int(found.group(1)), found.group(2)

    def close(self):
        """Ends it as Ctrl-C does; returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(2)
        status = self.process.wait(timeout=PATIENCE_S)
        self.process.stdout.close()
        self.process.stderr.close()
        return status


def wait_until(condition, what):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, what
