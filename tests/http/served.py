"""The real server, as a process, on a free port; and a plain client of it."""

import hmac
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any, Protocol, Self
from urllib.parse import urlsplit

from profilestore.infrastructure.cli.main import main
from tests.faults.processes import FORKING

SECRET = "a-secret-of-the-registration"
TOKEN = "a-token-for-everything"
PATIENCE_SECONDS = 60
WEBHOOK = "/webhooks/dotdigital"


def sign(body: bytes, secret: str = SECRET) -> str:
    return hmac.digest(secret.encode(), body, "sha1").hex()


def signed_request(body: bytes) -> bytes:
    """Write a delivery as it goes over the wire."""
    head = f"POST {WEBHOOK} HTTP/1.1\r\nHost: x\r\nX-Comapi-Signature: {sign(body)}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def until(condition: Callable[[], bool]) -> None:
    """Wait, however long it takes."""
    waiting = threading.Event()
    while not condition():
        waiting.wait(0.05)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def plain_headers(self) -> dict[str, str]:
        """What a header says of the answer, not of the moment."""
        moment = ("date", "x-request-id")
        return {
            k.lower(): v for k, v in self.headers.items() if k.lower() not in moment
        }


class Begun(Protocol):
    """A process that serves."""

    pid: int
    stdout: IO[str]

    def kill(self) -> None: ...
    def terminate(self) -> None: ...
    def wait(self, timeout: float | None = None) -> int: ...


def begin(
    arguments: list[str], environment: dict[str, str], log: Path, patched: str
) -> Any:
    """Begin a process with an interpreter of its own, as a user does."""
    main = "from profilestore.infrastructure.cli.main import main; main()"
    with log.open("wb") as errors:
        return subprocess.Popen(
            [sys.executable, "-c", f"{patched}\n{main}", *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=os.environ | environment,
        )


class Forked:
    """The same, begun in milliseconds: forked from one that has imported it all."""

    def __init__(
        self, arguments: list[str], environment: dict[str, str], log: Path
    ) -> None:
        ours, theirs = FORKING.Pipe(duplex=False)
        work = (theirs, str(log), environment, arguments)
        self._process = FORKING.Process(target=_serve, args=work)
        self._process.start()
        theirs.close()
        self.pid = self._process.pid or 0
        self.stdout = os.fdopen(os.dup(ours.fileno()))
        ours.close()

    def kill(self) -> None:
        self._process.kill()

    def terminate(self) -> None:
        self._process.terminate()

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        assert self._process.exitcode is not None
        return self._process.exitcode


def _serve(
    out: Connection, log: str, environment: dict[str, str], arguments: list[str]
) -> None:
    errors = os.open(log, os.O_WRONLY)
    os.dup2(out.fileno(), 1)
    os.dup2(errors, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    os.environ.update(environment)
    sys.argv[1:] = arguments
    main()


class Served:
    """A server on a store; `patched` is Python that runs in it before all else."""

    def __init__(
        self,
        database: str,
        *options: str,
        secrets: str = SECRET,
        tokens: Mapping[str, list[str]] | None = None,
        patched: str = "",
        **environment: str,
    ) -> None:
        given = {TOKEN: ["*"]} if tokens is None else tokens
        self.log = Path(tempfile.mkstemp(suffix=".log")[1])
        arguments = ["--database", database, "serve", "--port", "0", *options]
        environment = {
            "PROFILESTORE_WEBHOOK_SECRETS": secrets,
            "PROFILESTORE_READ_TOKENS": json.dumps(given),
        } | environment
        if patched or "--workers" in options:
            self.process: Begun = begin(arguments, environment, self.log, patched)
        else:
            self.process = Forked(arguments, environment, self.log)
        said = self.process.stdout.readline()
        if not said.startswith("serving http://"):
            told = self.log.read_text()
            self.__exit__()
            raise AssertionError(told)
        url = urlsplit(said.split()[1])
        self.address = (str(url.hostname), int(url.port or 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.unlink()

    def stop(self) -> int:
        """Ask it to end, and wait until it has."""
        self.process.terminate()
        return self.process.wait(PATIENCE_SECONDS)

    @property
    def logged(self) -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    @contextmanager
    def connected(self) -> Iterator[socket.socket]:
        with socket.create_connection(self.address, PATIENCE_SECONDS) as connection:
            yield connection

    @property
    def errors(self) -> list[dict[str, Any]]:
        """What was logged as an error so far, which may be on its way: lines wait."""
        before = self._looks()
        self.get("/healthz")
        until(lambda: self._looks() > before)
        return [line for line in self.logged if line["level"] == "error"]

    def _looks(self) -> int:
        return [line.get("route") for line in self.logged].count("/healthz")

    @property
    def metrics(self) -> dict[str, float]:
        text = self.get("/metrics", "").body.decode()
        lines = (line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
        return {name: float(number) for name, number in lines}

    def raw(self, request: bytes) -> bytes:
        """Send bytes, and read until the other side closes."""
        with self.connected() as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        connection = HTTPConnection(*self.address, timeout=PATIENCE_SECONDS)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def deliver(self, delivery: Any, secret: str = SECRET, **headers: str) -> Answer:
        body = (
            delivery if isinstance(delivery, bytes) else json.dumps(delivery).encode()
        )
        signed = {"X-Comapi-Signature": sign(body, secret)} | headers
        return self.request("POST", WEBHOOK, body, signed)

    def get(self, path: str, token: str = TOKEN, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        return self.request("GET", path, headers=bearer | named)
