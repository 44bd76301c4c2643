"""The rows of a log as they are stored, for those who do not believe them.

Statements are raw and read raw values: what a database's owner can have put there need
not be of the type, or the encoding, that the schema promises.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from profilestore.infrastructure.log.database import Database

from .ends import End, read_ends

PAGE = 2000
"""Positions of one page."""
CHUNK = 200
"""Rows that are in memory at once: each may be a mebibyte."""

# SQLite keeps what it is given: text that is no UTF-8, or no text at all.
_TEXT = {
    "sqlite": "CASE typeof({0}) WHEN 'text' THEN CAST({0} AS BLOB) "
    "WHEN 'null' THEN NULL ELSE x'' END",
    "postgresql": "{0}",
}

# A profile's stream is looked up for its first event only: each other follows one.
_PAGE = """
    SELECT e.position, e.stream_id, e.version, e.event_id, {name}, e.revision,
        e.occurred_at, e.recorded_at, e.state, e.digest, e.chain,
        s.stream_id IS NOT NULL, {space}, {profile},
        CASE WHEN e.version > 1 THEN EXISTS (SELECT 1 FROM events AS p
            WHERE p.partition = e.partition AND p.stream_id = e.stream_id
                AND p.version = e.version - 1 AND p.position < e.position)
            ELSE e.version = 1 END
    FROM events AS e LEFT JOIN streams AS s
        ON s.partition = e.partition AND s.stream_id
            = CASE WHEN e.version = 1 OR e.event_id IS NULL THEN e.stream_id END
    WHERE e.partition = {p} AND e.position > {p} AND e.position <= {p}
    ORDER BY e.position
"""

_OUTSIDE = """
    SELECT h.partition,
        (SELECT e.position FROM events AS e WHERE e.partition = h.partition
            AND e.position < 1 ORDER BY e.position LIMIT 1),
        (SELECT e.position FROM events AS e WHERE e.partition = h.partition
            AND e.position > h.position ORDER BY e.position LIMIT 1)
    FROM heads AS h
"""

_EMPTY_STREAM = """
    SELECT 1 FROM streams AS s WHERE s.partition = {p} AND NOT EXISTS
        (SELECT 1 FROM events AS e
            WHERE e.partition = s.partition AND e.stream_id = s.stream_id)
    LIMIT 1
"""


class Bounds(NamedTuple):
    """Where a partition's head says that its log ends, and events that lie outside."""

    end: End
    below: Any
    """The lowest position below 1, if there is one."""
    beyond: Any
    """The lowest position beyond the head, if there is one."""


def bounds(database: Database) -> dict[int, Bounds]:
    """Read each partition's end, all as of one moment; what is no head is left out."""
    with database.read() as connection:
        outside = {partition: of for partition, *of in _run(connection, _OUTSIDE)}
        ends = read_ends(connection)
    shape = (int, bytes, int)
    return {
        partition: Bounds(end, *outside[partition])
        for partition, end in ends.items()
        if tuple(map(type, end)) == shape
    }


def rows(
    database: Database, partition: int, after: int, until: int
) -> Iterator[Sequence[Any]]:
    """Read a page: the events at these positions, in order, in one transaction."""
    with database.read() as connection:
        yield from _run(connection, _page(connection), (partition, after, until))


def has_empty_stream(database: Database, partition: int) -> bool:
    """Tell whether a stream is known of which there is no event."""
    with database.read() as connection:
        return bool(list(_run(connection, _EMPTY_STREAM, (partition,))))


def strangers(database: Database) -> Iterator[tuple[str, Any, Any]]:
    """Find rows of partitions that do not exist: table, partition, first position."""
    for table in ("events", "streams", "heads"):
        with database.read() as connection:
            for partition in _partitions(connection, table):
                if partition not in range(database.partitions):
                    position = None
                    if table == "events":
                        query = "SELECT min(position) FROM events WHERE partition = {p}"
                        ((position,),) = _run(connection, query, (partition,))
                    yield table, partition, position


def _partitions(connection: Connection, table: str) -> Iterator[Any]:
    """Read which partitions have rows, each by one look into the index."""
    least = f"SELECT min(partition) FROM {table}"  # noqa: S608 - names of ours
    ((partition,),) = _run(connection, least)
    while partition is not None:
        yield partition
        ((partition,),) = _run(
            connection, f"{least} WHERE partition > {{p}}", (partition,)
        )


def _page(connection: Connection) -> str:
    text = _TEXT[connection.dialect.name].format
    return _PAGE.format(
        name=text("e.name"),
        space=text("s.api_space_id"),
        profile=text("s.profile_id"),
        p="{p}",
    )


def _run(
    connection: Connection, query: str, values: tuple[Any, ...] = ()
) -> Iterator[Any]:
    placeholder = "?" if connection.dialect.name == "sqlite" else "%s"
    with connection.exec_driver_sql(
        query.format(p=placeholder), values, execution_options={"yield_per": CHUNK}
    ) as result:
        yield from result
