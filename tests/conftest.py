"""Annotations are checked while tests run: a wrong shape is an error where it enters a function."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib
import pytest
import torch
from hypothesis import settings
from jaxtyping import install_import_hook

install_import_hook("gancourse", "annotations.check")
torch.set_num_threads(1)  # tests use tiny tensors: a second thread only waits
matplotlib.use("Agg")  # set here and not by MPLBACKEND: the kernels of notebooks draw inline

# A busy machine is no failure; where nobody watches, every run tries the same examples.
settings.register_profile("course", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("course")

VARIABLES = ("GANCOURSE_PROFILE", "GANCOURSE_DEVICE", "GANCOURSE_PRECISION", "GANCOURSE_REPORT")


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "how often each exercise's cases are drawn for its wrong answers (default: 15)"
    parser.addoption("--draws", type=int, default=15, help=text)


@pytest.fixture
def draws(request: pytest.FixtureRequest) -> int:
    """How often a test draws the cases of an exercise for each wrong answer."""
    return request.config.getoption("--draws")


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(autouse=True)
def same_environment():
    """What a library sets in a test (Dask: one thread for every process) ends with it."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(autouse=True)
def private(tmp_path_factory, monkeypatch):
    """No test reads or writes the reader's own runs, whatever the environment says."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GANCOURSE_RUNS", str(tmp_path_factory.mktemp("runs")))


@pytest.fixture
def runs(private) -> Path:
    """The folder that GANCOURSE_RUNS names during this test."""
    return Path(os.environ["GANCOURSE_RUNS"])


@pytest.fixture
def small_files() -> Callable[[int], contextlib.AbstractContextManager]:
    """``with small_files(n):`` the system refuses to make any file longer than n bytes."""
    resource = pytest.importorskip("resource")

    @contextlib.contextmanager
    def limited(n: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (n, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


SOURCE = '''\
# %% [markdown] tags=["header"]
# # 90 A small course
#
# **You build:** a number that
# was doubled.
#
# | Section | Minutes |
# |---|---|
# | Doubling | 7 |
# | Looking back | 5 |

# %% tags=["setup"]
# written by gancourse build

# %%
import os
from pathlib import Path


def check(id, answer):
    return answer


# %% [markdown]
# **Exercise 1.1** · *Double* · difficulty ●○○○○ · importance ●●●○○ · 1 minute · 2 points
#
# <details><summary>Hint 1</summary>
#
# Twice.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Times two.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `2 * x`
#
# </details>

# %% tags=["exercise"]
answer = ...
# BEGIN SOLUTION
answer = 4
# END SOLUTION


def double(x: float) -> float:
    """Twice x."""
    # BEGIN SOLUTION
    return 2 * x
    # END SOLUTION


# %%
double = check("1.1", double)

# %% [markdown] tags=["solution"]
# Twice is what it says.

# %%
env.report(answer=21.0)

# %% tags=["nbval-ignore-output"]
print(os.getpid())
assert Path.cwd().name in ("solutions", "notebooks")
'''


@pytest.fixture
def small_course(tmp_path) -> Path:
    """The folder of a course with one notebook and one exercise."""
    (tmp_path / "solutions").mkdir()
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "solutions" / "90_small.py").write_text(SOURCE, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(
        '[project.urls]\nRepository = "https://github.com/someone/some-course"\n'
    )
    (tmp_path / "README.md").write_text(
        "# Small\n\n<!-- notebooks:begin -->\n<!-- notebooks:end -->\n\nThe end.\n"
    )
    return tmp_path
