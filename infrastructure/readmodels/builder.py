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
from .kept import insert_kept
from .stream_rows import end_of_log, read_range, read_some

PART_EVENTS = 100_000
"""Events that one part has, about: while it is built their rows are held."""
MOST_PARTS = 64
PASSES = 10
"""Up to so many parts each is read by going through the whole log, as one step; where
there are more, streams are read one by one, which costs a look at a page an event."""
STEP_EVENTS = 10_000
"""Events that one step reads then, about."""
MANY = 10_000
"""Events whose folds are too many to be looked for as if they were few."""


class Part(NamedTuple):
    """A range of stream ids, and up to where it is built."""

    number: int
    after: bytes
    until: bytes

    @property
    def built(self) -> bool:
        """Whether nothing is left of it."""
        return self.after >= self.until


@dataclass(frozen=True)
class Builder:
    """Builds the generation of a partition under an update policy.

    What it finds begun it goes on with; others may do the same at the same time, in
    other threads or processes: a step that somebody else did first is thrown away.
    """

    database: Database
    partition: int
    updates: UpdatePolicy

    def begin(self) -> Generation:
        """Find the generation that is being built, or begin one."""
        with self.database.write() as connection:
            parts = -(-end_of_log(connection, self.partition) // PART_EVENTS)
            parts = max(1, min(parts, MOST_PARTS))
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
            part = parts[first % len(parts)]
            while not part.built:
                with _collector_paused():
                    further = self._step(generation, part)
                step()
                if further is None:
                    break  # somebody else is at it: look for another
                part = further

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

    def _step(self, generation: Generation, part: Part) -> Part | None:
        """Build some more of a part; None if somebody else has done so."""
        bounds = self.partition, part.after, part.until
        with self.database.read() as connection:
            if self._small_enough(connection, generation):
                found = read_range(connection, *bounds)
            else:
                found = read_some(connection, *bounds, STEP_EVENTS)
            kept = [s.folded(self.updates, found.position) for s in found.streams]
        with self.database.write() as connection:
            moved = connection.execute(
                update(read_parts)
                .where(
                    *generation.rows_of(read_parts),
                    read_parts.c.part == part.number,
                    read_parts.c.after == part.after,
                )
                .values(after=found.until, events=read_parts.c.events + found.events)
            )
            if not moved.rowcount:
                return None
            insert_kept(connection, generation, kept)
        return part._replace(after=found.until)

    def _small_enough(self, connection: Connection, generation: Generation) -> bool:
        """Tell whether a part is to be read in one pass over the log."""
        query = select(func.count()).where(*generation.rows_of(read_parts))
        parts = connection.execute(query).scalar_one()
        end = end_of_log(connection, self.partition)
        return parts <= PASSES and end <= 2 * parts * PART_EVENTS


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
