"""One file of a data set from one of its mirrors: resumable, verified by size and checksum.

Every failure has its own reason, in words: what a mirror answered, and what can be done about it.
"""

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pooch
import requests
import urllib3

from gancourse.errors import CourseError
from gancourse.progress import Progress

TIMEOUT = (5, 60)  # seconds to connect, and between two chunks
STATUS = {
    403: "the server refuses: open the address in a browser, it may require a login",
    404: "the file is no longer there",
    410: "the file is no longer there",
    429: "too many requests: wait an hour",
}


@dataclass(frozen=True)
class File:
    """One file to download. It is valid if its checksum is right, wherever it came from."""

    name: str
    size: int
    """Bytes."""
    checksum: str
    """"sha256:..." or "md5:..."; as hexadecimal digits: all of them, or the first eight or more."""
    mirrors: Sequence[str]
    """URLs, tried in this order."""
    unpack: str = ""
    """Of an archive: the folder in it. The archive is unpacked, then deleted."""
    count: int = 1
    """Files in that folder, at least."""


def valid(file: File, path: Path) -> bool:
    """Whether the file at a path has the right size and checksum."""
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    kind, _, digits = file.checksum.partition(":")
    return pooch.file_hash(str(path), alg=kind).startswith(digits)


def named_by_checksum(url: str, cache: Path) -> File:
    """A file whose name has the first digits of its SHA-256, as PyTorch's: ``vgg19-dcbb9e9d.pth``.

    Parameters
    ----------
    url : str
        Its address; asked for the size, unless the file is in `cache` already.
    cache : Path
        Where it would be.

    Raises
    ------
    CourseError
        If the server does not give the size.
    """
    name = url.rpartition("/")[2]
    checksum = "sha256:" + name.rpartition("-")[2].partition(".")[0]
    if (cache / name).is_file():
        there = File(name, (cache / name).stat().st_size, checksum, [url])
        if valid(there, cache / name):
            return there
    try:
        answer = requests.head(url, timeout=TIMEOUT, allow_redirects=True)
        answer.raise_for_status()
        size = int(answer.headers["Content-Length"])
    except (requests.RequestException, KeyError, ValueError) as error:
        known = isinstance(error, requests.RequestException)
        reason = _reason(error, "0 bytes")[0] if known else "the server does not give its size"
        raise CourseError(
            f"{name} could not be downloaded.",
            f"{url}: {reason}",
            "Run this cell again with a network connection, or continue without it.",
        ) from error
    return File(name, size, checksum, [url])


class _FailedError(Exception):
    """An attempt to download failed; `again` if another one from the same mirror may succeed."""

    def __init__(self, reason: str, again: bool = False) -> None:
        super().__init__(reason)
        self.again = again


def get(file: File, target: Path, stage: Path, name: str) -> Path:
    """A verified file: one placed by hand, or from the first mirror that delivers it completely.

    Parameters
    ----------
    file : File
        What to get.
    target, stage : Path
        Where a file placed by hand lies; where to download.
    name : str
        The data set, for messages.

    Returns
    -------
    Path
        The file in `target`, if it is valid there; else in `stage`.

    Raises
    ------
    CourseError
        If no mirror delivers the file: with the reason for each.
    OSError
        If the file can't be written, or does not fit on the disk.
    """
    placed, whole, part = target / file.name, stage / file.name, stage / f"{file.name}.part"
    for path in (placed, whole):
        if valid(file, path):
            return path
    have = part.stat().st_size if part.exists() else 0
    needed = file.size * (2 if file.unpack else 1) - have
    if shutil.disk_usage(stage).free < needed:
        raise OSError(0, f"{file.name} needs {needed / 1e6:,.0f} MB, more than is free")
    tried = {}
    for url in file.mirrors:
        for _ in range(2):
            try:
                _attempt(url, part, file)
                os.replace(part, whole)
                return whole
            except _FailedError as problem:
                tried[url] = problem
                if not problem.again:
                    break
    have = part.stat().st_size if part.exists() else 0
    kept = f"; it resumes after {have:,} of {file.size:,} bytes" if have else ""
    wrong = f"\nThe file {placed} was not used: its checksum is wrong." if placed.is_file() else ""
    raise CourseError(
        f"{file.name} of the data set {name} could not be downloaded.",
        "Tried:\n" + "\n".join(f"  {url}: {reason}" for url, reason in tried.items()) + wrong,
        f"Try again later{kept}: gancourse fetch {name}\n"
        f"Or get the file elsewhere and place it at {placed}; its checksum is\n{file.checksum}",
    )


def _attempt(url: str, part: Path, file: File) -> None:
    """Complete `part` from one mirror and verify it; what it has already is not requested again."""
    have = part.stat().st_size if part.exists() else 0
    if have > file.size:
        part.unlink()
        have = 0
    try:
        if have < file.size:
            _append(url, part, have, file)
    except requests.RequestException as error:
        code = getattr(error.response, "status_code", 0)
        if code == 416 and have:
            part.unlink()
            raise _FailedError("416: the part kept from before does not fit", True) from error
        arrived = part.stat().st_size if part.exists() else 0
        raise _FailedError(*_reason(error, f"{arrived:,} of {file.size:,} bytes")) from error
    if not valid(file, part):
        part.unlink()
        reason = "wrong checksum: right size, but other content; it was deleted"
        raise _FailedError(reason, again=have > 0)


def _append(url: str, part: Path, have: int, file: File) -> None:
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        answer.raise_for_status()
        resumed, _, total = answer.headers.get("Content-Range", "").partition("/")
        if not resumed.startswith(f"bytes {have}-"):
            have = 0  # the server sends the whole file
            encoded = "Content-Encoding" in answer.headers  # the length is that of the encoded file
            total = "" if encoded else answer.headers.get("Content-Length", "")
        pieces = answer.iter_content(1 << 14)
        first = next(pieces, b"")
        _check_beginning(first, total, file)
        bar = Progress(total=file.size, initial=have, unit="B", unit_scale=True, desc=file.name)
        with bar, part.open("ab" if have else "wb") as out:
            for piece in chain([first], pieces):
                have += out.write(piece)
                bar.update(len(piece))
                if have > file.size:
                    break
    if have > file.size:
        part.unlink()
        raise _FailedError(f"wrong size: more than the {file.size:,} bytes expected")
    if have < file.size:
        raise requests.exceptions.ChunkedEncodingError("the connection ended early")


def _check_beginning(first: bytes, total: str, file: File) -> None:
    """Refuse another file before it overwrites what was downloaded."""
    if first.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
        found = re.search(rb"<title[^>]*>(.*?)</title>", first, re.IGNORECASE | re.DOTALL)
        title = f' ("{found[1].decode(errors="replace").strip()}")' if found else ""
        raise _FailedError(
            f"a web page{title} in place of the file: a limit on downloads, or a login. Open the "
            "address in a browser, or try again tomorrow"
        )
    if total.isdigit() and int(total) != file.size:
        raise _FailedError(f"wrong size: {int(total):,} bytes, expected {file.size:,}")


def _reason(error: requests.RequestException, arrived: str) -> tuple[str, bool]:
    """What went wrong, in words, and whether to try the same mirror again."""
    if isinstance(error, requests.HTTPError):
        code = error.response.status_code
        busy = "the server has a problem: try again later" if code >= 500 else "refused"
        return f"{code} {error.response.reason}: {STATUS.get(code, busy)}", False
    if isinstance(error, requests.TooManyRedirects):
        return "redirects in a circle: a faulty mirror, or your network requires a login", False
    if isinstance(error, requests.ConnectTimeout):
        return f"no connection within {TIMEOUT[0]} seconds", False
    if isinstance(error, requests.Timeout):
        return f"no answer within {TIMEOUT[1]} seconds", False
    if error.args and isinstance(error.args[0], urllib3.exceptions.ReadTimeoutError):
        return f"stalled after {arrived}: nothing arrived for {TIMEOUT[1]} seconds", True
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return f"truncated after {arrived}: the connection ended early", True
    if isinstance(error, requests.exceptions.SSLError):
        return "no secure connection: check this computer's clock, or its network's proxy", False
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not answer: check HTTPS_PROXY", False
    if isinstance(error, requests.ConnectionError):
        return "no connection: check the network", False
    return f"{type(error).__name__}: {error}", False
