"""A page in headless Chromium, driven by the DevTools protocol through two pipes."""

import contextlib
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PLACES = [shutil.which(name) for name in NAMES]
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, PLACES), None)
START = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3])
os.dup2(read, 3)  # where Chromium reads commands, and writes answers
os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
QUIET = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--mute-audio"),
)


class Page:
    """A tab. Errors of its console and its requests are collected."""

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write, self._rest = read, write, b""
        self._numbers = itertools.count(1)
        self._session: str | None = None
        self.errors: list[str] = []
        self.requests: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        facts = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = facts["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict:
        """Send a command and wait for its result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == number:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def _next(self, seconds: float = 30) -> dict:
        """The next message of the browser; events are noted."""
        while b"\0" not in self._rest:
            assert select.select([self._read], [], [], seconds)[0], "Chromium does not answer"
            part = os.read(self._read, 1 << 20)
            assert part, "Chromium has ended"
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\0")
        message = json.loads(line)
        facts = message.get("params", {})
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(facts["request"]["url"])
            case "Runtime.exceptionThrown":
                self.errors.append(json.dumps(facts["exceptionDetails"])[:500])
            case "Runtime.consoleAPICalled" if facts["type"] in ("error", "warning", "assert"):
                self.errors.append(json.dumps(facts["args"])[:500])
            case "Log.entryAdded" if facts["entry"]["level"] in ("error", "warning"):
                self.errors.append(facts["entry"]["text"])
        return message

    def run(self, code: str) -> Any:
        """The value of a JavaScript expression; a promise is awaited."""
        options = {"awaitPromise": True, "returnByValue": True, "userGesture": True}
        answer = self.call("Runtime.evaluate", expression=code, **options)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, condition: str, seconds: float = 30) -> float:
        """Wait until a JavaScript expression is true; the seconds that it took."""
        begin = time.perf_counter()
        while not self.run(f"Boolean({condition})"):
            assert time.perf_counter() - begin < seconds, f"never true: {condition}"
            time.sleep(0.02)
        return time.perf_counter() - begin

    def open(self, path: Path) -> None:
        self.requests.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())

    def look(self, width: int, height: int = 900, **media: str) -> None:
        """Size of the window, and media features: ``look(390, prefers_color_scheme="dark")``."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        features = [{"name": k.replace("_", "-"), "value": v} for k, v in media.items()]
        self.call("Emulation.setEmulatedMedia", features=features)

    def screenshot(self, path: Path, whole: bool = True) -> None:
        data = self.call("Page.captureScreenshot", captureBeyondViewport=whole, format="png")
        path.write_bytes(b64decode(data["data"]))


@contextlib.contextmanager
def browser() -> Iterator[Page]:
    """Chromium with one empty page, until the block ends."""
    ours, theirs = os.pipe(), os.pipe()  # (read, write): to Chromium, and from it
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        words = [CHROMIUM, *QUIET, "--remote-debugging-pipe", f"--user-data-dir={profile}"]
        process = subprocess.Popen(
            [sys.executable, "-c", START, str(ours[0]), str(theirs[1]), *words],
            pass_fds=(ours[0], theirs[1]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            os.close(ours[0])
            os.close(theirs[1])
            yield Page(theirs[0], ours[1])
        finally:
            with contextlib.suppress(OSError):
                os.write(ours[1], b'{"id": 0, "method": "Browser.close"}\0')
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            os.close(ours[1])
            os.close(theirs[0])
