"""Between the library's stored events and our domain events."""

from typing import NoReturn
from uuid import UUID

from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import JSONTranscoder, Mapper, StoredEvent

from profilestore.domain.errors import UnreadableEventError
from profilestore.domain.events import EVENT_TYPES, ProfileEvent, RecordedEvent
from profilestore.domain.timestamps import from_microseconds, to_microseconds

from .logged_event import LoggedEvent


class LogMapper(Mapper[UUID]):
    """Stores the event's own text and name: no class path, no second serialisation."""

    def __init__(self) -> None:
        super().__init__(JSONTranscoder())

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> LoggedEvent:
        """Store a RecordedEvent; its position and time are the log's to give."""
        if not isinstance(domain_event, RecordedEvent):
            raise TypeError(f"not a profile event: {domain_event!r}")
        return to_logged(domain_event.event, domain_event.version)

    def to_domain_event(self, stored_event: StoredEvent) -> RecordedEvent:
        """Rebuild a RecordedEvent; raise UnreadableEventError if it was none."""
        if not isinstance(stored_event, LoggedEvent):
            raise TypeError(f"not from the log: {stored_event!r}")
        position, recorded_at = stored_event.position, stored_event.recorded_at
        if position is None or recorded_at is None:
            raise TypeError(f"not recorded yet: {stored_event!r}")
        return RecordedEvent(
            event=to_profile_event(stored_event),
            version=stored_event.originator_version,
            position=position,
            recorded_at=from_microseconds(recorded_at),
        )


def to_logged(event: ProfileEvent, version: int) -> LoggedEvent:
    """Give an event its row, at a version of its stream."""
    return LoggedEvent(
        originator_id=event.profile.stream_id,
        originator_version=version,
        topic=event.name,
        state=event.text,
        profile=event.profile,
        event_id=event.event_id,
        revision=event.revision,
        occurred_at=to_microseconds(event.occurred_at),
    )


def to_profile_event(row: LoggedEvent) -> ProfileEvent:
    """Read a row's event from its columns; the text is parsed when it is needed."""
    if row.topic not in EVENT_TYPES:
        _unreadable(row, f"{row.topic!r} is no profile event")
    if row.profile is None or row.event_id is None:
        _unreadable(row, "it names no profile and no event id")
    if row.revision is None or row.occurred_at is None:
        _unreadable(row, "it has no revision and no time")
    return EVENT_TYPES[row.topic](
        profile=row.profile,
        event_id=row.event_id,
        revision=row.revision,
        occurred_at=from_microseconds(row.occurred_at),
        text=row.state,
    )


def _unreadable(row: LoggedEvent, cause: str) -> NoReturn:
    raise UnreadableEventError(row.position, cause)
