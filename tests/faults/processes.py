"""Real processes, begun in milliseconds: forked from one that has imported it all."""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

FORKING = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload(
    [
        "profilestore.infrastructure.store",
        "profilestore.infrastructure.cli.serve",
        "profilestore.infrastructure.http.server",
        "profilestore.infrastructure.log.sqlite",
        "profilestore.infrastructure.log.postgresql",
        "sqlalchemy.dialects.postgresql.psycopg",
    ]
)

GO = "go"
PATIENCE_SECONDS = 120


class Child:
    """A process that does some work, to which it can speak and listen.

    The work is a function that a process can import by its name; its first argument
    is the connection.
    """

    def __init__(self, work: Callable[..., None], *arguments: Any) -> None:
        self._ours, theirs = FORKING.Pipe()
        self._process = FORKING.Process(
            target=_run, args=(theirs, work, arguments), daemon=True
        )
        self._process.start()
        theirs.close()

    def hear(self) -> Any:
        """Wait for the next thing it says; raise EOFError if it is dead."""
        if not self._ours.poll(PATIENCE_SECONDS):
            raise TimeoutError("the process says nothing")
        try:
            return self._ours.recv()
        except ConnectionResetError as error:
            raise EOFError from error

    def last_words(self) -> Iterator[Any]:
        """Hear all it said before it died."""
        with suppress(EOFError):
            while True:
                yield self.hear()

    def say(self, word: Any) -> None:
        self._ours.send(word)

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        """Kill it if it lives, and forget it."""
        self._process.kill()
        self._process.join()
        self._process.close()
        self._ours.close()


@contextmanager
def child(work: Callable[..., None], *arguments: Any) -> Iterator[Child]:
    one = Child(work, *arguments)
    try:
        yield one
    finally:
        one.close()


def together(work: Callable[..., None], *calls: tuple[Any, ...]) -> list[str]:
    """Do work in one process a call, from the same moment; answer what failed it.

    An empty text for each in which nothing did.
    """
    children = [Child(_when_told, work, *call) for call in calls]
    try:
        for one in children:
            assert one.hear() == "ready"
        for one in children:
            one.say(GO)
        return [one.hear() for one in children]
    finally:
        for one in children:
            one.close()


def _run(
    connection: Connection, work: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    work(connection, *arguments)


def _when_told(connection: Connection, work: Callable[..., None], *call: Any) -> None:
    connection.send("ready")
    connection.recv()
    try:
        work(*call)
    except Exception as error:
        connection.send(f"{type(error).__name__}: {error}")
    else:
        connection.send("")
