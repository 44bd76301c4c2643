"""Walking along a partition of the log, to see where it ceases to be sound."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from profilestore.domain.identity import (
    ProfileKey,
    normalise_api_space_id,
    partition_of,
)
from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.log.logged_event import digest, link
from profilestore.infrastructure.log.schema import GENESIS

from .checkpoint_file import CheckpointReader, CheckpointWriter
from .log_rows import PAGE, Bounds, has_empty_stream, rows


@dataclass(frozen=True)
class Fault:
    """The first position at which a partition is not what was written."""

    partition: int
    position: int
    what: str

    def __str__(self) -> str:
        return f"partition {self.partition}, position {self.position}: {self.what}"


class PartitionWalk:
    """Follows a partition from its first event to its head.

    All up to `position` is sound; `chain` is the chain there, as computed anew.
    """

    def __init__(
        self,
        database: Database,
        partition: int,
        reader: CheckpointReader | None = None,
        writer: CheckpointWriter | None = None,
    ) -> None:
        self._database = database
        self.partition = partition
        self._reader = reader
        self._writer = writer
        self.position = 0
        self.chain = GENESIS
        self._recorded_at = 0

    def faults(
        self, bounds: Bounds | None, progress: Callable[[int], None]
    ) -> Iterator[Fault]:
        """Find faults: the first has the first bad position, the others follow from it.

        A stream without events is a fault at the position after the last.
        """
        if bounds is None:
            yield self._fault(1, "the partition has no head, or none that can be read")
            return
        if bounds.below is not None:
            position = bounds.below if isinstance(bounds.below, int) else 0
            yield self._fault(position, f"an event has the position {bounds.below!r}")
        yield from self._events(bounds.end.position, progress)
        yield from self._outside(bounds)
        had = self._reader.positions[self.partition] if self._reader else 0
        if had > self.position:
            yield self._next(f"the log ends before it, the checkpoint has {had}")
        if has_empty_stream(self._database, self.partition):
            yield self._next("a stream is known of which no event is there")

    def _events(self, until: int, progress: Callable[[int], None]) -> Iterator[Fault]:
        for after in range(0, until, PAGE):
            last = min(after + PAGE, until)
            yield from self._page(after, last)
            progress(self.position)
            if self.position < last:
                yield self._next(f"the event is missing, the head is at {until}")
                return

    def _page(self, after: int, until: int) -> Iterator[Fault]:
        for row in rows(self._database, self.partition, after, until):
            if row[0] != self.position + 1:
                yield self._next(f"the event is missing, the next is at {row[0]!r}")
            wrong = self._altered(row) or self._stray(row)
            if wrong:
                yield self._next(wrong)
            self.position, self.chain, self._recorded_at = row[0], row[10], row[7]
            if self._writer:
                self._writer.add(self.partition, self.position, self.chain)

    def _outside(self, bounds: Bounds) -> Iterator[Fault]:
        """Compare the head with the last event."""
        end, beyond = bounds.end, bounds.beyond
        if beyond is not None:
            position = beyond if isinstance(beyond, int) else end.position + 1
            what = f"there is an event at {beyond!r}, the head is at {end.position}"
            yield self._fault(position, what)
        if end != (self.position, self.chain, self._recorded_at):
            yield self._fault(self.position, "the head is not that of the last event")

    def _altered(self, row: Sequence[Any]) -> str | None:
        """Judge an event by itself and the one before it."""
        recorded_at, of_event, chain = row[7], row[9], row[10]
        if tuple(map(type, row[:11])) not in _SHAPES:
            return "a column holds what no append can have written"
        if digest((self.partition, *row[:9])) != of_event:
            return "its digest is not that of its columns"
        if link(self.chain, of_event) != chain:
            return "its chain does not follow from the event before"
        if recorded_at < self._recorded_at:
            return "it was recorded earlier than the event before"
        reader = self._reader
        if reader and not reader.agrees(self.partition, row[0], chain):
            return "the checkpoint has another event here"
        return None

    def _stray(self, row: Sequence[Any]) -> str | None:
        """Judge an event by its stream."""
        stream_id, version, event_id = row[1:4]
        is_known, space, profile, continues = row[11:]
        if version == 1 or event_id is None:
            if not is_known:
                return "its stream is not known"
            if space is None and profile is None:
                # Of the library's own events we know nothing more.
                return None if event_id is None else "its stream is that of no profile"
            if wrong := self._misnamed(stream_id, _key(space, profile)):
                return wrong
        return None if continues else f"no version {version - 1} is before it"

    def _misnamed(self, stream_id: bytes, key: ProfileKey | None) -> str | None:
        """Judge a stream by the profile whose it is said to be."""
        if key is None or key.stream_id.bytes != stream_id:
            return "its stream is that of another profile"
        if partition_of(key, self._database.partitions) != self.partition:
            return "its profile lives in another partition"
        return None

    def _next(self, what: str) -> Fault:
        return self._fault(self.position + 1, what)

    def _fault(self, position: int, what: str) -> Fault:
        return Fault(self.partition, position, what)


_NONE = type(None)
_SHAPES = frozenset(
    product(
        (int,),  # position
        (bytes,),  # stream_id
        (int,),  # version
        (bytes, _NONE),  # event_id
        (str, bytes),  # name
        (int, _NONE),  # revision
        (int, _NONE),  # occurred_at
        (int,),  # recorded_at
        (bytes,),  # state
        (bytes,),  # digest
        (bytes,),  # chain
    )
)
"""The types that a row's columns may have."""


def _key(space: str | bytes | None, profile: str | bytes | None) -> ProfileKey | None:
    """Name the profile of a stream; None for what names none."""
    try:
        key = ProfileKey(_text(space), _text(profile))
        return key if normalise_api_space_id(key.api_space_id) == key[0] else None
    except ValueError:
        return None


def _text(stored: str | bytes | None) -> str:
    return stored.decode() if isinstance(stored, bytes) else stored or ""
