"""Everything that happened to the profile, in source order (SPEC section 7)."""

from typing import Any

from profilestore.domain.profile import Profile

from .answer import Answer, Time, View


class HistoryEvent(View):
    """One event of the history: when it happened, when we knew, and its place."""

    life: int
    position: int
    version: int
    recorded_at: Time
    occurred_at: Time
    name: str
    event_id: str
    revision: int
    etag: str | None
    payload: dict[str, Any]


class History(Answer):
    """All events in scope, all lives, in source order."""

    events: list[HistoryEvent]


def history(profile: Profile) -> History:
    """List a profile's events in source order."""
    return History.about(
        profile,
        events=[
            HistoryEvent(
                life=life.number,
                position=recorded.position,
                version=recorded.version,
                recorded_at=recorded.recorded_at,
                occurred_at=recorded.event.occurred_at,
                name=recorded.event.name,
                event_id=recorded.event.event_id,
                revision=recorded.event.revision,
                etag=recorded.event.content.etag,
                payload=recorded.event.payload,
            )
            for life in profile.lives
            for recorded in life.events()
        ],
    )
