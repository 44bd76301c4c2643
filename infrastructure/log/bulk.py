"""Many rows in one statement: by row, the way there costs more than the database."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import Column, Connection, Table
from sqlalchemy.exc import DBAPIError

ROWS = (2000, 500, 100)
"""Rows that one SQLite statement inserts; what is left is one statement of its size."""
KEYS = 16_384
"""Keys that one SQLite statement looks up, at most."""

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
    while left := len(rows) - start:
        # One call for many rows: in each call other threads may run, and it is they who
        # let it go on. FAIL, not ABORT, spares SQLite a journal for each statement.
        size = next((s for s in ROWS if s <= left), left)
        row = f"({', '.join('?' * len(table.columns))})"
        statement = f"INSERT OR FAIL INTO {table.name} VALUES {', '.join([row] * size)}"  # noqa: S608 - names of ours
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


def rows_by(
    connection: Connection, key: Column[Any], keys: Iterable[Any], partition: int
) -> Iterator[Any]:
    """Select the rows of a partition that have one of the keys in the key's column."""
    table = key.table.name
    where = f"{table} WHERE partition = {{}} AND {key.name} = key"
    if connection.dialect.name == "postgresql":
        # OFFSET keeps the planner to one look into the index a key: in tables that
        # nobody has counted yet it would rather read the partition, for each batch.
        where = f"LATERAL (SELECT * FROM {where} OFFSET 0) AS {table}"  # noqa: S608 - names of ours
    query = f"SELECT {table}.* FROM keys CROSS JOIN {where}"  # noqa: S608
    yield from select_by(connection, query, keys, partition)


def present(
    connection: Connection, key: Column[Any], keys: Iterable[Any], partition: int
) -> set[Any]:
    """Say which of the keys any row of the partition has in the key's column."""
    one = f"SELECT 1 FROM {key.table.name} WHERE partition = {{}} AND {key.name} = key"  # noqa: S608
    query = f"SELECT key FROM keys WHERE ({one} LIMIT 1) = 1"  # noqa: S608
    return {row[0] for row in select_by(connection, query, keys, partition)}


def select_by(
    connection: Connection, query: str, keys: Iterable[Any], partition: int
) -> Iterator[Any]:
    """Run a query on the relation `keys (key)`; each `{}` in it is the partition."""
    keys = list(keys)
    partitions = [partition] * query.count("{}")
    if connection.dialect.name == "postgresql":
        if keys:
            statement = _with_keys(
                "SELECT * FROM unnest(%b)", query.replace("{}", "%s")
            )
            yield from connection.exec_driver_sql(statement, (keys, *partitions))
        return
    for start in range(0, len(keys), KEYS):
        some = keys[start : start + KEYS]
        # Made up to a power of two with one of them: few sizes, each compiled once.
        size = 1 << (len(some) - 1).bit_length()
        values = f"VALUES {', '.join(['(?)'] * size)}"
        statement = _with_keys(values, query.replace("{}", "?"))
        parameters = (*some, *some[-1:] * (size - len(some)), *partitions)
        yield from connection.exec_driver_sql(statement, parameters)


def _with_keys(keys: str, query: str) -> str:
    return f"WITH keys (key) AS ({keys}) {query}"
