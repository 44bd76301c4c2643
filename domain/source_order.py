"""The order of the source (SPEC section 4): a function of the set of events alone."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from operator import attrgetter

from .events import DevicesUpdated, ProfileCreated, RecordedEvent

CLOCK_SKEW = timedelta(seconds=5)
"""How much later than an event of its life the first create may be stamped."""

_occurred_at = attrgetter("event.occurred_at")
by_time = attrgetter("event.occurred_at", "event.revision", "event.event_id")
"""The order of creates and of device events."""
by_revision = attrgetter("event.revision", "event.occurred_at", "event.event_id")
"""The order of the other lifecycle events within a life."""


@dataclass(frozen=True)
class Life:
    """One create-to-next-create span of an id; 0 is what came before any create."""

    number: int
    create: RecordedEvent | None
    lifecycle: tuple[RecordedEvent, ...]
    """The create, then updates, deletes and undeletes by revision."""
    devices: tuple[RecordedEvent, ...]
    """Device events by time: their revisions are a counter of their own."""

    def events(self) -> Iterator[RecordedEvent]:
        """List it, each device event after the last lifecycle event not after it."""
        places = self._device_places()
        pending = iter(zip(places, self.devices, strict=True))
        place, device = next(pending, (None, None))
        for index in range(-1, len(self.lifecycle)):
            if index >= 0:
                yield self.lifecycle[index]
            while device is not None and place == index:
                yield device
                place, device = next(pending, (None, None))

    def _device_places(self) -> list[int]:
        """Index of the lifecycle event each device event follows, -1 for none.

        A life goes by revision, so its times may go back and forth: the place is the
        largest index among all lifecycle events that are not later.
        """
        by_time = sorted(
            range(len(self.lifecycle)), key=lambda i: _occurred_at(self.lifecycle[i])
        )
        times = [_occurred_at(self.lifecycle[i]) for i in by_time]
        furthest = list(accumulate(by_time, max))
        return [
            furthest[known - 1] if known else -1
            for known in (bisect_right(times, _occurred_at(d)) for d in self.devices)
        ]


def lives_of(events: Iterable[RecordedEvent]) -> tuple[Life, ...]:
    """Divide a profile's events into its lives, in order; each has an event."""
    creates: list[RecordedEvent] = []
    others: list[RecordedEvent] = []
    for recorded in events:
        is_create = isinstance(recorded.event, ProfileCreated)
        (creates if is_create else others).append(recorded)
    creates.sort(key=by_time)
    times = [_occurred_at(create) for create in creates]
    members: list[list[RecordedEvent]] = [[] for _ in range(len(creates) + 1)]
    for recorded in others:
        number = bisect_right(times, recorded.event.occurred_at)
        if number == 0 and creates and _skewed(recorded, creates[0], times[0]):
            number = 1
        members[number].append(recorded)
    lives = (
        _life(number, creates[number - 1] if number else None, events_of_life)
        for number, events_of_life in enumerate(members)
    )
    return tuple(life for life in lives if life.lifecycle or life.devices)


def _skewed(recorded: RecordedEvent, create: RecordedEvent, created: datetime) -> bool:
    """Tell whether an event is before the first create by differing clocks only."""
    event = recorded.event
    return created - event.occurred_at <= CLOCK_SKEW and (
        isinstance(event, DevicesUpdated) or create.event.revision < event.revision
    )


def _life(
    number: int, create: RecordedEvent | None, members: list[RecordedEvent]
) -> Life:
    devices = [r for r in members if isinstance(r.event, DevicesUpdated)]
    lifecycle = [r for r in members if not isinstance(r.event, DevicesUpdated)]
    return Life(
        number=number,
        create=create,
        lifecycle=((create,) if create else ())
        + tuple(sorted(lifecycle, key=by_revision)),
        devices=tuple(sorted(devices, key=by_time)),
    )
