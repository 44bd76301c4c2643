"""All read models of a store derived anew, beside those that are read meanwhile."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import inf

from profilestore.domain.cut import UpdatePolicy
from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.log.fold_version import fold_version

from .build_process import building
from .builder import Builder, events_built, take_stock
from .description import describe
from .generation import Generation, Phase

Progress = Callable[[int, int], None]
"""Is told the events that are folded and those there are."""

DROPPED = 5000
"""Rows of old read models that one transaction deletes."""
LOOK_SECONDS = 0.2
"""How often it is looked how far the work is, at most."""

WORTH_A_PROCESS = 2_000_000
"""Events from which on a process of its own is worth its start, half a second: it
leaves this one's interpreter to others."""

Build = tuple[Builder, Generation]


@dataclass(frozen=True)
class Rebuilt:
    """What all read models together hold now."""

    profiles: int
    set_aside: int
    """Profiles whose fold failed: they are in no list and no count."""


def rebuild(
    database: Database,
    policies: Iterable[UpdatePolicy],
    *,
    jobs: int = 1,
    progress: Progress = lambda _, __: None,
) -> Rebuilt:
    """Build read models for each policy, and for those in use; then drop all others.

    What an earlier rebuild left half done is gone on with; several at once share the
    work. As many processes build as there are `jobs`; the store is in use meanwhile.
    """
    builds = list(_begin(database, policies, -(-jobs // database.partitions)))
    total = sum(generation.position for _, generation in builds)

    looked = -inf

    def report() -> None:
        nonlocal looked
        if time.monotonic() - looked < LOOK_SECONDS:
            return  # it takes a query for each partition: as long as a step of many
        looked = time.monotonic()
        with database.read() as connection:
            done = sum(events_built(connection, g) for _, g in builds)
        progress(min(done, total), total)

    if not database.backend.in_memory and (jobs > 1 or total > WORTH_A_PROCESS):
        with building(database, builds, jobs) as processes:
            while any(process.poll() is None for process in processes):
                report()
                time.sleep(LOOK_SECONDS)
    for builder, generation in builds:
        # All of it, or what processes left that ended early: here their error is told.
        builder.build(generation, step=report)
        builder.finish(generation)
    progress(total, total)
    for partition in range(database.partitions):
        drop_old(database, partition)
    take_stock(database, total)
    with database.read() as connection:
        models = describe(connection, database.partitions)
    live = [model for model in models if model.is_read]
    return Rebuilt(
        profiles=sum(one.profiles for one in live),
        set_aside=sum(one.set_aside for one in live),
    )


def drop_old(database: Database, partition: int) -> None:
    """Drop the read models of a partition that are read no more, in small steps."""
    with database.read() as connection:
        every = Generation.list_all(connection, partition)
    for generation in every:
        if generation.phase is Phase.OLD or generation.fold != fold_version():
            while True:
                with database.write() as connection:
                    if generation.drop(connection, DROPPED):
                        break


def _begin(
    database: Database, policies: Iterable[UpdatePolicy], at_once: int
) -> Iterator[Build]:
    for partition in range(database.partitions):
        with database.read() as connection:
            used = Generation.list_all(connection, partition)
        for updates in sorted(
            {*policies, *(generation.updates for generation in used)}
        ):
            builder = Builder(database, partition, updates)
            yield builder, builder.begin(at_once)
