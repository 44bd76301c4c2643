"""Reading profiles' streams: the cut is made in SQL, on the columns beside the text."""

from datetime import datetime

from sqlalchemy import ColumnElement, select

from profilestore.domain.cut import Cut
from profilestore.domain.errors import UnreadableEventError
from profilestore.domain.events import EVENT_TYPES, ProfileEvent, RecordedEvent
from profilestore.domain.identity import ProfileKey, partition_of
from profilestore.domain.timestamps import from_microseconds, to_microseconds

from .database import Database
from .tables import events, streams

EVENT = (
    events.c.event_id,
    events.c.name,
    events.c.revision,
    events.c.occurred_at,
    events.c.state,
    events.c.position,
)
"""What `event_of` reads, in its order."""

COLUMNS = (
    events.c.event_id,
    events.c.name,
    events.c.revision,
    events.c.occurred_at,
    events.c.state,
    events.c.version,
    events.c.position,
    events.c.recorded_at,
)
"""What `recorded` reads, in its order."""

OF_STREAM = (streams.c.partition == events.c.partition) & (
    streams.c.stream_id == events.c.stream_id
)
"""Joins an event with the row that says whose it is."""

OF_PROFILE = events.c.event_id.is_not(None)
"""Tells the events of profiles from those of the library's callers."""


class Streams:
    """The streams of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, key: ProfileKey, cut: Cut) -> list[RecordedEvent]:
        """Read what happened and was recorded within the bounds, in order of arrival.

        Bounds of life and revision are left to the profile: they need its order.
        """
        query = (
            select(*COLUMNS)
            .where(
                events.c.partition == partition_of(key, self._database.partitions),
                events.c.stream_id == key.stream_bytes,
                OF_PROFILE,
                *_within(cut),
            )
            .order_by(events.c.version)
        )
        return [recorded(key, *row) for row in self._database.ask(query)]


def _within(cut: Cut) -> list[ColumnElement[bool]]:
    bounds = []
    if cut.valid_at is not None:
        bounds.append(events.c.occurred_at <= to_microseconds(cut.valid_at))
    if isinstance(cut.known_at, datetime):
        bounds.append(events.c.recorded_at <= to_microseconds(cut.known_at))
    elif cut.known_at is not None:
        bounds.append(events.c.position <= cut.known_at)
    return bounds


def recorded(  # noqa: PLR0913, PLR0917 - a row
    key: ProfileKey,
    event_id: bytes | None,
    name: str,
    revision: int | None,
    occurred_at: int | None,
    text: bytes,
    version: int,
    position: int,
    recorded_at: int,
) -> RecordedEvent:
    """Read an event as the log has it, from COLUMNS."""
    event = event_of(key, event_id, name, revision, occurred_at, text, position)
    return RecordedEvent(event, version, position, from_microseconds(recorded_at))


def event_of(  # noqa: PLR0913, PLR0917 - a row
    profile: ProfileKey,
    event_id: bytes | None,
    name: str,
    revision: int | None,
    occurred_at: int | None,
    text: bytes,
    position: int | None,
) -> ProfileEvent:
    """Read an event from its columns; the text is parsed when it is needed.

    Raise UnreadableEventError for what is no event of a profile.
    """
    event_type = EVENT_TYPES.get(name)
    if event_type is None:
        raise UnreadableEventError(position, f"{name!r} is no profile event")
    if event_id is None or revision is None or occurred_at is None:
        raise UnreadableEventError(position, "it has no event id, revision or time")
    return event_type(
        profile=profile,
        event_id=event_id.decode(),
        revision=revision,
        occurred_at=from_microseconds(occurred_at),
        text=text,
    )
