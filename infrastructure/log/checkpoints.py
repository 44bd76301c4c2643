"""How long profiles stood at times of their past: a cache, droppable at any time.

A checkpoint is the fold of all events until its time. An append that brings an earlier
event drops the checkpoints from that event's time on, in its own transaction: what is
found here is always right.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate

from sqlalchemy import ColumnElement, delete, func, insert, select

from profilestore.domain.cut import Cut, UpdatePolicy
from profilestore.domain.errors import StorageError
from profilestore.domain.identity import ProfileKey, partition_of
from profilestore.domain.profile import Profile
from profilestore.domain.timestamps import to_microseconds
from profilestore.projections.standing import FOLD, Standing

from .database import Database
from .head import Head
from .streams import Streams
from .tables import checkpoints

PATIENCE = 0.2
"""Seconds a reader waits for the database to write its checkpoints."""


class Checkpoints:
    """Makes and uses the checkpoints of a store's long profiles."""

    def __init__(
        self, database: Database, streams: Streams, *, interval: int = 100
    ) -> None:
        self._database = database
        self._streams = streams
        self.interval = interval
        """Events between two checkpoints, at least."""

    def standing(self, key: ProfileKey, cut: Cut) -> Standing | None:
        """Say how a profile stands at a cut; None where that takes a fold of it all."""
        if (cut.known_at, cut.at_revision, cut.life) != (None, None, None):
            return None
        query = (
            select(checkpoints.c.body)
            .where(*self._of(key, cut.updates))
            .order_by(checkpoints.c.until.desc())
            .limit(1)
        )
        if cut.valid_at is not None:
            query = query.where(checkpoints.c.until <= to_microseconds(cut.valid_at))
        most = 5 * self.interval
        with self._database.read() as connection:
            body = connection.execute(query).scalar_one_or_none()
            if body is None:
                return None
            checkpoint = Standing.from_json(body)
            later = self._streams.read_later(
                connection, key, cut, after=checkpoint.until, limit=most
            )
        if len(later) == most:
            return None
        standing = checkpoint.extended(later, cut.updates)
        if standing and cut.valid_at is None and len(later) > self.interval:
            version = max(recorded.version for recorded in later)
            self._write(key, cut.updates, version, [standing], anew=False)
        return standing

    def make(self, key: ProfileKey, updates: UpdatePolicy) -> None:
        """Make a profile's checkpoints, unless they were made lately.

        Only a cache: if the database is busy, the profile went on, or it is shorter
        than `Head.SHORTEST`, there are none.
        """
        profile = Profile.project(None, self._streams.read(key, Cut(updates=updates)))
        if profile is None:
            return
        query = select(func.max(checkpoints.c.version)).where(*self._of(key, updates))
        with self._database.read() as connection:
            made_at = connection.execute(query).scalar_one() or 0
        if profile.version - made_at >= self.interval:
            profile = replace(profile, cut=Cut(updates=updates))
            standings = list(_standings(profile, self.interval))
            self._write(key, updates, profile.version, standings, anew=True)

    def _write(
        self,
        key: ProfileKey,
        updates: UpdatePolicy,
        version: int,
        standings: list[Standing],
        *,
        anew: bool,
    ) -> None:
        partition = partition_of(key, self._database.partitions)
        stream_id = key.stream_bytes
        rows = [
            {
                "partition": partition,
                "stream_id": stream_id,
                "updates": updates.value,
                "fold": FOLD,
                "until": to_microseconds(standing.until),
                "version": version,
                "body": standing.to_json(),
            }
            for standing in standings
        ]
        try:
            with self._database.write(wait_seconds=PATIENCE) as connection:
                head = Head.lock(connection, partition)
                length = head.versions([stream_id]).get(stream_id, 0)
                if length != version or length < head.SHORTEST:
                    return
                stale = self._of(key, updates)
                if not anew:
                    times = [row["until"] for row in rows]
                    stale.append(checkpoints.c.until.in_(times))
                connection.execute(delete(checkpoints).where(*stale))
                if rows:
                    connection.execute(insert(checkpoints), rows)
        except StorageError:
            return

    def _of(self, key: ProfileKey, updates: UpdatePolicy) -> list[ColumnElement[bool]]:
        return [
            checkpoints.c.partition == partition_of(key, self._database.partitions),
            checkpoints.c.stream_id == key.stream_bytes,
            checkpoints.c.updates == updates.value,
            checkpoints.c.fold == FOLD,
        ]


FOLDS = 20
"""How often a build folds a life from its start, where events are out of order."""


def _standings(profile: Profile, interval: int) -> Iterator[Standing]:
    """Fold a profile once, stopping where all so far are earlier than the rest."""
    ordered = [(life, r) for life in profile.lives for r in life.events()]
    times = [recorded.event.occurred_at for _, recorded in ordered]
    latest = list(accumulate(times, max))
    earliest = list(accumulate(reversed(times), min))[::-1]
    standing: Standing | None = None
    folds = begin = done = 0
    for index, (life, _) in enumerate(ordered):
        if index and ordered[index - 1][0] is not life:
            standing, begin, done = None, index, index
        last = index + 1 == len(ordered)
        clean = last or latest[index] < earliest[index + 1]
        # Skewed clocks put events before the first create into its life; until that
        # create is known, they are of life 0.
        begun = life.create is None or latest[index] >= life.create.event.occurred_at
        if not clean or not begun or index + 1 - done < interval:
            continue
        so_far = [recorded for _, recorded in ordered[done : index + 1]]
        if standing:
            standing = standing.extended(so_far, profile.cut.updates)
        if standing is None:
            folds += 1
            if folds > FOLDS:
                return
            so_far = [recorded for _, recorded in ordered[begin : index + 1]]
            standing = Standing.of(replace(profile, events=tuple(so_far)))
        standing = replace(standing, life=life.number, until=latest[index])
        done = index + 1
        yield standing
