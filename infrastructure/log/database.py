"""A store's database, open: transactions to read and to write, errors translated."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self, TypeVar

from sqlalchemy import URL, Connection, Engine, Executable, RootTransaction, Table
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from profilestore.domain.errors import (
    InvalidArgumentError,
    StorageError,
    StoreBusyError,
    StoreUnavailableError,
)

from . import bulk, schema
from .backend import BUSY_SECONDS, Backend
from .birthplace import Birthplace
from .urls import parse_url

MOST_BUSY_SECONDS = 86_400

T = TypeVar("T")


class Database:
    """Transactions on SQLite or PostgreSQL.

    Writes are durable when `write` ends. Waiting for other writers ends after
    `busy_seconds` with StoreBusyError.
    """

    def __init__(self, backend: Backend, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self.backend = backend
        self.busy_seconds = busy_seconds
        self.partitions = 1
        self._closed = False
        self._birthplace = Birthplace()
        self._single = backend.reader.execution_options(single=True)

    @classmethod
    def connect(
        cls, url: str, *, create: bool = True, busy_seconds: float = BUSY_SECONDS
    ) -> Self:
        """Reach a database by its URL, whatever it holds; make a file if `create`."""
        if not 0 <= busy_seconds <= MOST_BUSY_SECONDS:
            rule = f"must be from 0 to {MOST_BUSY_SECONDS}"
            raise InvalidArgumentError("busy_seconds", rule)
        backend = _backend(parse_url(url), create=create, busy_seconds=busy_seconds)
        return cls(backend, busy_seconds=busy_seconds)

    @classmethod
    def open(
        cls, url: str, *, create: bool = True, busy_seconds: float = BUSY_SECONDS
    ) -> Self:
        """Open a store's database; a file without one becomes one if `create`.

        Raise SchemaMismatchError if there is no store of our schema in it.
        """
        database = cls.connect(url, create=create, busy_seconds=busy_seconds)
        try:
            database.ready(create=create)
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def init(
        cls,
        url: str,
        *,
        partitions: int | None = None,
        busy_seconds: float = BUSY_SECONDS,
    ) -> schema.Prepared:
        """Make the schema, or bring an older one up to date; answer what was done.

        Several processes may do so at once. `partitions` is for a new store; a store
        that has another number is refused with InvalidArgumentError.
        """
        database = cls.connect(url, busy_seconds=busy_seconds)
        try:
            with database.write() as connection:
                return schema.prepare(connection, partitions)
        finally:
            database.close()

    def ready(self, *, create: bool = True) -> None:
        """Check the schema, made first if `create` in a database that may be made so.

        Raise SchemaMismatchError if there is no store of our schema in it.
        """
        with self.read() as connection:
            found = schema.find(connection)
        if found is None and create and self.backend.creates_itself:
            with self.write() as connection:
                schema.prepare(connection)
        with self.read() as connection:
            self.partitions = schema.check(connection, self.backend.url)

    @contextmanager
    def write(self, *, wait_seconds: float | None = None) -> Iterator[Connection]:
        """Begin a transaction to write in; durable at its end, undone on any error.

        Others may hold the database for `wait_seconds`, else `busy_seconds`: another
        process, and who writes in this one.
        """
        waited = self.busy_seconds if wait_seconds is None else wait_seconds
        engine = self.backend.writer
        if wait_seconds is not None:
            engine = engine.execution_options(wait_seconds=wait_seconds)
        with self._place(waited), self._transaction(engine, waited) as connection:
            yield connection

    @contextmanager
    def _place(self, waited: float) -> Iterator[None]:
        """Wait for a connection that writes to be free."""
        self._birthplace.check()  # before the lock, which another may hold for ever
        if not self.backend.places.acquire(timeout=waited):
            raise StoreBusyError(waited)
        try:
            yield
        finally:
            self.backend.places.release()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Begin a transaction that sees one state of the database throughout."""
        with self._transaction(self.backend.reader, self.busy_seconds) as connection:
            yield connection

    def ask(
        self, query: Executable, values: Mapping[str, Any] | None = None
    ) -> Sequence[Any]:
        """Run one query, which sees one state of the database by itself.

        The server hears nothing else, so this is the way to be answered soon. A
        connection that was lost since it was used last is no error: another is taken.
        """
        return _even_if_lost(lambda: self._ask(query, values))

    def ask_plainly(
        self, query: str, parameters: Sequence[Any]
    ) -> list[tuple[Any, ...]]:
        """Run one query as `ask` does, in the words of the driver: see `bulk.run`."""
        return _even_if_lost(lambda: self._ask_plainly(query, parameters))

    def _ask(
        self, query: Executable, values: Mapping[str, Any] | None
    ) -> Sequence[Any]:
        with self._transaction(self._single, self.busy_seconds) as connection:
            return connection.execute(query, values).all()

    def _ask_plainly(
        self, query: str, parameters: Sequence[Any]
    ) -> list[tuple[Any, ...]]:
        with (
            self._in_use(self.busy_seconds),
            self._connect(self._single, self.busy_seconds) as connection,
            self._returned(connection),
        ):
            return bulk.ask(connection, query, parameters)

    def take_stock(self, *tables: Table) -> None:
        """Have the server count and tidy tables that were just filled.

        It would do so by itself, minutes later, and plan till then as if they were
        small. SQLite plans without counts.
        """
        if self.backend.url.get_backend_name() != "postgresql":
            return
        names = ", ".join(table.name for table in tables)
        engine = self.backend.writer.execution_options(single=True)
        waited = self.busy_seconds
        with self._place(waited), self._transaction(engine, waited) as connection:
            bulk.run(connection, f"VACUUM (ANALYZE, SKIP_LOCKED) {names}")

    def close(self) -> None:
        """Close all connections; the last one out folds SQLite's WAL into the file.

        A transaction that is open in another thread ends as it would have. In a process
        that was forked nothing is closed: its parent goes on with the connections.
        """
        if self._birthplace.left:
            return
        with self.backend.turn:
            self._closed = True
            self.backend.dispose()

    @contextmanager
    def _transaction(self, engine: Engine, waited: float) -> Iterator[Connection]:
        with self._in_use(waited):
            transaction = self._begin(engine, waited)
            with (
                transaction.connection as connection,
                self._returned(connection),
                transaction,
            ):
                yield connection

    @contextmanager
    def _in_use(self, waited: float) -> Iterator[None]:
        """Use the database, if it may still be used."""
        self._birthplace.check()
        if self._closed:
            raise StoreUnavailableError("the store is closed")
        with self.backend.turn, self._translated(waited):
            yield

    @contextmanager
    def _returned(self, connection: Connection) -> Iterator[None]:
        """Let a connection go where the pool to return it to is no more."""
        try:
            yield
        finally:
            if self._closed:
                connection.invalidate()

    def _begin(
        self, engine: Engine, waited: float, *, again: bool = True
    ) -> RootTransaction:
        """Begin a transaction; on another connection if the pooled one was lost.

        A server that was restarted is found out here, where nothing is done yet.
        """
        connection = self._connect(engine, waited)
        try:
            return connection.begin()
        except BaseException as error:
            connection.close()
            lost = isinstance(error, DBAPIError) and error.connection_invalidated
            if not (lost and again):
                raise
        return self._begin(engine, waited, again=False)

    def _connect(self, engine: Engine, waited: float) -> Connection:
        try:
            with self._translated(waited):
                return engine.connect()
        except StorageError as error:
            error.unreachable = True
            raise

    @contextmanager
    def _translated(self, waited: float) -> Iterator[None]:
        """Turn the driver's errors into ours: the one place where that is done."""
        try:
            yield
        except PoolTimeoutError as error:
            raise StoreBusyError(waited) from error
        except DBAPIError as error:
            cause = error.orig if error.orig is not None else error
            failure = self.backend.failure(cause, waited)
            failure.disconnected = error.connection_invalidated or isinstance(
                error, InterfaceError
            )
            raise failure from error


def _even_if_lost(ask: Callable[[], T]) -> T:
    """Ask, once more if the connection was lost."""
    try:
        return ask()
    except StorageError as error:
        if not error.disconnected or error.unreachable:
            raise
    return ask()


def _backend(url: URL, *, create: bool, busy_seconds: float) -> Backend:
    """Choose the engine: the one place that knows both."""
    if url.get_backend_name() == "sqlite":
        from .sqlite import sqlite_backend  # noqa: PLC0415 - only the one that is used

        return sqlite_backend(url, create=create, busy_seconds=busy_seconds)
    from .postgresql import postgresql_backend  # noqa: PLC0415

    return postgresql_backend(url, busy_seconds=busy_seconds)
