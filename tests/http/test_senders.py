"""Senders that are slow, stuck, greedy or gone harm neither memory nor others."""

import os
import socket
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.http.served import WEBHOOK, Served, signed_request
from tests.simple_events import event

MIB = 1024 * 1024
HURRIED = """
from profilestore.infrastructure.http import guard, webhook
webhook.ANSWER_SECONDS = 2
guard.HEAD_SECONDS = 2
"""
UNBOUNDED = """
from profilestore.infrastructure.http import body
body.MOST_BYTES = body.MOST_BYTES_TOGETHER = 1 << 60
"""
HEAD = f"POST {WEBHOOK} HTTP/1.1\r\nHost: x\r\nX-Comapi-Signature: {'0' * 40}\r\n"


@pytest.fixture
def hurried(url: str) -> Iterator[Served]:
    with Served(url, patched=HURRIED) as server:
        yield server


def peak_bytes(served: Served) -> int:
    """Read how much memory the process ever had."""
    status = Path(f"/proc/{served.process.pid}/status").read_text()
    (line,) = (each for each in status.splitlines() if each.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def send_chunked(served: Served, mib: int) -> bytes:
    """Send a body of so many MiB without saying how long it is; give the answer."""
    with served.connected() as connection:
        said: list[bytes] = []

        def listen() -> None:
            said.append(connection.recv(4096))

        listening = threading.Thread(target=listen)
        listening.start()
        chunk = b"%x\r\n%b\r\n" % (MIB, b" " * MIB)
        try:
            connection.sendall(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
            for _ in range(mib):
                connection.sendall(chunk)
            connection.sendall(b"0\r\n\r\n")
        except OSError:
            pass  # it has heard enough
        listening.join()
        return said[0]


def growth_of(served: Served, mib: int) -> int:
    served.deliver(b" " * (16 * MIB))  # one body of the largest size is no growth
    before = peak_bytes(served)
    status = send_chunked(served, mib).split()[1]
    assert status in (b"413", b"401")
    return peak_bytes(served) - before


@pytest.mark.parametrize("mib", [200, pytest.param(1024, marks=pytest.mark.slow)])
def test_a_body_without_end_is_not_held(url: str, mib: int) -> None:
    with Served(url) as served:
        assert growth_of(served, mib) < 64 * MIB


def test_the_control_without_a_bound_holds_it(url: str) -> None:
    with Served(url, patched=UNBOUNDED) as served:
        assert growth_of(served, 200) > 150 * MIB


def test_a_bomb_is_not_inflated(url: str) -> None:
    with Served(url) as served:
        bomb = zlib.compress(bytes(64 * MIB), 9)
        before = peak_bytes(served)
        assert served.deliver(bomb, **{"Content-Encoding": "deflate"}).status == 415
        assert served.deliver(bomb).status == 200  # as it is: garbage, and kept so
        assert peak_bytes(served) - before < 32 * MIB


def test_who_sends_no_body_in_time_is_told_so(hurried: Served) -> None:
    with hurried.connected() as stuck:
        stuck.sendall(f"{HEAD}Content-Length: 100\r\n\r\n[".encode())
        assert hurried.deliver(event(1)).status == 200  # others are served meanwhile
        said = stuck.recv(4096)
        assert said.split()[1] == b"408"
        assert b"retry-after" in said
        while stuck.recv(4096):
            pass  # until it closes


@pytest.mark.parametrize(
    "said", [b"", b"POST", b"GET / HTTP/1.1\r\nHost: x\r\n", b"\r\n"]
)
def test_who_says_nothing_is_left(hurried: Served, said: bytes) -> None:
    with hurried.connected() as stuck:
        stuck.sendall(said)
        assert stuck.recv(4096) == b""


def test_the_control_waits_for_ever(url: str) -> None:
    patient = "from profilestore.infrastructure.http import guard\n"
    patient += "guard.HEAD_SECONDS = 1e6"
    with Served(url, patched=patient) as served, served.connected() as stuck:
        stuck.settimeout(4)
        stuck.sendall(b"POST")
        with pytest.raises(TimeoutError):
            stuck.recv(4096)


def test_a_head_without_end_is_refused(served: Served) -> None:
    with served.connected() as greedy:
        greedy.sendall(f"GET /healthz HTTP/1.1\r\nX: {'x' * 200_000}".encode())
        assert greedy.recv(4096).split()[1] == b"400"


def test_who_has_said_all_is_answered_all(served: Served) -> None:
    one = signed_request(b"{}")

    assert served.raw(one * 3).count(b"HTTP/1.1 200") == 3
    # But what breaks off was not said.
    assert served.raw(one[:-1]).count(b"HTTP/1.1 200") == 0


def test_who_is_gone_while_several_requests_are_answered_is_no_error(
    served: Served,
) -> None:
    for n in range(20):
        with served.connected() as gone:
            gone.sendall(signed_request(b"{}") * 3)
            threading.Event().wait(n / 1000)
            reset = struct.pack("ii", 1, 0)  # no time to linger
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
    assert served.deliver(b"{}").status == 200
    assert not served.errors


def test_a_body_behind_a_body_is_no_head(served: Served) -> None:
    with served.connected() as connection:
        connection.sendall(signed_request(b" " * 100_000) * 5)
        said = b""
        while said.count(b"HTTP/1.1 ") < 5:
            said += connection.recv(65536)
    assert said.count(b"HTTP/1.1 200") == 5


def test_a_thousand_idle_connections_leave_room_for_others(url: str) -> None:
    resource = pytest.importorskip("resource")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < 4096:
        pytest.skip("the system allows too few open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, most))
    with Served(url) as served:
        served.deliver(event(0))
        before = peak_bytes(served)
        idle = [socket.create_connection(served.address) for _ in range(1000)]
        slow = f"{HEAD}Content-Length: 1000000\r\n\r\n".encode() + b" " * 10_000
        for connection in idle[::10]:
            connection.sendall(slow)
        assert {served.deliver(event(n)).status for n in range(50)} == {200}
        assert peak_bytes(served) - before < 64 * MIB
        for connection in idle:
            connection.close()
        assert served.get("/readyz").status == 200


def test_who_hangs_up_leaves_nothing_behind(served: Served) -> None:
    whole = os.urandom(50_000)
    head = f"{HEAD}Content-Length: {2 * len(whole)}\r\n\r\n".encode()
    for _ in range(20):
        with served.connected() as gone:
            gone.sendall(head + whole)
    assert served.deliver(event(1)).status == 200
    assert not served.errors
