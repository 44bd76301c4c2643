"""Between the library's stored events and our domain events."""

from uuid import UUID

from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import JSONTranscoder, Mapper, StoredEvent

from profilestore.domain.errors import UnreadableEventError
from profilestore.domain.events import ProfileEvent, RecordedEvent
from profilestore.domain.timestamps import from_microseconds, to_microseconds

from .logged_event import LoggedEvent
from .streams import event_of


class LogMapper(Mapper[UUID]):
    """Stores the event's own text and name: no class path, no second serialisation."""

    def __init__(self) -> None:
        super().__init__(JSONTranscoder())

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> LoggedEvent:
        """Store a RecordedEvent; its position and time are the log's to give."""
        if not isinstance(domain_event, RecordedEvent):
            raise TypeError(f"not a profile event: {domain_event!r}")
        event = domain_event.event
        return LoggedEvent(
            originator_id=event.profile.stream_id,
            originator_version=domain_event.version,
            topic=event.name,
            state=event.text,
            profile=event.profile,
            event_id=event.event_id,
            revision=event.revision,
            occurred_at=to_microseconds(event.occurred_at),
        )

    def to_domain_event(self, stored_event: StoredEvent) -> RecordedEvent:
        """Rebuild a RecordedEvent; raise UnreadableEventError if it was none."""
        if not isinstance(stored_event, LoggedEvent):
            raise TypeError(f"not from the log: {stored_event!r}")
        position, recorded_at = stored_event.position, stored_event.recorded_at
        if position is None or recorded_at is None:
            raise TypeError(f"not recorded yet: {stored_event!r}")
        return RecordedEvent(
            event=_event(stored_event),
            version=stored_event.originator_version,
            position=position,
            recorded_at=from_microseconds(recorded_at),
        )


def _event(row: LoggedEvent) -> ProfileEvent:
    if row.profile is None:
        raise UnreadableEventError(row.position, "it names no profile")
    return event_of(
        row.profile,
        None if row.event_id is None else row.event_id.encode(),
        row.topic,
        row.revision,
        row.occurred_at,
        row.state,
        row.position,
    )
