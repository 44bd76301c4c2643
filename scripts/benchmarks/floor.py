"""The floor: the same rows, parsed by orjson and inserted by the bare driver.

No field is checked, no duplicate looked for, no digest made: what no store can be
faster than, with the same tables, indexes, durability and size of transactions.
"""

import io
import sqlite3
from collections.abc import Iterator, Sequence
from uuid import UUID, uuid5

import orjson
import psycopg
from workload import Figure, timed

from profilestore import ProfileStore

GROUP = 10_000
EVENTS = (
    "partition, position, stream_id, version, event_id, name, revision, occurred_at, "
    "recorded_at, state, digest, chain"
)
TYPES = tuple(
    "int4 int8 bytea int8 bytea text int8 int8 int8 bytea bytea bytea".split()  # noqa: SIM905
)


def sqlite(url: str, events: Sequence[bytes]) -> Figure:
    """Insert with `executemany`, a transaction for each 10,000 rows."""
    ProfileStore.init(url)
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    for pragma in ("synchronous=2", "cache_size=-65536", "wal_autocheckpoint=8000"):
        connection.execute(f"PRAGMA {pragma}")

    def insert() -> None:
        for rows, streams in _groups(events):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO streams VALUES (0, ?, ?, ?)", streams)
            marks = ", ".join("?" * len(TYPES))
            connection.executemany(f"INSERT INTO events VALUES ({marks})", rows)
            connection.execute("COMMIT")

    figure = timed(len(events), insert)
    connection.close()
    return figure


def postgresql(url: str, events: Sequence[bytes]) -> Figure:
    """Insert with binary COPY, a transaction for each 10,000 rows."""
    ProfileStore.init(url)
    with psycopg.connect(url.replace("+psycopg", "", 1)) as connection:

        def insert() -> None:
            for rows, streams in _groups(events):
                _copy(connection, f"events ({EVENTS})", TYPES, rows)
                columns = "streams (partition, stream_id, api_space_id, profile_id)"
                new = [(0, *stream) for stream in streams]
                _copy(connection, columns, ["int4", "bytea", "text", "text"], new)
                connection.commit()

        return timed(len(events), insert)


def _copy(
    connection: psycopg.Connection,
    into: str,
    types: Sequence[str],
    rows: Sequence[tuple],
) -> None:
    statement = f"COPY {into} FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def _groups(events: Sequence[bytes]) -> Iterator[tuple[list[tuple], list[tuple]]]:
    """Parse the same body and shape the same rows, with bytes for digest and chain."""
    versions: dict[bytes, int] = {}
    ids: dict[str, bytes] = {}
    rows: list[tuple] = []
    streams: list[tuple] = []
    for position, line in enumerate(io.BytesIO(b"\n".join(events)), 1):
        event = orjson.loads(line)
        space, profile_id = event["apiSpaceId"], event["payload"]["id"]
        stream = ids.get(profile_id)
        if stream is None:
            stream = ids[profile_id] = uuid5(UUID(space), profile_id).bytes
            streams.append((stream, space, profile_id))
        versions[stream] = versions.get(stream, 0) + 1
        rows.append(
            (0, position, stream, versions[stream], event["eventId"].encode(),
             event["name"], event["revision"], position, position, line,
             stream * 2, stream * 2)
        )  # fmt: skip
        if len(rows) == GROUP:
            yield rows, streams
            rows, streams = [], []
    if rows:
        yield rows, streams
