"""Group commit: what waits together is committed together, by one thread a process."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from threading import Condition, Lock, Thread
from typing import cast, overload

from profilestore.domain.admission import Outcome
from profilestore.domain.errors import (
    LeftUnstoredError,
    StorageError,
    StoreBusyError,
    StoreOverloadedError,
    StoreUnavailableError,
)

from .backend import BUSY_SECONDS
from .birthplace import Birthplace
from .group import Delivery
from .insertion import Insertion, Positions
from .relay import Relay
from .ticket import Ticket, Told
from .writer import Answer, Entry, LogWriter

QUEUE_EVENTS = 50_000
QUEUE_BYTES = 256 * 1024 * 1024
"""What may wait at most; one entry may be more, if nothing else waits."""

GROUP_EVENTS = 10_000
GROUP_BYTES = 32 * 1024 * 1024
"""What one transaction takes, unless a single entry is more."""


LINGER_SECONDS = 0.005
"""How long a commit waits for as many entries as the one before it had."""

GRACE_SECONDS = 10
"""A caller waits so much longer than the database does, to hear what it says."""

AHEAD = 9
"""Entries of one caller that wait to be stored while it makes the next: of full batches
a group, and what it takes for the next one."""


class Committer:
    """Takes entries from any thread, commits what waits as one group, then answers.

    An entry that makes its group fail fails alone. What was taken is committed also
    when the committer closes.
    """

    def __init__(
        self,
        writer: LogWriter,
        *,
        busy_seconds: float = BUSY_SECONDS,
        queue_events: int = QUEUE_EVENTS,
    ) -> None:
        self._writer = writer
        self._wait_seconds = busy_seconds + GRACE_SECONDS
        self._queue_events = queue_events
        self._queue: deque[Ticket] = deque()
        self._group: Sequence[Ticket] = ()
        self._events = self._bytes = 0
        self._wanted = 1
        self._changed = Condition(Lock())
        self._thread: Thread | None = None
        self._closed = False
        self._relay = Relay()
        self._birthplace = Birthplace()

    @property
    def waiting(self) -> int:
        """How many events wait to be stored, beside those being written."""
        return self._events

    @property
    def is_full(self) -> bool:
        """Whether the next entry would be refused."""
        return self._events >= self._queue_events or self._bytes >= QUEUE_BYTES

    def submit(self, entry: Entry, told: Told = lambda _: None) -> Ticket:
        """Take an entry; raise StoreOverloadedError if too much waits already.

        `told` is called with the ticket once it is settled.
        """
        self._birthplace.check()  # before the lock, which another may hold for ever
        ticket = Ticket(entry, self._relay, told)
        with self._changed:
            if self._closed:
                raise StoreUnavailableError("the store is closed")
            if self._queue and (
                self._events + ticket.events > self._queue_events
                or self._bytes + ticket.bytes > QUEUE_BYTES
            ):
                raise StoreOverloadedError(self._events)
            if self._thread is None:
                # As a daemon it cannot keep a process alive whose store is not closed:
                # what nobody waits for any more was never acknowledged.
                thread = Thread(target=self._run, name="committer", daemon=True)
                thread.start()
                self._thread = thread
            self._queue.append(ticket)
            self._events += ticket.events
            self._bytes += ticket.bytes
            if len(self._queue) >= self._wanted:
                self._changed.notify()
        return ticket

    @overload
    def commit(self, entry: Delivery) -> list[Outcome]: ...
    @overload
    def commit(self, entry: Insertion) -> Positions: ...
    def commit(self, entry: Entry) -> Answer:
        """Commit one entry and answer it."""
        return self.submit(entry).wait(self._wait_seconds)

    def commit_all(self, deliveries: Iterable[Delivery]) -> Iterator[list[Outcome]]:
        """Commit deliveries in order, answering each in turn.

        While one is written the next are made, so that both cores have work.
        """
        ahead: deque[Ticket] = deque()
        remaining, failure = iter(deliveries), None
        while True:
            try:
                entry = next(remaining)
            except StopIteration:
                break
            except Exception as error:  # noqa: BLE001 - raised below
                failure = error  # but what came before it is answered
                break
            while (ticket := self._submit_behind(entry, ahead)) is None:
                yield self._outcomes(ahead.popleft())
            ahead.append(ticket)
            if len(ahead) > AHEAD:
                yield self._outcomes(ahead.popleft())
        while ahead:
            yield self._outcomes(ahead.popleft())
        if failure is not None:
            raise failure

    def _outcomes(self, ticket: Ticket) -> list[Outcome]:
        return cast("list[Outcome]", ticket.wait(self._wait_seconds))

    def _submit_behind(self, entry: Entry, ahead: deque[Ticket]) -> Ticket | None:
        """Submit an entry; None if the queue is full and some of it is our own."""
        try:
            return self.submit(entry)
        except StoreOverloadedError:
            if ahead:
                return None
            raise

    def close(self) -> None:
        """Take nothing more, commit what waits, and end.

        Raise LeftUnstoredError if the database does not answer so long as a caller
        waits: what was not answered by then may be stored later, or never.
        """
        if self._birthplace.left:
            return
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(self._wait_seconds)
            if self._thread.is_alive():
                self._give_up()

    def _give_up(self) -> None:
        with self._changed:
            waiting = list(self._queue)
            self._queue.clear()
            left = sum(ticket.events for ticket in (*self._group, *waiting))
        error = LeftUnstoredError(left, self._wait_seconds)
        _fail(waiting, error)
        self._relay.finish()
        raise error

    def _run(self) -> None:
        while group := self._next_group():
            self._relay.finish()
            self._group = group
            self._commit(group)
        self._relay.finish()

    def _next_group(self) -> list[Ticket]:
        """Wait for entries and take what fits; nothing once closed and drained.

        Callers that were answered together come back together: as many are waited for,
        a moment, or the first of them would have a commit of its own and the others
        wait for that.
        """
        with self._changed:
            before, self._wanted = self._wanted, 1
            while not self._queue and not self._closed:
                if not self._changed.wait(LINGER_SECONDS if self._relay else None):
                    self._relay.finish()
            if len(self._queue) < before and not self._closed:
                self._wanted = before
                self._changed.wait(LINGER_SECONDS)
            group: list[Ticket] = []
            events = size = 0
            while self._queue and (
                not group
                or (
                    events + self._queue[0].events <= GROUP_EVENTS
                    and size + self._queue[0].bytes <= GROUP_BYTES
                )
            ):
                ticket = self._queue.popleft()
                group.append(ticket)
                events += ticket.events
                size += ticket.bytes
            self._events -= events
            self._bytes -= size
            self._wanted = len(group)
            return group

    def _commit(self, group: Sequence[Ticket], *, again: bool = False) -> None:
        """Commit a group; once more if the connection was lost, which tells nothing."""
        try:
            answers = self._writer.write(
                [ticket.entry for ticket in group], again=again
            )
        except StorageError as error:
            if isinstance(error, StoreBusyError) or error.unreachable:
                _fail(group, error)
            elif not error.disconnected:
                self._commit_parts(group, error)
            elif again:
                _fail(group, error)
            else:
                self._commit(group, again=True)
        except BaseException as error:  # noqa: BLE001 - it is the callers', in their threads
            self._commit_parts(group, error)
        else:
            for ticket, answer in zip(group, answers, strict=True):
                ticket.answered(answer)
        self._relay.pass_on()

    def _commit_parts(self, group: Sequence[Ticket], error: BaseException) -> None:
        """Find the entry that made its group fail: the others are not to blame."""
        if len(group) == 1:
            _fail(group, error)
            return
        half = len(group) // 2
        for part in (group[:half], group[half:]):
            self._commit(part)


def _fail(group: Sequence[Ticket], error: BaseException) -> None:
    for ticket in group:
        ticket.failed(error)
