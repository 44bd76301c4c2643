"""What the profile is (SPEC section 7, current profile)."""

from datetime import datetime
from typing import Any, TypeVar

from profilestore.domain.cut import Cut
from profilestore.domain.identity import ProfileKey
from profilestore.domain.json_values import sort_members
from profilestore.domain.profile import Profile
from profilestore.domain.timestamps import from_microseconds

from .answer import Answer, CutView, Time
from .completeness import Completeness
from .standing import Standing
from .state import Status


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


Current = TypeVar("Current", bound=CurrentProfile)


def current_profile(profile: Profile) -> CurrentProfile:
    """Fold the current life of a profile."""
    return current_from(profile.key, profile.cut, Standing.of(profile))


def current_from(
    key: ProfileKey,
    cut: Cut,
    standing: Standing,
    answer: type[Current] = CurrentProfile,  # type: ignore[assignment]  # the default
    **more: Any,
) -> Current:
    """Answer from how a profile stands, with what a wider answer adds."""
    return answer(
        api_space_id=key.api_space_id,
        profile_id=key.profile_id,
        life=standing.life,
        cut=CutView.of(cut),
        account_id=standing.account_id,
        status=standing.status,
        data=sort_members(standing.data),
        revision=standing.revision,
        etag=standing.etag,
        event_id=standing.event_id,
        created_at=_time(standing.created_at),
        updated_at=_time(standing.updated_at),
        completeness=standing.completeness,
        **more,
    )


def _time(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else from_microseconds(microseconds)
