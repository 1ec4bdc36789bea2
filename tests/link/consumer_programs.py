"""Programs as a user links them with hakmem (consumer/), and whose malloc they get."""
import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CONSUMER = Path(__file__).resolve().parent / "consumer"
PROGRAMS = ("shared", "hardened", "static", "archive")  # of consumer/CMakeLists.txt


def environment(**more):
    """Ours without what would choose a library, or make this a part of the make or build that it runs in."""
    dropped = ("HAKMEM_", "LD_", "MAKE", "MFLAGS", "DESTDIR", "PREFIX", "CMAKE_GENERATOR", "CMAKE_PREFIX_PATH", "PKG_CONFIG")
    return {k: v for k, v in os.environ.items() if not k.startswith(dropped)} | {k: str(v) for k, v in more.items()}


def output_of(*command, **variables):
    done = subprocess.run([str(word) for word in command], env=environment(**variables), capture_output=True, text=True,
                          timeout=560)
    assert done.returncode == 0, f"{command}: status {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def needed_by(program):
    """The libraries that the program names, in order."""
    return re.findall(r"\(NEEDED\).*\[(.*)\]", output_of("readelf", "-dW", program))


def uses_hakmem(command, program, version, **variables):
    """By what is linked, and by what happens: the heap says which version it is when it starts."""
    judged = subprocess.run([str(command), "verify", str(program)], env=environment(**variables), capture_output=True,
                            text=True, timeout=60)
    run = subprocess.run([str(program)], env=environment(HAKMEM_VERBOSE="on", **variables), capture_output=True, text=True,
                         timeout=60)
    assert judged.returncode in (0, 1) and run.returncode == 0, (judged, run)
    started = run.stderr.startswith(f"hakmem {version}: ")
    assert started == (judged.returncode == 0), f"{program}: {judged.stdout}, and says {run.stderr!r}"
    return started
