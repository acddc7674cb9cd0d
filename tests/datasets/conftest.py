"""Data sets that the mirror on this machine offers."""

import hashlib

import pytest

from gancourse.datasets.downloads import KNOWN, File, Source


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
