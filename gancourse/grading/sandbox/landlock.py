"""Landlock: a limit on the files that a process may open, which needs no rights (Linux 5.13).

It keeps a submission from files that every user of a container may read, where there can be no
file system of its own.
"""

import contextlib
import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
CREATE, ADD, RESTRICT = 444, 445, 446  # system calls: the same numbers on every machine
RIGHTS = {1: 13, 2: 14}  # version -> number of rights that it knows; later ones have LATEST
LATEST = 15
READ = 0b1101  # of a folder: run and read files, list folders
OF_FILES = 1 << 14 | 0b111  # the rights that a single file can have
SET_NO_NEW_PRIVS = 38  # of prctl(2)


def version() -> int:
    """The kernel's version of Landlock; 0 where it has none."""
    return max(0, LIBC.syscall(CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1)))


def restrict_files(readable: Iterable[Path], writable: Iterable[Path]) -> None:
    """Let this process and those it starts open only these files and folders.

    Parameters
    ----------
    readable, writable : Iterable[Path]
        Folders with all that is in them, or single files. Those that don't exist are left out.

    Raises
    ------
    OSError
        If the kernel has no Landlock.
    """
    every = (1 << RIGHTS.get(version(), LATEST)) - 1
    rules = _call(CREATE, struct.pack("Q", every), ctypes.c_size_t(8), ctypes.c_uint32(0))
    for paths, rights in ((readable, READ), (writable, every)):
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                file = os.open(path, os.O_PATH | os.O_CLOEXEC)
                single = not stat.S_ISDIR(os.fstat(file).st_mode)
                rule = struct.pack("=Qi", rights & OF_FILES & every if single else rights, file)
                _call(ADD, ctypes.c_int(rules), ctypes.c_int(1), rule, ctypes.c_uint32(0))
                os.close(file)
    LIBC.prctl(SET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0)))
    _call(RESTRICT, ctypes.c_int(rules), ctypes.c_uint32(0))
    os.close(rules)


def _call(number: int, *args: object) -> int:
    result = LIBC.syscall(ctypes.c_long(number), *args)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {os.strerror(code)}")
    return result
