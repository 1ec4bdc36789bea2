#!/usr/bin/env python3
"""tidy.py: the style rules of DESIGN §5, checked over the tree.

  tidy.py [--root DIR]      prints the findings as file:line: rule: message; exits 1 when there are any
  tidy.py --self-test       feeds every rule a piece of code that breaks it, and one that does not
"""
import argparse
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent / "style"))

from rules import RULES  # noqa: E402
from source_text import Source  # noqa: E402

# (rule, file, why). An entry that excuses nothing any more is itself a finding.
EXCEPTIONS = [
    ("conditionals", "src/base/check.h", "the one place that asks the build for its flavour"),
    ("conditionals", "src/config/config.h", "the page size that a sealed object is aligned to"),
    ("sleep", "tests/programs/sandbox.py", "polls a program of somebody else, which sends no event"),
    ("sleep", "tests/programs/servers.py", "polls a server of somebody else, which sends no event"),
]

FOLDERS = ["include", "src", "tools", "tests", "bench"]
SUFFIXES = {".h", ".hpp", ".cpp", ".c", ".py", ".sh"}
# The rules' own words and bad examples are no findings.
SKIPPED = {"tests/tidy.py", "tests/style"}


def sources(root):
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            name = path.relative_to(root)
            if path.suffix not in SUFFIXES or not path.is_file():
                continue
            if name.as_posix() in SKIPPED or any(p.as_posix() in SKIPPED for p in name.parents):
                continue
            yield Source(name, path.read_text(encoding="utf-8"))


def findings(files, exceptions):
    """Each finding as one line of text."""
    unused = {(rule, name): why for rule, name, why in exceptions}
    excused = set(unused)
    for source in files:
        for rule in RULES:
            if not rule.applies(source):
                continue
            for line, message in rule.check(source):
                key = (rule.name, source.path.as_posix())
                unused.pop(key, None)
                if key not in excused:
                    yield f"{source.path}:{line}: {rule.name}: {message}"
    for (rule, name), _ in unused.items():
        yield f"tests/tidy.py: the exception ({rule}, {name}) is not needed any more"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        import self_test
        return self_test.run(findings)
    found = list(findings(sources(arguments.root), EXCEPTIONS))
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
