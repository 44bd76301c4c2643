"""The end of a partition's log: whoever holds it appends, alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from profilestore.domain.timestamps import to_microseconds

from .logged_event import LoggedEvent, digest, link
from .tables import checkpoints, events, heads, streams

CHUNK = 500
"""Keys looked up by one statement."""


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
    _versions: dict[UUID, int | None] = field(default_factory=dict)

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

    def append(self, rows: Sequence[LoggedEvent]) -> list[LoggedEvent]:
        """Write rows at the end of the log, in order; answer them as stored.

        Their versions are the caller's; a version or event id that its stream has
        already fails the transaction.
        """
        if not rows:
            return []
        stored, values = [], []
        for row in rows:
            self.position += 1
            stored.append(
                replace(row, position=self.position, recorded_at=self.recorded_at)
            )
            values.append(self._values(stored[-1]))
        self.connection.execute(insert(events), values)
        self._lengthen_streams(rows)
        self.connection.execute(
            update(heads)
            .where(heads.c.partition == self.partition)
            .values(
                position=self.position, chain=self.chain, recorded_at=self.recorded_at
            )
        )
        return stored

    def versions(self, stream_ids: Iterable[UUID]) -> dict[UUID, int]:
        """Look up how long streams are; those that do not exist are left out."""
        wanted = set(stream_ids)
        unread = list(wanted - self._versions.keys())
        for start in range(0, len(unread), CHUNK):
            query = select(streams.c.stream_id, streams.c.version).where(
                streams.c.partition == self.partition,
                streams.c.stream_id.in_(unread[start : start + CHUNK]),
            )
            self._versions.update(dict.fromkeys(unread[start : start + CHUNK]))
            for stream_id, version in self.connection.execute(query):
                self._versions[stream_id] = version
        known = {stream_id: self._versions[stream_id] for stream_id in wanted}
        return {s: version for s, version in known.items() if version is not None}

    def _values(self, row: LoggedEvent) -> dict[str, object]:
        stream_id = UUID(str(row.originator_id))
        event_digest = digest(
            (
                self.partition,
                row.position,
                stream_id.bytes,
                row.originator_version,
                row.event_id,
                row.topic,
                row.revision,
                row.occurred_at,
                row.recorded_at,
                row.state,
            )
        )
        self.chain = link(self.chain, event_digest)
        return {
            "partition": self.partition,
            "position": row.position,
            "stream_id": stream_id,
            "version": row.originator_version,
            "event_id": row.event_id,
            "name": row.topic,
            "revision": row.revision,
            "occurred_at": row.occurred_at,
            "recorded_at": row.recorded_at,
            "state": row.state,
            "digest": event_digest,
            "chain": self.chain,
        }

    def _lengthen_streams(self, rows: Sequence[LoggedEvent]) -> None:
        last = {UUID(str(row.originator_id)): row for row in rows}
        known = self.versions(last)
        fresh = [
            {
                "partition": self.partition,
                "stream_id": stream_id,
                "api_space_id": row.profile and row.profile.api_space_id,
                "profile_id": row.profile and row.profile.profile_id,
                "version": row.originator_version,
            }
            for stream_id, row in last.items()
            if stream_id not in known
        ]
        longer = [
            {"of": stream_id, "to": row.originator_version}
            for stream_id, row in last.items()
            if stream_id in known
        ]
        if fresh:
            self.connection.execute(insert(streams), fresh)
        if longer:
            self._drop_checkpoints([row for row in rows if row.occurred_at is not None])
            self.connection.execute(
                update(streams)
                .where(
                    and_(
                        streams.c.partition == self.partition,
                        streams.c.stream_id == bindparam("of"),
                    )
                )
                .values(version=bindparam("to")),
                longer,
            )

    def _drop_checkpoints(self, rows: Sequence[LoggedEvent]) -> None:
        """Drop the checkpoints that a late event makes wrong, from its time on."""
        if not rows:
            return
        earliest: dict[UUID, int] = {}
        for row in rows:
            stream_id, occurred_at = UUID(str(row.originator_id)), row.occurred_at or 0
            earliest[stream_id] = min(earliest.get(stream_id, occurred_at), occurred_at)
        self.connection.execute(
            delete(checkpoints).where(
                checkpoints.c.partition == self.partition,
                checkpoints.c.stream_id == bindparam("of"),
                checkpoints.c.until >= bindparam("from_time"),
            ),
            [{"of": of, "from_time": time} for of, time in earliest.items()],
        )
