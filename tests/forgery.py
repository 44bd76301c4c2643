"""Stored history as its owner could rewrite it, statement by statement, triggers off."""

from collections.abc import Iterable
from typing import Any, NamedTuple, Self

from sqlalchemy import text

from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.log.logged_event import digest, link

COLUMNS = (
    "partition, position, stream_id, version, event_id, name, revision, "
    "occurred_at, recorded_at, state, digest, chain"
)


class Row(NamedTuple):
    """A row of the log; name in UTF-8, for it may have been made something else."""

    partition: int
    position: int
    stream_id: bytes
    version: int
    event_id: bytes | None
    name: bytes
    revision: int | None
    occurred_at: int | None
    recorded_at: int
    state: bytes
    digest: bytes
    chain: bytes

    @property
    def place(self) -> tuple[int, int]:
        return self.partition, self.position

    def sealed(self, chain: bytes) -> Self:
        """Give it the digest of its columns, and the chain after this one."""
        of_event = digest(self[:10])
        return self._replace(digest=of_event, chain=link(chain, of_event))


class History(NamedTuple):
    """All that a store holds of its log."""

    events: tuple[Row, ...]
    heads: tuple[tuple[Any, ...], ...]
    streams: tuple[tuple[Any, ...], ...]

    @classmethod
    def read(cls, database: Database) -> Self:
        """Read it, in order of partition and position."""
        with database.read() as connection:
            run = connection.exec_driver_sql
            rows = [
                Row(*row[:5], row[5].encode(), *row[6:])
                for row in run(f"SELECT {COLUMNS} FROM events ORDER BY 1, 2")
            ]
            return cls(
                tuple(rows),
                tuple(map(tuple, run("SELECT * FROM heads ORDER BY 1"))),
                tuple(map(tuple, run("SELECT * FROM streams ORDER BY 1, 2"))),
            )

    def write(self, database: Database) -> None:
        """Put it in the place of what is there; the log's triggers must be off."""
        sqlite = database.backend.url.get_backend_name() == "sqlite"
        mark = "?" if sqlite else "%s"
        events = [mark] * 12
        events[5] = "CAST(? AS TEXT)" if sqlite else "convert_from(%s, 'UTF8')"
        with database.write() as connection:
            for table, rows, marks in (
                ("events", self.events, events),
                ("heads", self.heads, [mark] * 4),
                ("streams", self.streams, [mark] * 4),
            ):
                connection.exec_driver_sql(f"DELETE FROM {table}")
                if rows:
                    insert = f"INSERT INTO {table} VALUES ({', '.join(marks)})"
                    connection.exec_driver_sql(insert, [tuple(row) for row in rows])

    def of(self, partition: int) -> list[Row]:
        return [row for row in self.events if row.partition == partition]

    def with_events(self, partition: int, rows: Iterable[Row]) -> Self:
        """Exchange a partition's events, whatever partition the new ones name."""
        others = [row for row in self.events if row.partition != partition]
        return self._replace(events=tuple(sorted([*others, *rows], key=_place)))

    def rechained(self, partition: int, start: int = 1) -> Self:
        """Make a partition sound in itself again, from a position on, and its head."""
        rows = self.of(partition)
        chain, chained = bytes(32), []
        for row in rows:
            chained.append(row if row.position < start else row.sealed(chain))
            chain = chained[-1].chain
        return self.with_events(partition, chained).with_head(partition)

    def with_head(self, partition: int) -> Self:
        """Adjust a partition's head to its last event."""
        rows = self.of(partition)
        end = (rows[-1].position, rows[-1].chain, rows[-1].recorded_at)
        heads = [(p, *(end if p == partition else h)) for p, *h in self.heads]
        return self._replace(heads=tuple(heads))

    def without_empty_streams(self) -> Self:
        known = {(row.partition, row.stream_id) for row in self.events}
        return self._replace(
            streams=tuple(row for row in self.streams if row[:2] in known)
        )


def _place(row: Row) -> tuple[int, int]:
    return row.place


def drop_triggers(database: Database) -> None:
    sqlite = database.backend.url.get_backend_name() == "sqlite"
    for trigger in (
        ("events_refuse_update", "events_refuse_delete")
        if sqlite
        else ("events_refuse_change ON events",)
    ):
        change(database, f"DROP TRIGGER {trigger}")


def change(database: Database, statement: str, **values: Any) -> None:
    """Run a statement as the database's owner."""
    with database.write() as connection:
        connection.execute(text(statement), values)
