"""Files and folders that only their owner can read: marks, notebooks, the seed."""

import os
from pathlib import Path


def private_folder(path: Path) -> Path:
    """Make a folder, if it is missing, with mode 0700; one that exists stays as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def write_private(path: Path, content: str | bytes) -> None:
    """Write a file with mode 0600, in one step: it is never seen half written."""
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name[:40]}.{os.getpid()}")
    try:
        with open(temporary, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(data)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def open_to_others(path: Path) -> bool:
    """Whether other users of this machine may list a folder or change it."""
    return os.name == "posix" and bool(path.stat().st_mode & 0o077)
