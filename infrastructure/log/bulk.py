"""What an append runs: few statements of many rows each, on the driver itself.

By row, or through SQLAlchemy's layers, the way there costs more than the database.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from itertools import chain, count, islice
from typing import Any

from sqlalchemy import Column, Connection, Table

ROWS = (1000, 200, 50)
"""Rows that one SQLite statement inserts; what is left is one statement of its size."""
VALUES = 16_384
"""Values of keys that one SQLite statement looks up by, at most."""

DISTINCT_KEYS = "(SELECT DISTINCT key0 FROM keys) AS keys"
"""The keys of `select_by`, each once."""

_OIDS = {"INTEGER": 23, "BIGINT": 20, "BLOB": 17}
_TEXT = 25
"""PostgreSQL's numbers of types."""


def run(connection: Connection, statement: str, parameters: Sequence[Any] = ()) -> None:
    """Run a statement in the driver's own words.

    `{}` in it stands for a parameter. Errors are SQLAlchemy's.
    """
    mark, _ = _WORDS[connection.dialect.name]
    with _errors(connection, statement):
        cursor = connection.connection.cursor()
        cursor.execute(statement.replace("{}", mark), parameters)


def run_each(
    connection: Connection, statement: str, parameters: Sequence[Sequence[Any]]
) -> None:
    """Run a statement as `run` does, once for each of several parameters."""
    if not parameters:
        return
    mark, _ = _WORDS[connection.dialect.name]
    with _errors(connection, statement):
        cursor = connection.connection.cursor()
        cursor.executemany(statement.replace("{}", mark), parameters)


def ask(
    connection: Connection, query: str, parameters: Sequence[Any]
) -> list[tuple[Any, ...]]:
    """Run a query as `run` does; answer its rows."""
    mark, options = _WORDS[connection.dialect.name]
    with _errors(connection, query):
        cursor = connection.connection.cursor()
        cursor.execute(query.replace("{}", mark), parameters, **options)
        return cursor.fetchall()  # type: ignore[return-value]


def ask_for_some(
    connection: Connection, query: str, parameters: Sequence[Any], size: int
) -> Iterator[Sequence[tuple[Any, ...]]]:
    """Run a query as `run` does; answer its rows, so many at once, as they are read."""
    mark, _ = _WORDS[connection.dialect.name]
    with _errors(connection, query), closing(_unread(connection)) as cursor:
        cursor.execute(query.replace("{}", mark), parameters)
        while rows := cursor.fetchmany(size):
            yield rows


def _unread(connection: Connection) -> Any:
    """Open a cursor that leaves rows to the database until they are asked for."""
    if connection.dialect.name == "postgresql":
        return connection.connection.cursor(f"rows_{next(_number)}", binary=True)
    return connection.connection.cursor()


_number = count()

_WORDS: dict[str, tuple[str, dict[str, bool]]] = {
    "sqlite": ("?", {}),
    "postgresql": ("%b", {"binary": True}),
}
"""How a parameter is written, and how rows are asked for: as bytes, not as text."""


@contextmanager
def _errors(connection: Connection, statement: str) -> Iterator[None]:
    """Let SQLAlchemy deal with the driver's errors, as with those of its own calls."""
    try:
        yield
    except connection.dialect.loaded_dbapi.Error as error:
        connection._handle_dbapi_exception(error, statement, None, None, None)  # noqa: SLF001 - there is no public way


def insert_rows(connection: Connection, table: Table, rows: Iterable[Any]) -> None:
    """Insert tuples that have the table's columns in order, taken as they are sent.

    If one fails its transaction or savepoint must be undone: part of it is there.
    """
    if connection.dialect.name == "postgresql":
        _copy(connection, table, rows)
        return
    remaining = iter(rows)
    while some := tuple(islice(remaining, ROWS[0])):
        start = 0
        while left := len(some) - start:
            # One call for many rows: in each call other threads may run, and it is they
            # who let it go on.
            size = next((s for s in ROWS if s <= left), left)
            values = tuple(chain.from_iterable(some[start : start + size]))
            run(connection, _insertion(table, size), values)
            start += size


@cache
def _insertion(table: Table, size: int) -> str:
    """Write SQLite's statement. FAIL, not ABORT, spares it a journal for each."""
    row = f"({', '.join(['{}'] * len(table.columns))})"
    return f"INSERT OR FAIL INTO {table.name} VALUES {', '.join([row] * size)}"  # noqa: S608 - names of ours


def _copy(connection: Connection, table: Table, rows: Iterable[Any]) -> None:
    statement, types = _copying(table)
    cursor = connection.connection.cursor()
    with _errors(connection, statement), cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


@cache
def _copying(table: Table) -> tuple[str, list[int]]:
    """Write PostgreSQL's statement, and the types of its columns."""
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    types = [_OIDS.get(str(c.type), _TEXT) for c in table.columns]
    return f"COPY {table.name} ({names}) FROM STDIN (FORMAT BINARY)", types


def rows_by(
    connection: Connection,
    columns: Sequence[Column[Any]],
    key: Sequence[Column[Any]],
    keys: Iterable[tuple[Any, ...]],
    partition: int,
) -> Iterator[tuple[Any, ...]]:
    """Select the rows of a partition that have one of the keys in the key's columns."""
    table = key[0].table.name
    names = ", ".join(column.name for column in columns)
    same = " AND ".join(f"{column.name} = key{n}" for n, column in enumerate(key))
    where = f"{table} WHERE partition = {{}} AND {same}"
    if connection.dialect.name == "postgresql":
        # OFFSET keeps the planner to one look into the index a key: in tables that
        # nobody has counted yet it would rather read the partition, for each batch.
        where = f"LATERAL (SELECT {names} FROM {where} OFFSET 0) AS {table}"  # noqa: S608 - names of ours
    query = f"SELECT {names} FROM keys CROSS JOIN {where}"  # noqa: S608
    return select_by(connection, query, keys, partition)


def present(
    connection: Connection, key: Column[Any], keys: Iterable[Any], partition: int
) -> set[Any]:
    """Say which of the keys any row of the partition has in the key's column."""
    one = f"SELECT 1 FROM {key.table.name} WHERE partition = {{}} AND {key.name} = key0"  # noqa: S608
    query = f"SELECT key0 FROM keys WHERE ({one} LIMIT 1) = 1"  # noqa: S608
    found = select_by(connection, query, [(one,) for one in keys], partition)
    return {row[0] for row in found}


def select_by(
    connection: Connection,
    query: str,
    keys: Iterable[tuple[Any, ...]],
    partition: int,
) -> Iterator[tuple[Any, ...]]:
    """Run a query on the relation `keys (key0, ...)`; each `{}` is the partition.

    A key may stand in it more than once.
    """
    keys = list(keys)
    if not keys:
        return
    width, partitions = len(keys[0]), [partition] * query.count("{}")
    if connection.dialect.name == "postgresql":
        columns = [_array(column) for column in zip(*keys, strict=True)]
        arrays = f"SELECT * FROM unnest({', '.join(['{}'] * width)})"  # noqa: S608
        yield from ask(
            connection, _with_keys(width, arrays, query), (*columns, *partitions)
        )
        return
    most = VALUES // width
    for start in range(0, len(keys), most):
        some = keys[start : start + most]
        # Made up to a power of two with one of them: few sizes, each compiled once.
        size = 1 << (len(some) - 1).bit_length()
        some += some[-1:] * (size - len(some))
        row = f"({', '.join(['{}'] * width)})"
        values = f"VALUES {', '.join([row] * size)}"
        parameters = (*chain.from_iterable(some), *partitions)
        yield from ask(connection, _with_keys(width, values, query), parameters)


class ByteArray(list[bytes]):
    """An array of bytes, which PostgreSQL is sent as one piece."""


def _array(column: Sequence[Any]) -> list[Any]:
    return ByteArray(column) if type(column[0]) is bytes else list(column)


def _with_keys(width: int, keys: str, query: str) -> str:
    names = ", ".join(f"key{n}" for n in range(width))
    return f"WITH keys ({names}) AS ({keys}) {query}"
