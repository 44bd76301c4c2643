"""How two answers about one profile differ (SPEC section 7)."""

from pydantic import Field

from profilestore.domain.cut import Cut
from profilestore.domain.errors import ProfileNotFoundError
from profilestore.domain.profile import Profile

from .answer import CutView, View
from .changes import Change, changes_between
from .state import document


class Diff(View):
    """The changes that lead from one cut of a profile to another."""

    api_space_id: str
    profile_id: str
    life: int | None
    """The life of the `to` side; null if nothing of the profile is in scope there."""
    from_: CutView = Field(serialization_alias="from")
    to: CutView
    changes: list[Change]


def diff(profile: Profile, from_: Cut, to: Cut) -> Diff:
    """Compare two cuts of a profile; one with nothing in scope counts as empty.

    Raise ProfileNotFoundError if both are.
    """
    before, after = profile.within(from_), profile.within(to)
    if before is None and after is None:
        raise ProfileNotFoundError(*profile.key, scope=f"{from_} or {to}")
    return Diff(
        api_space_id=profile.key.api_space_id,
        profile_id=profile.key.profile_id,
        life=after.life.number if after else None,
        from_=CutView.of(from_),
        to=CutView.of(to),
        changes=changes_between(document(before), document(after)),
    )
