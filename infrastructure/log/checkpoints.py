"""How long profiles stood at times of their past: a cache, droppable at any time.

A checkpoint is the fold of all events until its time. An append that brings an earlier
event drops the checkpoints from that event's time on, in its own transaction: what is
found here is always right.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import accumulate
from typing import Any, cast

from msgspec import structs
from sqlalchemy import ColumnElement, delete, func, insert, select

from profilestore.domain.cut import Cut, UpdatePolicy
from profilestore.domain.errors import StorageError
from profilestore.domain.events import RecordedEvent
from profilestore.domain.identity import ProfileKey, partition_of
from profilestore.domain.profile import Profile
from profilestore.domain.timestamps import to_microseconds
from profilestore.projections.standing import Standing
from profilestore.projections.stream_fold import fold_stream
from profilestore.projections.stream_row import KINDS, Row

from .database import Database
from .fold_version import fold_version
from .head import Head
from .streams import COLUMNS, Streams, recorded
from .tables import checkpoints

LONG = 1000
"""Events from which on a profile is worth checkpoints."""

PATIENCE = 0.2
"""Seconds a reader waits for the database to write its checkpoints."""

FIRST, LAST = -(2**63), 2**63 - 1
"""Times before and after all that are."""

_LOOK = f"""
WITH latest AS (
    SELECT until, body FROM checkpoints WHERE partition = {{}} AND stream_id = {{}}
    AND updates = {{}} AND fold = {{}} AND until <= {{}} ORDER BY until DESC LIMIT 1
)
SELECT NULL, NULL, NULL, NULL, body, NULL, NULL, NULL FROM latest
UNION ALL SELECT * FROM (
    SELECT {", ".join(c.name for c in COLUMNS)} FROM events
    WHERE partition = {{}} AND stream_id = {{}}
    AND occurred_at > coalesce((SELECT until FROM latest), {FIRST})
    AND occurred_at <= {{}} ORDER BY occurred_at LIMIT {{}}
) AS later
"""  # noqa: S608 - names and numbers of ours
"""One statement, so that both are of one state of the log; a checkpoint has no name.

Events are found by the index that has them in order of time, not by one that has the
whole stream.
"""
_Row = tuple[Any, ...]
"""Of COLUMNS."""
_NAMES = [column.name for column in COLUMNS]
_NAME, _TEXT, _VERSION = map(_NAMES.index, ("name", "state", "version"))


class Checkpoints:
    """Makes and uses the checkpoints of a store's long profiles."""

    def __init__(
        self, database: Database, streams: Streams, *, interval: int = 100
    ) -> None:
        self._database = database
        self._streams = streams
        self.interval = interval
        """Events between two checkpoints, at least."""

    def find(self, key: ProfileKey, cut: Cut) -> Standing | list[RecordedEvent]:
        """Say how a profile stands at a cut, or give its events there to be folded.

        Nearly all profiles are short: for them this is one query. The first question to
        a long one makes its checkpoints.
        """
        if _serve(cut):
            checkpoint, later = self._look(key, cut)
            if checkpoint is None and len(later) < LONG:
                return _folded(key, later, cut.updates)
            if standing := self._extended(key, cut, checkpoint, later):
                return standing
            self.make(key, cut.updates)
            if standing := self.standing(key, cut):
                return standing
        return self._streams.read(key, cut)

    def standing(self, key: ProfileKey, cut: Cut) -> Standing | None:
        """Say how a profile stands at a cut; None where that takes a fold of it all."""
        return self._extended(key, cut, *self._look(key, cut))

    def _look(self, key: ProfileKey, cut: Cut) -> tuple[Standing | None, list[_Row]]:
        """Read the last checkpoint in a cut, if there is one, and events after it."""
        stream = partition_of(key, self._database.partitions), key.stream_bytes
        made_by = cut.updates.value, fold_version()
        then = to_microseconds(cut.valid_at) if cut.valid_at else LAST
        most = max(LONG, self._most_later)
        rows = self._database.ask_plainly(
            _LOOK, (*stream, *made_by, then, *stream, then, most)
        )
        (body,) = [row[_TEXT] for row in rows if row[_NAME] is None] or [None]
        later = [row for row in rows if row[_NAME] is not None]
        return body and Standing.from_json(body), later

    @property
    def _most_later(self) -> int:
        return 5 * self.interval

    def _extended(
        self,
        key: ProfileKey,
        cut: Cut,
        checkpoint: Standing | None,
        later: list[_Row],
    ) -> Standing | None:
        """Put later events on top of a checkpoint, and keep that if they are many."""
        if checkpoint is None or len(later) >= self._most_later:
            return None
        events = [recorded(key, *row) for row in later]
        standing = checkpoint.extended(events, cut.updates)
        if standing and cut.valid_at is None and len(later) > self.interval:
            version = max(row[_VERSION] for row in later)
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
        ((made_at,),) = self._database.ask(query)
        if profile.version - (made_at or 0) >= self.interval:
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
                "fold": fold_version(),
                "until": standing.until,
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
            checkpoints.c.fold == fold_version(),
        ]


def _folded(
    key: ProfileKey, rows: list[_Row], updates: UpdatePolicy
) -> Standing | list[RecordedEvent]:
    """Fold all events of a profile from their columns, as read models are folded.

    Where that fails, or there are none, they are given as events: to read these tells
    which of them is wrong.
    """
    plain = [
        (time, KINDS[name], revision, text, b"")
        for event_id, name, revision, time, text, *_ in rows
        if name in KINDS and None not in (event_id, revision)
    ]
    if rows and len(plain) == len(rows):
        with suppress(Exception):
            folded = fold_stream(key.profile_id, cast("list[Row]", plain), updates)
            return folded.standing
    return [recorded(key, *row) for row in rows]


def _serve(cut: Cut) -> bool:
    """Say whether checkpoints are of use for a cut: all that is known is in them."""
    return (cut.known_at, cut.at_revision, cut.life) == (None, None, None)


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
        standing = structs.replace(
            standing, life=life.number, until=to_microseconds(latest[index])
        )
        done = index + 1
        yield standing
