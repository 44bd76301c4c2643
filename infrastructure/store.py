"""The store: deliveries in, profiles out. Composition of all the parts."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, BinaryIO, Self, TypedDict, Unpack
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.persistence import Mapper
from eventsourcing.utils import Environment, EnvType

from profilestore.domain.cut import Cut, UpdatePolicy
from profilestore.domain.envelope import Delivered
from profilestore.domain.errors import (
    DamagedDeliveryError,
    InvalidArgumentError,
    ProfileNotFoundError,
)
from profilestore.domain.events import ProfileEvent, RecordedEvent
from profilestore.domain.identity import ProfileKey
from profilestore.domain.profile import Profile
from profilestore.domain.receipt import Receipt
from profilestore.domain.text import storable
from profilestore.projections.current import (
    CurrentProfile,
    current_from,
    current_profile,
)

from .arguments import Event, event_text, space_id
from .ingress.compression import DamagedStreamError
from .ingress.delivery import read_alone, read_delivery, read_events, read_stream
from .log.backend import BUSY_SECONDS
from .log.checkpoints import Checkpoints
from .log.committer import QUEUE_EVENTS, Committer
from .log.database import Database
from .log.factory import LogFactory
from .log.feed import Feed, Page
from .log.group import Delivery
from .log.mapper import LogMapper
from .log.quarantine_desk import QuarantineDesk
from .log.recorder import LogRecorder
from .log.schema import Prepared
from .log.stats import count
from .log.streams import Streams
from .log.writer import LogWriter

Progress = Callable[[Receipt], None]

LONG = 1000
"""Events from which on a profile is worth checkpoints."""


class Cuts(TypedDict, total=False):
    """The bounds of SPEC section 6 and the update policy, by name."""

    valid_at: datetime | None
    known_at: datetime | int | None
    at_revision: int | None
    life: int | None
    updates: str | None


class ProfileStore(Application[UUID]):
    """Profiles as the set of their events, on one database.

    Safe to use from many threads, and by several processes on one database. Everything
    an append has answered is durable. Close it, or use it in a `with` statement.
    """

    def __init__(
        self,
        database: Database,
        *,
        updates: UpdatePolicy = UpdatePolicy.MERGE,
        space_updates: Mapping[str, UpdatePolicy] | None = None,
        queue_events: int = QUEUE_EVENTS,
    ) -> None:
        self._database = database
        self._updates = updates
        self._space_updates = {
            space_id(space): policy for space, policy in (space_updates or {}).items()
        }
        writer = LogWriter(database)
        self._committer = Committer(
            writer, busy_seconds=database.busy_seconds, queue_events=queue_events
        )
        self._streams = Streams(database)
        self._checkpoints = Checkpoints(database, self._streams)
        self._feed = Feed(database)
        self.quarantine = QuarantineDesk(database, writer, self._committer)
        super().__init__()

    @classmethod
    def open(  # noqa: PLR0913 - settings, each by name
        cls,
        url: str,
        *,
        updates: str = "merge",
        space_updates: Mapping[str, str] | None = None,
        busy_seconds: float = BUSY_SECONDS,
        queue_events: int = QUEUE_EVENTS,
        create: bool = True,
    ) -> Self:
        """Open a store: `sqlite:///FILE`, `sqlite://` (memory) or `postgresql://...`.

        A new file is made; in PostgreSQL `init` makes the store. `updates` says what a
        profile.update does to the data, `merge` or `replace`, and `space_updates` the
        same for single API spaces (SPEC section 5). An append waits `busy_seconds` for
        its answer and is refused while `queue_events` wait. Raise InvalidArgumentError
        for a bad setting, StorageError if it cannot be opened.
        """
        if queue_events < 1:
            raise InvalidArgumentError("queue_events", "must be 1 or more")
        spaces = {
            space_id(s): UpdatePolicy.read(p) for s, p in (space_updates or {}).items()
        }
        default = UpdatePolicy.read(updates)
        database = Database.open(url, create=create, busy_seconds=busy_seconds)
        return cls(
            database, updates=default, space_updates=spaces, queue_events=queue_events
        )

    @classmethod
    def init(cls, url: str, *, partitions: int | None = None) -> Prepared:
        """Make a store, or bring one of an older schema up to date; say which.

        Safe while others do so, too. `partitions`, from 1 to 1,024 and fixed for ever,
        is how many logs a new store has, that can be written and read at once. Raise
        InvalidArgumentError if the store has another number, StorageError on failure.
        """
        return Database.init(url, partitions=partitions)

    def append(
        self, delivery: bytes | str | Iterable[Event], *, ingress: str = "python"
    ) -> Receipt:
        """Store a delivery: its bytes as received, or an iterable of single events.

        It never refuses content: what cannot be accepted is quarantined and counted
        (SPEC section 2). What waits together is committed together. Raise StorageError
        if the database fails or too much waits; it can be appended again as it is.
        """
        if isinstance(delivery, str):
            delivery = delivery.encode("utf-8", "surrogatepass")
        if isinstance(delivery, bytes | bytearray | memoryview):
            if (event := read_alone(bytes(delivery))) is not None:
                entry = Delivery([event], storable(ingress))
                return Receipt.of(self._committer.commit(entry))
            return self._append(read_delivery(bytes(delivery)), ingress)
        if isinstance(delivery, Mapping | ProfileEvent):
            delivery = [delivery]
        if not isinstance(delivery, Iterable):
            rule = "must be the bytes of a delivery, or an iterable of events"
            raise InvalidArgumentError("delivery", rule)
        return self._append(read_events(map(event_text, delivery)), ingress)

    def append_stream(
        self,
        stream: BinaryIO,
        *,
        ingress: str = "python",
        progress: Progress = lambda _: None,
    ) -> Receipt:
        """Store a delivery of any length from a file or pipe, plain, gzip or zstd.

        Memory does not grow with it. `progress` is called after each transaction with
        the receipt so far. Raise DamagedDeliveryError where the compression is broken.
        """
        receipt = Receipt()

        def keep(sum_: Receipt) -> None:
            nonlocal receipt
            receipt = sum_
            progress(sum_)

        try:
            return self._append(read_stream(stream), ingress, keep)
        except DamagedStreamError as error:
            raise DamagedDeliveryError(ingress, str(error), receipt.received) from error

    def _append(
        self,
        batches: Iterator[list[Delivered]],
        ingress: str,
        progress: Progress = lambda _: None,
    ) -> Receipt:
        receipt = Receipt()
        deliveries = (Delivery(batch, storable(ingress)) for batch in batches)
        for outcomes in self._committer.commit_all(deliveries):
            receipt += Receipt.of(outcomes)
            progress(receipt)
        return receipt

    def key(self, api_space_id: str, profile_id: str) -> ProfileKey:
        """Name a profile; raise InvalidArgumentError for what names none."""
        if not isinstance(profile_id, str):
            raise InvalidArgumentError("profile", f"{profile_id!r} is no string")
        if profile_id != storable(profile_id):
            raise InvalidArgumentError("profile", "the id is not Unicode")
        return ProfileKey(space_id(api_space_id), profile_id)

    def profile(
        self, api_space_id: str, profile_id: str, **cut: Unpack[Cuts]
    ) -> Profile:
        """Read a profile, or what the inclusive bounds leave of it (SPEC section 6).

        Times need an offset. Raise ProfileNotFoundError if nothing is in scope,
        InvalidArgumentError for a bound or an API space id that is none.
        """
        key = self.key(api_space_id, profile_id)
        return self._profile(key, self._cut(key, cut))

    def current(
        self, api_space_id: str, profile_id: str, **cut: Unpack[Cuts]
    ) -> CurrentProfile:
        """Answer the current profile: `current_profile(store.profile(...))`, sooner.

        Long profiles are answered from checkpoints, at the head and at any `valid_at`;
        the first question to one makes them.
        """
        key = self.key(api_space_id, profile_id)
        bounds = self._cut(key, cut)
        standing = self._checkpoints.standing(key, bounds)
        if standing is None and self._streams.length(key) >= LONG:
            self._checkpoints.make(key, bounds.updates)
            standing = self._checkpoints.standing(key, bounds)
        if standing:
            return current_from(key, bounds, standing)
        return current_profile(self._profile(key, bounds))

    def _cut(self, key: ProfileKey, cut: Cuts) -> Cut:
        bounds: dict[str, Any] = {**cut}
        updates = bounds.pop("updates", None)
        default = self._space_updates.get(key.api_space_id, self._updates)
        policy = default if updates is None else UpdatePolicy.read(updates)
        return Cut(updates=policy, **bounds)

    def _profile(self, key: ProfileKey, cut: Cut) -> Profile:
        profile = Profile.project(None, self._streams.read(key, cut))
        if profile is None:
            raise ProfileNotFoundError(*key, scope=str(cut))
        return profile.at(cut)

    @property
    def partitions(self) -> int:
        """How many logs the store has; each profile lives in one of them."""
        return self._database.partitions

    def feed(
        self,
        *,
        after: int = 0,
        limit: int = 500,
        partition: int = 0,
        api_space_id: str | None = None,
    ) -> Page:
        """Read at most `limit` (to 10,000) events after a position, in order.

        None is ever skipped or repeated by going on from the page's `position`. Of one
        API space a page may be short, or empty, before the end of the log.
        """
        space = None if api_space_id is None else space_id(api_space_id)
        return self._feed.page(partition, after, limit, space)

    def follow(
        self,
        *,
        after: int = 0,
        partition: int = 0,
        api_space_id: str | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[RecordedEvent]:
        """Read all events after a position, then those to come, until `stop` is set.

        At the end of the log it looks again after 10 ms to half a second.
        """
        space = None if api_space_id is None else space_id(api_space_id)
        return self._feed.follow(partition, after, space, stop)

    def recorder_of(self, partition: int) -> LogRecorder:
        """Give a partition as a recorder of the event sourcing library."""
        self._feed.check(partition)
        return LogRecorder(self._database, self._committer, partition)

    def stats(self) -> dict[str, object]:
        """Count events by name, profiles, spaces, quarantine, ignored, positions."""
        return count(self._database)

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        """Leave the process environment out: it must not change what is stored."""
        return Environment(name, env or {})

    def construct_factory(self, env: Environment) -> LogFactory:  # noqa: ARG002
        """Build on our log."""
        return LogFactory(self._database, self._committer)

    def construct_mapper(self) -> Mapper[UUID]:
        """Store events as their own text."""
        return LogMapper()
