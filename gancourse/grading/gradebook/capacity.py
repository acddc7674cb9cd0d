"""How many submissions this machine can grade at the same time: its cores, and its free memory.

In a container, or below a service manager, a control group may allow less than the machine has.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from gancourse.grading.sandbox.isolation import Limits

GROUPS, MEMBER = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
WORKER = 10**9  # bytes that a worker takes itself


def cores() -> list[int]:
    """Numbers of the cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return sorted(affinity(0)) if affinity else list(range(os.cpu_count() or 1))


def share(cores: Sequence[int], worker: int, workers: int) -> set[int]:
    """The cores of one worker: no two workers have one in common, unless there are too few cores.

    Parameters
    ----------
    cores : Sequence[int]
        All of them.
    worker, workers : int
        The worker's number, from 0, and how many there are.
    """
    return set(cores[worker::workers]) or {cores[worker % len(cores)]}


def workers(
    limits: Limits | None = None, groups: Path = GROUPS, member: Path = MEMBER
) -> tuple[int, str]:
    """How many workers to start, and why that many, in words.

    Parameters
    ----------
    limits : Limits | None
        What one submission may use; the default limits where it is None.
    groups, member : Path
        Where the kernel shows the control groups, and those that this process is in.

    Returns
    -------
    tuple[int, str]
        At least 1: one may be graded even where memory is short.
    """
    memory, quota = free_memory(groups, member), float(len(cores()))
    for folder in _control_groups(groups, member):
        quota = min(quota, _quota(folder))
    each = (limits or Limits()).memory + WORKER
    by_cores, by_memory = max(1, int(quota)), max(1, memory // each)
    count = min(by_cores, by_memory)
    why = f"{by_cores} core{'s' * (by_cores != 1)}, {memory / 1e9:.1f} GB of free memory"
    return count, f"{why}; each needs up to {each / 1e9:.0f} GB"


def free_memory(groups: Path = GROUPS, member: Path = MEMBER) -> int:
    """Bytes of memory that this process can still get, of the machine and its control groups."""
    free = (_free(folder) for folder in _control_groups(groups, member))
    return min([psutil.virtual_memory().available, *free])


def _control_groups(groups: Path, member: Path) -> Iterator[Path]:
    """The control groups of this process, version 2 and 1, with those that they are in."""
    try:
        lines = member.read_text().splitlines()
    except OSError:
        return
    for _, names, path in (line.split(":", 2) for line in lines):
        for root in (groups / name for name in names.split(",")):  # version 2 has no name
            place = Path(path.lstrip("/"))
            yield from (root / part for part in (place, *place.parents))


def _number(file: Path, name: str = "") -> float | None:
    """A number in a file, or in its line with a name; None where there is none ("max")."""
    try:
        for line in file.read_text().splitlines():
            if not name or line.split()[0] == name:
                return float(line.split()[-1])
    except (OSError, ValueError, IndexError):
        pass
    return None


def _free(group: Path) -> int:
    """Bytes that a control group has left; files that the kernel only caches can be dropped."""
    files = ("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")
    for limit, usage in files:
        most, now = _number(group / limit), _number(group / usage)
        if most is not None and now is not None:
            cached = _number(group / "memory.stat", "inactive_file") or 0
            return max(0, int(most - now + cached))
    return 2**63


def _quota(group: Path) -> float:
    """Cores' worth of time that a control group may use."""
    try:
        quota, period = (group / "cpu.max").read_text().split()
        return float(quota) / float(period)
    except (OSError, ValueError):  # version 1, or no limit
        quota, period = _number(group / "cpu.cfs_quota_us"), _number(group / "cpu.cfs_period_us")
        return quota / period if quota and period and quota > 0 else 2.0**63
