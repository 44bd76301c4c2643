"""The conditions a profile was in, as spans of valid time."""

from datetime import datetime
from typing import NamedTuple

from profilestore.domain.cut import Cut
from profilestore.domain.profile import Profile
from profilestore.domain.timestamps import from_microseconds, to_microseconds

from .condition import Condition
from .standing import Standing


class Span(NamedTuple):
    """From when on a profile was in a condition: until the next span, or for good.

    What was true at a time is told by the events until then, that time included (SPEC
    section 6); so the condition holds from the time of the event that made it so, in
    microseconds since 1970-01-01T00:00:00Z.
    """

    since: int
    code: int
    """Of the condition."""


def condition_at(profile: Profile, time: datetime) -> Condition:
    """Say in what condition a profile was, none of whose events may be later."""
    return Standing.of(profile.at(Cut(valid_at=time))).condition


def spans_of(profile: Profile) -> list[Span]:
    """Fold a profile at each time at which something happened to it."""
    spans: list[Span] = []
    for time in sorted({to_microseconds(r.event.occurred_at) for r in profile.events}):
        code = condition_at(profile, from_microseconds(time)).code
        if not spans or spans[-1].code != code:
            spans.append(Span(time, code))
    return spans
