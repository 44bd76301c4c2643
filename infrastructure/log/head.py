"""The end of a partition's log: whoever holds it appends, alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, NamedTuple

import msgspec
from sqlalchemy import Connection, delete, update

from profilestore.domain.identity import ProfileKey
from profilestore.domain.timestamps import to_microseconds

from .bulk import ask, insert_rows, present, run, select_by
from .logged_event import digest, link
from .tables import checkpoints, events, streams


class NewEvent(msgspec.Struct, frozen=True, gc=False):
    """An event as its stream has it, before the log gives it a position.

    The bytes of the stream's UUID, and of the event id in UTF-8; times in microseconds.
    """

    stream_id: bytes
    version: int
    event_id: bytes | None
    name: str
    revision: int | None
    occurred_at: int | None
    state: bytes


_HEAD = {
    "sqlite": "SELECT position, chain, recorded_at, NULL FROM heads",
    "postgresql": "SELECT position, chain, recorded_at, "
    "CAST(pg_current_xact_id() AS text) FROM heads",
}
_LOCKING = {"postgresql": " FOR UPDATE", "sqlite": ""}
"""SQLite has no words for it: there the transaction itself is the lock."""
_MOVE = """
    UPDATE heads SET position = {}, chain = {}, recorded_at = {} WHERE partition = {}
"""
_VERSIONS = """
    SELECT key0,
        (SELECT max(version) FROM events WHERE partition = {} AND stream_id = key0),
        (SELECT 1 FROM streams WHERE partition = {} AND stream_id = key0
            AND api_space_id IS NULL)
    FROM keys
"""


NOBODY = (None, None)
"""Whose a stream is that came through the library's port."""

Known = dict[bytes, int | None]
"""How long streams are, as far as it was looked up; None if they do not exist."""


class Place(NamedTuple):
    """Where a log ended."""

    position: int
    chain: bytes


@dataclass
class Head:
    """A partition's head row, locked until the transaction ends.

    Positions are given under this lock, so they are dense and in commit order: no
    reader can ever see a position before a smaller one.
    """

    SHORTEST: ClassVar[int] = 100
    """Streams of fewer events have no checkpoints: appends to them need not look."""

    connection: Connection
    partition: int
    position: int
    chain: bytes
    recorded_at: int
    transaction: str | None = None
    """The transaction's id, on PostgreSQL."""
    known: Known = field(default_factory=dict)
    unnamed: set[bytes] = field(default_factory=set)
    """Streams that so far have events of the library's callers only. Their lengths are
    not remembered: they are looked up, and with them whether they have a name now."""

    @classmethod
    def lock(cls, connection: Connection, partition: int) -> "Head":
        """Wait for the partition and take it; `recorded_at` becomes now.

        A clock that went backwards is held at the last time given.
        """
        engine = connection.dialect.name
        statement = f"{_HEAD[engine]} WHERE partition = {{}}{_LOCKING[engine]}"
        ((position, chain, recorded_at, transaction),) = ask(
            connection, statement, (partition,)
        )
        now = max(to_microseconds(datetime.now(UTC)), recorded_at)
        return cls(connection, partition, position, chain, now, transaction)

    def append(
        self,
        new: Sequence[NewEvent],
        profiles: Mapping[bytes, ProfileKey | None] | None = None,
    ) -> range:
        """Write events at the end of the log, in order; answer their positions.

        Their versions are the caller's; a version or event id that its stream has
        already fails the transaction. `profiles` tells whose the streams are.
        """
        first = self.position + 1
        if not new:
            return range(first, first)
        self._prepare_streams(new, profiles or {})
        insert_rows(self.connection, events, self._placed(new))
        end = (self.position, self.chain, self.recorded_at, self.partition)
        run(self.connection, _MOVE, end)
        return range(first, self.position + 1)

    def _placed(self, new: Iterable[NewEvent]) -> Iterator[tuple[Any, ...]]:
        """Give each event its place, and seal it: the rows of the log."""
        for event in new:
            self.position += 1
            fields = (
                self.partition,
                self.position,
                event.stream_id,
                event.version,
                event.event_id,
                event.name,
                event.revision,
                event.occurred_at,
                self.recorded_at,
                event.state,
            )
            of_event = digest(fields)
            self.chain = link(self.chain, of_event)
            yield (*fields, of_event, self.chain)

    def place(self) -> Place:
        """Remember where the log ends, to go back to when a savepoint is undone."""
        return Place(self.position, self.chain)

    def go_back(self, place: Place) -> None:
        """Be where the log ended then."""
        self.position, self.chain = place
        self.known.clear()
        self.unnamed.clear()

    def versions(self, stream_ids: Iterable[bytes]) -> dict[bytes, int]:
        """Look up how long streams are; those that do not exist are left out."""
        wanted = set(stream_ids)
        unread = wanted - self.known.keys()
        if unread:
            keys = [(stream_id,) for stream_id in unread]
            found = select_by(self.connection, _VERSIONS, keys, self.partition)
            for stream_id, version, unnamed in found:
                self.known[stream_id] = version
                if unnamed:
                    self.unnamed.add(stream_id)
        known = {stream_id: self.known[stream_id] for stream_id in wanted}
        return {id_: version for id_, version in known.items() if version is not None}

    def _prepare_streams(
        self, new: Sequence[NewEvent], profiles: Mapping[bytes, ProfileKey | None]
    ) -> None:
        """Begin the streams that are new; drop the checkpoints that are now wrong."""
        # The library's callers may give versions in any order, and leave gaps.
        last: dict[bytes, int] = {}
        for event in new:
            last[event.stream_id] = max(event.version, last.get(event.stream_id, 0))
        known = self.versions(last)
        fresh = [id_ for id_ in last if id_ not in known]
        if fresh:
            rows = ((self.partition, i, *(profiles.get(i) or NOBODY)) for i in fresh)
            insert_rows(self.connection, streams, rows)
            self.unnamed.update(id_ for id_ in fresh if not profiles.get(id_))
        self._name_streams(profiles)
        long = [id_ for id_, version in known.items() if version >= self.SHORTEST]
        of_stream = checkpoints.c.stream_id
        checkpointed = present(self.connection, of_stream, long, self.partition)
        self._drop_checkpoints(e for e in new if e.stream_id in checkpointed)
        self.known.update(
            (id_, max(version, known.get(id_, 0))) for id_, version in last.items()
        )
        for id_ in self.unnamed:
            self.known.pop(id_, None)

    def _name_streams(self, profiles: Mapping[bytes, ProfileKey | None]) -> None:
        """Say whose the streams are that become a profile's only now."""
        named = {id_: key for id_ in self.unnamed if (key := profiles.get(id_))}
        for stream_id, (space, profile) in named.items():
            self.connection.execute(
                update(streams)
                .where(
                    streams.c.partition == self.partition,
                    streams.c.stream_id == stream_id,
                )
                .values(api_space_id=space, profile_id=profile)
            )
        self.unnamed -= named.keys()

    def _drop_checkpoints(self, late: Iterable[NewEvent]) -> None:
        """Drop the checkpoints that a late event makes wrong, from its time on."""
        earliest: dict[bytes, int] = {}
        for event in late:
            if event.occurred_at is not None:
                known = earliest.get(event.stream_id, event.occurred_at)
                earliest[event.stream_id] = min(known, event.occurred_at)
        for stream_id, time in earliest.items():
            self.connection.execute(
                delete(checkpoints).where(
                    checkpoints.c.partition == self.partition,
                    checkpoints.c.stream_id == stream_id,
                    checkpoints.c.until >= time,
                )
            )
