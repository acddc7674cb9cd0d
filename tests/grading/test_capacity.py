"""How many workers start: by cores, by free memory, and by what a control group allows."""

from types import SimpleNamespace

import psutil
import pytest
from fakes import lay

from gancourse.grading.gradebook import capacity
from gancourse.grading.sandbox.isolation import Limits

GB = 10**9
LIMITS = Limits(memory=4 * GB)


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Eight cores, and control groups that a test lays out; returns how many workers it gets."""

    def workers(available: int, **files: str) -> int:
        free = SimpleNamespace(available=available)
        monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
        monkeypatch.setattr(capacity, "cores", lambda: list(range(8)))
        lay(tmp_path, {name.replace("__", "."): text.encode() for name, text in files.items()})
        member = tmp_path / "member"
        member.write_text("4:memory:/a/b\n2:cpu,cpuacct:/\n0::/\n")
        return capacity.workers(LIMITS, tmp_path, member)[0]

    return workers


@pytest.mark.parametrize("gigabytes, count", [(100, 8), (21, 4), (9.9, 1), (1, 1), (0, 1)])
def test_a_worker_starts_only_where_its_submission_fits(machine, gigabytes, count):
    assert machine(int(gigabytes * GB)) == count


def test_a_control_group_counts_without_what_it_caches(machine):
    assert machine(100 * GB, memory__max="max\n", memory__current="5\n") == 8
    files = {"memory__max": str(12 * GB), "memory__current": str(3 * GB)}
    assert machine(100 * GB, **files) == 1
    assert machine(100 * GB, **files, memory__stat=f"anon 1\ninactive_file {GB}\n") == 2


def test_a_control_group_of_version_1_counts(machine):
    files = {"memory/a/memory__limit_in_bytes": str(11 * GB), "memory__max": "max"}
    assert machine(100 * GB, **files, **{"memory/a/memory__usage_in_bytes": "0"}) == 2
    files = {"cpu,cpuacct/cpu__cfs_quota_us": "300000", "cpu/cpu__cfs_period_us": "100000"}
    assert machine(100 * GB, **files) == 2
    files = {"cpu/cpu__cfs_quota_us": "100000"}
    assert machine(100 * GB, **files) == 1


@pytest.mark.parametrize("text, count", [("max 100000", 8), ("250000 100000", 2), ("9 100", 1)])
def test_a_quota_of_processor_time_counts(machine, text, count):
    assert machine(100 * GB, cpu__max=text) == count


def test_a_broken_control_group_is_no_limit(machine):
    assert machine(100 * GB, cpu__max="", memory__max="x", memory__current="") == 8


def test_the_reason_is_given_in_words(monkeypatch, tmp_path):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=6 * GB))
    monkeypatch.setattr(capacity, "cores", lambda: [0])
    assert capacity.workers(LIMITS, tmp_path, tmp_path / "none") == (
        1,
        "1 core, 6.0 GB of free memory; each needs up to 5 GB",
    )


@pytest.mark.parametrize("workers", [1, 2, 3, 5, 9])
def test_workers_share_no_core_while_there_are_enough(workers):
    cores = [0, 1, 4, 5, 6]
    shares = [capacity.share(cores, n, workers) for n in range(workers)]
    assert all(share and share <= set(cores) for share in shares)
    if workers <= len(cores):
        assert sum(map(len, shares)) == len(cores) == len(set().union(*shares))
