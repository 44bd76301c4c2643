"""The read models of a store: caught up with the log whenever they are asked."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Lock

import msgspec
from sqlalchemy import Connection

from profilestore.domain.cut import UpdatePolicy
from profilestore.domain.errors import (
    DamagedStoreError,
    InvalidArgumentError,
    ProfileStoreError,
)
from profilestore.domain.text import storable
from profilestore.domain.timestamps import from_microseconds, to_microseconds
from profilestore.infrastructure.log.database import Database
from profilestore.projections.answer import CutView
from profilestore.projections.counts import Count, CountSeries, Moment, tally
from profilestore.projections.listed import ListedProfile

from .builder import Builder, take_stock
from .catch_up import catch_up
from .check import Difference, compare, compare_some
from .description import Description, describe
from .generation import Generation
from .lists import list_profiles
from .question import Question
from .rebuild import Progress, Rebuilt, rebuild
from .stream_rows import count_streams
from .tallies import set_aside, tally_at, tally_now, tally_over

MOST_LISTED = 10_000
"""Profiles that one page may have."""
MOST_COUNTS = 10_000
"""Times that one series may have."""
MOST_FOLDED = 100
"""The same where documents are asked, of which no past is kept: each is folded."""


class ReadModels:
    """Answers about many profiles, from stored folds.

    An answer is never behind what was acknowledged before the question: what is
    missing is folded first. Where there is no read model of the present folds and the
    update policy yet, one is built, which takes a while on a long log.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._catching_up = Lock()

    def page(self, question: Question, after: str, limit: int) -> list[ListedProfile]:
        """List at most so many profiles with ids after one, in order of their bytes."""
        if not 1 <= limit <= MOST_LISTED:
            raise InvalidArgumentError("limit", f"must be from 1 to {MOST_LISTED}")
        if after != storable(after):
            raise InvalidArgumentError("after", f"{after!r} is no profile id")
        with self._fresh(question.updates) as (connection, generations):
            return list_profiles(connection, generations, question, after, limit)

    def count(self, question: Question) -> Count:
        """Count profiles as they are, or were at `valid_at`."""
        with self._fresh(question.updates) as (connection, generations):
            if question.cut.valid_at is None:
                numbers = tally_now(connection, generations, question)
            else:
                time = to_microseconds(question.cut.valid_at)
                numbers = tally_at(connection, generations, question, time)
            return Count(
                api_space_id=question.api_space_id,
                cut=CutView.of(question.cut),
                set_aside=set_aside(connection, generations, question),
                **tally(numbers),
            )

    def count_over(self, question: Question, times: range) -> CountSeries:
        """Count profiles as they were at times of equal distance, in microseconds."""
        most = MOST_FOLDED if question.where else MOST_COUNTS
        if not 1 <= len(times) <= most:
            by = " by what the data says" if question.where else ""
            rule = f"{len(times):,} times; from 1 to {most:,} can be counted{by}"
            raise InvalidArgumentError("over", rule)
        with self._fresh(question.updates) as (connection, generations):
            numbers = tally_over(connection, generations, question, times)
            return CountSeries(
                api_space_id=question.api_space_id,
                cut=CutView.of(question.cut),
                set_aside=set_aside(connection, generations, question),
                counts=[
                    Moment(valid_at=from_microseconds(time), **tally(by_code))
                    for time, by_code in zip(times, numbers, strict=True)
                ],
            )

    def catch_up(self, updates: UpdatePolicy) -> bool:
        """Fold what is new now; answer whether there was anything."""
        with self._database.read() as connection:
            found = Generation.live(connection, updates)
        behind = [end for end, live in found if live is None or live.position < end]
        with self._fresh(updates):
            return bool(behind)

    def rebuild(
        self,
        policies: Iterable[UpdatePolicy],
        *,
        jobs: int = 1,
        progress: Progress = lambda _, __: None,
    ) -> Rebuilt:
        """Derive the read models of policies, and all in use, anew."""
        if jobs < 1:
            raise InvalidArgumentError("jobs", "must be 1 or more")
        return rebuild(self._database, policies, jobs=jobs, progress=progress)

    def check(
        self,
        updates: UpdatePolicy,
        *,
        sample: int | None = None,
        progress: Progress = lambda _, __: None,
    ) -> Iterator[Difference]:
        """Compare what is read, caught up first, with the fold of the log."""
        if sample is not None and sample < 1:
            raise InvalidArgumentError("sample", "must be 1 or more")
        with self._fresh(updates) as (connection, generations):
            # Of the log: what is missing in the read model is to be found, too.
            every = [count_streams(connection, one.partition) for one in generations]
        done, total = 0, min(sample or sum(every), sum(every))
        for generation, profiles in zip(generations, every, strict=True):
            share = -(-total * profiles // max(1, sum(every)))
            groups = (
                compare(self._database, generation)
                if share == profiles
                else compare_some(self._database, generation, share)
            )
            for compared, differences in groups:
                done += compared
                progress(done, total)
                yield from differences

    def describe(self) -> list[Description]:
        """Tell of all read models, those too that are not read: how far, how many."""
        with self._database.read() as connection:
            return describe(connection, self._database.partitions)

    @contextmanager
    def _fresh(
        self, updates: UpdatePolicy
    ) -> Iterator[tuple[Connection, list[Generation]]]:
        """Begin to read, of each partition what has all that the log now has."""
        wanted: list[int] | None = None
        while True:
            with self._database.read() as connection:
                found = Generation.live(connection, updates)
                wanted = wanted or [end for end, _ in found]
                ready = [
                    live
                    for end, (_, live) in zip(wanted, found, strict=True)
                    if live is not None and live.position >= end
                ]
                if len(ready) == len(found):
                    with _damage_told():
                        yield connection, ready
                    return
            with self._catching_up:  # of several that ask at once one does the work
                with self._database.read() as connection:
                    found = Generation.live(connection, updates)
                for partition, (end, (_, live)) in enumerate(
                    zip(wanted, found, strict=True)
                ):
                    self._freshen(partition, updates, live, end)
                if any(live is None for _, live in found):
                    take_stock(self._database, sum(wanted))

    def _freshen(
        self, partition: int, updates: UpdatePolicy, live: Generation | None, end: int
    ) -> None:
        if live is None:
            builder = Builder(self._database, partition, updates)
            generation = builder.begin()
            builder.build(generation)
            builder.finish(generation)
        elif live.position < end:
            catch_up(self._database, live, end)


@contextmanager
def _damage_told() -> Iterator[None]:
    """Tell of rows that nobody can read what mends them: they are only a cache."""
    try:
        yield
    except ProfileStoreError:
        raise
    except (msgspec.MsgspecError, LookupError, TypeError, ValueError) as error:
        raise DamagedStoreError(
            "what lists and counts are read from is damaged: `profilestore check` "
            "tells where, `profilestore rebuild` mends it"
        ) from error
