"""What callers want written, into the log: a group of them in one transaction."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from eventsourcing.persistence import IntegrityError
from sqlalchemy import Connection, insert, update

from profilestore.domain.admission import Outcome
from profilestore.domain.envelope import Delivered
from profilestore.domain.timestamps import to_microseconds

from .commit import Commit
from .database import Database
from .group import Delivery, Group, Share
from .head import Head, Known, NewEvent
from .insertion import Insertion, Positions, insert_each
from .quarantine import Quarantine
from .tables import ignored

Entry = Delivery | Insertion
Answer = list[Outcome] | Positions | IntegrityError
"""Of a delivery each event's outcome, of an insertion its positions or its refusal."""

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
        self._unanswered: tuple[Commit, list[Answer]] | None = None

    def write(self, entries: Sequence[Entry], *, again: bool = False) -> list[Answer]:
        """Store a group durably; answer each entry.

        `again` if the connection was lost when this group was written last: it is
        stored now, unless it is found to be.
        """
        lost, self._unanswered = self._unanswered if again else None, None
        deliveries = [e for e in entries if isinstance(e, Delivery)]
        insertions = [e for e in entries if isinstance(e, Insertion)]
        group = Group(deliveries, self._database.partitions)
        with self._database.write() as connection:
            # All in one order: two groups that wait for each other would wait for ever.
            partitions = {*group.shares, *(p for one in insertions for p in one.shares)}
            heads = {p: self._lock(connection, p) for p in sorted(partitions)}
            if lost and lost[0].happened(heads):
                return lost[1]
            for partition, share in group.shares.items():
                _append(heads[partition], share)
            inserted = iter(insert_each(heads, insertions))
            outcomes = iter(group.outcomes())
            answers: list[Answer] = [
                next(outcomes if isinstance(e, Delivery) else inserted) for e in entries
            ]
            self._unanswered = Commit.of(heads), answers
        self._unanswered = None
        self._ends |= {p: _End(h.position, h.chain, h.known) for p, h in heads.items()}
        return answers

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
    profiles = {
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
