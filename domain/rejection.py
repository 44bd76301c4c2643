"""Why an event of a delivery could not be accepted (SPEC section 2)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from .identity import ProfileKey


class Reason(StrEnum):
    """Quarantine reasons, as they are stored and shown."""

    MALFORMED_JSON = "malformed-json"
    NOT_AN_EVENT = "not-an-event"
    UNSUPPORTED_EVENT = "unsupported-event"
    INVALID_FIELD = "invalid-field"
    EVENT_ID_CONFLICT = "event-id-conflict"
    TOO_LARGE = "too-large"


class Problem(NamedTuple):
    """One broken rule; `pointer` is the JSON pointer (RFC 6901) of the bad field."""

    pointer: str
    rule: str


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """What goes to quarantine: the exact bytes and why.

    `profile`, `event_id` and `name` are what the event says of itself, as far as it can
    be read: enough to find it again.
    """

    text: bytes
    reason: Reason
    problems: tuple[Problem, ...]
    profile: ProfileKey | None = None
    event_id: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class Ignored:
    """A well-formed envelope of another event family."""

    name: str
