"""Whether an event is new to its profile (SPEC section 2)."""

from enum import StrEnum

from .events import ProfileEvent
from .json_values import json_equal
from .rejection import Problem, Reason, Rejection


class Outcome(StrEnum):
    """What becomes of one delivered event."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    IGNORED = "ignored"


def admit(event: ProfileEvent, first: ProfileEvent | None) -> Outcome:
    """Decide on an event, given the one its profile has under the same `eventId`."""
    if first is None:
        return Outcome.ACCEPTED
    return Outcome.DUPLICATE if _same(event, first) else Outcome.QUARANTINED


def _same(a: ProfileEvent, b: ProfileEvent) -> bool:
    return a.text == b.text or (
        (a.name, a.revision, a.occurred_at) == (b.name, b.revision, b.occurred_at)
        and _agree(a.content.etag, b.content.etag)
        and _agree(a.content.account_id, b.content.account_id)
        and json_equal(a.payload, b.payload)
    )


def _agree(a: object, b: object) -> bool:
    return a is None or b is None or a == b


def conflict(event: ProfileEvent) -> Rejection:
    """Make the evidence of a second content under one `eventId`."""
    return Rejection(
        text=event.text,
        reason=Reason.EVENT_ID_CONFLICT,
        problems=(
            Problem("/eventId", "was delivered before with other content, which stays"),
        ),
        profile=event.profile,
        event_id=event.event_id,
        name=event.name,
    )
