"""A container as Docker makes it by default, for tests: root, few rights, no namespaces in it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from gancourse.grading.sandbox import isolation

ROOT = Path(__file__).resolve().parents[2]
RIGHTS = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID")
needs_a_container = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("bwrap") is None, reason="it needs root and bubblewrap"
)


def command(
    folders: Mapping[Path, str], *words: str, course: Path = ROOT, namespaces: bool = False
) -> list[str]:
    """The command that runs another one in the container.

    Its root, which is read-only, has this Python, readable by all, an empty /tmp, and `folders`:
    outside -> inside. With `namespaces` the user has a number and no rights, but can make more
    namespaces.
    """
    places = [p for p in isolation.readable_places() if p.name != "gancourse"]
    places += [course, Path(__file__).parent, Path("/etc")]
    above = sorted({p for place in places for p in place.parents} - {Path("/")})
    mounts = ["--perms", "1777", "--tmpfs", "/tmp"]
    mounts += [w for p in above for w in ("--perms", "755", "--dir", str(p))]
    mounts += [w for place in places for w in ("--ro-bind", str(place), str(place))]
    mounts += [w for outside, inside in folders.items() for w in ("--bind", str(outside), inside)]
    rights = [word for name in RIGHTS for word in ("--cap-add", f"CAP_{name}")]
    variables = {"PYTHONPATH": f"{course}:{Path(__file__).parent}", "PATH": "/usr/bin:/bin"}
    settings = [w for name, value in variables.items() for w in ("--setenv", name, value)]
    start = ["bwrap", "--die-with-parent", "--cap-drop", "ALL"]
    if namespaces:  # a /proc of which nothing is hidden, as they need: systempaths=unconfined
        start += "--unshare-user --uid 1234 --gid 1234".split()
        own = ["--bind", "/proc", "/proc"]
    else:
        start += [*rights, "--unshare-pid"]
        own = ["--proc", "/proc"]
    own += "--dev /dev --perms 1777 --tmpfs /dev/shm --remount-ro / --chdir /".split()
    return [*start, *mounts, *own, *settings, *words]


def run(folders: Mapping[Path, str], *words: str, **more: object) -> subprocess.CompletedProcess:
    """Run a command in the container, with its output as text."""
    options = {"capture_output": True, "text": True, "errors": "replace"}
    return subprocess.run(command(folders, *words, **more), **options)


def python(folders: Mapping[Path, str], code: str, *words: str) -> subprocess.CompletedProcess:
    """Run Python code in the container."""
    return run(folders, sys.executable, "-c", code, *words)
