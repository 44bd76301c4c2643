"""Which events a question is about (SPEC section 6)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .errors import InvalidArgumentError
from .events import RecordedEvent
from .timestamps import format_timestamp


class UpdatePolicy(StrEnum):
    """How `profile.update` changes the data (SPEC section 5)."""

    MERGE = "merge"
    REPLACE = "replace"


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
        for name in ("valid_at", "known_at"):
            bound = getattr(self, name)
            if isinstance(bound, datetime) and bound.utcoffset() is None:
                rule = "the time has no offset; give it one, UTC for example"
                raise InvalidArgumentError(name, rule)
        for name in ("known_at", "at_revision", "life"):
            bound = getattr(self, name)
            if isinstance(bound, int) and bound < 0:
                raise InvalidArgumentError(name, "must not be negative")

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
