"""The library's recorder ports on the log; each partition is one such recorder."""

from collections.abc import Sequence
from threading import Event
from typing import Any
from uuid import UUID

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    Notification,
    ProcessRecorder,
    StoredEvent,
    Subscription,
    Tracking,
)
from sqlalchemy import Row, Select, select

from profilestore.domain.errors import InvalidArgumentError
from profilestore.domain.identity import ProfileKey, home_of

from .arguments import application_name as named
from .arguments import new_event, text, tracked
from .committer import Committer
from .database import Database
from .feed import Pause
from .insertion import Insertion, Shares
from .logged_event import LoggedEvent
from .streams import OF_STREAM
from .tables import events, heads, streams, tracking


class LogAggregateRecorder(AggregateRecorder):
    """Streams of one partition, or each of its own, by the library's names."""

    def __init__(
        self, database: Database, committer: Committer, partition: int | None = 0
    ) -> None:
        self._database = database
        self._committer = committer
        self._only = partition

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Append events at the versions they carry; all of them or none.

        Raise the library's IntegrityError if a stream has one of the versions already,
        InvalidArgumentError for what cannot be kept, or lives in another partition.
        """
        self._insert(stored_events, **kwargs)
        return None

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
        stream_id = UUID(str(originator_id))
        query = _rows().where(
            events.c.partition == self._home(stream_id),
            events.c.stream_id == stream_id.bytes,
        )
        if gt is not None:
            query = query.where(events.c.version > _within(gt))
        if lte is not None:
            query = query.where(events.c.version <= _within(lte))
        version = events.c.version
        query = query.order_by(version.desc() if desc else version).limit(limit)
        return [_event(row) for row in self._database.ask(query)]

    def _home(self, stream_id: UUID) -> int:
        if self._only is not None:
            return self._only
        return home_of(stream_id, self._database.partitions)

    def _home_of_new(self, stream_id: UUID) -> int:
        """Say where a stream is to be written; raise if that is not for us to do."""
        home = home_of(stream_id, self._database.partitions)
        if self._only not in (None, home):
            rule = f"stream {stream_id} lives in partition {home}: use its recorder"
            raise InvalidArgumentError("partition", rule)
        return home

    def _insert(
        self,
        stored_events: Sequence[StoredEvent],
        *,
        tracking: Tracking | None = None,
        **_: Any,
    ) -> list[int]:
        """Commit all or none; answer the positions in the order of the events."""
        if not stored_events and tracking is None:
            return []
        homes = [self._home_of_new(UUID(str(e.originator_id))) for e in stored_events]
        shares: Shares = {} if homes else {self._only or 0: []}
        profiles = {}
        for home, event in zip(homes, stored_events, strict=True):
            new = new_event(event)
            shares.setdefault(home, []).append(new)
            profiles[new.stream_id] = getattr(event, "profile", None)
        insertion = Insertion(shares, profiles, tracking and tracked(tracking))
        positions = self._committer.commit(insertion)
        at = {home: iter(of_home) for home, of_home in positions.items()}
        return [next(at[home]) for home in homes]


class LogRecorder(LogAggregateRecorder, ProcessRecorder):
    """A partition as the library's application and tracking recorder.

    Made for no partition in particular, it finds each stream where it lives, and has
    no positions to read by, unless the store has one partition only.
    """

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Append events as LogAggregateRecorder does; answer their positions."""
        return self._insert(stored_events, **kwargs)

    @property
    def _partition(self) -> int:
        if self._only is None:
            rule = "this store has several, each with positions of its own: name one"
            raise InvalidArgumentError("partition", rule)
        return self._only

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
                position >= _within(start)
                if inclusive_of_start
                else position > _within(start)
            )
        if stop is not None:
            query = query.where(events.c.position <= _within(stop))
        if topics:
            query = query.where(events.c.name.in_([text("topics", t) for t in topics]))
        query = query.order_by(events.c.position).limit(limit)
        return [
            Notification(
                originator_id=UUID(bytes=row.stream_id),
                originator_version=row.version,
                topic=row.name,
                state=row.state,
                id=row.position,
            )
            for row in self._database.ask(query)
        ]

    def max_notification_id(self) -> int | None:
        """Say the last position, None in an empty partition."""
        query = select(heads.c.position).where(heads.c.partition == self._partition)
        ((position,),) = self._database.ask(query)
        return position or None

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
            tracking.c.application_name == named(application_name),
        )
        found = self._database.ask(query)
        return found[0].notification_id if found else None


class LogSubscription(Subscription[ApplicationRecorder]):
    """Reads page by page and, at the end of the log, polls with a growing pause."""

    PAGE = 500

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
        pause = Pause(self._stopping)
        while not self._page and not pause.stopped:
            self._page = list(
                self._recorder.select_notifications(
                    start=self._last_notification_id,
                    limit=self.PAGE,
                    topics=self._topics,
                    inclusive_of_start=False,
                )
            )[::-1]
            if not self._page:
                pause.wait()
        if pause.stopped:
            raise StopIteration
        notification = self._page.pop()
        self._last_notification_id = notification.id
        return notification


def _within(bound: int) -> int:
    """Bring a bound among the numbers that there are."""
    return max(-(2**63), min(bound, 2**63 - 1))


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
    ).join(streams, OF_STREAM)


def _event(row: Row[Any]) -> LoggedEvent:
    return LoggedEvent(
        originator_id=UUID(bytes=row.stream_id),
        originator_version=row.version,
        topic=row.name,
        state=row.state,
        profile=ProfileKey(row.api_space_id, row.profile_id)
        if row.api_space_id is not None
        else None,
        event_id=None if row.event_id is None else row.event_id.decode(),
        revision=row.revision,
        occurred_at=row.occurred_at,
        position=row.position,
        recorded_at=row.recorded_at,
    )
