"""What the profile is (SPEC section 7, current profile)."""

from typing import Any

from profilestore.domain.events import RecordedEvent
from profilestore.domain.json_values import sort_members
from profilestore.domain.profile import Profile

from .answer import Answer, Time
from .completeness import Completeness, completeness
from .state import Status, fold


class CurrentProfile(Answer):
    """The current profile; null members belong to lifecycle events not seen."""

    account_id: int | None
    status: Status
    data: dict[str, Any] | None
    revision: int | None
    etag: str | None
    event_id: str | None
    created_at: Time | None
    updated_at: Time | None
    completeness: Completeness


def current_profile(profile: Profile) -> CurrentProfile:
    """Fold the current life of a profile."""
    life = profile.life
    state = fold(life.events(), profile.cut.updates)
    last = life.lifecycle[-1].event if life.lifecycle else None
    return CurrentProfile.about(
        profile,
        account_id=_account_id(life.devices + life.lifecycle),
        status=state.status,
        data=sort_members(state.data),
        revision=last and last.revision,
        etag=last and last.content.etag,
        event_id=last and last.event_id,
        created_at=life.create and life.create.event.occurred_at,
        updated_at=last and last.occurred_at,
        completeness=completeness(life),
    )


def _account_id(events: tuple[RecordedEvent, ...]) -> int | None:
    """Take the last account id there is: not every delivery carries one."""
    ids = (recorded.event.content.account_id for recorded in reversed(events))
    return next((id_ for id_ in ids if id_ is not None), None)
