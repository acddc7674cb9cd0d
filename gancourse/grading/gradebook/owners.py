"""Who holds a job: a process, named so that others can see whether it still lives."""

import os
import socket

import psutil


def this_process() -> str:
    """A name for this process that no other has, here or on another machine."""
    return f"{socket.gethostname()}:{os.getpid()}:{psutil.Process().create_time()}"


def is_dead(owner: str) -> bool:
    """Whether that process of this machine has ended; False for one of another machine."""
    host, pid, born = owner.rsplit(":", 2)
    if host != socket.gethostname():
        return False  # its lease will tell
    try:
        return abs(psutil.Process(int(pid)).create_time() - float(born)) > 2
    except psutil.Error:
        return True
