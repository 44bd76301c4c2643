"""The store: deliveries in, profiles out. Composition of all the parts."""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import BinaryIO, Self
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.persistence import Mapper
from eventsourcing.utils import Environment, EnvType

from profilestore.domain.cut import UpdatePolicy
from profilestore.domain.envelope import Delivered
from profilestore.domain.errors import (
    DamagedDeliveryError,
    InvalidArgumentError,
)
from profilestore.domain.events import ProfileEvent, RecordedEvent
from profilestore.domain.receipt import Receipt
from profilestore.domain.text import storable

from .arguments import Event, event_text, space_id, space_ids
from .ingress.compression import DamagedStreamError
from .ingress.delivery import read_alone, read_delivery, read_events, read_stream
from .intake import Intake
from .log.backend import BUSY_SECONDS
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
from .log.writer import LogWriter
from .questions import Questions
from .readmodels.check import Difference
from .readmodels.rebuild import Progress as Steps
from .readmodels.rebuild import Rebuilt
from .readmodels.warmer import Warmer
from .vitals import Vitals

Progress = Callable[[Receipt], None]


class ProfileStore(Questions, Application[UUID]):
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
        writer = LogWriter(database)
        self._committer = Committer(
            writer, busy_seconds=database.busy_seconds, queue_events=queue_events
        )
        self.intake = Intake(self._committer)
        self._feed = Feed(database)
        self.quarantine = QuarantineDesk(database, writer, self._committer)
        Questions.__init__(self, database, updates, space_updates or {})
        self.vitals = Vitals(database, self._committer, self._policies())
        Application.__init__(self)

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
        api_space_id: str | Collection[str] | None = None,
    ) -> Page:
        """Read at most `limit` (to 10,000) events after a position, in order.

        None is ever skipped or repeated by going on from the page's `position`. Of one
        API space, or several, a page may be short, or empty, before the end of the log.
        """
        return self._feed.page(partition, after, limit, space_ids(api_space_id))

    def follow(
        self,
        *,
        after: int = 0,
        partition: int = 0,
        api_space_id: str | Collection[str] | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[RecordedEvent]:
        """Read all events after a position, then those to come, until `stop` is set.

        At the end of the log it looks again after 10 ms to half a second.
        """
        return self._feed.follow(partition, after, space_ids(api_space_id), stop)

    def positions(self) -> dict[int, int]:
        """Say what the last position of each partition is."""
        return self._feed.ends()

    def recorder_of(self, partition: int) -> LogRecorder:
        """Give a partition as a recorder of the event sourcing library."""
        self._feed.check(partition)
        return LogRecorder(self._database, self._committer, partition)

    def rebuild(
        self,
        *,
        updates: str | None = None,
        jobs: int = 1,
        progress: Steps = lambda _, __: None,
    ) -> Rebuilt:
        """Derive the read models anew: of the store's update policies, and all in use.

        The store can be used meanwhile: what was there is read until the new is whole.
        Broken off, it is gone on with the next time. With several `jobs` as many
        processes do the work. `progress` is told the events that are folded, and those
        there are.
        """
        return self.read_models.rebuild(
            self._policies(updates), jobs=jobs, progress=progress
        )

    def check(
        self,
        *,
        updates: str | None = None,
        sample: int | None = None,
        progress: Steps = lambda _, __: None,
    ) -> Iterator[Difference]:
        """Compare what lists and counts are read from with the fold of the log.

        Of so many profiles chosen by chance if there is a `sample`. `progress` is told
        the profiles that are compared, and those to be.
        """
        for policy in sorted(self._policies(updates)):
            yield from self.read_models.check(policy, sample=sample, progress=progress)

    def keep_warm(self) -> Warmer:
        """Give a thread that keeps the read models caught up, in a `with` block.

        Answers are right without it: it only saves them time.
        """
        return Warmer(self.read_models, self._policies())

    def _policies(self, updates: str | None = None) -> set[UpdatePolicy]:
        if updates is not None:
            return {UpdatePolicy.read(updates)}
        return {self._updates, *self._space_updates.values()}

    def stats(self) -> dict[str, object]:
        """Count events by name, profiles, spaces, quarantine, ignored, positions.

        `readModels` says of each what it is made of, whether answers come from it, how
        many events it is behind, and which profiles are set aside since their fold
        fails.
        """
        models = [model.document() for model in self.read_models.describe()]
        return count(self._database) | {"readModels": models}

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        """Leave the process environment out: it must not change what is stored."""
        return Environment(name, env or {})

    def construct_factory(self, env: Environment) -> LogFactory:  # noqa: ARG002
        """Build on our log."""
        return LogFactory(self._database, self._committer)

    def construct_mapper(self) -> Mapper[UUID]:
        """Store events as their own text."""
        return LogMapper()
