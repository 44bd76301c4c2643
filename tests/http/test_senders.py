"""Senders that are slow, stuck, greedy or gone harm neither memory nor others."""

import gzip
import os
import socket
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from select import select

import pytest

from tests.http.served import WEBHOOK, Served, signed_request, until
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


@pytest.fixture(scope="module")
def hurried(database: str) -> Iterator[Served]:
    with Served(database, patched=HURRIED) as server:
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
    growth = peak_bytes(served) - before
    print(f"a body of {mib} MiB: the server grew by {growth // MIB} MiB")  # noqa: T201 - a figure of scripts/faults
    return growth


@pytest.mark.parametrize("mib", [200, pytest.param(1024, marks=pytest.mark.slow)])
def test_a_body_without_end_is_not_held(url: str, mib: int) -> None:
    with Served(url) as served:
        assert growth_of(served, mib) < 64 * MIB


def test_the_control_without_a_bound_holds_it(url: str) -> None:
    with Served(url, patched=UNBOUNDED) as served:
        assert growth_of(served, 200) > 150 * MIB


def growth_by_bombs(served: Served) -> int:
    before = peak_bytes(served)
    for encoding, deflated in (("gzip", gzip.compress), ("deflate", zlib.compress)):
        bomb = deflated(bytes(64 * MIB), 9)
        assert served.deliver(bomb, **{"Content-Encoding": encoding}).status == 415
        served.deliver(bomb)
    return peak_bytes(served) - before


def test_a_bomb_is_not_inflated(url: str) -> None:
    with Served(url) as served:
        assert growth_by_bombs(served) < 32 * MIB
        # As it is, it is garbage, and kept so.
        assert served.deliver(gzip.compress(b"[]")).json["quarantined"] == 1


INFLATING = """
import zlib
from profilestore.infrastructure.http import body
receive = body.Bodies.receive
async def inflating(self, *given):
    return zlib.decompress(await receive(self, *given), wbits=47)
body.Bodies.receive = inflating
"""


def test_the_control_that_inflates_grows(url: str) -> None:
    with Served(url, patched=INFLATING) as served:
        assert growth_by_bombs(served) > 64 * MIB


def test_who_sends_no_body_in_time_is_told_so(hurried: Served) -> None:
    with hurried.connected() as stuck:
        stuck.sendall(f"{HEAD}Content-Length: 100\r\n\r\n[".encode())
        assert hurried.deliver(event(1)).status == 200  # others are served meanwhile
        said = stuck.recv(4096)
        assert said.split()[1] == b"408"
        assert b"retry-after" in said
        while stuck.recv(4096):
            pass  # until it closes


def test_who_says_nothing_is_left(hurried: Served) -> None:
    with ExitStack() as stack:
        said = (b"", b"POST", b"GET / HTTP/1.1\r\nHost: x\r\n", b"\r\n")
        stuck = [stack.enter_context(hurried.connected()) for _ in said]
        for connection, words in zip(stuck, said, strict=True):
            connection.sendall(words)
        for connection in stuck:
            assert connection.recv(4096) == b""


ENDLESS = f"GET /healthz HTTP/1.1\r\nX: {'x' * 200_000}".encode()
PATIENT = """
from profilestore.infrastructure.http import guard, webhook
webhook.ANSWER_SECONDS = guard.HEAD_SECONDS = 1e6
guard.HEAD_BYTES = 1 << 60
"""


def test_the_control_without_bounds_waits_for_ever(url: str) -> None:
    with Served(url, patched=PATIENT) as served, ExitStack() as stack:
        slow = f"{HEAD}Content-Length: 9\r\n\r\n[".encode()
        stuck = [stack.enter_context(served.connected()) for _ in range(3)]
        for connection, words in zip(stuck, (b"POST", slow, ENDLESS), strict=True):
            connection.sendall(words)
        assert select(stuck, [], [], 4)[0] == []  # nothing is said, and none closed


def test_a_head_without_end_is_refused(served: Served) -> None:
    with served.connected() as greedy:
        greedy.sendall(ENDLESS)
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


def growth_by_idlers(served: Served) -> int:
    """Have a thousand connections, of which a tenth has begun to deliver."""
    resource = pytest.importorskip("resource")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < 4096:
        pytest.skip("the system allows too few open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, most))
    served.deliver(event(0))
    before = peak_bytes(served)
    idle = [socket.create_connection(served.address) for _ in range(1000)]
    slow = f"{HEAD}Content-Length: 1000000\r\n\r\n".encode() + b" " * 10_000
    for connection in idle[::10]:
        connection.sendall(slow)
    assert {served.deliver(event(n)).status for n in range(50)} == {200}
    growth = peak_bytes(served) - before
    for connection in idle:
        connection.close()
    assert served.get("/readyz").status == 200
    return growth


def test_a_thousand_idle_connections_leave_room_for_others(url: str) -> None:
    with Served(url) as served:
        assert growth_by_idlers(served) < 64 * MIB


WASTEFUL = """
from profilestore.infrastructure.http.guard import Guarded
made = Guarded.connection_made
def wasteful(self, transport):
    self.room = b"x" * 100_000
    made(self, transport)
Guarded.connection_made = wasteful
"""


def test_the_control_that_has_room_for_each_grows(url: str) -> None:
    with Served(url, patched=WASTEFUL) as served:
        assert growth_by_idlers(served) > 64 * MIB


def errors_by_breaking_off(served: Served) -> int:
    whole = os.urandom(50_000)
    head = f"{HEAD}Content-Length: {2 * len(whole)}\r\n\r\n".encode()
    for _ in range(20):
        with served.connected() as gone:
            gone.sendall(head + whole)
    until(lambda: len([r for r in served.logged if r["event"] == "request"]) >= 20)
    assert served.deliver(event(1)).status == 200
    return len(served.errors)


def test_who_hangs_up_leaves_nothing_behind(url: str) -> None:
    with Served(url) as served:
        assert errors_by_breaking_off(served) == 0


def test_the_control_that_does_not_know_of_it_logs_errors(url: str) -> None:
    unknown = "from profilestore.infrastructure.http import webhook\n"
    unknown += "webhook.ClientDisconnect = ZeroDivisionError"
    with Served(url, patched=unknown) as served:
        assert errors_by_breaking_off(served) > 0
