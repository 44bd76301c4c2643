"""What the library's callers hand over, brought to our form or refused by name.

On both engines the same is refused, before they are asked: each by itself would take
some of it, and refuse the rest in words of its own.
"""

from uuid import UUID

from eventsourcing.persistence import StoredEvent, Tracking

from profilestore.domain.errors import InvalidArgumentError
from profilestore.domain.events import EVENT_TYPES
from profilestore.domain.text import storable

from .head import NewEvent
from .logged_event import LoggedEvent

MOST_NAME = 512
"""Characters of an application's name: it is a key, which PostgreSQL bounds."""
MOST_EVENT_ID = 128
"""As SPEC section 2 has it."""


def new_event(event: StoredEvent) -> NewEvent:
    """Take an event; raise InvalidArgumentError for what no log can keep, or no reader.

    One that is none of the five has no columns beside its text: an event id would stand
    in the way of the profile's own.
    """
    logged = (
        event
        if isinstance(event, LoggedEvent)
        else LoggedEvent(
            event.originator_id, event.originator_version, event.topic, event.state
        )
    )
    stream_id = UUID(str(event.originator_id))
    columns = {logged.event_id, logged.revision, logged.occurred_at}
    if event.topic not in EVENT_TYPES and columns != {None}:
        rule = f"{event.topic!r} is no profile event, and has no event id of its own"
        raise InvalidArgumentError("topic", rule)
    if columns != {None} and None in {*columns, logged.profile}:
        rule = "give profile, event id, revision and time of an event, or none of them"
        raise InvalidArgumentError("event_id", rule)
    if logged.profile and logged.profile.stream_id != stream_id:
        rule = f"{stream_id} is not the stream of profile {logged.profile.profile_id!r}"
        raise InvalidArgumentError("originator_id", rule)
    return NewEvent(
        stream_id.bytes,
        number("originator_version", event.originator_version),
        None if logged.event_id is None else _event_id(logged.event_id),
        text("topic", event.topic),
        None if logged.revision is None else number("revision", logged.revision),
        logged.occurred_at,
        event.state,
    )


def tracked(position: Tracking) -> Tracking:
    """Take a tracking position; raise InvalidArgumentError if it cannot be kept."""
    application_name(position.application_name)
    number("notification_id", position.notification_id)
    return position


def application_name(name: str) -> str:
    """Take the name of an application; raise InvalidArgumentError if it is none."""
    if len(name) > MOST_NAME:
        rule = f"must have at most {MOST_NAME} characters"
        raise InvalidArgumentError("application_name", rule)
    return text("application_name", name)


def text(argument: str, value: str) -> str:
    """Take text as any database has it; raise InvalidArgumentError if it is none."""
    if value != storable(value):
        raise InvalidArgumentError(argument, "must be Unicode, without U+0000")
    return value


def number(argument: str, value: int) -> int:
    """Take a number from 0; raise InvalidArgumentError if it is none, or too large."""
    if not 0 <= value < 2**63:
        raise InvalidArgumentError(argument, "must be from 0 to 2^63-1")
    return value


def _event_id(event_id: str) -> bytes:
    if not 0 < len(event_id) <= MOST_EVENT_ID:
        rule = f"must have 1 to {MOST_EVENT_ID} characters"
        raise InvalidArgumentError("event_id", rule)
    try:
        return event_id.encode()
    except UnicodeEncodeError:
        raise InvalidArgumentError("event_id", "must be Unicode") from None
