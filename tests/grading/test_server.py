"""A session reads untrusted input: whatever comes, it ends, and says why."""

import json
import socket
import struct
import threading

import pytest

from gancourse.errors import CourseError
from gancourse.grading.sandbox.isolation import Limits, NoSandbox
from gancourse.grading.sandbox.server import Server, Session, SessionEnded


class FakeSandbox(NoSandbox):
    """In place of a sandbox."""

    def __init__(self, memory: int = 0, group=None) -> None:
        self.bytes, self.group = memory, group

    def memory(self) -> int:
        return self.bytes


def frame(message: object, body: bytes = b"") -> bytes:
    head = json.dumps(message).encode()
    return struct.pack(">II", len(head), len(body)) + head + body


def listen(content: bytes, sandbox=None, close: bool = True, seconds: float = 600.0):
    """What a session makes of these bytes: messages, and the reason of its end."""
    ours, theirs = socket.socketpair()
    received = []
    with ours, theirs:
        session = Session(ours, sandbox or FakeSandbox(), Limits(output=10**5, memory=1000))
        session.allow(seconds)
        sender = threading.Thread(target=_send, args=(theirs, content, close))
        sender.start()
        with pytest.raises(SessionEnded) as ended:
            for message, body in session:
                received.append((message, body))
        ours.close()
        sender.join()
    return received, str(ended.value)


def _send(link: socket.socket, content: bytes, close: bool) -> None:
    try:
        link.sendall(content)
        if close:
            link.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def test_messages_and_bytes_arrive_and_the_end_is_noticed():
    received, why = listen(frame({"at": "cell 1"}) + frame({"id": "2.1"}, b"12345"))
    assert received == [({"at": "cell 1"}, b""), ({"id": "2.1"}, b"12345")]
    assert why == "it ended its own process"


@pytest.mark.parametrize(
    "content", [frame([1]), frame("x"), b"\0\0\0\2\0\0\0\0{x", frame({}).replace(b"{}", b"\xff{")]
)
def test_what_is_no_message_ends_it(content):
    assert listen(content)[1] == "it sent something that is no message"


def test_deep_nesting_is_no_message():
    head = b"[" * 90_000
    assert "no message" in listen(struct.pack(">II", len(head), 0) + head)[1]


@pytest.mark.parametrize("content", [b"\xff" * 100, frame({}, b"x" * 10**5), frame({}) * 10**4])
def test_too_much_ends_it_before_it_is_read(content):
    received, why = listen(content * 2)
    assert why == "it sent too much" and len(received) <= 10**4


def test_a_message_that_never_ends_and_silence_are_cut_off():
    for content in (b"", frame({"at": "x"})[:-1]):
        assert listen(content, close=False, seconds=0.2)[1] == "it took too long"


def test_memory_is_watched_while_it_is_silent(tmp_path):
    assert listen(b"", FakeSandbox(memory=1001), close=False)[1] == "it used too much memory"
    (tmp_path / "memory.events").write_text("low 0\nmax 3\noom 1\noom_kill 1\n")
    assert listen(b"", FakeSandbox(group=tmp_path))[1] == "it used too much memory"
    (tmp_path / "memory.events").write_text("oom_kill 0\n")
    assert listen(b"", FakeSandbox(group=tmp_path))[1] == "it ended its own process"


def test_a_server_that_can_not_start_says_why(monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(CourseError, match="did not start"):
        Server("none")
