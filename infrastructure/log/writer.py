"""What callers want written, into the log: a group of them in one transaction."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from eventsourcing.persistence import IntegrityError, Tracking
from sqlalchemy import Connection, insert, update
from sqlalchemy.exc import IntegrityError as DatabaseIntegrityError

from profilestore.domain.admission import Outcome
from profilestore.domain.envelope import Delivered
from profilestore.domain.identity import ProfileKey
from profilestore.domain.timestamps import to_microseconds

from .database import Database
from .group import Delivery, Group, Share
from .head import Head, Known, NewEvent
from .quarantine import Quarantine
from .tables import ignored, tracking


@dataclass(frozen=True)
class Insertion:
    """Events at versions of the caller's choice, and a tracking position: all or none.

    This is what the library's recorders write.
    """

    shares: dict[int, list[NewEvent]]
    """By partition."""
    profiles: dict[bytes, ProfileKey | None]
    tracking: Tracking | None = None


Entry = Delivery | Insertion
Positions = dict[int, range]
Answer = list[Outcome] | Positions | IntegrityError
"""Of a delivery each event's outcome, of an insertion its positions or its refusal."""

Heads = dict[int, Head]

MOST_KNOWN = 100_000
"""Streams of the store whose lengths are remembered, about: 15 MB."""


class _End(NamedTuple):
    """Where a partition ended when we wrote to it last, and what we knew of it."""

    position: int
    chain: bytes
    known: Known


class LogWriter:
    """Writes groups of entries; each group is stored whole or not at all."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ends: dict[int, _End] = {}

    def write(self, entries: Sequence[Entry]) -> list[Answer]:
        """Store a group durably; answer each entry."""
        deliveries = [e for e in entries if isinstance(e, Delivery)]
        insertions = [e for e in entries if isinstance(e, Insertion)]
        group = Group(deliveries, self._database.partitions)
        with self._database.write() as connection:
            # All in one order: two groups that wait for each other would wait for ever.
            partitions = {*group.shares, *(p for one in insertions for p in one.shares)}
            heads = {p: self._lock(connection, p) for p in sorted(partitions)}
            for partition, share in group.shares.items():
                _append(heads[partition], share)
            inserted = iter(_insert(heads, insertions))
        self._ends |= {p: _End(h.position, h.chain, h.known) for p, h in heads.items()}
        outcomes = iter(group.outcomes())
        return [
            next(outcomes if isinstance(e, Delivery) else inserted) for e in entries
        ]

    def _lock(self, connection: Connection, partition: int) -> Head:
        """Take a partition, remembering its streams if nobody wrote since we did."""
        head = Head.lock(connection, partition)
        end = self._ends.pop(partition, None)  # back in its place after the commit
        # The chain too: a database that was restored has other events there.
        same = end and (end.position, end.chain) == (head.position, head.chain)
        if end and same and len(end.known) * self._database.partitions < MOST_KNOWN:
            head.known = end.known
        return head

    def judge(self, batch: Sequence[Delivered]) -> list[Outcome]:
        """Say what would become of a delivery now, and store nothing."""
        group = Group([Delivery(batch, "")], self._database.partitions)
        with self._database.read() as connection:
            for partition, share in group.shares.items():
                share.decide(connection, partition)
        return group.outcomes()[0]


def _append(head: Head, share: Share) -> None:
    """Decide on a partition's share and write what follows from it."""
    share.decide(head.connection, head.partition)
    profiles: dict[bytes, ProfileKey | None] = {
        stream_id: event.profile for (_, stream_id), event in share.fresh.items()
    }
    versions = head.versions(profiles)
    new = []
    for (event_id, stream_id), event in share.fresh.items():
        versions[stream_id] = version = versions.get(stream_id, 0) + 1
        new.append(
            NewEvent(
                stream_id,
                version,
                event_id,
                event.name,
                event.revision,
                to_microseconds(event.occurred_at),
                event.text,
            )
        )
    head.append(new, profiles)
    Quarantine.write(head, share.rejections)
    _count(head, share.foreign)


def _insert(heads: Heads, insertions: Sequence[Insertion]) -> list[Answer]:
    """Write insertions together; where that fails, each on its own."""
    try:
        return _insert_all(heads, insertions)
    except DatabaseIntegrityError as error:
        if len(insertions) == 1:
            return [IntegrityError(str(error.orig))]
    return [answer for one in insertions for answer in _insert(heads, [one])]


def _insert_all(heads: Heads, insertions: Sequence[Insertion]) -> list[Answer]:
    if not insertions:
        return []
    (connection,) = {head.connection for head in heads.values()}
    with connection.begin_nested() as savepoint:
        before = {partition: head.place() for partition, head in heads.items()}
        try:
            answers: list[Answer] = [_insert_one(heads, one) for one in insertions]
        except BaseException:
            savepoint.rollback()
            for partition, place in before.items():
                heads[partition].go_back(place)
            raise
    return answers


def _insert_one(heads: Heads, insertion: Insertion) -> Positions:
    positions = {}
    for partition, new in insertion.shares.items():
        if insertion.tracking is not None:
            _track(heads[partition], insertion.tracking)
        positions[partition] = heads[partition].append(new, insertion.profiles)
    return positions


def _track(head: Head, position: Tracking) -> None:
    """Move a tracking position forward; anything else is an IntegrityError."""
    key = {"partition": head.partition, "application_name": position.application_name}
    of_key = [tracking.c[name] == value for name, value in key.items()]
    moved = head.connection.execute(
        update(tracking)
        .where(*of_key, tracking.c.notification_id < position.notification_id)
        .values(notification_id=position.notification_id)
    )
    if not moved.rowcount:
        # Either it is the first, or the key exists and this one is not ahead of it.
        head.connection.execute(
            insert(tracking).values(**key, notification_id=position.notification_id)
        )


def _count(head: Head, names: Counter[str]) -> None:
    """Count events of other families by name."""
    for name, count in names.items():
        of_name = (ignored.c.partition == head.partition) & (ignored.c.name == name)
        counted = head.connection.execute(
            update(ignored).where(of_name).values(count=ignored.c.count + count)
        )
        if not counted.rowcount:
            head.connection.execute(
                insert(ignored).values(partition=head.partition, name=name, count=count)
            )
