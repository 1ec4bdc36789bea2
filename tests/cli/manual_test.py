#!/usr/bin/env python3
"""Man pages and completions: each option of each command is in them, and their readers accept them."""
import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from puppet import Command  # noqa: E402

ARGUMENTS = argparse.Namespace()
SHELLS = {"bash": "bash-completion/completions/hakmem", "zsh": "zsh/site-functions/_hakmem",
          "fish": "fish/vendor_completions.d/hakmem.fish"}


class ManualTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hakmem = Command(ARGUMENTS.command)
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = Path(cls.temporary.name)
        result = cls.hakmem("--generate-manual", cls.folder)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", ""), result.stderr
        cls.commands = cls.words_of("Subcommands")
        assert len(cls.commands) > 8, cls.commands

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    @classmethod
    def words_of(cls, heading, *command):
        text = cls.hakmem(*command, "--help").stdout
        part = re.search(rf"^{heading}:\n((?:  .*\n|\n)*)", text, re.M)
        return re.findall(r"^  (\S+)", part.group(1), re.M) if part else []

    def options_of(self, *command):
        text = self.hakmem(*command, "--help").stdout
        # Only where an option begins a line: a help text may name others.
        lines = re.findall(r"^  (-.*?)(?:  |$)", text, re.M)
        return sorted({name for line in lines for name in re.findall(r"(?<![\w-])--?[a-z][\w-]*", line)})

    def page(self, name):
        return (self.folder / f"man/man{3 if name == 'libhakmem' else 1}" / name).with_suffix(
            ".3" if name == "libhakmem" else ".1").read_text().replace("\\-", "-")

    def test_each_option_is_in_the_pages(self):
        for command in self.commands:
            page = self.page(f"hakmem-{command}")
            self.assertIn(f"hakmem-{command}", self.page("hakmem"))
            inner = self.words_of("Subcommands", command)
            options = self.options_of(command) + [o for c in inner for o in self.options_of(command, c)]
            self.assertIn("--help", options)
            for option in options:
                self.assertRegex(page, rf"(?m)^\.B .*(?<![\w-]){re.escape(option)}\b", f"{command} {option}")

    def test_each_option_of_the_library(self):
        rows = self.hakmem.json("explain")["options"]
        self.assertGreater(len(rows), 8)
        for row in rows:
            self.assertIn(f".B {row['variable']}\n{row['help']}\n", self.page("libhakmem"))

    def test_man_says_nothing(self):
        if shutil.which("man") is None:
            self.skipTest("man is not there")
        for path in sorted(self.folder.glob("man/man*/*")):
            result = subprocess.run(["man", "--warnings", "-Tutf8", "-l", path], capture_output=True, text=True)
            self.assertEqual((result.returncode, result.stderr), (0, ""), path)
            self.assertGreater(len(result.stdout), 200)

    def test_each_option_is_in_the_completions(self):
        for shell, name in SHELLS.items():
            text = (self.folder / name).read_text()
            self.assertEqual(text, self.hakmem("--generate-completion", shell).stdout)
            for command in self.commands:
                self.assertIn(command, text)
                for option in self.options_of(command):
                    said = option if shell != "fish" else f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
                    self.assertIn(said, text, f"{shell} {command}")

    def complete(self, *words):
        line = (f"source {self.folder / SHELLS['bash']}; COMP_WORDS=(hakmem {' '.join(words[:-1])} '{words[-1]}');"
                f" COMP_CWORD={len(words)}; _hakmem; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
        result = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout.split()

    def test_bash_completes(self):
        self.assertEqual(self.complete("st"), ["stat"])
        self.assertEqual(self.complete("stat", "--op"), ["--openmetrics"])
        self.assertEqual(self.complete("stat", "-i", "1", "--js"), ["--json"])
        self.assertEqual(self.complete("bench", "comp"), ["compare"])
        self.assertEqual(self.complete("bench", "compare", "--gat"), ["--gates"])

    def test_other_shells_accept_theirs(self):
        checked = 0
        for shell, check in (("zsh", ["zsh", "-n"]), ("fish", ["fish", "--no-execute"])):
            if shutil.which(shell) is None:
                continue
            result = subprocess.run([*check, self.folder / SHELLS[shell]], capture_output=True, text=True)
            self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""), shell)
            checked += 1
        if checked == 0:
            self.skipTest("neither zsh nor fish is there")

    def test_unknown_names(self):
        for arguments in (("--generate-man", "hakmem-x"), ("--generate-completion", "csh")):
            self.assertEqual(self.hakmem(*arguments).returncode, 2)

    def test_the_build_made_them(self):
        built = Path(ARGUMENTS.build) / "manual"
        for path in self.folder.rglob("*"):
            if path.is_file():
                self.assertEqual(path.read_text(), (built / path.relative_to(self.folder)).read_text())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--command", required=True)
    parser.add_argument("--build", required=True)
    ARGUMENTS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
