"""What lists and counts ask of a profile: its status, its push, its completeness."""

from enum import IntEnum, StrEnum
from itertools import product
from typing import Any, NamedTuple, Self

from .state import Status


class Push(IntEnum):
    """What the last device event of a life says of push."""

    UNKNOWN = 0
    """There is none."""
    NO_DEVICES = 1
    DISABLED = 2
    ENABLED = 3

    @classmethod
    def of(cls, devices: dict[str, dict[str, Any]] | None) -> "Push":
        """Judge the device classes of an event; None where there is no event."""
        if devices is None:
            return cls.UNKNOWN
        push = cls.NO_DEVICES
        for device in devices.values():
            if device["pushEnabled"]:
                return cls.ENABLED
            if device["count"]:
                push = cls.DISABLED
        return push


class Unreachable(StrEnum):
    """Why a push would reach nobody; the first that holds (SPEC section 7)."""

    DELETED = "deleted"
    UNKNOWN = "unknown"
    NO_DEVICES = "no-devices"
    PUSH_DISABLED = "push-disabled"

    @classmethod
    def why(cls, status: Status, push: Push) -> "Unreachable | None":
        """Say why a profile cannot be reached, None if it can."""
        if status is Status.DELETED:
            return cls.DELETED
        return _WHY.get(push)


_WHY = {
    Push.UNKNOWN: Unreachable.UNKNOWN,
    Push.NO_DEVICES: Unreachable.NO_DEVICES,
    Push.DISABLED: Unreachable.PUSH_DISABLED,
}

_STATUSES = tuple(Status)


def code_of(status: Status, push: Push, complete: bool) -> int:  # noqa: FBT001 - the members of a condition
    """Give a condition its number, from 0 to 23, as read models store it."""
    return _STATUSES.index(status) * 8 + push * 2 + complete


class Condition(NamedTuple):
    """One of the 24 conditions that a profile can be in."""

    status: Status
    push: Push
    complete: bool

    @property
    def code(self) -> int:
        """Its number."""
        return code_of(*self)

    @classmethod
    def of(cls, code: int) -> Self:
        """Be the inverse of `code`."""
        return cls(_STATUSES[code // 8], Push(code // 2 % 4), bool(code % 2))

    @property
    def push_capable(self) -> bool:
        """Whether any device takes a push."""
        return self.push is Push.ENABLED

    @property
    def unreachable(self) -> Unreachable | None:
        """Why a push would reach nobody, None if it would not."""
        return Unreachable.why(self.status, self.push)


CONDITIONS = tuple(
    Condition(*all_three) for all_three in product(_STATUSES, Push, (False, True))
)


class Filter(NamedTuple):
    """Which conditions a question is about; None asks for either."""

    statuses: frozenset[Status] | None = None
    push_capable: bool | None = None
    reachable: bool | None = None
    complete: bool | None = None

    @property
    def codes(self) -> list[int]:
        """The codes of the conditions that it lets through, ascending."""
        return [condition.code for condition in CONDITIONS if self._lets(condition)]

    def _lets(self, condition: Condition) -> bool:
        asked = (
            (self.push_capable, condition.push_capable),
            (self.reachable, condition.unreachable is None),
            (self.complete, condition.complete),
        )
        return (self.statuses is None or condition.status in self.statuses) and all(
            wanted in (None, is_so) for wanted, is_so in asked
        )
