import io
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock
from torchvision import datasets

from gancourse import cli
from gancourse.datasets import named, transfer
from gancourse.datasets.downloads import KNOWN, STAGING, Repository, Source, fetch, missing
from gancourse.errors import CourseError

BODY = os.urandom(50_000)
NOBODY = "http://127.0.0.1:9/data.bin"


@pytest.fixture
def offer(publish):
    """Make a set "toy" of one file known, with mirrors of these manners."""

    def known(*manners, body=BODY, name="data.bin", unpack=None):
        publish("toy", "toy", {name: body}, {name: unpack} if unpack else {}, manners)

    return known


def failure(folder) -> CourseError:
    """What `fetch` raises; checks that it leaves no folder that looks like data."""
    with pytest.raises(CourseError) as caught:
        fetch("toy", folder)
    assert [p.name for p in folder.iterdir() if p.name != STAGING] == []
    return caught.value


def part(folder) -> Path:
    path = folder / STAGING / "toy" / "data.bin.part"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def test_a_good_file_is_fetched_once(offer, server, tmp_path):
    offer("good")
    assert missing("toy", tmp_path) == ["data.bin"]
    assert (fetch("toy", tmp_path) / "data.bin").read_bytes() == BODY
    fetch("toy", tmp_path)
    assert len(server.asked) == 1 and missing("toy", tmp_path) == []
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["data.bin", "toy"]


def test_the_data_folder_is_the_default(offer, tmp_path, monkeypatch):
    monkeypatch.setenv("GANCOURSE_DATA", str(tmp_path))
    offer("good")
    assert fetch("toy") == tmp_path / "toy"


@pytest.mark.parametrize(
    "first", ["gone", "wrong", "long", "endless", "cut", "busy", "circle", "page", NOBODY]
)
def test_a_second_mirror_is_tried(offer, tmp_path, first):
    offer(first, "good")
    assert (fetch("toy", tmp_path) / "data.bin").read_bytes() == BODY


@pytest.mark.parametrize(
    "manner, reason",
    [
        ("gone", "404 Not Found: the file is no longer there"),
        ("refused", "403 Forbidden: the server refuses: open the address in a browser"),
        ("often", "429 Too Many Requests: too many requests: wait"),
        ("busy", "503 Service Unavailable: the server has a problem: try again later"),
        ("circle", "redirects in a circle"),
        ("page", 'a web page ("Google Drive - Quota exceeded") in place of the file'),
        ("wrong", "wrong checksum: right size, but other content"),
        ("long", "wrong size: 100,000 bytes, expected 50,000"),
        ("endless", "wrong size: more than the 50,000 bytes expected"),
        ("silent", "no answer within 0.2 seconds"),
        ("stalls", "of 50,000 bytes: nothing arrived for 0.2 seconds"),
        ("cut", "of 50,000 bytes: the connection ended early"),
        (NOBODY, "no connection: check the network"),
        ("https", "no secure connection"),
    ],
)
def test_every_failure_has_its_own_reason(offer, server, tmp_path, monkeypatch, manner, reason):
    monkeypatch.setattr(transfer, "TIMEOUT", (5, 0.2))
    offer(server.url.replace("http", "https") + "data.bin" if manner == "https" else manner)
    error = failure(tmp_path)
    assert "data.bin" in error.what and reason in error.why and "127.0.0.1" in error.why
    assert str(tmp_path / "toy" / "data.bin") in error.do and "gancourse fetch toy" in error.do
    resumes = manner in ("stalls", "cut")
    assert ("it resumes after" in error.do) == resumes == (tmp_path / STAGING).exists()


def test_a_proxy_that_does_not_answer_is_named(offer, tmp_path, monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    offer("good")
    assert "the proxy does not answer: check HTTPS_PROXY" in failure(tmp_path).why


def test_an_interrupted_download_resumes_where_it_stopped(offer, server, tmp_path):
    offer("cut")
    failure(tmp_path)
    kept = part(tmp_path).stat().st_size
    assert 0 < kept < len(BODY)
    offer("ranges")
    assert (fetch("toy", tmp_path) / "data.bin").read_bytes() == BODY
    assert server.asked[-1] == ("ranges", f"bytes={kept}-")


def test_a_web_page_does_not_overwrite_what_was_downloaded(offer, server, tmp_path):
    part(tmp_path).write_bytes(BODY[:30_000])
    offer("page", "busy")
    assert "it resumes after 30,000 of 50,000 bytes" in failure(tmp_path).do
    offer("ranges")
    fetch("toy", tmp_path)
    assert server.asked[-1] == ("ranges", "bytes=30000-")


def test_a_part_that_the_server_refuses_to_complete_is_deleted(offer, server, tmp_path):
    offer("stale")
    part(tmp_path).write_bytes(b"?" * 100)
    assert (fetch("toy", tmp_path) / "data.bin").read_bytes() == BODY
    assert server.asked == [("stale", "bytes=100-"), ("stale", None)]


@pytest.mark.parametrize("manner", ["ranges", "good"])  # the second sends the whole file again
@pytest.mark.parametrize("length", [100, 50_000, 60_000])
def test_a_wrong_beginning_is_deleted(offer, tmp_path, manner, length):
    offer(manner)
    part(tmp_path).write_bytes(b"?" * length)
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


def test_a_bad_file_placed_by_hand_is_named(offer, tmp_path):
    offer("gone")
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "data.bin").write_bytes(b"not it")
    for _ in range(2):
        with pytest.raises(CourseError, match=r"data\.bin was not used: its checksum is wrong"):
            fetch("toy", tmp_path)


def test_a_set_of_two_files_appears_only_when_both_are_there(publish, server, tmp_path):
    files = {"a.gz": b"first" * 100, "b.gz": b"second" * 100}
    publish("toy", "deep/toy", files)
    kept, server.bodies["b.gz"] = server.bodies["b.gz"], b"other" * 120
    assert "b.gz" in failure(tmp_path).what
    server.bodies["b.gz"] = kept
    assert (fetch("toy", tmp_path) / "a.gz").read_bytes() == files["a.gz"]
    assert len(server.asked) == 3, "the first file was downloaded again"
    (tmp_path / "deep/toy/a.gz").rename(tmp_path / "deep/toy/a")  # unpacked by hand
    assert missing("toy", tmp_path) == []
    (tmp_path / "deep/toy/b.gz").write_bytes(b"damaged")
    assert missing("toy", tmp_path) == ["b.gz"]


def tarred(*files: tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, body in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            tar.addfile(entry, io.BytesIO(body))
    return packed.getvalue()


def zipped(*files: tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, body in files:
            archive.writestr(name, body)
    return packed.getvalue()


@pytest.mark.parametrize(
    "pack, name", [(tarred, "set.tar.gz"), (tarred, "set.tgz"), (zipped, "set.zip")]
)
def test_an_archive_is_unpacked_once(offer, server, tmp_path, pack, name):
    offer("good", body=pack(("inside/data.bin", BODY)), name=name, unpack=("inside", 1))
    for _ in range(2):
        assert (fetch("toy", tmp_path) / "inside" / "data.bin").read_bytes() == BODY
    names = sorted(p.name for p in tmp_path.rglob("*"))
    assert len(server.asked) == 1 and names == ["data.bin", "inside", "toy"]


def test_an_archive_placed_by_hand_replaces_an_incomplete_folder(offer, server, tmp_path):
    body = zipped(("inside/a", b"a"), ("inside/b", b"b"))
    offer("good", body=body, name="set.zip", unpack=("inside", 2))
    target = tmp_path / "toy"
    (target / "inside").mkdir(parents=True)
    (target / "inside" / "a").write_bytes(b"half")
    (target / "mine.txt").write_text("kept")
    (target / "set.zip").write_bytes(body)
    assert missing("toy", tmp_path) == ["inside"]
    fetch("toy", tmp_path)
    assert sorted(p.name for p in target.rglob("*")) == ["a", "b", "inside", "mine.txt"]
    assert (target / "inside" / "a").read_bytes() == b"a" and server.asked == []


def test_a_folder_unpacked_by_hand_or_linked_is_used(offer, server, tmp_path):
    offer("good", body=zipped(("inside/a", b"a")), name="set.zip", unpack=("inside", 1))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a").touch()
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "inside").symlink_to(tmp_path / "elsewhere")
    assert missing("toy", tmp_path) == [] and fetch("toy", tmp_path) and server.asked == []


def spoilt(body: bytes) -> bytes:
    """One byte inside a stored file of a zip is changed: its CRC is wrong then."""
    at = body.index(BODY[:100]) + 50
    return body[:at] + bytes([body[at] ^ 255]) + body[at + 1 :]


@pytest.mark.parametrize(
    "name, body, reason",
    [
        ("set.zip", spoilt(zipped(("inside/data.bin", BODY))), "Bad CRC-32 for file 'inside/data"),
        ("set.zip", zipped(("inside/data.bin", BODY))[:-500], "not a zip file"),
        ("set.zip", zipped(("inside/a", b"a"), ("../out.txt", b"b")), "outside the folder"),
        ("set.zip", zipped(("inside/a", b"a"), ("/out.txt", b"b")), "outside the folder"),
        ("set.zip", zipped(("inside/a", b"a"), ("..\\out.txt", b"b")), "outside the folder"),
        ("set.zip", zipped(("other/a", b"a")), "0 files in inside/, expected 1"),
        ("set.tar.gz", tarred(("inside/data.bin", BODY))[:20_000], "end-of-stream"),
        ("set.tar.gz", tarred(("inside/a", b"a"), ("../out.txt", b"b")), "outside the destination"),
        ("set.tar.gz", BODY, "could not be opened"),
    ],
)
def test_a_damaged_archive_leaves_nothing(offer, tmp_path, name, body, reason):
    inner = tmp_path / "data"
    inner.mkdir()
    offer("good", body=body, name=name, unpack=("inside", 1))
    error = failure(inner)
    assert "is damaged" in error.what and name in error.what
    assert reason in error.why and "It was deleted" in error.why
    assert "gancourse fetch toy" in error.do
    assert list(tmp_path.rglob("*")) == [inner], "something was left, or written outside"


def test_an_interrupted_unpacking_leaves_nothing_that_looks_finished(
    offer, server, tmp_path, monkeypatch
):
    body = zipped(("inside/a", b"a"), ("inside/b", b"b"))
    offer("good", body=body, name="set.zip", unpack=("inside", 2))

    def stopped(archive, folder):
        archive.extract("inside/a", folder)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "extractall", stopped)
        with pytest.raises(KeyboardInterrupt):
            fetch("toy", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [STAGING]
    assert missing("toy", tmp_path) == ["inside"]
    assert (fetch("toy", tmp_path) / "inside" / "b").read_bytes() == b"b"
    assert len(server.asked) == 1 and [p.name for p in tmp_path.iterdir()] == ["toy"]


def test_a_full_disk_is_said_before_the_download(offer, server, tmp_path, monkeypatch):
    offer("good")
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: usage)
    assert "more than is free" in failure(tmp_path).why
    assert server.asked == [] and list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_is_said_and_the_download_resumes(
    offer, server, tmp_path, small_files
):
    offer("ranges")
    with small_files(20_000):
        error = failure(tmp_path)
    assert "can't be written" in error.what and "GANCOURSE_DATA" in error.do
    assert (fetch("toy", tmp_path) / "data.bin").read_bytes() == BODY
    assert server.asked[-1][1] is not None, "what had arrived was requested again"


def test_a_file_where_the_folder_should_be(offer, server, tmp_path):
    offer("good")
    (tmp_path / "toy").touch()
    with pytest.raises(CourseError, match="can't be written") as caught:
        fetch("toy", tmp_path)
    assert "toy is a file" in caught.value.why and server.asked == []


def test_two_processes_do_not_download_the_same_set(offer, server, tmp_path):
    offer("good")
    (tmp_path / STAGING / "toy").mkdir(parents=True)
    with FileLock(tmp_path / STAGING / "toy" / "lock"):
        for _ in range(2):  # the lock is not deleted by whom it refused
            assert "by another process" in failure(tmp_path).what
    assert server.asked == [] and fetch("toy", tmp_path)


def git(*words: str, cwd: Path) -> str:
    person = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *person, *words], cwd=cwd, capture_output=True, check=True)
    return done.stdout.decode().strip()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository of two commits; the first is the set "toy"."""
    work, bare = tmp_path / "work", tmp_path / "published.git"
    for part in ("train/hat", "test/hat"):
        (work / part).mkdir(parents=True)
        (work / part / "1.jpg").write_bytes(BODY + part.encode())
    (work / "README.md").write_text("Hats.")
    git("init", "--quiet", cwd=work)
    git("add", ".", cwd=work)
    git("commit", "--quiet", "-m", "hats", cwd=work)
    commit = git("rev-parse", "HEAD", cwd=work)
    (work / "train/hat/1.jpg").write_bytes(b"changed later")
    git("commit", "--quiet", "-am", "more", cwd=work)
    git("clone", "--quiet", "--bare", str(work), str(bare), cwd=tmp_path)
    origin = Repository(bare.as_uri(), commit, ("train", "test"))
    source = Source("Toy", "hats", "CC0", "toy", "nothing", (), origin)
    monkeypatch.setitem(KNOWN, "toy", source)
    return bare


@pytest.fixture
def data(tmp_path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def test_one_commit_of_a_repository_is_fetched(repository, data, monkeypatch):
    monkeypatch.setenv("GIT_DIR", "/nowhere")  # as in a hook
    assert missing("toy", data) == ["train/", "test/"]
    target = fetch("toy", data)
    assert (target / "train/hat/1.jpg").read_bytes() == BODY + b"train/hat"
    assert sorted(p.name for p in target.iterdir()) == ["test", "train"]
    assert missing("toy", data) == [] and [p.name for p in data.iterdir()] == ["toy"]
    shutil.rmtree(repository)
    assert fetch("toy", data) == target


def test_a_repository_completes_a_folder_unpacked_by_hand(repository, data):
    (data / "toy" / "train" / "hat").mkdir(parents=True)
    (data / "toy" / "train" / "hat" / "1.jpg").write_bytes(b"?")
    assert missing("toy", data) == ["test/"]
    assert (fetch("toy", data) / "train/hat/1.jpg").read_bytes() == BODY + b"train/hat"


@pytest.mark.parametrize("fault", ["gone", "commit", "content"])
def test_a_repository_that_cannot_be_fetched(repository, data, monkeypatch, fault):
    source = KNOWN["toy"]
    if fault == "gone":
        shutil.rmtree(repository)
    elif fault == "commit":
        other = replace(source.repository, commit="1" * 40)
        monkeypatch.setitem(KNOWN, "toy", replace(source, repository=other))
    else:  # a file's content is changed in the repository
        blob = git("rev-parse", f"{source.repository.commit}:train/hat/1.jpg", cwd=repository)
        other = git("rev-parse", "HEAD:train/hat/1.jpg", cwd=repository)
        paths = [repository / "objects" / name[:2] / name[2:] for name in (blob, other)]
        paths[0].chmod(stat.S_IRWXU)
        shutil.copy(paths[1], paths[0])
    error = failure(data)
    assert "could not be downloaded with git" in error.what and "git says: " in error.why
    assert KNOWN["toy"].repository.commit in error.do and str(data / "toy") in error.do
    assert list(data.iterdir()) == []


def test_without_git_the_alternative_is_named(repository, data, monkeypatch):
    monkeypatch.setenv("PATH", "")
    error = failure(data)
    assert "git, which was not found" in error.what and "Install git" in error.do
    assert "in a browser" in error.do and "train, test are in" in error.do


def test_unknown_set_lists_the_known_ones():
    with pytest.raises(CourseError, match="mnist"):
        fetch("imagenet")


def test_known_sets_are_complete():
    for name, source in KNOWN.items():
        assert source.title and source.content and source.licence and source.folder, name
        assert bool(source.files) != bool(source.repository)
        for file in source.files:
            assert re.fullmatch("sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}", file.checksum), file.name
            assert file.mirrors and all(m.startswith("http") for m in file.mirrors)
            assert bool(file.unpack) == file.name.endswith((".zip", ".tgz", ".tar.gz"))


EMBEDDED = {"digits", "galaxies", "emoji", "emoji_faces"}


def test_every_known_set_has_a_reader():
    others = {"div2k": "named.div2k(", "horse2zebra": "two_domains.horse2zebra("}
    assert set(KNOWN) == {*named.READERS, *others} - EMBEDDED
    for name, source in KNOWN.items():
        assert source.reader.startswith(others.get(name, f'named.load("{name}", '))


def test_the_data_page_lists_every_known_set():
    page = (Path(__file__).parents[2] / "data" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", page, re.MULTILINE)
    listed = {name: cells.split(" | ") for name, cells in rows}
    assert listed == {
        name: [f"{s.title}: {s.content}", s.megabytes, s.licence, f"`{calls}`; {where}"]
        for name, s in KNOWN.items()
        for calls, where in [s.reader.split("; ")]
    }


def test_checksums_agree_with_torchvision():
    assert KNOWN["cifar10"].files[0].checksum == f"md5:{datasets.CIFAR10.tgz_md5}"
    for ours, theirs in (("mnist", datasets.MNIST), ("fashion_mnist", datasets.FashionMNIST)):
        assert [f.name for f in KNOWN[ours].files] == [name for name, _ in theirs.resources]


def called(monkeypatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["gancourse", *words])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return left.value.code or 0


def test_the_command_lists_the_sets_without_a_name(monkeypatch, capsys):
    assert called(monkeypatch, "fetch") == 0
    text = capsys.readouterr().out
    for name, source in KNOWN.items():
        assert name in text and source.licence in text and source.reader in text
    assert "1.4 GB" in text and "not measured" in text


def test_the_command_refuses_an_unknown_name_with_the_list(monkeypatch, capsys):
    assert called(monkeypatch, "fetch", "stl10") == 2
    text = re.sub(r"\W+", " ", capsys.readouterr().err)
    assert "unknown stl10 Known mnist fashion_mnist cifar10" in text
