"""What callers want written, into the log: a group of them in one transaction."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from eventsourcing.persistence import IntegrityError
from sqlalchemy import Connection, insert, update

from profilestore.domain.admission import Outcome, admit, conflict
from profilestore.domain.envelope import Delivered
from profilestore.domain.events import ProfileEvent
from profilestore.domain.identity import ProfileKey, partition_of
from profilestore.domain.rejection import Ignored, Rejection
from profilestore.domain.text import storable
from profilestore.domain.timestamps import to_microseconds

from .bulk import rows_by
from .commit import Commit
from .database import Database
from .head import Head, Known, NewEvent
from .insertion import Insertion, Positions, insert_each
from .quarantine import Quarantine, entry_id, entry_partition
from .streams import event_of
from .tables import events, ignored


@dataclass(frozen=True)
class Delivery:
    """A batch of delivered events: what can be accepted is, the rest is kept beside."""

    batch: Sequence[Delivered]
    ingress: str


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
        shares = self._shares(deliveries)
        with self._database.write() as connection:
            # All in one order: two groups that wait for each other would wait for ever.
            partitions = {*shares, *(p for one in insertions for p in one.shares)}
            heads = {p: self._lock(connection, p) for p in sorted(partitions)}
            if lost and lost[0].happened(heads):
                return lost[1]
            for partition, share in shares.items():
                _append(heads[partition], share)
            inserted = iter(insert_each(heads, insertions))
            outcomes = iter(_outcomes(deliveries, shares.values()))
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
        deliveries = [Delivery(batch, "")]
        shares = self._shares(deliveries)
        with self._database.read() as connection:
            for partition, share in shares.items():
                _decide(connection, partition, share)
        return _outcomes(deliveries, shares.values())[0]

    def _shares(self, deliveries: Sequence[Delivery]) -> "dict[int, _Share]":
        shares: dict[int, _Share] = defaultdict(_Share)
        only = self._database.partitions == 1
        for number, delivery in enumerate(deliveries):
            for index, item in enumerate(delivery.batch):
                share = shares[0 if only else self._partition(item)]
                share.items.append(item)
                share.places.append((number, index))
                share.ingresses.append(delivery.ingress)
        return shares

    def _partition(self, item: Delivered) -> int:
        partitions = self._database.partitions
        if isinstance(item, Ignored):
            return 0
        if isinstance(item, Rejection):
            return entry_partition(entry_id(item), item.profile, partitions)
        return partition_of(item.profile, partitions)


@dataclass
class _Share:
    """What a group brings to one partition, and what it comes to."""

    items: list[Delivered] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)
    ingresses: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    fresh: list[tuple[bytes, ProfileEvent]] = field(default_factory=list)
    rejections: list[tuple[Rejection, str]] = field(default_factory=list)
    foreign: Counter[str] = field(default_factory=Counter)


def _outcomes(
    deliveries: Sequence[Delivery], shares: Iterable[_Share]
) -> list[list[Outcome]]:
    """Put the outcomes of all partitions in the order of the deliveries."""
    outcomes = [[Outcome.IGNORED] * len(delivery.batch) for delivery in deliveries]
    for share in shares:
        for (number, index), outcome in zip(share.places, share.outcomes, strict=True):
            outcomes[number][index] = outcome
    return outcomes


def _append(head: Head, share: _Share) -> None:
    """Decide on a partition's share and write what follows from it."""
    _decide(head.connection, head.partition, share)
    profiles: dict[bytes, ProfileKey | None] = {
        stream_id: event.profile for stream_id, event in share.fresh
    }
    versions = head.versions(profiles)
    new = []
    for stream_id, event in share.fresh:
        versions[stream_id] = version = versions.get(stream_id, 0) + 1
        new.append(
            NewEvent(
                stream_id,
                version,
                event.event_id.encode(),
                event.name,
                event.revision,
                to_microseconds(event.occurred_at),
                event.text,
            )
        )
    head.append(new, profiles)
    Quarantine.write(head, share.rejections)
    _count(head, share.foreign)


def _decide(connection: Connection, partition: int, share: _Share) -> None:
    """Give each event its outcome, knowing what the partition has."""
    of_items = [
        (item.profile.stream_bytes, item.event_id)
        if isinstance(item, ProfileEvent)
        else (b"", "")
        for item in share.items
    ]
    profiles = {
        item.profile.stream_bytes: item.profile
        for item in share.items
        if isinstance(item, ProfileEvent)
    }
    first = _stored(connection, partition, {key[1] for key in of_items}, profiles)
    for key, item, ingress in zip(of_items, share.items, share.ingresses, strict=True):
        match item:
            case ProfileEvent():
                outcome = admit(item, first.get(key))
                if outcome is Outcome.ACCEPTED:
                    first[key] = item
                    share.fresh.append((key[0], item))
                elif outcome is Outcome.QUARANTINED:
                    share.rejections.append((conflict(item), ingress))
            case Rejection():
                outcome = Outcome.QUARANTINED
                share.rejections.append((item, ingress))
            case Ignored(name):
                outcome = Outcome.IGNORED
                share.foreign[storable(name)] += 1
        share.outcomes.append(outcome)


def _stored(
    connection: Connection,
    partition: int,
    event_ids: set[str],
    profiles: dict[bytes, ProfileKey],
) -> dict[tuple[bytes, str], ProfileEvent]:
    """Look up the events whose ids these repeat."""
    ids = [event_id.encode() for event_id in event_ids if event_id]
    found = {}
    for row in rows_by(connection, events.c.event_id, ids, partition):
        # The same id may stand in streams of other profiles: that is no repetition.
        if (profile := profiles.get(row.stream_id)) is not None:
            found[row.stream_id, row.event_id.decode()] = event_of(
                profile,
                row.event_id,
                row.name,
                row.revision,
                row.occurred_at,
                row.state,
                row.position,
            )
    return found


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
