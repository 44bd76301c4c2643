"""Bringing a generation up to the log: what is new is put on top of what is kept."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from sqlalchemy import Connection

from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.log.tables import read_profiles
from profilestore.projections.orderly_fold import fold_orderly
from profilestore.projections.spans import Span
from profilestore.projections.standing import Standing

from .generation import Generation
from .kept import Kept, read_kept, replace_kept
from .stream_rows import (
    Stream,
    end_of_log,
    read_positions,
    read_streams,
)

STEP_EVENTS = 2000
"""Events of the log that one step reads, at most."""
FOLDS_FASTER = 5
"""An event costs so much more to be put on top than in a fold of the whole stream."""


class _Stored(NamedTuple):
    stream_id: bytes
    position: int
    condition: int | None
    since: int | None
    body: bytes | None


_COLUMNS = [read_profiles.c[name] for name in _Stored._fields]
_AT: Final = 5
_VERSION: Final = 6
"""Where a row has its position and version: rows are the driver's tuples."""


def catch_up(
    database: Database, generation: Generation, position: int | None = None
) -> Generation | None:
    """Bring a generation up to a position of the log, by default its end.

    Answer it as it then is, None if it is no more. The work is done outside the
    transaction that writes it: if somebody else was faster, it is thrown away.
    """
    while True:
        with database.read() as connection:
            now = generation.refreshed(connection)
            if now is None:
                return None
            end = end_of_log(connection, now.partition)
            wanted = end if position is None else min(position, end)
            if now.position >= wanted:
                return now
            to = min(end, now.position + STEP_EVENTS)
            kept = list(_changed(connection, now, to))
        with database.write() as connection:
            if now.move(connection, to):
                replace_kept(connection, now, kept)


def _changed(connection: Connection, generation: Generation, to: int) -> Iterator[Kept]:
    """Find what is to be kept of the profiles that have new events until a position."""
    new = read_positions(connection, generation.partition, generation.position, to)
    ids = [stream.stream_id for stream in new]
    stored = {
        row.stream_id: row
        for row in map(_Stored._make, read_kept(connection, generation, ids, _COLUMNS))
    }
    whole = []
    for stream in new:
        row = stored.get(stream.stream_id)
        if row and all(new[_AT] <= row.position for new in stream.rows):
            continue  # it was folded later than the generation has come
        extended = _extended(row, stream, generation, to) if row else None
        if extended is None:
            whole.append(stream.stream_id)
        else:
            yield extended
    end = end_of_log(connection, generation.partition)
    for stream in read_streams(connection, generation.partition, whole):
        yield stream.folded(generation.updates, end)


def _extended(
    row: _Stored, stream: Stream, generation: Generation, end: int
) -> Kept | None:
    """Put new events on top of what is kept; None if that takes the whole stream."""
    if row.body is None or row.since is None or row.condition is None:
        return None
    later = [new for new in stream.rows if new[_AT] > row.position]
    if len(later) * FOLDS_FASTER >= min(new[_VERSION] for new in later):
        return None
    last = Span(row.since, row.condition)
    try:
        folded = fold_orderly(
            Standing.from_json(row.body),
            [last],
            stream.profile.profile_id,
            sorted(later),
            generation.updates,
        )
    except Exception:  # noqa: BLE001 - the fold of the whole says what is wrong
        return None
    if folded is None:
        return None
    kept = Kept.of(stream.stream_id, stream.profile, end, folded)
    return kept._replace(on_top=last)
