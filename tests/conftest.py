"""Annotations are checked while tests run: a wrong shape is an error where it enters a function."""

import contextlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import matplotlib
import pytest
import torch
from hypothesis import settings
from jaxtyping import install_import_hook

ROOT = Path(__file__).resolve().parents[1]
OFTEN = {"gancourse.training.listening", "gancourse.training.origins"}
"""Called for every function of torch while a step is examined: checking them takes minutes."""
MODULES = {
    ".".join(p.relative_to(ROOT).with_suffix("").parts) for p in ROOT.glob("gancourse/**/*.py")
}
install_import_hook(sorted(MODULES - OFTEN), "annotations.check")

import browser  # noqa: E402 - after the hook, which checks annotations
import simulated_device  # noqa: E402

from gancourse.simulated_cuda import Device  # noqa: E402

torch.set_num_threads(1)  # tests use tiny tensors: a second thread only waits
matplotlib.use("Agg")  # set here and not by MPLBACKEND: the kernels of notebooks draw inline

# A busy machine is no failure; where nobody watches, every run tries the same examples.
settings.register_profile("course", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("course")

PAGE = b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head></html>"
STATUSES = {"gone": 404, "refused": 403, "often": 429, "busy": 503}
VARIABLES = ("GANCOURSE_PROFILE", "GANCOURSE_DEVICE", "GANCOURSE_PRECISION", "GANCOURSE_REPORT")


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "how often each exercise's cases are drawn for its wrong answers (default: 15)"
    parser.addoption("--draws", type=int, default=15, help=text)
    text = "run every notebook on the simulated device, not only the short ones"
    parser.addoption("--every-notebook", action="store_true", help=text)


@pytest.fixture
def draws(request: pytest.FixtureRequest) -> int:
    """How often a test draws the cases of an exercise for each wrong answer."""
    return request.config.getoption("--draws")


@pytest.fixture
def device() -> Iterator[Device]:
    """The simulated device in place of the course's."""
    with simulated_device.replaced() as device:
        yield device


@pytest.fixture(scope="session")
def chromium() -> Iterator[browser.Page]:
    """An empty page in headless Chromium."""
    if browser.CHROMIUM is None:
        pytest.skip("no Chromium here (Debian: apt install chromium; or CHROMIUM=/its/path)")
    with browser.browser() as page:
        yield page


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


@pytest.fixture
def server(monkeypatch):
    """A mirror on this machine. The first folder of an address says how it behaves."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            manner = self.path.split("/")[1]
            asked.append((manner, self.headers.get("Range")))
            if manner in STATUSES:
                return self.send_error(STATUSES[manner])
            if manner == "stale" and self.headers.get("Range"):
                return self.send_error(416)
            if manner == "circle":
                self.send_response(302)
                self.send_header("Location", self.path)
                self.send_header("Content-Length", "0")
                return self.end_headers()
            if manner == "silent":
                return over.wait(10)
            body = bodies.get(self.path.split("/", 2)[2], b"")
            body = {"wrong": body[::-1], "long": body * 2, "page": PAGE}.get(manner, body)
            start = 0
            if manner in ("ranges", "stalls") and self.headers.get("Range"):
                start = int(re.match(r"bytes=(\d+)-", self.headers["Range"])[1])
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            if manner != "endless":
                self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            body = body[start:] * (2 if manner == "endless" else 1)
            self.wfile.write(body[: len(body) // 2] if manner in ("cut", "stalls") else body)
            if manner == "stalls":
                over.wait(10)
            return None

        def do_HEAD(self):
            manner, _, name = self.path[1:].partition("/")
            if manner in STATUSES:
                return self.send_error(STATUSES[manner])
            if manner == "silent":
                return over.wait(10)
            self.send_response(200)
            if manner != "endless":
                self.send_header("Content-Length", str(len(bodies.get(name, b""))))
            return self.end_headers()

        def log_message(self, *_):
            pass

    asked, bodies, over = [], {}, threading.Event()
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        httpd.asked, httpd.bodies = asked, bodies
        httpd.url = f"http://127.0.0.1:{httpd.server_port}/"
        yield httpd
        over.set()
        httpd.shutdown()
        thread.join()
