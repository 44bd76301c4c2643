"""Why the same question has another answer today (SPEC section 7)."""

from dataclasses import replace
from datetime import datetime

from profilestore.domain.cut import Cut
from profilestore.domain.errors import ProfileNotFoundError
from profilestore.domain.events import RecordedEvent
from profilestore.domain.profile import Profile

from .answer import Answer, Time, View
from .changes import Change, changes_between
from .state import document

Known = datetime | int


class Reason(View):
    """An event that came to be known, and what that did to the answer."""

    life: int
    position: int
    version: int
    recorded_at: Time
    occurred_at: Time
    name: str
    event_id: str
    revision: int
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
    try:
        before: Profile | None = profile.at(replace(profile.cut, known_at=known_from))
    except ProfileNotFoundError:
        before = None
    reasons = []
    for recorded in known.events:
        if start.knows(recorded):
            continue
        after = _with(before, recorded, known)
        reasons.append(
            Reason(
                life=life_of[recorded.position],
                position=recorded.position,
                version=recorded.version,
                recorded_at=recorded.recorded_at,
                occurred_at=recorded.event.occurred_at,
                name=recorded.event.name,
                event_id=recorded.event.event_id,
                revision=recorded.event.revision,
                changes=changes_between(document(before), document(after)),
            )
        )
        before = after
    return Explanation.about(
        replace(known, cut=replace(profile.cut, known_at=None)),
        known_from=known_from,
        known_to=known_to,
        events=reasons,
    )


def _with(before: Profile | None, recorded: RecordedEvent, like: Profile) -> Profile:
    events = before.events if before else ()
    return replace(like, events=(*events, recorded))
