"""A TCP proxy before a PostgreSQL server that can lose a COMMIT, or the answer to one."""

import socket
import struct
from contextlib import suppress
from threading import Lock, Thread
from typing import Self

_COMMIT = b"COMMIT\0"
"""The statement, as the protocol has it."""
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER for no time: a close resets the connection."""


class Proxy:
    """Forwards bytes both ways; while armed it resets connections at their COMMIT.

    While `refusing` it takes no new ones.
    """

    def __init__(self, port: int) -> None:
        self.cuts = 0
        self.refusing = False
        self.refused = 0
        self._armed = 0
        self._before = False
        self._lock = Lock()
        self._server_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads = [Thread(target=self._accept)]
        self._threads[0].start()

    def arm(self, cuts: int, *, before: bool = False) -> None:
        """Cut the next commits: after the server has done them, or `before` it hears."""
        with self._lock:
            self._armed, self._before = cuts, before

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._sockets:
            _close(end)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refusing:
                self.refused += 1
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self._server_port))
            self._sockets += [client, server]
            pair = _Pair(self, client, server)
            for work in (pair.to_server, pair.to_client):
                thread = Thread(target=work)
                thread.start()
                self._threads.append(thread)

    def take_cut(self) -> str:
        """Say what is to be lost of a commit at hand: nothing, itself, its answer."""
        with self._lock:
            if not self._armed:
                return "nothing"
            self._armed -= 1
            self.cuts += 1
            return "commit" if self._before else "answer"


class _Pair:
    """The two ends of one connection."""

    def __init__(
        self, proxy: Proxy, client: socket.socket, server: socket.socket
    ) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._losing_answer = False

    def to_server(self) -> None:
        while data := _receive(self._client):
            lost = self._proxy.take_cut() if _COMMIT in data else "nothing"
            if lost == "commit":
                break
            self._losing_answer = lost == "answer"
            if not _send(self._server, data):
                break
        self._end()

    def to_client(self) -> None:
        while data := _receive(self._server):
            if self._losing_answer or not _send(self._client, data):
                break
        self._end()

    def _end(self) -> None:
        with suppress(OSError):
            self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        _close(self._client)
        _close(self._server)


def _receive(end: socket.socket) -> bytes:
    try:
        return end.recv(65536)
    except OSError:
        return b""


def _send(end: socket.socket, data: bytes) -> bool:
    try:
        end.sendall(data)
    except OSError:
        return False
    return True


def _close(end: socket.socket) -> None:
    """Close it, and wake who reads from it."""
    with suppress(OSError):
        end.shutdown(socket.SHUT_RD)
    end.close()
