"""The server process, or several: uvicorn, told what we want of it."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from tempfile import TemporaryDirectory

from uvicorn import Config, Server
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from profilestore.domain.errors import StoreUnavailableError

from .app import Options, build
from .guard import Guarded
from .metrics import SHARED

BACKLOG = 2048
KEEP_ALIVE_SECONDS = 65
"""Longer than a reverse proxy commonly keeps one: it closes first, not we."""
DRAIN_SECONDS = 15
"""For requests that were taken to be answered, once the server is to stop."""


def serve(
    options: Options,
    *,
    host: str,
    port: int,
    workers: int = 1,
    told: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve until SIGTERM or SIGINT, then answer what was taken, commit it and return.

    `told` is given the URL once connections are taken: port 0 is some free one. Raise
    OSError if the address cannot be had, StoreUnavailableError if a process of the
    service does not start.
    """
    with _bound(host, port) as listener:
        # Its own handlers stop the server; what they leave behind must end nothing.
        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(each, lambda _, __: None)
        config = Config(
            partial(build, options),
            factory=True,
            http=Guarded,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            workers=workers,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
        told(_url(listener))
        if workers > 1:
            _serve_together(config, listener)
        else:
            _serve_alone(config, listener)


def _serve_alone(config: Config, listener: socket.socket) -> None:
    try:
        Server(config).run([listener])
    except SystemExit:
        raise _not_started() from None


def _serve_together(config: Config, listener: socket.socket) -> None:
    with TemporaryDirectory(prefix="profilestore-metrics-") as shared:
        os.environ[SHARED] = shared
        supervisor = Multiprocess(config, [listener])
        supervisor.run()
    # One that served ends by the signal that told it to, when all is done.
    if any(each.exitcode == STARTUP_FAILURE for each in supervisor.processes):
        raise _not_started()


def _not_started() -> StoreUnavailableError:
    return StoreUnavailableError("the service did not start; its log says why")


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=BACKLOG) as listener:
        yield listener


def _url(listener: socket.socket) -> str:
    host, port, *_ = listener.getsockname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
