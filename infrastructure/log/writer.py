"""Deliveries into the log: one transaction a batch, an outcome for each event."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import insert, select, update

from profilestore.domain.admission import Outcome, admit, conflict
from profilestore.domain.events import ProfileEvent
from profilestore.domain.identity import ProfileKey
from profilestore.domain.rejection import Ignored, Rejection

from .database import Database
from .head import CHUNK, Head
from .logged_event import LoggedEvent
from .mapper import to_logged, to_profile_event
from .quarantine import Quarantine, entry_id
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

Delivered = ProfileEvent | Rejection | Ignored
EventKey = tuple[UUID, str]


class LogWriter:
    """Writes batches of delivered events; each batch is stored whole or not at all."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, batch: Sequence[Delivered], ingress: str) -> list[Outcome]:
        """Store a batch durably; answer each event's outcome, in the batch's order."""
        outcomes: list[Outcome] = [Outcome.IGNORED] * len(batch)
        shares: dict[int, list[int]] = defaultdict(list)
        for index, item in enumerate(batch):
            shares[self._partition(item)].append(index)
        with self._database.write() as connection:
            for partition in sorted(shares):
                head = Head.lock(connection, partition)
                share = shares[partition]
                decided = _append(head, [batch[i] for i in share], ingress)
                for index, outcome in zip(share, decided, strict=True):
                    outcomes[index] = outcome
        return outcomes

    def _partition(self, item: Delivered) -> int:
        if isinstance(item, Ignored):
            return 0
        if item.profile is not None:
            return partition_of(item.profile, self._database.partitions)
        return int(entry_id(item), 16) % self._database.partitions


def partition_of(profile: ProfileKey, partitions: int) -> int:
    """Say where a profile lives: its stream id as a number, modulo the partitions.

    The streams that exist were placed by this, so it never changes.
    """
    return profile.stream_id.int % partitions


def _append(head: Head, batch: Sequence[Delivered], ingress: str) -> list[Outcome]:
    """Decide on a partition's share of a batch and write what follows from it."""
    first = _stored(head, [item for item in batch if isinstance(item, ProfileEvent)])
    outcomes: list[Outcome] = []
    fresh: list[ProfileEvent] = []
    rejections: list[Rejection] = []
    foreign: Counter[str] = Counter()
    for item in batch:
        match item:
            case ProfileEvent():
                key = _key(item)
                outcome = admit(item, first.get(key))
                if outcome is Outcome.ACCEPTED:
                    first[key] = item
                    fresh.append(item)
                elif outcome is Outcome.QUARANTINED:
                    rejections.append(conflict(item))
                outcomes.append(outcome)
            case Rejection():
                rejections.append(item)
                outcomes.append(Outcome.QUARANTINED)
            case Ignored(name):
                foreign[name] += 1
                outcomes.append(Outcome.IGNORED)
    head.append(_in_streams(head, fresh))
    Quarantine.write(head, rejections, ingress)
    _count(head, foreign)
    return outcomes


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
