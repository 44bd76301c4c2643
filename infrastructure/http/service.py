"""What all routes share: the store, who may ask it, and where work is done."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar, cast

from fastapi import Request

from profilestore.domain.errors import InvalidArgumentError
from profilestore.domain.identity import normalise_api_space_id
from profilestore.infrastructure.store import ProfileStore

from .answerers import Answerers
from .body import Bodies
from .credentials import Reader
from .keyring import Keyring
from .metrics import Metrics
from .problems import UNAUTHORISED, ProblemError
from .tail import Tail

ANSWER_THREADS = 4
"""Answers that are made at once: short ones, about one profile."""
SCAN_THREADS = 2
"""The same of lists, counts and the log, that may wait for each other."""
ANSWER_SECONDS = 30

T = TypeVar("T")


class Service:
    """A store that is served, in one process. Close it before the store."""

    def __init__(self, store: ProfileStore, keyring: Keyring, metrics: Metrics) -> None:
        self.store = store
        self.keyring = keyring
        self.metrics = metrics
        self.bodies = Bodies()
        self.stopping = asyncio.Event()
        """Set when the server takes no more connections: what has no end ends."""
        self.tail = Tail(lambda: self.scan(ProfileStore.positions), self.stopping)
        self._answers = Answerers(ANSWER_THREADS, "answers")
        self._scans = Answerers(SCAN_THREADS, "scans")

    async def ask(self, question: Callable[[ProfileStore], T]) -> T:
        """Ask the store about one profile, in a thread.

        Raise StoreBusyError if there is no answer within 30 s.
        """
        return await self._answers.ask(partial(question, self.store), ANSWER_SECONDS)

    async def scan(self, question: Callable[[ProfileStore], T]) -> T:
        """Ask what takes longer, in other threads, so that `ask` need not wait."""
        return await self._scans.ask(partial(question, self.store), ANSWER_SECONDS)

    def close(self) -> None:
        """End the threads."""
        for threads in (self._answers, self._scans):
            threads.close()


def service_of(request: Request) -> Service:
    """Give the service that a request came to."""
    return cast("Service", request.scope["state"]["service"])


def reader_of(request: Request) -> Reader:
    """Find who asks; raise ProblemError for nobody we know (RFC 6750)."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    given = token.strip().encode() if scheme.lower() == "bearer" else None
    reader = service_of(request).keyring.reader(given, lambda: request.url.hostname)
    if reader is None:
        raise ProblemError(
            UNAUTHORISED,
            "give a token that is valid here: Authorization: Bearer TOKEN",
            WWW_Authenticate="Bearer",
        )
    return reader


def space_of(request: Request) -> str:
    """Read the API space of the path, as who asks sees it; see `reader_of`."""
    reader = reader_of(request)
    return reader.seen(read_space(request.path_params["space"]))


def read_space(text: str) -> str:
    """Read an API space id; raise InvalidArgumentError naming the parameter."""
    try:
        return normalise_api_space_id(text)
    except ValueError as error:
        raise InvalidArgumentError("space", str(error)) from None
