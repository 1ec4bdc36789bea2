"""interpreters.py: python3, perl, ruby and node, each running a script of work/."""

from __future__ import annotations

import os

from catalogue import WORK, program
from sandbox import Sandbox, StepFailed


@program("python3", needs=["/usr/bin/python3"], images=["python3"])
def python3(box: Sandbox) -> None:
    """PYTHONMALLOC=malloc sends every object to malloc; the script also tells whose malloc the process resolves."""
    env = {"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    box.keep_run("stdout", ["/usr/bin/python3", str(WORK / "work.py")], env=env)
    owner = (box.work / "malloc_owner").read_text()
    if box.library and os.path.realpath(owner) != box.library:
        raise StepFailed(f"python3: malloc_usable_size resolves to {owner}, not to {box.library}")


@program("perl", needs=["perl"], images=["perl"])
def perl(box: Sandbox) -> None:
    env = {"PERL_HASH_SEED": "0", "PERL_PERTURB_KEYS": "0"}
    box.keep_run("stdout", ["perl", str(WORK / "work.pl")], env=env)


@program("ruby", needs=["ruby"], images=["ruby"])
def ruby(box: Sandbox) -> None:
    box.keep_run("stdout", ["ruby", str(WORK / "work.rb")])


@program("node", needs=["node"], images=["node"])
def node(box: Sandbox) -> None:
    box.keep_run("stdout", ["node", str(WORK / "work.js")])
