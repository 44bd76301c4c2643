"""Streams as rows, whole and in bulk, for the folds of read models."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from profilestore.domain.cut import UpdatePolicy
from profilestore.domain.identity import ProfileKey
from profilestore.infrastructure.log.bulk import DISTINCT_KEYS, ask, select_by
from profilestore.infrastructure.log.tables import heads
from profilestore.projections.stream_fold import fold_stream
from profilestore.projections.stream_row import KINDS, Kind, Row

from .kept import Kept

STREAMS = 200
"""Streams that are read whole at once."""

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
_EVENTS = {
    "sqlite": "events NOT INDEXED",  # in the order they lie in: each page is read once
    "postgresql": "events",
}
_RANGE = "WHERE partition = {} AND stream_id > {} AND stream_id < {}"


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


def read_range(
    connection: Connection, partition: int, after: bytes, until: bytes
) -> Range:
    """Read all streams between two ids by going through the partition once."""
    end = end_of_log(connection, partition)
    query = f"SELECT {_ROW} FROM {_EVENTS[connection.dialect.name]} {_RANGE}"  # noqa: S608 - words of ours
    rows = ask(connection, query, (partition, after, until))
    found = _streams(connection, partition, rows, after, until)
    return Range(found, until, len(rows), end)


def read_some(
    connection: Connection, partition: int, after: bytes, until: bytes, limit: int
) -> Range:
    """Read streams between two ids, from the first on, one by one: of `limit` events.

    At least one stream, if there is one; where there is none the range ends.
    """
    end = end_of_log(connection, partition)
    query = (
        f"SELECT {_ROW} FROM events {_RANGE} ORDER BY stream_id, version LIMIT {limit}"  # noqa: S608
    )
    rows = ask(connection, query, (partition, after, until))
    if len(rows) == limit:
        last = rows[-1][_STREAM]
        whole = [row for row in rows if row[_STREAM] != last]
        if whole:
            rows, until = whole, whole[-1][_STREAM]
        else:
            rows, until = list(_rows_of(connection, partition, [last])), last
    found = _streams(connection, partition, rows, after, until)
    return Range(found, until, len(rows), end)


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
