"""Which profiles of an API space a list or a count is about."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self, TypedDict

from profilestore.domain.cut import Cut, UpdatePolicy
from profilestore.domain.errors import InvalidArgumentError
from profilestore.domain.timestamps import to_microseconds
from profilestore.projections.condition import CONDITIONS, Filter
from profilestore.projections.state import Status

from .where import Where


class Filters(TypedDict, total=False):
    """What a list or count lets through; what is left out lets all through."""

    status: str | Iterable[str] | None
    push_capable: bool | None
    reachable: bool | None
    incomplete: bool | None
    where: str | Iterable[str]


@dataclass(frozen=True)
class Question:
    """The profiles of an API space, at a time, that a filter lets through."""

    api_space_id: str
    cut: Cut
    codes: tuple[int, ...]
    """Of the conditions that are let through."""
    where: tuple[Where, ...] = ()

    @classmethod
    def read(cls, api_space_id: str, cut: Cut, filters: Filters) -> Self:
        """Read filters; raise InvalidArgumentError for one that is none."""
        incomplete = filters.get("incomplete")
        asked = Filter(
            _statuses(filters.get("status")),
            filters.get("push_capable"),
            filters.get("reachable"),
            None if incomplete is None else not incomplete,
        )
        where = filters.get("where", ())
        conditions = [where] if isinstance(where, str) else where
        return cls(
            api_space_id, cut, tuple(asked.codes), tuple(map(Where.read, conditions))
        )

    @property
    def updates(self) -> UpdatePolicy:
        """The update policy that the documents are folded by."""
        return self.cut.updates

    @property
    def lets_all(self) -> bool:
        """Whether no condition is left out."""
        return len(self.codes) == len(CONDITIONS)


def times_between(from_: datetime, to: datetime, step: timedelta) -> range:
    """List times of equal distance, in microseconds, from one to at most another.

    Raise InvalidArgumentError if there are none.
    """
    for name, time in (("from", from_), ("to", to)):
        if time.utcoffset() is None:
            rule = "the time has no offset; give it one, UTC for example"
            raise InvalidArgumentError(name, rule)
    if step <= timedelta():
        raise InvalidArgumentError("step", "must be longer than nothing")
    if to < from_:
        raise InvalidArgumentError("to", "must not be before from")
    first, last = to_microseconds(from_), to_microseconds(to)
    # A longer step comes to the same, but no database has such numbers.
    return range(first, last + 1, min(step // step.resolution, last - first + 1))


def _statuses(asked: str | Iterable[str] | None) -> frozenset[Status] | None:
    if asked is None:
        return None
    names = [asked] if isinstance(asked, str) else list(asked)
    try:
        return frozenset(map(Status, names)) or None
    except ValueError:
        rule = f"{', '.join(map(repr, names))}: one of {', '.join(Status)} each"
        raise InvalidArgumentError("status", rule) from None
