"""The end of a partition's log: whoever holds it appends, alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection, delete, select, update

from profilestore.domain.identity import ProfileKey
from profilestore.domain.timestamps import to_microseconds

from .bulk import insert_rows, select_in
from .logged_event import digest, link
from .tables import checkpoints, events, heads, streams


class NewEvent(NamedTuple):
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


class _Stream(NamedTuple):
    version: int
    has_checkpoints: bool


_STREAMS = """
    SELECT stream_id,
        (SELECT max(version) FROM events AS e
            WHERE e.partition = s.partition AND e.stream_id = s.stream_id),
        EXISTS (SELECT 1 FROM checkpoints AS c
            WHERE c.partition = s.partition AND c.stream_id = s.stream_id)
    FROM streams AS s WHERE partition = {} AND stream_id {}
"""


class Place(NamedTuple):
    """Where a log ended."""

    position: int
    chain: bytes
    streams: dict[bytes, _Stream | None]


@dataclass
class Head:
    """A partition's head row, locked until the transaction ends.

    Positions are given under this lock, so they are dense and in commit order: no
    reader can ever see a position before a smaller one.
    """

    connection: Connection
    partition: int
    position: int
    chain: bytes
    recorded_at: int
    _streams: dict[bytes, _Stream | None] = field(default_factory=dict)

    @classmethod
    def lock(cls, connection: Connection, partition: int) -> "Head":
        """Wait for the partition and take it; `recorded_at` becomes now.

        A clock that went backwards is held at the last time given.
        """
        position, chain, recorded_at = connection.execute(
            select(heads.c.position, heads.c.chain, heads.c.recorded_at)
            .where(heads.c.partition == partition)
            .with_for_update()
        ).one()
        now = to_microseconds(datetime.now(UTC))
        return cls(connection, partition, position, chain, max(now, recorded_at))

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
        rows = []
        for event in new:
            self.position += 1
            (stream_id, version, event_id, name, revision, occurred_at, state) = event
            of_event = digest(
                (
                    self.partition,
                    self.position,
                    stream_id,
                    version,
                    event_id,
                    name,
                    revision,
                    occurred_at,
                    self.recorded_at,
                    state,
                )
            )
            self.chain = link(self.chain, of_event)
            rows.append(
                (
                    self.partition,
                    self.position,
                    stream_id,
                    version,
                    event_id,
                    name,
                    revision,
                    occurred_at,
                    self.recorded_at,
                    state,
                    of_event,
                    self.chain,
                )
            )
        insert_rows(self.connection, events, rows)
        self.connection.execute(
            update(heads)
            .where(heads.c.partition == self.partition)
            .values(
                position=self.position, chain=self.chain, recorded_at=self.recorded_at
            )
        )
        return range(first, self.position + 1)

    def place(self) -> Place:
        """Remember where the log ends, to go back to when a savepoint is undone."""
        return Place(self.position, self.chain, dict(self._streams))

    def go_back(self, place: Place) -> None:
        """Be where the log ended then."""
        self.position, self.chain, self._streams = place

    def versions(self, stream_ids: Iterable[bytes]) -> dict[bytes, int]:
        """Look up how long streams are; those that do not exist are left out."""
        wanted = set(stream_ids)
        unread = wanted - self._streams.keys()
        self._streams.update(dict.fromkeys(unread))
        found = select_in(self.connection, _STREAMS, self.partition, unread)
        for stream_id, version, has_checkpoints in found:
            self._streams[stream_id] = _Stream(version, bool(has_checkpoints))
        known = {stream_id: self._streams[stream_id] for stream_id in wanted}
        return {id_: stream.version for id_, stream in known.items() if stream}

    def _prepare_streams(
        self, new: Sequence[NewEvent], profiles: Mapping[bytes, ProfileKey | None]
    ) -> None:
        """Begin the streams that are new; drop the checkpoints that are now wrong."""
        last = {event.stream_id: event.version for event in new}
        known = self.versions(last)
        fresh = [id_ for id_ in last if id_ not in known]
        insert_rows(
            self.connection,
            streams,
            [
                (self.partition, id_, *(profiles.get(id_) or (None, None)))
                for id_ in fresh
            ],
        )
        checkpointed = {id_ for id_, s in self._streams.items() if s and s[1]}
        self._drop_checkpoints(e for e in new if e.stream_id in checkpointed)
        for id_, version in last.items():
            self._streams[id_] = _Stream(version, id_ in checkpointed)

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
