"""Building a generation from the log: in steps, by anyone, while the store is used."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, func, select, update

from profilestore.domain.cut import UpdatePolicy
from profilestore.domain.errors import StorageError
from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.log.tables import (
    read_parts,
    read_profiles,
    read_spans,
)

from .catch_up import catch_up
from .generation import Generation
from .kept import Kept, insert_kept
from .stream_rows import count_streams, end_of_log, read_as_they_lie, read_in_order

AT_ONCE = 150_000
"""Up to so many events are held at once. More the database puts in order first: that
takes longer, and hardly any memory."""
PART_EVENTS = 500_000
PART_PROFILES = 50_000
"""What one part has at most: its folds are held until it is read. For each part the
whole log is gone through, so of very long ones the parts have more."""
MOST_BY_EVENTS, MOST_PARTS = 16, 64
STEP_EVENTS = 50_000
"""Events whose folds are written at once, about."""
MANY = 10_000
"""Events whose folds are too many to be looked for as if they were few."""


class Part(NamedTuple):
    """A range of stream ids, and up to where it is built."""

    number: int
    after: bytes
    until: bytes


class Step(NamedTuple):
    """What becomes of some streams of a part, and up to where these are."""

    kept: list[Kept]
    until: bytes
    events: int


@dataclass(frozen=True)
class Builder:
    """Builds the generation of a partition under an update policy.

    What it finds begun it goes on with; others may do the same at the same time, in
    other threads or processes: a step that somebody else did first is thrown away.
    """

    database: Database
    partition: int
    updates: UpdatePolicy

    def begin(self, at_once: int = 1) -> Generation:
        """Find the generation that is being built, or begin one, in parts.

        There is one at least for each of those that are to build it at once.
        """
        with self.database.read() as connection:
            by_events = -(-end_of_log(connection, self.partition) // PART_EVENTS)
            by_profiles = -(-count_streams(connection, self.partition) // PART_PROFILES)
        parts = max(at_once, by_profiles, min(MOST_BY_EVENTS, by_events))
        parts = min(parts, MOST_PARTS)
        with self.database.write() as connection:
            return Generation.begin(connection, self.partition, self.updates, parts)

    def build(
        self,
        generation: Generation,
        *,
        first: int = 0,
        step: Callable[[], None] = lambda: None,
    ) -> None:
        """Do what is left of all parts; several do best to begin at different ones.

        `step` is called after each step.
        """
        while parts := self._left(generation):
            self._build(generation, parts[first % len(parts)], step)

    def finish(self, generation: Generation) -> None:
        """Catch up with the log as it is now, and let the generation be read.

        What is appended meanwhile is left to the readers: appends that are faster than
        folds would else keep it from being read for ever.
        """
        while True:
            with self.database.read() as connection:
                end = end_of_log(connection, self.partition)
            catch_up(self.database, generation, end)
            with self.database.write() as connection:
                if generation.go_live(connection):
                    return

    def _left(self, generation: Generation) -> list[Part]:
        query = (
            select(read_parts.c.part, read_parts.c.after, read_parts.c.until)
            .where(
                *generation.rows_of(read_parts), read_parts.c.after < read_parts.c.until
            )
            .order_by(read_parts.c.part)
        )
        with self.database.read() as connection:
            return [Part(*row) for row in connection.execute(query)]

    def _build(
        self, generation: Generation, part: Part, step: Callable[[], None]
    ) -> None:
        """Build a part until its end, or until somebody else is found to be at it."""
        with _collector_paused():
            for done in self._folds(part):
                if not self._write(generation, part, done):
                    return
                part = part._replace(after=done.until)
                step()

    def _folds(self, part: Part) -> list[Step]:
        """Fold what is left of a part as it is now, in steps.

        All is read before any is written: while somebody reads, SQLite keeps what is
        written meanwhile in its WAL.
        """
        steps: list[Step] = []
        with self.database.read() as connection:
            few = end_of_log(connection, self.partition) <= AT_ONCE
            read = read_as_they_lie if few else read_in_order
            kept: list[Kept] = []
            events = 0
            for some in read(connection, self.partition, part.after, part.until):
                kept += [s.folded(self.updates, some.position) for s in some.streams]
                events += some.events
                if events >= STEP_EVENTS or some.until == part.until:
                    steps.append(Step(kept, some.until, events))
                    kept, events = [], 0
        return steps

    def _write(self, generation: Generation, part: Part, done: Step) -> bool:
        """Write what is done of a part, unless somebody else has done so."""
        with self.database.write() as connection:
            moved = connection.execute(
                update(read_parts)
                .where(
                    *generation.rows_of(read_parts),
                    read_parts.c.part == part.number,
                    read_parts.c.after == part.after,
                )
                .values(after=done.until, events=read_parts.c.events + done.events)
            )
            if moved.rowcount:
                insert_kept(connection, generation, done.kept)
            return bool(moved.rowcount)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Let nobody look for cycles in rows and documents: there are many, and none."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def events_built(connection: Connection, generation: Generation) -> int:
    """Count the events that are folded into a generation that is being built."""
    query = select(func.sum(read_parts.c.events)).where(*generation.rows_of(read_parts))
    return int(connection.execute(query).scalar_one() or 0)


def take_stock(database: Database, events: int) -> None:
    """Have the database count what was built of so many events, if these are many."""
    if events < MANY:
        return
    with suppress(StorageError):  # it will by itself, later
        database.take_stock(read_profiles, read_spans)
