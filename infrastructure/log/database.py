"""The SQLite database: durable writes, one writer at a time, errors translated here."""

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from sqlite3 import OperationalError as SqliteOperationalError
from threading import RLock
from typing import Self

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    create_engine,
    event,
    insert,
    inspect,
    make_url,
    select,
)
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool, StaticPool

from profilestore.domain.errors import (
    InvalidArgumentError,
    SchemaMismatchError,
    StoreBusyError,
    StoreUnavailableError,
)
from profilestore.domain.timestamps import to_microseconds

from .tables import SCHEMA_VERSION, heads, metadata, store

GENESIS = bytes(32)
"""The chain before the first event."""

BUSY_SECONDS = 60.0
MOST_BUSY_SECONDS = 86_400

_HINTS = {
    "not a database": "; it is some other file, name another",
    "malformed": "; the file is damaged, restore it from a backup",
    "unable to open": "; see that it may be read and written",
    "readonly": "; see that the file and its directory may be written",
    "full": "; free some space and try again",
}


class Database:
    """A store's database, open: transactions to read and to write.

    Writes are durable when `write` ends: WAL with `synchronous=FULL`. Within a process
    writers queue for one connection; between processes SQLite's lock makes them wait.
    Both waits end after `busy_seconds` with StoreBusyError.
    """

    def __init__(self, url: URL, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self.busy_seconds = busy_seconds
        self._in_memory = url.database in (None, "", ":memory:")
        if self._in_memory:
            self._writer = self._reader = self._engine(url, "IMMEDIATE", readonly=False)
            self._turn: AbstractContextManager[object] = RLock()
        else:
            self._writer = self._engine(url, "IMMEDIATE", readonly=False)
            self._reader = self._engine(url, "DEFERRED", readonly=True)
            self._turn = nullcontext()
        self.partitions = self._ready()

    @classmethod
    def open(
        cls, url: str, *, create: bool = True, busy_seconds: float = BUSY_SECONDS
    ) -> Self:
        """Open a database by its URL; a new file is made if `create`."""
        if not 0 <= busy_seconds <= MOST_BUSY_SECONDS:
            rule = f"must be from 0 to {MOST_BUSY_SECONDS}"
            raise InvalidArgumentError("busy_seconds", rule)
        parsed = _parse(url)
        path = parsed.database
        if path and path != ":memory:":
            try:
                _prepare(path, create=create)
            except (OSError, ValueError) as error:
                cause = getattr(error, "strerror", None) or str(error)
                raise StoreUnavailableError(f"{path}: {cause}") from error
        return cls(parsed, busy_seconds=busy_seconds)

    @contextmanager
    def write(self, *, wait_seconds: float | None = None) -> Iterator[Connection]:
        """Begin a transaction to write in; durable at its end, undone on any error.

        Another process may hold the database for `wait_seconds`, else `busy_seconds`.
        """
        wait = self.busy_seconds if wait_seconds is None else wait_seconds
        engine = self._writer.execution_options(wait_seconds=wait)
        with self._turn, self._translated(), engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Begin a transaction that sees one state of the database throughout."""
        with self._turn, self._translated(), self._reader.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections; the last one out folds the WAL into the file."""
        with self._turn:
            self._reader.dispose()
            self._writer.dispose()

    def _engine(self, url: URL, mode: str, *, readonly: bool) -> Engine:
        engine = create_engine(
            url,
            connect_args={"timeout": self.busy_seconds, "check_same_thread": False},
            **(
                {"poolclass": StaticPool}
                if self._in_memory
                else {
                    "poolclass": QueuePool,
                    "pool_size": 5 if readonly else 1,
                    "max_overflow": 10 if readonly else 0,
                    "pool_timeout": self.busy_seconds,
                }
            ),
        )

        @event.listens_for(engine, "connect")
        def configure(connection: SqliteConnection, _: ConnectionPoolEntry) -> None:
            # The driver must not begin transactions of its own: it would do so late,
            # and two writers that read first would lose each other's updates.
            connection.isolation_level = None
            _set_pragmas(connection, readonly=readonly, in_memory=self._in_memory)

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            wait = connection.get_execution_options().get(
                "wait_seconds", self.busy_seconds
            )
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(wait * 1000)}")
            connection.exec_driver_sql(f"BEGIN {mode}")

        return engine

    def _ready(self) -> int:
        """Make the schema in an empty database, or check it; answer the partitions."""
        with self.read() as connection:
            tables = inspect(connection).get_table_names()
        if not tables:
            self._create(partitions=1)
        elif store.name not in tables:
            raise SchemaMismatchError(
                f"{self._writer.url.database} is a database of something else, "
                f"with the tables {', '.join(sorted(tables)[:5])}; name another file"
            )
        with self.read() as connection:
            version, partitions = connection.execute(
                select(store.c.schema_version, store.c.partitions)
            ).one()
        if version != SCHEMA_VERSION:
            raise SchemaMismatchError(
                f"the store has schema {version}, this profilestore knows "
                f"{SCHEMA_VERSION}: use the profilestore that wrote it, or a newer one"
            )
        return int(partitions)

    def _create(self, partitions: int) -> None:
        now = to_microseconds(datetime.now(UTC))
        with self.write() as connection:
            if inspect(connection).has_table(store.name):
                return  # another process was first
            metadata.create_all(connection)
            connection.execute(
                insert(store).values(
                    id=1,
                    schema_version=SCHEMA_VERSION,
                    partitions=partitions,
                    created_at=now,
                )
            )
            connection.execute(
                insert(heads),
                [
                    {"partition": p, "position": 0, "chain": GENESIS, "recorded_at": 0}
                    for p in range(partitions)
                ],
            )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn the driver's errors into ours: the one place where that is done."""
        try:
            yield
        except PoolTimeoutError as error:
            raise StoreBusyError(self.busy_seconds) from error
        except OperationalError as error:
            cause = str(error.orig)
            if "locked" in cause or "busy" in cause:
                raise StoreBusyError(self.busy_seconds) from error
            raise self._unavailable(cause) from error
        except IntegrityError:
            raise  # of a caller's version or event id: the caller knows which
        except DBAPIError as error:
            raise self._unavailable(str(error.orig)) from error

    def _unavailable(self, cause: str) -> StoreUnavailableError:
        hint = next((h for part, h in _HINTS.items() if part in cause), "")
        return StoreUnavailableError(f"{self._writer.url.database}: {cause}{hint}")


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = None
    if (
        parsed is None
        or parsed.drivername not in ("sqlite", "sqlite+pysqlite")
        or parsed.host
        or parsed.query
    ):
        raise InvalidArgumentError(
            "database", f"{url!r} is no URL of a store; write sqlite:///FILE"
        )
    return parsed


def _prepare(path: str, *, create: bool) -> None:
    """Make a file that only its owner may read: it will hold personal data."""
    if Path(path).is_dir():
        raise StoreUnavailableError(f"{path} is a directory; name a file in it")
    if create:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    elif not Path(path).exists() or not Path(path).stat().st_size:
        raise StoreUnavailableError(
            f"no store at {path}: append events first, or name another"
        )


def _set_pragmas(
    connection: SqliteConnection, *, readonly: bool, in_memory: bool
) -> None:
    """Set what durability rests on, and read it back: builds and versions differ."""
    wanted: dict[str, str | int] = {
        "journal_mode": "memory" if in_memory else "wal",
        "synchronous": 2,  # FULL: the WAL is synced at each commit
        # Only the writer checkpoints: see the WAL-reset bug of SQLite below 3.51.3.
        "wal_autocheckpoint": 0 if readonly else 1000,
        "query_only": int(readonly),
    }
    for name, value in wanted.items():
        got = _set_pragma(connection, name, value)
        if got != value:
            raise StoreUnavailableError(
                f"SQLite does not accept {name} = {value} here (it stays {got}): "
                "put the file on a local disk"
            )


def _set_pragma(connection: SqliteConnection, name: str, value: str | int) -> str | int:
    """Set one pragma unless it is so already; answer what it then is."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        got = _pragma(connection, name)
        if got == value:
            return got
        try:
            connection.execute(f"PRAGMA {name} = {value}")
        except SqliteOperationalError as error:
            # The switch to WAL takes a lock that SQLite's busy handler does not wait
            # for: several processes that make a store together meet here.
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return _pragma(connection, name)


def _pragma(connection: SqliteConnection, name: str) -> str | int:
    value: str | int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value
