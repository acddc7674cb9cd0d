"""A separate user in a container: what it guarantees is attacked there."""

import json
import os

import contained
import handmade
import pytest
from contained import needs_a_container
from handmade import RIGHT, text

from gancourse.errors import CourseError
from gancourse.grading.sandbox import isolation, landlock, separate_user
from gancourse.grading.sandbox.server import UNSAFE, guarantees

EARNED = {"2.1": 1, "2.2": 2, "2.5": 1}
REFUSED = """
import os, socket, pathlib
def refused(act, *args):
    try:
        act(*args)
    except OSError:
        return True
"""
ATTACKS = {  # each asserts that it fails; none may leave anything to the next
    "honest": "",
    "the grader's files": "for mode in 'rw':\n    assert refused(open, '/handed_in/private', mode)",
    "other submissions": "assert refused(open, '/handed_in/honest.ipynb')",
    "the course": "import gancourse\nassert refused(open, gancourse.__file__, 'a')",
    "network": "assert refused(socket.socket) and refused(socket.socket, socket.AF_INET6)",
    "root": "assert os.getuid() >= 20_000 and refused(os.setuid, 0) and refused(os.chroot, '/')",
    "processes": "pids = [int(name) for name in os.listdir('/proc') if name.isdigit()]\n"
    "own = [p for p in pids if os.stat(f'/proc/{p}').st_uid == os.getuid()]\n"
    "assert len(own) == 1, 'one of another submission is left'\n"
    "for p in {*pids} - {*own}:\n"
    "    assert refused(os.kill, p, 9) and refused(open, f'/proc/{p}/mem')\n"
    "    assert refused(open, f'/proc/{p}/environ')",
    "a daemon": "import time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(1000)",
    "a process that is gone when it is killed": "if os.fork() == 0:\n    os.setsid()\n"
    "    while True:\n        if os.fork():\n            os._exit(0)",
    "one that kills what kills it": "import time\nif os.fork() == 0:\n    os.setsid()\n"
    "    time.sleep(0.3)\n    while True:\n        try:\n            os.kill(-1, 9)\n"
    "        except OSError:\n            pass",
    "files left": "for place in ('/dev/shm', os.environ['HOME']):\n"
    "    pathlib.Path(place, 'x').mkdir()\n    pathlib.Path(place, 'x', 'y').write_text('2.2')\n"
    "assert refused(open, '/tmp/x', 'w')",
    "files found": "assert not os.path.exists('/dev/shm/x') and not os.path.exists('x')\n"
    "import tempfile\ntempfile.TemporaryFile().close()",
    "cores": "assert refused(os.sched_setaffinity, 0, {0})",
}
GRADE = """
import json, sys
from pathlib import Path
from gancourse.grading.judging import marking
from gancourse.grading.sandbox.server import Server
results = {}
Path("/handed_in/private").touch(0o600)
with Server(sys.argv[1]) as server:
    for name in sys.argv[2:]:
        result = marking.grade(Path("/handed_in", name + ".ipynb"), b"secret", server=server)
        earned = {mark.exercise: mark.earned for mark in result.marks if mark.earned}
        results[name] = earned, result.notes, result.guarantees
left = [p for place in ("/tmp", "/dev/shm") for p in Path(place).glob("gancourse-[0-9]*")]
import psutil
running = [p.pid for p in psutil.process_iter() if p.uids().real >= 20_000]
print(json.dumps([results, [*map(str, left)], running]))
"""


@needs_a_container
def test_attacks_in_a_container_fail_and_honest_answers_count(tmp_path):
    if not landlock.version():
        pytest.skip("this kernel has no Landlock")
    tmp_path.chmod(0o755)
    for name, attack in ATTACKS.items():
        content = text(handmade.cells(REFUSED + attack, RIGHT))
        (tmp_path / f"{name}.ipynb").write_text(content)
    done = contained.python({tmp_path: "/handed_in"}, GRADE, "container", *ATTACKS)
    assert done.returncode == 0, done.stderr
    results, left, running = json.loads(done.stdout)
    for name in ATTACKS:
        earned, notes, lines = results[name]
        assert (earned, notes) == (EARNED, []), name
        assert lines[0].startswith("CONTAINER") and not any("UNSAFE" in line for line in lines)
    assert left == running == []


@needs_a_container
def test_bubblewrap_is_refused_in_such_a_container_and_the_way_out_is_named():
    code = "from gancourse.grading.sandbox import isolation\nisolation.guarantees()"
    done = contained.python({}, code)
    assert done.returncode and "bubblewrap:" in done.stderr
    assert "--sandbox container" in done.stderr


@needs_a_container
def test_a_python_that_others_may_not_read_is_named(tmp_path):
    tmp_path.chmod(0o700)
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from gancourse.grading.sandbox import isolation, separate_user\n"
        "places = isolation.readable_places()\n"
        "isolation.readable_places = lambda: [*places, Path('/closed')]\n"
        "separate_user.guarantees()"
    )
    done = contained.python({tmp_path: "/closed"}, code)
    assert "every user must be able to read /closed" in done.stderr


@pytest.mark.parametrize("alone", [False, True])
def test_without_root_or_landlock_it_is_refused(monkeypatch, alone):
    separate_user.guarantees.cache_clear()
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    with pytest.raises(CourseError, match="root"):
        separate_user.guarantees(alone)
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setattr(landlock, "version", lambda: 0)
    monkeypatch.setattr(separate_user, "SeparateUser", lambda *args: pytest.fail("it is tried"))
    with pytest.raises(CourseError if not alone else pytest.fail.Exception):
        separate_user.guarantees(alone)


@needs_a_container
def test_the_number_of_a_user_who_has_files_is_not_taken(monkeypatch, tmp_path):
    """On a machine that is no container, it may be somebody's."""
    theirs, free = 59_998, 59_999
    (tmp_path / "theirs").touch()
    os.chown(tmp_path / "theirs", theirs, theirs)
    monkeypatch.setattr(separate_user, "SHARED", (str(tmp_path),))
    monkeypatch.setattr(separate_user, "USERS", (theirs, free))
    users = set()
    for _ in range(8):
        with separate_user.SeparateUser(isolation.Limits()) as sandbox:
            users.add(sandbox.user)
            (tmp_path / "left").touch()
            os.chown(tmp_path / "left", sandbox.user, sandbox.user)
            (tmp_path / "folder").mkdir()
            (tmp_path / "folder" / "x").touch()
            os.chown(tmp_path / "folder", sandbox.user, sandbox.user)
            (tmp_path / "link").symlink_to(tmp_path / "theirs")
            os.lchown(tmp_path / "link", sandbox.user, sandbox.user)
        assert [path.name for path in tmp_path.iterdir()] == ["theirs"]
    assert users == {free}


def test_no_kind_of_sandbox_is_taken_for_another(monkeypatch):
    monkeypatch.setattr(isolation, "guarantees", lambda: ("bubblewrap",))
    monkeypatch.setattr(separate_user, "guarantees", lambda alone: (f"container {alone}",))
    kinds = ("bubblewrap", "container", "alone", "none")
    lines = [guarantees(kind) for kind in kinds]
    assert lines == [("bubblewrap",), ("container False",), ("container True",), (UNSAFE,)]
