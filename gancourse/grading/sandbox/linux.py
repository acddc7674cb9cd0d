"""How a warm process enters a sandbox: the Linux calls that Python does not have.

bubblewrap makes a sandbox in 20 ms, but only for a program that it starts itself, and starting
Python with torch takes two seconds. So bubblewrap builds the sandbox around a process that sleeps,
and a fork of a Python that has torch joins its namespaces (setns) for good. It then drops its user,
every capability, and the system calls that make namespaces or memory that no limit counts.
"""

import ctypes
import os
import platform
import resource
import struct
import sys
from collections.abc import Sequence

LIBC = ctypes.CDLL(None, use_errno=True)
NAMESPACES = {
    "mnt": 0x20000, "uts": 0x4000000, "ipc": 0x8000000, "user": 0x10000000, "pid": 0x20000000,
    "net": 0x40000000,
}  # fmt: skip
SET_DUMPABLE, SET_SECCOMP, CHILD_SUBREAPER, SET_NO_NEW_PRIVS = 4, 22, 36, 38  # of prctl(2)
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column below, and audit number
FORBIDDEN = {  # system call: its number on either machine
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "keyctl": (250, 219), "add_key": (248, 217),
    "request_key": (249, 218), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "io_uring_setup": (425, 425), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "memfd_create": (319, 279),
    "memfd_secret": (447, 447), "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "sched_setaffinity": (203, 122),  # a submission stays on the cores of its worker
}  # fmt: skip
CLONE, CLONE3, MMAP, SOCKET = (56, 220), 435, (9, 222), (41, 198)
FAMILIES = (1, 2, 10, 16)  # of sockets: Unix, IP, netlink; others have no namespace of their own
LOCAL = (1,)  # the same, where there is no namespace at all
ANY_NAMESPACE = sum(NAMESPACES.values()) | 0x2000000  # and control groups


def can_filter() -> bool:
    """Whether system calls can be filtered here: their numbers on this machine are known."""
    return sys.platform == "linux" and platform.machine() in MACHINES


def join_namespaces(pidfd: int, kinds: list[str]) -> None:
    """Move this process, which must have one thread, into the namespaces of another."""
    _call("setns", pidfd, sum(NAMESPACES[kind] for kind in kinds))


def become_subreaper() -> None:
    """Become the parent of every orphan among the descendants, so that none escapes."""
    _call("prctl", CHILD_SUBREAPER, 1, 0, 0, 0)


def limit_resources(memory: int, cpu: int, size: int, processes: int) -> None:
    """Limit this process and those it starts: bytes, seconds, bytes of a file, a count."""
    with open("/proc/self/statm") as file:
        mapped = int(file.read().split()[0]) * resource.getpagesize()
    for name, value in {
        "AS": mapped + memory, "CPU": cpu, "FSIZE": size, "NPROC": processes, "NOFILE": 256,
        "CORE": 0, "MEMLOCK": 2**20, "MSGQUEUE": 0,
    }.items():  # fmt: skip
        kind = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def drop_privileges(user: int | None, families: Sequence[int] = FAMILIES) -> None:
    """Become the user with a number, and drop every capability and the system calls above.

    Parameters
    ----------
    user : int | None
        None: stay the user that this is.
    families : Sequence[int]
        The kinds of sockets that can still be made.
    """
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    _call("capset", header, none)
    _call("prctl", SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call("prctl", SET_DUMPABLE, 0, 0, 0, 0)  # no process of the same user may inspect it
    if can_filter():
        program = _filter(families)
        text = ctypes.create_string_buffer(program, len(program))
        head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(text))
        _call("prctl", SET_SECCOMP, 2, ctypes.c_char_p(head), 0, 0)


def _filter(families: Sequence[int]) -> bytes:
    """The program that the kernel runs at every system call (seccomp, classic BPF)."""
    column, audit = MACHINES[platform.machine()]
    load, equal, at_least, any_bit, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, refuse, missing, kill = 0x7FFF0000, 0x50001, 0x50026, 0x80000000  # EPERM, ENOSYS
    lines = [
        (load, 0, 0, 4), (equal, 1, 0, audit), (answer, 0, 0, kill),  # another machine's numbers
        (load, 0, 0, 0),  # the call's number
        (at_least, 0, 1, 0x40000000), (answer, 0, 0, refuse),  # the x32 variants
        (equal, 0, 1, CLONE3), (answer, 0, 0, missing),  # its flags can't be seen; libc uses clone
    ]  # fmt: skip
    for numbers in FORBIDDEN.values():
        lines += [(equal, 0, 1, numbers[column]), (answer, 0, 0, refuse)]
    lines += [(equal, 0, 5, MMAP[column]), (load, 0, 0, 40)]  # its flags: shared, nameless?
    lines += [(any_bit, 0, 2, 0x20), (any_bit, 0, 1, 1), (answer, 0, 0, refuse)]
    lines += [(answer, 0, 0, allow)]
    lines += [(equal, 0, len(families) + 3, SOCKET[column]), (load, 0, 0, 16)]
    lines += [(equal, len(families) - i, 0, family) for i, family in enumerate(families)]
    lines += [(answer, 0, 0, refuse), (answer, 0, 0, allow)]
    lines += [(equal, 0, 3, CLONE[column]), (load, 0, 0, 16)]  # its first argument
    lines += [(any_bit, 0, 1, ANY_NAMESPACE), (answer, 0, 0, refuse), (answer, 0, 0, allow)]
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def _call(name: str, *args: object) -> None:
    words = [ctypes.c_ulong(value) if isinstance(value, int) else value for value in args]
    if getattr(LIBC, name)(*words) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
