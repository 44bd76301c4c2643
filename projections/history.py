"""Everything that happened to the profile, in source order (SPEC section 7)."""

from collections.abc import Iterator
from itertools import accumulate
from math import inf
from typing import Any

from profilestore.domain.events import RecordedEvent
from profilestore.domain.profile import Profile

from .answer import Answer, EventView
from .changes import Change, changes_between
from .state import State, evolve


class HistoryEvent(EventView):
    """One event of the history: when it happened, when we knew, and what it did."""

    etag: str | None
    late: bool
    """Recorded after an event that follows it in source order."""
    changes: list[Change]
    """What it did to `{"status", "data", "devices"}`; a new life replaces the last."""
    payload: dict[str, Any]


class History(Answer):
    """All events in scope, all lives, in source order."""

    events: list[HistoryEvent]


def history(profile: Profile) -> History:
    """List a profile's events in source order, each with the changes it made."""
    steps = list(_steps(profile))
    late = _late([recorded for _, recorded, _ in steps])
    before: dict[str, Any] = {}
    events = []
    for (life, recorded, after), is_late in zip(steps, late, strict=True):
        event = recorded.event
        events.append(
            HistoryEvent.of(
                life,
                recorded,
                etag=event.content.etag,
                late=is_late,
                changes=changes_between(before, after),
                payload=event.payload,
            )
        )
        before = after
    return History.about(profile, events=events)


def _steps(profile: Profile) -> Iterator[tuple[int, RecordedEvent, dict[str, Any]]]:
    """Fold all lives, one after the other; answer each event and what it left."""
    for life in profile.lives:
        state = State()
        for recorded in life.events():
            state = evolve(state, recorded.event, profile.cut.updates)
            yield life.number, recorded, state.document()


def _late(events: list[RecordedEvent]) -> list[bool]:
    """Tell which events were recorded after one that follows them."""
    positions: list[float] = [recorded.position for recorded in events]
    earliest = list(accumulate(reversed(positions), min, initial=inf))[-2::-1]
    return [
        position > later for position, later in zip(positions, earliest, strict=True)
    ]
