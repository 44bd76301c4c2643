"""Streams as rows, whole and in bulk, for the folds of read models."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from profilestore.domain.cut import UpdatePolicy
from profilestore.domain.identity import ProfileKey
from profilestore.infrastructure.log.bulk import (
    DISTINCT_KEYS,
    ask,
    ask_for_some,
    select_by,
)
from profilestore.infrastructure.log.tables import heads, streams
from profilestore.projections.stream_fold import fold_stream
from profilestore.projections.stream_row import KINDS, Kind, Row

from .kept import Kept

STREAMS = 200
"""Streams that are read whole at once."""
BATCH = 1000
"""Events that are fetched at once of those that the database has put in order."""

_UPDATES_FIRST = sorted(KINDS.items(), key=lambda one: one[1] is not Kind.UPDATE)
_KIND = " ".join(
    (
        "CASE WHEN event_id IS NULL OR revision IS NULL OR occurred_at IS NULL",
        f"THEN {int(Kind.FOREIGN)} ELSE CASE name",
        *(f"WHEN '{name}' THEN {int(kind)}" for name, kind in _UPDATES_FIRST),
        f"ELSE {int(Kind.FOREIGN)} END END",
    )
)
_ROW = f"occurred_at, {_KIND}, revision, state, stream_id"
_STREAM = Row._fields.index("stream_id")


class Stream(NamedTuple):
    """A stream that is a profile's, with rows of it."""

    stream_id: bytes
    profile: ProfileKey
    rows: list[Row]

    def folded(self, updates: UpdatePolicy, position: int) -> Kept:
        """Fold all of it until a position; if that fails the profile is set aside.

        The rows are given up: to free them is cheapest where they were just read.
        """
        try:
            folded = fold_stream(self.profile.profile_id, self.rows, updates)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one profile
            return Kept.aside(self.stream_id, self.profile, position, error)
        finally:
            self.rows.clear()
        return Kept.of(self.stream_id, self.profile, position, folded)


class Range(NamedTuple):
    """Whole streams, and how far one has come with them."""

    streams: list[Stream]
    until: bytes
    events: int
    position: int
    """The end of the log as it was read."""


def read_as_they_lie(
    connection: Connection, partition: int, after: bytes, until: bytes
) -> Iterator[Range]:
    """Read all streams between two ids at once: all their events are held."""
    end = end_of_log(connection, partition)
    rows = ask(connection, _between(connection), (partition, after, until))
    found = _streams(connection, partition, rows, after, until)
    yield Range(found, until, len(rows), end)


def read_in_order(
    connection: Connection, partition: int, after: bytes, until: bytes
) -> Iterator[Range]:
    """Read all streams between two ids in the order of these, some at once.

    The database sorts the events, however many there are: those of few are held here.
    """
    end = end_of_log(connection, partition)
    query = f"{_between(connection)} ORDER BY stream_id"
    rows: list[Any] = []
    for more in ask_for_some(connection, query, (partition, after, until), BATCH):
        rows += more
        whole = bisect_left(rows, rows[-1][_STREAM], key=itemgetter(_STREAM))
        if whole:  # the last may go on
            last = rows[whole - 1][_STREAM]
            found = _streams(connection, partition, rows[:whole], after, last)
            yield Range(found, last, whole, end)
            after, rows = last, rows[whole:]
    found = _streams(connection, partition, rows, after, until)
    yield Range(found, until, len(rows), end)


def read_streams(
    connection: Connection, partition: int, stream_ids: Sequence[bytes]
) -> Iterator[Stream]:
    """Read streams by their ids, some at once: of many long ones not all are held."""
    for start in range(0, len(stream_ids), STREAMS):
        some = stream_ids[start : start + STREAMS]
        rows = _rows_of(connection, partition, some)
        yield from _named(_names_of(connection, partition, some), rows)


def read_positions(
    connection: Connection, partition: int, after: int, to: int
) -> list[Stream]:
    """Read of the streams what was stored after a position until another, inclusive."""
    query = (
        f"SELECT {_ROW}, position, version FROM events "  # noqa: S608
        "WHERE partition = {} AND position > {} AND position <= {}"
    )
    rows = ask(connection, query, (partition, after, to))
    ids = {row[_STREAM] for row in rows}
    return _named(_names_of(connection, partition, ids), rows)


def end_of_log(connection: Connection, partition: int) -> int:
    """Say the last position of a partition."""
    query = select(heads.c.position).where(heads.c.partition == partition)
    return int(connection.execute(query).scalar_one())


def count_streams(connection: Connection, partition: int) -> int:
    """Count the streams of a partition."""
    query = select(func.count()).where(streams.c.partition == partition)
    return int(connection.execute(query).scalar_one())


def _rows_of(
    connection: Connection, partition: int, stream_ids: Iterable[bytes]
) -> Iterator[Any]:
    where = "events WHERE partition = {} AND stream_id = key0"
    columns = _ROW
    if connection.dialect.name == "postgresql":
        # OFFSET: a look into the index for each, whatever the planner has counted.
        where = f"LATERAL (SELECT {_ROW} FROM {where} OFFSET 0) AS events"  # noqa: S608
        columns = "events.*"
    query = f"SELECT {columns} FROM {DISTINCT_KEYS} CROSS JOIN {where}"  # noqa: S608
    return select_by(connection, query, [(one,) for one in stream_ids], partition)


def _names_of(
    connection: Connection, partition: int, stream_ids: Iterable[bytes]
) -> Iterator[Any]:
    query = """SELECT stream_id, api_space_id, profile_id FROM keys JOIN streams
        ON partition = {} AND stream_id = key0 WHERE api_space_id IS NOT NULL"""
    return select_by(connection, query, [(one,) for one in stream_ids], partition)


def _between(connection: Connection) -> str:
    """Select the events of streams between two ids.

    SQLite is to read them in the order they lie in, each page once, not by their
    streams: of the whole file, if there is one partition in it.
    """
    where = "WHERE partition = {} AND stream_id > {} AND stream_id < {}"
    if connection.dialect.name == "sqlite":
        ((partitions,),) = ask(connection, "SELECT count(*) FROM heads", ())
        hint = "NOT INDEXED" if partitions == 1 else ""
        where = f"{hint} {where.replace('stream_id', '+stream_id')} AND position > 0"
    return f"SELECT {_ROW} FROM events {where}"  # noqa: S608 - words of ours


def _streams(
    connection: Connection,
    partition: int,
    rows: Iterable[Any],
    after: bytes,
    until: bytes,
) -> list[Stream]:
    query = """SELECT stream_id, api_space_id, profile_id FROM streams WHERE
        partition = {} AND stream_id > {} AND stream_id <= {}
        AND api_space_id IS NOT NULL"""
    return _named(ask(connection, query, (partition, after, until)), rows)


def _named(names: Iterable[Any], rows: Iterable[Any]) -> list[Stream]:
    """Put rows together by stream; what belongs to no profile is left out."""
    found = {
        stream_id: Stream(stream_id, ProfileKey(space, profile_id), [])
        for stream_id, space, profile_id in names
    }
    # Of millions of rows each look-up of a name counts.
    rows_of = {stream_id: stream.rows for stream_id, stream in found.items()}
    for row in rows:
        if row[_STREAM] in rows_of:
            rows_of[row[_STREAM]].append(row)
    return [stream for stream in found.values() if stream.rows]
