"""Deliveries into the log: one transaction a batch, an outcome for each event."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import insert, select, update

from profilestore.domain.admission import Outcome, admit, conflict
from profilestore.domain.envelope import Delivered
from profilestore.domain.events import ProfileEvent
from profilestore.domain.identity import partition_of
from profilestore.domain.rejection import Ignored, Rejection

from .database import Database
from .head import CHUNK, Head
from .logged_event import LoggedEvent
from .mapper import to_logged, to_profile_event
from .quarantine import Quarantine, entry_id, entry_partition
from .tables import events, ignored

_BY_EVENT_ID = select(
    events.c.stream_id.label("originator_id"),
    events.c.version.label("originator_version"),
    events.c.name.label("topic"),
    events.c.state,
    events.c.event_id,
    events.c.revision,
    events.c.occurred_at,
    events.c.position,
)

EventKey = tuple[UUID, str]


class LogWriter:
    """Writes batches of delivered events; each batch is stored whole or not at all."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, batch: Sequence[Delivered], ingress: str) -> list[Outcome]:
        """Store a batch durably; answer each event's outcome, in the batch's order."""
        return self._each(batch, lambda head, share: _append(head, share, ingress))

    def judge(self, batch: Sequence[Delivered]) -> list[Outcome]:
        """Say what `append` would answer, and store nothing."""
        return self._each(batch, lambda head, share: _decide(head, share).outcomes)

    def _each(
        self,
        batch: Sequence[Delivered],
        of_partition: Callable[[Head, list[Delivered]], list[Outcome]],
    ) -> list[Outcome]:
        outcomes: list[Outcome] = [Outcome.IGNORED] * len(batch)
        shares: dict[int, list[int]] = defaultdict(list)
        for index, item in enumerate(batch):
            shares[self._partition(item)].append(index)
        with self._database.write() as connection:
            for partition in sorted(shares):
                share = shares[partition]
                head = Head.lock(connection, partition)
                answers = of_partition(head, [batch[i] for i in share])
                for index, outcome in zip(share, answers, strict=True):
                    outcomes[index] = outcome
        return outcomes

    def _partition(self, item: Delivered) -> int:
        if isinstance(item, Ignored):
            return 0
        if isinstance(item, Rejection):
            return entry_partition(
                entry_id(item), item.profile, self._database.partitions
            )
        return partition_of(item.profile, self._database.partitions)


@dataclass
class _Decisions:
    """What a partition's share of a batch comes to."""

    outcomes: list[Outcome] = field(default_factory=list)
    fresh: list[ProfileEvent] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    foreign: Counter[str] = field(default_factory=Counter)


def _decide(head: Head, batch: Sequence[Delivered]) -> _Decisions:
    first = _stored(head, [item for item in batch if isinstance(item, ProfileEvent)])
    decisions = _Decisions()
    for item in batch:
        match item:
            case ProfileEvent():
                outcome = admit(item, first.get(_key(item)))
                if outcome is Outcome.ACCEPTED:
                    first[_key(item)] = item
                    decisions.fresh.append(item)
                elif outcome is Outcome.QUARANTINED:
                    decisions.rejections.append(conflict(item))
            case Rejection():
                outcome = Outcome.QUARANTINED
                decisions.rejections.append(item)
            case Ignored(name):
                outcome = Outcome.IGNORED
                decisions.foreign[name] += 1
        decisions.outcomes.append(outcome)
    return decisions


def _append(head: Head, batch: Sequence[Delivered], ingress: str) -> list[Outcome]:
    """Decide on a partition's share of a batch and write what follows from it."""
    decisions = _decide(head, batch)
    head.append(_in_streams(head, decisions.fresh))
    Quarantine.write(head, decisions.rejections, ingress)
    _count(head, decisions.foreign)
    return decisions.outcomes


def _key(event: ProfileEvent) -> EventKey:
    return event.profile.stream_id, event.event_id


def _stored(head: Head, batch: Sequence[ProfileEvent]) -> dict[EventKey, ProfileEvent]:
    """Look up the events whose ids these repeat."""
    profiles = {event.profile.stream_id: event.profile for event in batch}
    wanted = list({event.event_id for event in batch})
    found: dict[EventKey, ProfileEvent] = {}
    for start in range(0, len(wanted), CHUNK):
        query = _BY_EVENT_ID.where(
            events.c.partition == head.partition,
            events.c.event_id.in_(wanted[start : start + CHUNK]),
        )
        for row in head.connection.execute(query).mappings():
            # The same id may stand in streams of other profiles: that is no repetition.
            if row["originator_id"] in profiles:
                found[row["originator_id"], row["event_id"]] = to_profile_event(
                    LoggedEvent(**row, profile=profiles[row["originator_id"]])
                )
    return found


def _in_streams(head: Head, fresh: Sequence[ProfileEvent]) -> list[LoggedEvent]:
    """Give each new event the next version of its stream."""
    versions = head.versions({event.profile.stream_id for event in fresh})
    rows = []
    for event in fresh:
        stream_id = event.profile.stream_id
        versions[stream_id] = versions.get(stream_id, 0) + 1
        rows.append(to_logged(event, versions[stream_id]))
    return rows


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
