"""Landlock: the files that a process may open."""

import os
import subprocess
import sys

import contained
import pytest

from gancourse.grading.sandbox import landlock


@pytest.mark.skipif(not landlock.version(), reason="this kernel has no Landlock")
def test_landlock_allows_what_is_named_and_nothing_else(tmp_path):
    code = (
        "import sys\nfrom gancourse.grading.sandbox.landlock import restrict_files\n"
        "open_, own = sys.argv[1:]\nrestrict_files([own + '/no such', '/usr'], [own])\n"
        "open(own + '/x', 'w').close()\nfor mode in 'rw':\n    try:\n        open(open_, mode)\n"
        "    except PermissionError:\n        print('refused')"
    )
    (tmp_path / "own").mkdir()
    (tmp_path / "other").touch()
    words = [sys.executable, "-c", code, str(tmp_path / "other"), str(tmp_path / "own")]
    environment = {**os.environ, "PYTHONPATH": str(contained.ROOT)}
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert done.stdout.split() == ["refused"] * 2, done.stderr
    assert (tmp_path / "own" / "x").exists()
