"""A profile in a list (SPEC section 8, `list`)."""

from profilestore.domain.cut import Cut
from profilestore.domain.identity import ProfileKey
from profilestore.domain.profile import Profile

from .current import CurrentProfile, current_from
from .standing import Standing


class ListedProfile(CurrentProfile):
    """The current profile, and whether it can be pushed to."""

    push_capable: bool
    reachable: bool


def listed_profile(profile: Profile) -> ListedProfile:
    """Fold the current life of a profile."""
    return listed_from(profile.key, profile.cut, Standing.of(profile))


def listed_from(key: ProfileKey, cut: Cut, standing: Standing) -> ListedProfile:
    """Answer from how a profile stands."""
    condition = standing.condition
    return current_from(
        key,
        cut,
        standing,
        ListedProfile,
        push_capable=condition.push_capable,
        reachable=condition.unreachable is None,
    )
