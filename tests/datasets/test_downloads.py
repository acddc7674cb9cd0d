import hashlib
import io
import os
import re
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from torchvision import datasets

from gancourse.datasets import downloads
from gancourse.datasets.downloads import KNOWN, File, Source, fetch
from gancourse.errors import CourseError

BODY = os.urandom(50_000)


@pytest.fixture
def server(monkeypatch):
    """A mirror on this machine. The first folder of an address says how it behaves."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            manner = self.path.split("/")[1]
            asked.append((manner, self.headers.get("Range")))
            if manner == "gone":
                return self.send_error(404)
            body = {"wrong": BODY[::-1], "long": BODY * 2}.get(manner, bodies.get(self.path, BODY))
            start = 0
            if manner == "ranges" and self.headers.get("Range"):
                start = int(re.match(r"bytes=(\d+)-", self.headers["Range"])[1])
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            body = body[start:]
            self.wfile.write(body[: len(body) // 2] if manner == "cut" else body)
            return None

        def log_message(self, *_):
            pass

    asked, bodies = [], {}
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        httpd.asked, httpd.bodies = asked, bodies
        httpd.url = f"http://127.0.0.1:{httpd.server_port}/"
        yield httpd
        httpd.shutdown()
        thread.join()


@pytest.fixture
def offer(server, monkeypatch):
    """Make a set "toy" of one file known, with mirrors of these manners."""

    def known(*manners, body=BODY, name="data.bin", unpack=False):
        mirrors = [m if "://" in m else f"{server.url}{m}/{name}" for m in manners]
        checksum = f"sha256:{hashlib.sha256(body).hexdigest()}"
        source = Source("Toy", "none", "toy", (File(name, len(body), checksum, mirrors, unpack),))
        monkeypatch.setitem(KNOWN, "toy", source)

    return known


def bad_files(folder):
    """Whatever lies there under a good file's name without being it."""
    return [p for p in folder.rglob("data.bin") if p.read_bytes() != BODY]


def test_a_good_file_is_fetched_once(offer, server, tmp_path):
    offer("good")
    assert (fetch("toy", tmp_path) / "data.bin").read_bytes() == BODY
    fetch("toy", tmp_path)
    assert len(server.asked) == 1
    assert sorted(p.name for p in (tmp_path / "toy").iterdir()) == ["data.bin"]


def test_the_data_folder_is_the_default(offer, tmp_path, monkeypatch):
    monkeypatch.setenv("GANCOURSE_DATA", str(tmp_path))
    offer("good")
    assert fetch("toy") == tmp_path / "toy"


@pytest.mark.parametrize("first", ["gone", "wrong", "long", "cut", "http://127.0.0.1:9/data.bin"])
def test_a_second_mirror_is_tried(offer, tmp_path, first):
    offer(first, "good")
    assert (fetch("toy", tmp_path) / "data.bin").read_bytes() == BODY


@pytest.mark.parametrize(
    "manner, reason",
    [
        ("gone", "404"),
        ("wrong", "wrong checksum"),
        ("long", "wrong checksum"),
        ("cut", "truncated"),
        ("http://127.0.0.1:9/data.bin", "no connection"),
    ],
)
def test_failure_names_file_mirrors_and_what_to_do(offer, tmp_path, manner, reason):
    offer(manner)
    with pytest.raises(CourseError) as caught:
        fetch("toy", tmp_path)
    assert "data.bin" in caught.value.what
    assert "127.0.0.1" in caught.value.why and reason in caught.value.why
    assert str(tmp_path / "toy" / "data.bin") in caught.value.do
    assert not bad_files(tmp_path) and not (tmp_path / "toy" / "data.bin").exists()


def test_a_broken_off_download_goes_on_where_it_stopped(offer, server, tmp_path):
    offer("cut")
    with pytest.raises(CourseError):
        fetch("toy", tmp_path)
    kept = (tmp_path / "toy" / ".data.bin.part").stat().st_size
    assert 0 < kept < len(BODY)
    offer("ranges")
    assert (fetch("toy", tmp_path) / "data.bin").read_bytes() == BODY
    assert server.asked[-1] == ("ranges", f"bytes={kept}-")


@pytest.mark.parametrize("manner", ["ranges", "good"])  # the second sends the whole file again
@pytest.mark.parametrize("length", [100, 50_000, 60_000])
def test_a_spoilt_beginning_is_thrown_away(offer, tmp_path, manner, length):
    offer(manner)
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / ".data.bin.part").write_bytes(b"?" * length)
    assert (fetch("toy", tmp_path) / "data.bin").read_bytes() == BODY


def test_a_good_file_placed_by_hand_is_used_and_a_bad_one_replaced(offer, server, tmp_path):
    offer("good")
    placed = tmp_path / "toy" / "data.bin"
    placed.parent.mkdir()
    placed.write_bytes(BODY)
    fetch("toy", tmp_path)
    assert server.asked == []
    placed.write_bytes(b"not it")
    fetch("toy", tmp_path)
    assert placed.read_bytes() == BODY


def test_a_bad_file_does_not_survive_dead_mirrors_as_good(offer, tmp_path):
    offer("gone")
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "data.bin").write_bytes(b"not it")
    for _ in range(2):
        with pytest.raises(CourseError, match=r"data\.bin"):
            fetch("toy", tmp_path)


def test_an_archive_is_unpacked_once(offer, server, tmp_path):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        entry = tarfile.TarInfo("inside/data.bin")
        entry.size = len(BODY)
        tar.addfile(entry, io.BytesIO(BODY))
    server.bodies["/good/set.tar.gz"] = packed.getvalue()
    offer("good", body=packed.getvalue(), name="set.tar.gz", unpack=True)
    for _ in range(2):
        assert (fetch("toy", tmp_path) / "inside" / "data.bin").read_bytes() == BODY
    assert len(server.asked) == 1 and not (tmp_path / "toy" / "set.tar.gz").exists()


def test_a_full_disk_is_said_before_the_download(offer, server, tmp_path, monkeypatch):
    offer("good")
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(CourseError, match="more than is free"):
        fetch("toy", tmp_path)
    assert server.asked == []


def test_a_disk_that_fills_up_on_the_way_is_said_and_the_download_goes_on(
    offer, server, tmp_path, small_files
):
    offer("ranges")
    with small_files(20_000), pytest.raises(CourseError, match="can't be written") as caught:
        fetch("toy", tmp_path)
    assert "GANCOURSE_DATA" in caught.value.do and not (tmp_path / "toy" / "data.bin").exists()
    assert (fetch("toy", tmp_path) / "data.bin").read_bytes() == BODY
    assert server.asked[-1][1] is not None, "what had come was not asked for again"


def test_a_file_where_the_folder_should_be(offer, tmp_path):
    offer("good")
    (tmp_path / "toy").touch()
    with pytest.raises(CourseError, match="can't be written"):
        fetch("toy", tmp_path)


def test_unknown_set_lists_the_known_ones():
    with pytest.raises(CourseError, match="mnist"):
        fetch("imagenet")


def test_known_sets_are_complete():
    for name, source in KNOWN.items():
        assert source.title and source.licence and source.folder and source.size > 0, name
        for file in source.files:
            assert re.fullmatch("sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}", file.checksum), file.name
            assert file.mirrors and all(m.startswith("http") for m in file.mirrors)


def test_the_data_page_lists_every_known_set():
    page = (Path(__file__).parents[2] / "data" / "README.md").read_text(encoding="utf-8")
    sizes = re.findall(r"^\| `(\w+)` \|.*\| ([\d.]+) (MB|GB) \|", page, re.MULTILINE)
    found = {name: float(size) * {"MB": 1e6, "GB": 1e9}[unit] for name, size, unit in sizes}
    assert found == {name: pytest.approx(source.size, rel=0.05) for name, source in KNOWN.items()}


def test_checksums_agree_with_torchvision():
    assert KNOWN["cifar10"].files[0].checksum == f"md5:{datasets.CIFAR10.tgz_md5}"
    for ours, theirs in (("mnist", datasets.MNIST), ("fashion_mnist", datasets.FashionMNIST)):
        assert [f.name for f in KNOWN[ours].files] == [name for name, _ in theirs.resources]
