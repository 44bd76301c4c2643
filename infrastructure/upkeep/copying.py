"""A whole store copied into an empty database, of either engine."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, func, select

from profilestore.domain.errors import DamagedStoreError
from profilestore.domain.text import storable
from profilestore.infrastructure.log import schema
from profilestore.infrastructure.log.bulk import insert_rows
from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.log.tables import (
    events,
    heads,
    ignored,
    quarantine,
    store,
    streams,
    tracking,
)

from .ends import check_ends, read_ends

PAGES: dict[Table, int] = {
    store: 1,
    heads: 100,
    streams: 1000,
    events: 100,
    quarantine: 10,
    ignored: 1000,
    tracking: 1000,
}
"""What is copied, and how many rows are in memory at once: an event may have 1 MiB, a
quarantine entry 16. Checkpoints are a cache."""

Progress = Callable[[int, int], None]
"""Is told the events that are copied and those there are."""


@dataclass(frozen=True)
class Copied:
    """How much a copy holds."""

    partitions: int
    events: int
    profiles: int
    quarantine: int


def copy_store(
    source: Database, target: Database, progress: Progress = lambda _, __: None
) -> Copied:
    """Copy a store as it is at one moment into a database that has none.

    Both may be of either engine, and the source in use. All is as in the source:
    partitions, positions, versions, times, digests, chains, the quarantine, counts; but
    U+0000 in what stands beside the log is escaped, as it is when it comes today. It is
    one transaction: whatever breaks it off leaves the target empty. Raise
    SchemaMismatchError if the target is not empty, DamagedStoreError if what was read
    back is not what the source has.
    """
    with source.read() as reading, target.write() as writing:
        schema.make_tables(writing)
        total = sum(end.position for end in read_ends(reading).values())
        done = 0

        def count(table: Table, rows: int) -> None:
            nonlocal done
            if table is events:
                done += rows
                progress(done, total)

        copied = {table: _copy(reading, writing, table, count) for table in PAGES}
        _check(reading, writing, copied)
    return Copied(
        source.partitions, copied[events], copied[streams], copied[quarantine]
    )


def _copy(
    reading: Connection,
    writing: Connection,
    table: Table,
    count: Callable[[Table, int], None],
) -> int:
    """Copy a table in the order of its key; answer the number of rows."""
    copied = 0
    for page in _READ.get(table, _pages)(reading, table):
        insert_rows(writing, table, page)
        copied += len(page)
        count(table, len(page))
    return copied


def _pages(reading: Connection, table: Table) -> Iterator[Sequence[Any]]:
    query = select(table).order_by(*table.primary_key.columns)
    streaming = query.execution_options(yield_per=PAGES[table])
    yield from reading.execute(streaming).partitions()


def _escaped(reading: Connection, table: Table) -> Iterator[Sequence[Any]]:
    """Read rows whose texts schema 0001 kept as they came, also with U+0000 in them."""
    for page in _pages(reading, table):
        yield [
            tuple(storable(v) if isinstance(v, str) else v for v in row) for row in page
        ]


def _counted(reading: Connection, table: Table) -> Iterator[Sequence[Any]]:
    """Read counts by name: a name may have been counted as it came, and escaped."""
    counts: Counter[tuple[int, str]] = Counter()
    for page in _escaped(reading, table):
        for partition, name, count in page:
            counts[partition, name] += count
    yield [(*key, count) for key, count in counts.items()]


_READ = {quarantine: _escaped, ignored: _counted}


def _check(reading: Connection, writing: Connection, copied: dict[Table, int]) -> None:
    """Read the copy back: as many rows, and the same ends of all partitions."""
    for table, rows in copied.items():
        there = writing.scalar(select(func.count()).select_from(table))
        if there != rows:
            raise DamagedStoreError(f"{table.name} has {there} rows, not {rows}")
    if check_ends(writing) != read_ends(reading):
        raise DamagedStoreError("the copy's logs end elsewhere than the store's")
