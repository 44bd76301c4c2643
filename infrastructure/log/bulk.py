"""Many rows in one statement: by row, the way there costs more than the database."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError

ROWS = (100, 10, 1)
"""Rows that one SQLite statement inserts. A few sizes only: each is compiled once."""
KEYS = (512, 64, 8, 1)
"""Keys that one SQLite statement looks up."""

_PSYCOPG_TYPES = {"INTEGER": "int4", "BIGINT": "int8", "BLOB": "bytea"}


def insert_rows(connection: Connection, table: Table, rows: Sequence[Any]) -> None:
    """Insert tuples that have the table's columns in order.

    If one fails its transaction or savepoint must be undone: part of it is there.
    """
    if connection.dialect.name == "postgresql":
        if rows:
            _copy(connection, table, rows)
        return
    start = 0
    for size in ROWS:
        # One call for many rows also frees the other threads for longer at a time.
        # FAIL instead of ABORT spares SQLite a journal for each statement.
        row = f"({', '.join('?' * len(table.columns))})"
        statement = f"INSERT OR FAIL INTO {table.name} VALUES {', '.join([row] * size)}"  # noqa: S608 - names of ours
        while len(rows) - start >= size:
            values = tuple(chain.from_iterable(rows[start : start + size]))
            connection.exec_driver_sql(statement, values)
            start += size


def _copy(connection: Connection, table: Table, rows: Sequence[Any]) -> None:
    driver = connection.connection.driver_connection
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    statement = f"COPY {table.name} ({names}) FROM STDIN (FORMAT BINARY)"
    types = [_PSYCOPG_TYPES.get(str(c.type), "text") for c in table.columns]
    psycopg = connection.dialect.loaded_dbapi
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:  # type: ignore[union-attr]
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        raise DBAPIError.instance(statement, None, error, psycopg.Error) from error


def select_in(
    connection: Connection, query: str, partition: int, keys: Iterable[Any]
) -> Iterator[Sequence[Any]]:
    """Run a query that ends on `WHERE partition = {} AND key {}` for all keys."""
    keys = list(keys)
    if connection.dialect.name == "postgresql":
        if keys:
            statement = query.format("%s", "= ANY(%b)")
            yield from connection.exec_driver_sql(statement, (partition, keys))
        return
    start = 0
    while start < len(keys):
        size = next((s for s in KEYS if s <= len(keys) - start), 1)
        statement = query.format("?", f"IN ({', '.join('?' * size)})")
        parameters = (partition, *keys[start : start + size])
        yield from connection.exec_driver_sql(statement, parameters)
        start += size
