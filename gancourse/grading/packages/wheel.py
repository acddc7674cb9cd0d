"""This version of the course as a wheel, without a build tool or a network."""

import base64
import hashlib
import importlib.metadata
import io
import zipfile
from pathlib import Path

import gancourse
from gancourse.errors import CourseError

PACKAGE = Path(gancourse.__file__).resolve().parent
TAGS = "Wheel-Version: 1.0\nGenerator: gancourse\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
EPOCH = (1980, 1, 1, 0, 0, 0)  # of every file: the same course gives the same wheel


def wheel() -> tuple[str, bytes]:
    """The name and the bytes of a wheel of the package that runs now.

    Raises
    ------
    CourseError
        If the course is not installed: what it needs is known from its installation.
    """
    try:
        installed = importlib.metadata.distribution("gancourse")
    except importlib.metadata.PackageNotFoundError as error:
        what = "The course is not installed, so a package of it can't be made."
        raise CourseError(what, "", 'Install it: pip install -e ".[instructor]"') from error
    version = gancourse.__version__
    info = f"gancourse-{version}.dist-info"
    metadata = installed.read_text("METADATA") or installed.read_text("PKG-INFO") or ""
    lines = metadata.split("\n")
    lines = [f"Version: {version}" if line.startswith("Version: ") else line for line in lines]
    files = {f"{info}/METADATA": "\n".join(lines).encode(), f"{info}/WHEEL": TAGS.encode()}
    files[f"{info}/entry_points.txt"] = (installed.read_text("entry_points.txt") or "").encode()
    for path in sorted(PACKAGE.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            files[f"gancourse/{path.relative_to(PACKAGE).as_posix()}"] = path.read_bytes()
    rows = [f"{name},sha256={_digest(content)},{len(content)}" for name, content in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            add(archive, name, content, 0o644)
    return f"gancourse-{version}-py3-none-any.whl", buffer.getvalue()


def add(archive: zipfile.ZipFile, name: str, content: bytes, mode: int) -> None:
    """Add a file to an archive, with its permissions."""
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.external_attr = (0o100000 | mode) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content)


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
