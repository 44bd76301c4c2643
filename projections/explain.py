"""Why the same question has another answer today (SPEC section 7)."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from profilestore.domain.cut import Cut, UpdatePolicy
from profilestore.domain.events import (
    DevicesUpdated,
    ProfileCreated,
    RecordedEvent,
)
from profilestore.domain.profile import Profile
from profilestore.domain.source_order import lives_of

from .answer import Answer, EventView, Time
from .changes import Change, changes_between
from .state import State, evolve, fold

Known = datetime | int


class Reason(EventView):
    """An event that came to be known, and what that did to the answer."""

    changes: list[Change]


class Explanation(Answer):
    """The events recorded after `known_from`, until `known_to`, in order of arrival."""

    known_from: Time | int
    known_to: Time | int
    events: list[Reason]


def explain(profile: Profile, *, known_from: Known, known_to: Known) -> Explanation:
    """Explain what became known between two times or positions of the log.

    The first bound is exclusive, the second inclusive; a profile cut by `valid_at` is
    explained for that time. Raise ProfileNotFoundError if nothing was known at the end.
    """
    known = profile.at(replace(profile.cut, known_at=known_to))
    life_of = {r.position: life.number for life in known.lives for r in life.events()}
    start = Cut(known_at=known_from)
    answer = _Answer(known.cut.updates)
    answer.learn_all(r for r in known.events if start.knows(r))
    reasons = []
    for recorded in known.events:
        if start.knows(recorded):
            continue
        before = answer.document
        answer.learn(recorded)
        reasons.append(
            Reason.of(
                life_of[recorded.position],
                recorded,
                changes=changes_between(before, answer.document),
            )
        )
    return Explanation.about(
        replace(known, cut=replace(profile.cut, known_at=None)),
        known_from=known_from,
        known_to=known_to,
        events=reasons,
    )


class _Answer:
    """The document of a profile while its events come to be known."""

    def __init__(self, updates: UpdatePolicy) -> None:
        self._updates = updates
        self._events: list[RecordedEvent] = []
        self._state = State()
        self._end: tuple[datetime, int] | None = None
        """The latest time and the largest revision of the current life."""

    @property
    def document(self) -> dict[str, Any]:
        return self._state.document()

    def learn(self, recorded: RecordedEvent) -> None:
        """Take one more event; one past all others by every order needs no new fold."""
        event = recorded.event
        time, revision = self._end or (event.occurred_at, event.revision)
        of_devices = isinstance(event, DevicesUpdated)
        follows = event.occurred_at > time and (of_devices or event.revision > revision)
        if not follows or isinstance(event, ProfileCreated):
            self.learn_all([recorded])
            return
        self._events.append(recorded)
        self._state = evolve(self._state, event, self._updates)
        self._end = event.occurred_at, revision if of_devices else event.revision

    def learn_all(self, events: Iterable[RecordedEvent]) -> None:
        """Take events and fold anew."""
        self._events += events
        if not self._events:
            return
        life = lives_of(self._events)[-1]
        self._state = fold(life.events(), self._updates)
        self._end = (
            max(recorded.event.occurred_at for recorded in life.events()),
            max((recorded.event.revision for recorded in life.lifecycle), default=-1),
        )
