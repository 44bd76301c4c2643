"""Streams as rows, whole and in bulk, for the folds of read models."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, Select, case, or_, select

from profilestore.domain.cut import UpdatePolicy
from profilestore.domain.identity import ProfileKey
from profilestore.infrastructure.log.tables import events, heads, streams
from profilestore.projections.stream_fold import fold_stream
from profilestore.projections.stream_row import KINDS, Kind, Row

from .kept import Kept

STREAMS = 200
"""Streams that one statement names."""

_STREAM = Row._fields.index("stream_id")

_kind = case(
    (
        or_(
            events.c.event_id.is_(None),
            events.c.revision.is_(None),
            events.c.occurred_at.is_(None),
        ),
        int(Kind.FOREIGN),
    ),
    *((events.c.name == name, int(kind)) for name, kind in KINDS.items()),
    else_=int(Kind.FOREIGN),
)
_ROWS: Select[Any] = select(
    events.c.occurred_at,
    _kind,
    events.c.revision,
    events.c.event_id,
    events.c.state,
    events.c.stream_id,
).order_by(events.c.stream_id, events.c.version)


class Stream(NamedTuple):
    """A stream that is a profile's, with all its rows."""

    stream_id: bytes
    profile: ProfileKey
    rows: list[Row]

    def folded(self, updates: UpdatePolicy, position: int) -> Kept:
        """Fold all of it until a position; if that fails the profile is set aside."""
        try:
            folded = fold_stream(self.profile.profile_id, self.rows, updates)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one profile
            return Kept.aside(self.stream_id, self.profile, position, error)
        return Kept.of(self.stream_id, self.profile, position, folded)


class Range(NamedTuple):
    """Whole streams, and how far one has come with them."""

    streams: list[Stream]
    until: bytes
    events: int
    position: int
    """The end of the log as it was read."""


def read_range(
    connection: Connection, partition: int, after: bytes, until: bytes, limit: int
) -> Range:
    """Read the streams after an id, before another, of about `limit` events.

    At least one stream, if there is one; where there is none the range ends.
    """
    query = _ROWS.where(
        events.c.partition == partition,
        events.c.stream_id > after,
        events.c.stream_id < until,
    ).limit(limit)
    end = end_of_log(connection, partition)
    rows = _fetch(connection, query)
    if len(rows) == limit:
        last = cast("bytes", rows[-1][_STREAM])
        whole = [row for row in rows if row[_STREAM] != last]
        if not whole:
            whole_one = list(read_streams(connection, partition, [last]))
            # Of no profile, it is left out; its events count as far as they were read.
            events_ = len(whole_one[0].rows) if whole_one else limit
            return Range(whole_one, last, events_, end)
        rows, until = whole, cast("bytes", whole[-1][_STREAM])
    query = _names(partition).where(
        streams.c.stream_id > after, streams.c.stream_id <= until
    )
    return Range(list(_streams(connection, rows, query)), until, len(rows), end)


def read_streams(
    connection: Connection, partition: int, stream_ids: Sequence[bytes]
) -> Iterator[Stream]:
    """Read streams by their ids, some at once: of many long ones not all are held."""
    for start in range(0, len(stream_ids), STREAMS):
        some = stream_ids[start : start + STREAMS]
        query = _ROWS.where(
            events.c.partition == partition, events.c.stream_id.in_(some)
        )
        names = _names(partition).where(streams.c.stream_id.in_(some))
        yield from _streams(connection, _fetch(connection, query), names)


def read_positions(
    connection: Connection, partition: int, after: int, to: int
) -> list[Stream]:
    """Read of the streams what was stored after a position until another, inclusive."""
    between = (
        events.c.partition == partition,
        events.c.position > after,
        events.c.position <= to,
    )
    places = events.c.position, events.c.version
    rows = _fetch(connection, _ROWS.add_columns(*places).where(*between))
    found = select(events.c.stream_id).where(*between)
    names = _names(partition).where(streams.c.stream_id.in_(found))
    return list(_streams(connection, rows, names))


def end_of_log(connection: Connection, partition: int) -> int:
    """Say the last position of a partition."""
    query = select(heads.c.position).where(heads.c.partition == partition)
    return int(connection.execute(query).scalar_one())


def _streams(
    connection: Connection, rows: list[Row], names: Select[Any]
) -> Iterator[Stream]:
    """Put rows together by stream; what belongs to no profile is left out."""
    profiles = {
        row.stream_id: ProfileKey(row.api_space_id, row.profile_id)
        for row in connection.execute(names)
    }
    for stream_id, of_stream in groupby(rows, itemgetter(_STREAM)):
        if (profile := profiles.get(stream_id)) is not None:
            yield Stream(stream_id, profile, list(of_stream))


def _names(partition: int) -> Select[Any]:
    return select(
        streams.c.stream_id, streams.c.api_space_id, streams.c.profile_id
    ).where(streams.c.partition == partition, streams.c.api_space_id.is_not(None))


def _fetch(connection: Connection, query: Select[Any]) -> list[Row]:
    """Fetch plain tuples: a wrapper around each would cost more than the row."""
    with connection.execute(query) as result:
        assert result.cursor is not None  # noqa: S101 - it is a select
        return cast("list[Row]", result.cursor.fetchall())
