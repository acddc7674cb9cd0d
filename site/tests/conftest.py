"""The built site behind a plain file server, under a sub-path, and pages in headless Chromium.

Nothing outside of that server can be reached: a request to another host fails the test.
"""

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

SITE = Path(__file__).parents[1]
HTML = SITE / "_build" / "html"
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
SUB_PATH = "gancourse"
WAIT = 60_000  # milliseconds; protection against hanging, no limit for slow machines


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves the site below a sub-path, as GitHub Pages does."""

    def log_message(self, *args: object) -> None:
        pass

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.replace(f"/{SUB_PATH}/", "/", 1))


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Address of the site, with a slash at its end."""
    handler = functools.partial(Quiet, directory=str(HTML))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/{SUB_PATH}/"
    server.shutdown()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("no Chromium: install your system's package, or set CHROMIUM")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


class Watched:
    """A page, with its console's errors and the requests that failed or went elsewhere."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.problems = page, []
        page.set_default_timeout(WAIT)
        page.on("console", lambda m: self._note(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self._note(str(error)))
        page.on("requestfailed", lambda request: self._note(f"failed: {request.url}"))
        page.on("response", lambda r: self._note(f"{r.status}: {r.url}") if r.status >= 400 else 0)
        local = (address, "data:", "blob:")
        page.on("request", lambda r: None if r.url.startswith(local) else self._note(r.url))

    def _note(self, problem: str) -> None:
        self.problems.append(problem)


@pytest.fixture
def opened(browser: Browser, address: str) -> Iterator:
    """A function: page of the site, width, theme -> `Watched`, loaded."""
    contexts = []

    def open_page(name: str, width: int = 1280, theme: str = "light") -> Watched:
        size = {"width": width, "height": 900}
        context = browser.new_context(viewport=size, color_scheme=theme)
        contexts.append(context)
        watched = Watched(context.new_page(), address)
        watched.page.goto(address + name, wait_until="load")
        return watched

    yield open_page
    for context in contexts:
        context.close()


def pages() -> list[str]:
    """All pages of the site, relative to its address."""
    return sorted(str(path.relative_to(HTML)) for path in HTML.rglob("*.html"))
