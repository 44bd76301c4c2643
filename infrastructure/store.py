"""The store: deliveries in, profiles out. Composition of all the parts."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO, Self, TypedDict, Unpack
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.persistence import Mapper
from eventsourcing.utils import Environment, EnvType

from profilestore.domain.admission import Outcome
from profilestore.domain.cut import Cut, UpdatePolicy
from profilestore.domain.envelope import Delivered, read_event
from profilestore.domain.errors import (
    DamagedDeliveryError,
    InvalidArgumentError,
    ProfileNotFoundError,
)
from profilestore.domain.events import ProfileEvent
from profilestore.domain.identity import ProfileKey
from profilestore.domain.profile import Profile
from profilestore.domain.receipt import Receipt
from profilestore.projections.current import (
    CurrentProfile,
    current_from,
    current_profile,
)

from .arguments import Event, event_text, space_id, storable, update_policy
from .ingress.compression import DamagedStreamError
from .ingress.delivery import read_delivery, read_events, read_stream
from .log.checkpoints import Checkpoints
from .log.database import BUSY_SECONDS, Database
from .log.factory import LogFactory
from .log.mapper import LogMapper
from .log.quarantine import Quarantine, QuarantineEntry, Settled, Settlement
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
    ) -> None:
        self._database = database
        self._updates = updates
        self._space_updates = {
            space_id(space): policy for space, policy in (space_updates or {}).items()
        }
        self._writer = LogWriter(database)
        self._streams = Streams(database)
        self._checkpoints = Checkpoints(database, self._streams)
        self.quarantine = Quarantine(database)
        super().__init__()

    @classmethod
    def open(
        cls,
        url: str,
        *,
        updates: str = "merge",
        space_updates: Mapping[str, str] | None = None,
        busy_seconds: float = BUSY_SECONDS,
        create: bool = True,
    ) -> Self:
        """Open a store, `sqlite:///FILE` or `sqlite://` (memory); a new file is made.

        `updates` says what a profile.update does to the data, `merge` or `replace`,
        and `space_updates` the same for single API spaces (SPEC section 5). Raise
        InvalidArgumentError for a bad setting, StorageError if it cannot be opened.
        """
        spaces = {
            space_id(s): update_policy(p) for s, p in (space_updates or {}).items()
        }
        default = update_policy(updates)
        database = Database.open(url, create=create, busy_seconds=busy_seconds)
        return cls(database, updates=default, space_updates=spaces)

    def append(
        self, delivery: bytes | str | Iterable[Event], *, ingress: str = "python"
    ) -> Receipt:
        """Store a delivery: its bytes as received, or an iterable of single events.

        It never refuses content: what cannot be accepted is quarantined and counted
        (SPEC section 2). At most 2,000 events are stored per transaction. Raise
        StorageError if the database fails; the same delivery can be appended again.
        """
        if isinstance(delivery, str):
            delivery = delivery.encode("utf-8", "surrogatepass")
        if isinstance(delivery, bytes | bytearray | memoryview):
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
        for batch in batches:
            outcomes = self._writer.append(batch, storable(ingress))
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
        return Cut(
            updates=default if updates is None else update_policy(updates), **bounds
        )

    def _profile(self, key: ProfileKey, cut: Cut) -> Profile:
        profile = Profile.project(None, self._streams.read(key, cut))
        if profile is None:
            raise ProfileNotFoundError(*key, scope=str(cut))
        return profile.at(cut)

    def replay(
        self,
        entry_ids: Iterable[str] | None = None,
        *,
        by: str = "",
        dry_run: bool = False,
    ) -> list[tuple[str, Outcome]]:
        """Append quarantined events again, all that wait or those of the ids.

        Answer what became of each, or with `dry_run` what would. Accepted ones and
        duplicates are settled as replayed; what is still refused stays as it is.
        """
        entries = (
            list(self.quarantine.entries())
            if entry_ids is None
            else [self.quarantine.entry(id_) for id_ in entry_ids]
        )
        outcomes = []
        for entry in entries:
            item = read_event(entry.rejection.text)
            (outcome,) = self._writer.judge([item])
            if outcome is not Outcome.QUARANTINED and not dry_run:
                (outcome,) = self._writer.append([item], entry.ingress)
            if outcome is not Outcome.QUARANTINED and not dry_run:
                self._settle(entry, Settled.REPLAYED, by, outcome.value)
            outcomes.append((entry.id, outcome))
        return outcomes

    def discard(
        self, entry_id: str, *, by: str, why: str, purge: bool = False
    ) -> QuarantineEntry:
        """Decide that a quarantined event is not wanted: a fact that is kept.

        Its bytes stay as evidence unless `purge` is given. Raise
        QuarantineEntryNotFoundError if there is no such entry.
        """
        entry = self.quarantine.entry(entry_id)
        self._settle(entry, Settled.DISCARDED, by, why)
        if purge:
            self.quarantine.purge(entry)
        return self.quarantine.entry(entry.id)

    def _settle(self, entry: QuarantineEntry, how: Settled, by: str, why: str) -> None:
        now = datetime.now(UTC)
        settlement = Settlement(how, now, storable(by), storable(why))
        self.quarantine.settle(entry, settlement)

    def stats(self) -> dict[str, object]:
        """Count events by name, profiles, spaces, quarantine, ignored, positions."""
        return count(self._database)

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        """Leave the process environment out: it must not change what is stored."""
        return Environment(name, env or {})

    def construct_factory(self, env: Environment) -> LogFactory:  # noqa: ARG002
        """Build on our log."""
        return LogFactory(self._database)

    def construct_mapper(self) -> Mapper[UUID]:
        """Store events as their own text."""
        return LogMapper()
