"""Deliveries that are written together: shared out to the partitions, decided on."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import Connection

from profilestore.domain.admission import Outcome, admit, conflict
from profilestore.domain.envelope import Delivered
from profilestore.domain.events import ProfileEvent
from profilestore.domain.identity import partition_of
from profilestore.domain.rejection import Ignored, Rejection
from profilestore.domain.text import storable

from .bulk import rows_by
from .quarantine import entry_id, entry_partition
from .streams import EVENT, event_of
from .tables import events

Key = tuple[bytes, bytes]
"""An event's id and its stream, as the log has them: what is stored once."""


class Delivery(NamedTuple):
    """A batch of delivered events: what can be accepted is, the rest is kept beside."""

    batch: Sequence[Delivered]
    ingress: str


class Group:
    """Deliveries, each event in the share of its partition."""

    def __init__(self, deliveries: Sequence[Delivery], partitions: int) -> None:
        self._partitions = partitions
        self._sizes = [len(delivery.batch) for delivery in deliveries]
        self._outcomes = [Outcome.IGNORED] * sum(self._sizes)
        self.shares: dict[int, Share] = defaultdict(lambda: Share(self._outcomes))
        number = 0
        for delivery in deliveries:
            for item in delivery.batch:
                self._take(number, item, delivery.ingress)
                number += 1

    def _take(self, number: int, item: Delivered, ingress: str) -> None:
        if isinstance(item, ProfileEvent):
            alone = self._partitions == 1
            home = 0 if alone else partition_of(item.profile, self._partitions)
            self.shares[home].events.append((number, item, ingress))
        elif isinstance(item, Ignored):
            self.shares[0].foreign[storable(item.name)] += 1
        else:
            home = entry_partition(entry_id(item), item.profile, self._partitions)
            self.shares[home].rejections.append((item, ingress))
            self._outcomes[number] = Outcome.QUARANTINED

    def outcomes(self) -> list[list[Outcome]]:
        """Say what became of each event, delivery by delivery."""
        outcomes = iter(self._outcomes)
        return [list(islice(outcomes, size)) for size in self._sizes]


class Share:
    """What a group brings to one partition, and what it comes to."""

    def __init__(self, outcomes: list[Outcome]) -> None:
        self.events: list[tuple[int, ProfileEvent, str]] = []
        """Each with its number in the group, and its ingress."""
        self.rejections: list[tuple[Rejection, str]] = []
        self.foreign: Counter[str] = Counter()
        self.fresh: dict[Key, ProfileEvent] = {}
        self._outcomes = outcomes

    def decide(self, connection: Connection, partition: int) -> None:
        """Give each event its outcome, knowing what the partition has."""
        keys = [
            (e.event_id.encode(), e.profile.stream_bytes) for _, e, _ in self.events
        ]
        stored = _stored(connection, partition, keys)
        for (number, event, ingress), key in zip(self.events, keys, strict=True):
            first = self.fresh.get(key)
            if (row := stored.get(key)) is not None:
                first = event_of(event.profile, *row)
            outcome = self._outcomes[number] = admit(event, first)
            if outcome is Outcome.ACCEPTED:
                self.fresh[key] = event
            elif outcome is Outcome.QUARANTINED:
                self.rejections.append((conflict(event), ingress))


def _stored(
    connection: Connection, partition: int, keys: Sequence[Key]
) -> dict[Key, tuple[Any, ...]]:
    """Look up what is stored under these keys: each id in its own stream only."""
    event_id, stream_id = events.c.event_id, events.c.stream_id
    found = rows_by(
        connection, [stream_id, *EVENT], [event_id, stream_id], keys, partition
    )
    return {(row[0], stream): tuple(row) for stream, *row in found}
