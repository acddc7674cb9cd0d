"""A mirror on this machine, and data sets that it offers."""

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gancourse.datasets.downloads import KNOWN, File, Source

PAGE = b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head></html>"
STATUSES = {"gone": 404, "refused": 403, "often": 429, "busy": 503}


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


@pytest.fixture
def publish(server, monkeypatch):
    """Offer a set: ``publish(name, folder, {file: bytes})``, in place of a known one of that name.

    Files whose names are keys of `unpack` are archives: {file: (folder in it, files)}.
    """

    def known(name, folder, files, unpack=None, manners=("good",)):
        listed = []
        for file, body in files.items():
            server.bodies[file] = body
            mirrors = [m if "://" in m else f"{server.url}{m}/{file}" for m in manners]
            checksum = f"sha256:{hashlib.sha256(body).hexdigest()}"
            options = (unpack or {}).get(file, ("", 1))
            listed.append(File(file, len(body), checksum, mirrors, *options))
        source = Source(name.title(), "bytes", "none", folder, "nothing", tuple(listed))
        monkeypatch.setitem(KNOWN, name, source)

    return known
