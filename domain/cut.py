"""Which events a question is about (SPEC section 6)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import NoneType
from typing import Self

from .errors import InvalidArgumentError
from .events import RecordedEvent
from .timestamps import format_timestamp


class UpdatePolicy(StrEnum):
    """How `profile.update` changes the data (SPEC section 5)."""

    MERGE = "merge"
    REPLACE = "replace"

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a policy; raise InvalidArgumentError if it is none."""
        try:
            return cls(text)
        except ValueError:
            rule = f"{text!r} is none of {', '.join(cls)}"
            raise InvalidArgumentError("updates", rule) from None


_KINDS: dict[str, tuple[type, ...]] = {
    "valid_at": (datetime,),
    "known_at": (datetime, int),
    "at_revision": (int,),
    "life": (int,),
}


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Inclusive bounds on the events in scope, and the policy to fold updates by."""

    valid_at: datetime | None = None
    """Only what happened until then."""
    known_at: datetime | int | None = None
    """Only what was recorded until then: a time, or a position of the partition."""
    at_revision: int | None = None
    """Only lifecycle events of one life up to this revision of the source."""
    life: int | None = None
    """Nothing of later lives."""
    updates: UpdatePolicy = UpdatePolicy.MERGE

    def __post_init__(self) -> None:
        object.__setattr__(self, "updates", UpdatePolicy.read(self.updates))
        for name, kinds in _KINDS.items():
            bound = getattr(self, name)
            if isinstance(bound, bool) or not isinstance(bound, (*kinds, NoneType)):
                told = " or ".join(kind.__name__ for kind in kinds)
                raise InvalidArgumentError(name, f"{bound!r} is no {told}")
        for name in ("valid_at", "known_at"):
            bound = getattr(self, name)
            if isinstance(bound, datetime) and bound.utcoffset() is None:
                rule = "the time has no offset; give it one, UTC for example"
                raise InvalidArgumentError(name, rule)
        for name in ("known_at", "at_revision", "life"):
            bound = getattr(self, name)
            if isinstance(bound, int) and not 0 <= bound < 2**63:
                raise InvalidArgumentError(name, "must be from 0 to 2^63-1")

    def knows(self, recorded: RecordedEvent) -> bool:
        """Tell whether an event was recorded within the bound of `known_at`."""
        match self.known_at:
            case None:
                return True
            case datetime():
                return recorded.recorded_at <= self.known_at
            case position:
                return recorded.position <= position

    def __str__(self) -> str:
        bounds = {
            "valid_at": self.valid_at,
            "known_at": self.known_at,
            "at_revision": self.at_revision,
            "life": self.life,
        }
        return ", ".join(
            f"{name} {format_timestamp(b) if isinstance(b, datetime) else b}"
            for name, b in bounds.items()
            if b is not None
        )
