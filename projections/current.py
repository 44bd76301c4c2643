"""What the profile is (SPEC section 7, current profile)."""

from typing import Any

from profilestore.domain.cut import Cut
from profilestore.domain.identity import ProfileKey
from profilestore.domain.json_values import sort_members
from profilestore.domain.profile import Profile

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


def current_profile(profile: Profile) -> CurrentProfile:
    """Fold the current life of a profile."""
    return current_from(profile.key, profile.cut, Standing.of(profile))


def current_from(key: ProfileKey, cut: Cut, standing: Standing) -> CurrentProfile:
    """Answer from how a profile stands."""
    return CurrentProfile(
        api_space_id=key.api_space_id,
        profile_id=key.profile_id,
        life=standing.life,
        cut=CutView.of(cut),
        account_id=standing.account_id,
        status=standing.state.status or Status.UNKNOWN,
        data=sort_members(standing.state.data),
        revision=standing.revision,
        etag=standing.etag,
        event_id=standing.event_id,
        created_at=standing.created_at,
        updated_at=standing.updated_at,
        completeness=standing.completeness,
    )
