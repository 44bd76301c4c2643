"""What a caller holds while its entry is written: the answer to come."""

from collections.abc import Callable
from copy import copy

from eventsourcing.persistence import IntegrityError

from profilestore.domain.errors import StoreBusyError
from profilestore.domain.rejection import Ignored

from .group import Delivery
from .relay import Relay, Turn
from .writer import Answer, Entry

Told = Callable[["Ticket"], None]
"""Hears of a ticket that is settled; from the committer's thread, so it must not fail
and must not wait."""


class Ticket:
    """An entry on its way into the log."""

    def __init__(self, entry: Entry, relay: Relay, told: Told = lambda _: None) -> None:
        self.entry = entry
        self._relay = relay
        self._turn = Turn(relay)
        self._told = told
        texts = _texts(entry)
        self.events = len(texts) or 1
        self.bytes = sum(map(len, texts))
        self._answer: Answer | None = None
        self._error: BaseException | None = None

    def wait(self, seconds: float) -> Answer:
        """Wait for the commit; raise what made it fail.

        StoreBusyError after so many seconds: the entry may still be stored later.
        """
        if not self._turn.wait(seconds):
            raise StoreBusyError(seconds)
        return self.result()

    def result(self) -> Answer:
        """Give the answer once the ticket is settled; raise what made it fail."""
        if self._error is not None:
            # Each caller has an error of its own: it adds a traceback to it, and notes.
            own = copy(self._error).with_traceback(self._error.__traceback__)
            raise own from self._error.__cause__
        assert self._answer is not None  # noqa: S101 - it has one or the other
        return self._answer

    def answered(self, answer: Answer) -> None:
        """Let the caller go on when the relay comes to it."""
        if isinstance(answer, IntegrityError):
            self._error = answer
        self._answer = answer
        self._settled()

    def failed(self, error: BaseException) -> None:
        """Let the caller know."""
        self._error = error
        self._settled()

    def _settled(self) -> None:
        self._relay.add(self._turn)
        self._told(self)


def _texts(entry: Entry) -> list[bytes]:
    if isinstance(entry, Delivery):
        return [b"" if isinstance(i, Ignored) else i.text for i in entry.batch]
    return [new.state for share in entry.shares.values() for new in share]
