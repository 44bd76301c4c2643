"""How many profiles of an API space there are, and how they are (SPEC section 8)."""

from collections.abc import Mapping
from typing import Any

from .answer import CutView, Time, View
from .condition import Condition, Unreachable
from .state import Status


class Tally(View):
    """Numbers of profiles: all, by status, and by what a push would reach."""

    profiles: int
    statuses: dict[Status, int]
    push_capable: int
    reachable: int
    unreachable: dict[Unreachable, int]
    """By reason; a profile that is deleted counts as that, whatever its devices."""
    incomplete: int


def tally(by_code: Mapping[int, int]) -> dict[str, Any]:
    """Add up numbers given by the code of the condition: the members of a Tally."""
    numbers = [(Condition.of(code), number) for code, number in by_code.items()]
    return {
        "profiles": sum(n for _, n in numbers),
        "statuses": {
            status: sum(n for c, n in numbers if c.status is status)
            for status in Status
        },
        "push_capable": sum(n for c, n in numbers if c.push_capable),
        "reachable": sum(n for c, n in numbers if c.unreachable is None),
        "unreachable": {
            reason: sum(n for c, n in numbers if c.unreachable is reason)
            for reason in Unreachable
        },
        "incomplete": sum(n for c, n in numbers if not c.complete),
    }


class _OfSpace(View):
    api_space_id: str
    cut: CutView
    set_aside: int
    """Profiles that are not counted, for their fold fails; `stats` tells of them."""


class _AtTime(View):
    valid_at: Time


class Count(Tally, _OfSpace):
    """The profiles of an API space that a filter lets through."""


class Moment(Tally, _AtTime):
    """The same at one time of a series."""


class CountSeries(_OfSpace):
    """What was true at times of equal distance, the first inclusive."""

    counts: list[Moment]
