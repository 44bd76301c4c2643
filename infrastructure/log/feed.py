"""Reading a partition in the order of its positions, as far as it goes and live."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from threading import Event
from typing import Any

from sqlalchemy import Select, select

from profilestore.domain.errors import InvalidArgumentError
from profilestore.domain.events import RecordedEvent
from profilestore.domain.identity import ProfileKey

from .database import Database
from .streams import COLUMNS, OF_PROFILE, OF_STREAM, recorded
from .tables import events, heads, streams

MOST_EVENTS = 10_000
"""Events that one page may have."""
SCANNED = 20_000
"""Positions that one page of a single API space looks at."""


@dataclass(frozen=True)
class Page:
    """Events in order of position, and the position up to which none is left out."""

    events: tuple[RecordedEvent, ...]
    position: int


class Feed:
    """The partitions of a log, by position. No reader skips or repeats one.

    Positions are given and committed under the lock of the partition's head: what is
    visible at all is visible up to some position, without a hole.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def ends(self) -> dict[int, int]:
        """Say what the last position of each partition is."""
        query = select(heads.c.partition, heads.c.position)
        return {row.partition: row.position for row in self._database.ask(query)}

    def page(
        self,
        partition: int,
        after: int,
        limit: int,
        api_spaces: Collection[str] | None = None,
    ) -> Page:
        """Read at most so many events after a position, of some API spaces or of all.

        Of some API spaces a page may be short, or empty, before the end of the log: go
        on from its `position`. Events that are of no profile are left out.
        """
        self.check(partition)
        if not 0 <= after < 2**63:
            raise InvalidArgumentError("after", "must be from 0 to 2^63-1")
        if not 1 <= limit <= MOST_EVENTS:
            raise InvalidArgumentError("limit", f"must be from 1 to {MOST_EVENTS}")
        end = select(heads.c.position).where(heads.c.partition == partition)
        with self._database.read() as connection:
            last = min(connection.execute(end).scalar_one(), after + SCANNED)
            query = _between(partition, after, last).limit(limit)
            if api_spaces is not None:
                query = query.where(streams.c.api_space_id.in_(api_spaces))
            rows = connection.execute(query).all()
        read = tuple(
            recorded(ProfileKey(row.api_space_id, row.profile_id), *row[2:])
            for row in rows
        )
        full = len(read) == limit
        return Page(read, read[-1].position if full else max(after, last))

    def check(self, partition: int) -> None:
        """Raise InvalidArgumentError if there is no such partition."""
        if not 0 <= partition < self._database.partitions:
            rule = f"must be from 0 to {self._database.partitions - 1}"
            raise InvalidArgumentError("partition", rule)

    def follow(
        self,
        partition: int,
        after: int,
        api_spaces: Collection[str] | None = None,
        stop: Event | None = None,
    ) -> Iterator[RecordedEvent]:
        """Read all events after a position, then wait for more, until `stop` is set."""
        pause = Pause(stop or Event())
        while not pause.stopped:
            page = self.page(partition, after, MOST_EVENTS // 10, api_spaces)
            for event in page.events:
                if pause.stopped:
                    return
                yield event
            if page.position == after:
                pause.wait()
            else:
                pause.reset()
            after = page.position


class Pause:
    """How long to wait for more: 10 ms after something came, up to half a second."""

    SHORTEST = 0.01
    LONGEST = 0.5

    def __init__(self, stop: Event) -> None:
        self._stop = stop
        self._seconds = self.SHORTEST

    @property
    def stopped(self) -> bool:
        """Whether nothing is to be waited for any more."""
        return self._stop.is_set()

    def wait(self, least: float = 0.0) -> None:
        """Wait, each time longer, and for so many seconds at least."""
        self._stop.wait(max(self._seconds, least))
        self._seconds = min(self._seconds * 2, self.LONGEST)

    def reset(self) -> None:
        """Be quick again."""
        self._seconds = self.SHORTEST


def _between(partition: int, after: int, last: int) -> Select[Any]:
    return (
        select(streams.c.api_space_id, streams.c.profile_id, *COLUMNS)
        .join(streams, OF_STREAM)
        .where(
            events.c.partition == partition,
            events.c.position > after,
            events.c.position <= last,
            OF_PROFILE,
            streams.c.api_space_id.is_not(None),
        )
        .order_by(events.c.position)
    )
