"""Reading a log again to prove that it is what was written (SPEC section 8)."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from profilestore.infrastructure.log.database import Database

from .checkpoint_file import CheckpointReader, CheckpointWriter
from .log_rows import Bounds, bounds, strangers
from .partition_walk import Fault, PartitionWalk

Progress = Callable[[int, int], None]
"""Is told how many events are verified, of how many."""


@dataclass(frozen=True)
class Verified:
    """A partition that is sound up to `position`, where its log has this chain."""

    partition: int
    position: int
    chain: bytes


@dataclass(frozen=True)
class Verification:
    """The partitions that are sound, in order, and the fault at which they end."""

    partitions: tuple[Verified, ...]
    fault: Fault | None

    def document(self) -> dict[str, Any]:
        """Give it as JSON values."""
        sound = [vars(one) | {"chain": one.chain.hex()} for one in self.partitions]
        return {"partitions": sound, "fault": self.fault and vars(self.fault)}


def verify(
    database: Database,
    *,
    against: Path | None = None,
    checkpoint: Path | None = None,
    progress: Progress = lambda _, __: None,
) -> Verification:
    """Read the log up to where it ends now, or to the first fault.

    Memory does not grow with the log, and others may append meanwhile. Whoever may
    write to the database can make another log that is sound in itself: only `against`,
    a checkpoint that was kept elsewhere, finds that. `checkpoint` is where to write
    one, if there is no fault. Raise InvalidArgumentError for a file that is no
    checkpoint of such a log, or cannot be written; StorageError if the database fails.
    """
    verified: list[Verified] = []
    with ExitStack() as files:
        reader = writer = None
        if against is not None:
            reader = files.enter_context(CheckpointReader(against, database.partitions))
        found = bounds(database)
        if checkpoint is not None:
            positions = [
                found[n].end.position if n in found else 0
                for n in range(database.partitions)
            ]
            writer = files.enter_context(CheckpointWriter(checkpoint, positions))
        walks = [
            PartitionWalk(database, number, reader, writer)
            for number in range(database.partitions)
        ]
        with closing(_faults(walks, found, progress, verified)) as faults:
            fault = next(faults, None)
        fault = fault or next(_strange(database), None)
        if fault is None and reader:
            reader.finish()
        if fault is None and writer:
            writer.keep()
    return Verification(tuple(verified), fault)


def _faults(
    walks: Sequence[PartitionWalk],
    found: Mapping[int, Bounds],
    progress: Progress,
    verified: list[Verified],
) -> Generator[Fault, None, None]:
    """Walk along each partition; those without a fault are `verified`."""
    done, total = 0, sum(of.end.position for of in found.values())

    def report(position: int) -> None:
        progress(done + position, total)

    for walk in walks:
        yield from walk.faults(found.get(walk.partition), report)
        verified.append(Verified(walk.partition, walk.position, walk.chain))
        done += walk.position


def _strange(database: Database) -> Iterator[Fault]:
    """Find what lies in no partition of the store."""
    for table, partition, position in strangers(database):
        number = partition if isinstance(partition, int) else -1
        what = f"there is a row in {table}, but no partition {partition!r}"
        yield Fault(number, position if isinstance(position, int) else 1, what)
