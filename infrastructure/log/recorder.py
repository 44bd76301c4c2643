"""The library's recorder ports on one partition of the log."""

from collections.abc import Sequence
from dataclasses import replace
from threading import Event
from typing import Any
from uuid import UUID

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    IntegrityError,
    Notification,
    ProcessRecorder,
    StoredEvent,
    Subscription,
    Tracking,
)
from sqlalchemy import Connection, Row, Select, insert, select, update
from sqlalchemy.exc import IntegrityError as DatabaseIntegrityError

from profilestore.domain.identity import ProfileKey

from .database import Database
from .head import Head
from .logged_event import LoggedEvent
from .tables import events, heads, streams, tracking


class LogAggregateRecorder(AggregateRecorder):
    """Streams of one partition, by the library's names."""

    def __init__(self, database: Database, partition: int = 0) -> None:
        self._database = database
        self._partition = partition

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Append events at the versions they carry; all of them or none.

        Raise the library's IntegrityError if a stream has one of the versions already.
        """
        self._insert(stored_events, **kwargs)
        return None

    def _insert(
        self,
        stored_events: Sequence[StoredEvent],
        *,
        tracking: Tracking | None = None,
        **_: Any,
    ) -> list[int]:
        if not stored_events and tracking is None:
            return []
        try:
            with self._database.write() as connection:
                if tracking is not None:
                    self._track(connection, tracking)
                head = Head.lock(connection, self._partition)
                stored = head.append([_logged(event) for event in stored_events])
        except DatabaseIntegrityError as error:
            raise IntegrityError(str(error.orig)) from error
        return [row.position for row in stored if row.position is not None]

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[LoggedEvent]:
        """Read a stream by version, both bounds as named."""
        of_stream = events.c.stream_id == UUID(str(originator_id))
        query = _rows().where(events.c.partition == self._partition, of_stream)
        if gt is not None:
            query = query.where(events.c.version > gt)
        if lte is not None:
            query = query.where(events.c.version <= lte)
        version = events.c.version
        query = query.order_by(version.desc() if desc else version).limit(limit)
        with self._database.read() as connection:
            return [_event(row) for row in connection.execute(query)]

    def _track(self, connection: Connection, position: Tracking) -> None:
        """Move a tracking position forward; anything else is an IntegrityError."""
        key = {
            "partition": self._partition,
            "application_name": position.application_name,
        }
        of_key = (tracking.c.partition == self._partition) & (
            tracking.c.application_name == position.application_name
        )
        moved = connection.execute(
            update(tracking)
            .where(of_key, tracking.c.notification_id < position.notification_id)
            .values(notification_id=position.notification_id)
        )
        if not moved.rowcount:
            # Either it is the first, or the key exists and this one is not ahead of it.
            connection.execute(
                insert(tracking).values(**key, notification_id=position.notification_id)
            )


class LogRecorder(LogAggregateRecorder, ProcessRecorder):
    """A partition of the log as the library's application and tracking recorder."""

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Append events as LogAggregateRecorder does; answer their positions."""
        return self._insert(stored_events, **kwargs)

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Read the partition by position: none skipped, none repeated."""
        query = _rows().where(events.c.partition == self._partition)
        if start is not None:
            position = events.c.position
            query = query.where(
                position >= start if inclusive_of_start else position > start
            )
        if stop is not None:
            query = query.where(events.c.position <= stop)
        if topics:
            query = query.where(events.c.name.in_(topics))
        query = query.order_by(events.c.position).limit(limit)
        with self._database.read() as connection:
            return [
                Notification(
                    originator_id=row.stream_id,
                    originator_version=row.version,
                    topic=row.name,
                    state=row.state,
                    id=row.position,
                )
                for row in connection.execute(query)
            ]

    def max_notification_id(self) -> int | None:
        """Say the last position, None in an empty partition."""
        query = select(heads.c.position).where(heads.c.partition == self._partition)
        with self._database.read() as connection:
            return connection.execute(query).scalar_one() or None

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription[ApplicationRecorder]:
        """Follow the partition from after a position, waiting for what is to come."""
        return LogSubscription(self, gt=gt, topics=topics)

    def insert_tracking(self, tracking: Tracking) -> None:
        """Move a tracking position forward; raise IntegrityError if it is not ahead."""
        self._insert((), tracking=tracking)

    def max_tracking_id(self, application_name: str) -> int | None:
        """Say how far the named application has come, None if it never began."""
        query = select(tracking.c.notification_id).where(
            tracking.c.partition == self._partition,
            tracking.c.application_name == application_name,
        )
        with self._database.read() as connection:
            position: int | None = connection.execute(query).scalar_one_or_none()
            return position


class LogSubscription(Subscription[ApplicationRecorder]):
    """Reads page by page and, at the end of the log, polls with a growing pause."""

    PAGE = 500
    SHORTEST_PAUSE = 0.01
    LONGEST_PAUSE = 0.5

    def __init__(
        self, recorder: LogRecorder, gt: int | None, topics: Sequence[str]
    ) -> None:
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        self._page: list[Notification] = []
        self._stopping = Event()

    def stop(self) -> None:
        """End the iteration, also one that waits in another thread."""
        super().stop()
        self._stopping.set()

    def __next__(self) -> Notification:
        pause = self.SHORTEST_PAUSE
        while not self._page and not self._stopping.is_set():
            self._page = list(
                self._recorder.select_notifications(
                    start=self._last_notification_id,
                    limit=self.PAGE,
                    topics=self._topics,
                    inclusive_of_start=False,
                )
            )[::-1]
            if not self._page:
                self._stopping.wait(pause)
            pause = min(pause * 2, self.LONGEST_PAUSE)
        if self._stopping.is_set():
            raise StopIteration
        notification = self._page.pop()
        self._last_notification_id = notification.id
        return notification


def _logged(event: StoredEvent) -> LoggedEvent:
    if isinstance(event, LoggedEvent):
        return replace(event, position=None, recorded_at=None)
    return LoggedEvent(
        event.originator_id, event.originator_version, event.topic, event.state
    )


def _rows() -> Select[Any]:
    return select(
        events.c.stream_id,
        events.c.version,
        events.c.name,
        events.c.state,
        events.c.event_id,
        events.c.revision,
        events.c.occurred_at,
        events.c.position,
        events.c.recorded_at,
        streams.c.api_space_id,
        streams.c.profile_id,
    ).join(
        streams,
        (streams.c.partition == events.c.partition)
        & (streams.c.stream_id == events.c.stream_id),
    )


def _event(row: Row[Any]) -> LoggedEvent:
    return LoggedEvent(
        originator_id=row.stream_id,
        originator_version=row.version,
        topic=row.name,
        state=row.state,
        profile=ProfileKey(row.api_space_id, row.profile_id)
        if row.api_space_id is not None
        else None,
        event_id=row.event_id,
        revision=row.revision,
        occurred_at=row.occurred_at,
        position=row.position,
        recorded_at=row.recorded_at,
    )
