"""SQLite: one file, WAL, synced at each commit, one writer at a time."""

import os
import time
from contextlib import AbstractContextManager, nullcontext, suppress
from errno import EACCES
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from sqlite3 import OperationalError as SqliteOperationalError
from threading import Lock, RLock, Semaphore

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    ExceptionContext,
    create_engine,
    event,
)
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool, StaticPool

from profilestore.domain.errors import (
    StorageError,
    StoreBusyError,
    StoreUnavailableError,
)

from .backend import BUSY_SECONDS, Backend
from .bulk import run

PAGE_BYTES = 8192
"""Of new files: an index that is hit at random writes less in larger pages."""
CACHE_KIB = 64 * 1024
WAIT_SECONDS = "wait_seconds"
"""What a transaction may be told, and a connection remembers of the one before."""
STATEMENTS = 256
"""Compiled statements that a connection keeps: inserts come in 101 sizes."""
CHECKPOINT_PAGES = 8000
"""The WAL is folded into the file at about 64 MiB: a page that many appends change is
then written to the file once."""

_HINTS = {
    "not a database": "; it is some other file, name another",
    "malformed": "; the file is damaged, restore it from a backup",
    "unable to open": "; see that it may be read and written, and try again",
    "readonly": "; see that the file and its directory may be written, and try again",
    "full": "; free some space and try again",
    "I/O error": "; see the disk and its space, and what the system's log says of it, "
    "and try again",
}


def sqlite_backend(url: URL, *, create: bool, busy_seconds: float) -> Backend:
    """Open a file, made if `create`, or a database in memory.

    Within a process writers queue for one connection; between processes SQLite's own
    lock makes them wait. Raise StoreUnavailableError if it cannot be opened.
    """
    in_memory = url.database in (None, "", ":memory:")
    if url.database and not in_memory:
        _prepare(url.database, create=create)
    writer = _engine(url, "IMMEDIATE", busy_seconds, readonly=False)
    turn: AbstractContextManager[object] = RLock() if in_memory else nullcontext()
    return Backend(
        url=url,
        writer=writer,
        reader=writer
        if in_memory
        else _engine(url, "DEFERRED", busy_seconds, readonly=True),
        places=Semaphore(1),
        turn=turn,
        in_memory=in_memory,
        creates_itself=True,
        failure=lambda cause, waited: _failure(url, cause, waited),
    )


def _prepare(path: str, *, create: bool) -> None:
    """Make a file that only its owner may read: it will hold personal data."""
    if Path(path).is_dir():
        raise StoreUnavailableError(f"{path} is a directory; name a file in it")
    try:
        if create:
            _make(os.path.realpath(path))
            return
        missing = not Path(path).exists() or not Path(path).stat().st_size
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or str(error)
        raise StoreUnavailableError(
            f"{path}: {cause}; see that it may be made and written there, and try again"
        ) from error
    if missing:
        raise StoreUnavailableError(
            f"no store at {path}: append events first, or name another"
        )


_making = Lock()


def _make(path: str) -> None:
    """Make a file unless there is one, which is not touched.

    To close any descriptor of a file takes away all locks that the process has on it:
    those too of a store that it has open. Another process would then think itself the
    last and delete the WAL, with what was appended since in it.
    """
    with _making, suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    if not os.access(path, os.R_OK | os.W_OK):
        raise PermissionError(EACCES, os.strerror(EACCES))


def _engine(url: URL, mode: str, busy_seconds: float, *, readonly: bool) -> Engine:
    in_memory = url.database in (None, "", ":memory:")
    engine = create_engine(
        url,
        connect_args={
            "timeout": busy_seconds,
            "check_same_thread": False,
            "cached_statements": STATEMENTS,
        },
        **(
            {"poolclass": StaticPool}
            if in_memory
            else {
                "poolclass": QueuePool,
                "pool_size": 5 if readonly else 1,
                "max_overflow": 10 if readonly else 0,
                "pool_timeout": busy_seconds,
            }
        ),
    )

    @event.listens_for(engine, "connect")
    def configure(connection: SqliteConnection, _: ConnectionPoolEntry) -> None:
        # The driver must not begin transactions of its own: it would do so late,
        # and two writers that read first would lose each other's updates.
        connection.isolation_level = None
        _set_pragmas(connection, readonly=readonly, in_memory=in_memory)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get("single"):
            return
        wait = options.get(WAIT_SECONDS, busy_seconds)
        if wait != connection.info.get(WAIT_SECONDS):
            run(connection, f"PRAGMA busy_timeout = {int(wait * 1000)}")
            connection.info[WAIT_SECONDS] = wait
        run(connection, f"BEGIN {mode}")

    @event.listens_for(engine, "handle_error")
    def judge(context: ExceptionContext) -> None:
        # A file that could not be opened to write, once, stays open only to read.
        if "readonly" in str(context.original_exception):
            context.is_disconnect = True

    return engine


def _set_pragmas(
    connection: SqliteConnection, *, readonly: bool, in_memory: bool
) -> None:
    """Set what durability rests on, and read it back: builds and versions differ."""
    # Of a new file only, which whoever comes first makes a database, a reader also.
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    if not readonly:
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    wanted: dict[str, str | int] = {
        "journal_mode": "memory" if in_memory else "wal",
        "synchronous": 2,  # FULL: the WAL is synced at each commit
        # Only the writer checkpoints: see the WAL-reset bug of SQLite below 3.51.3.
        "wal_autocheckpoint": 0 if readonly else CHECKPOINT_PAGES,
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


def _failure(url: URL, error: BaseException, waited: float) -> StorageError:
    cause = str(error)
    if "locked" in cause or "busy" in cause:
        return StoreBusyError(waited)
    hint = next((h for part, h in _HINTS.items() if part in cause), "")
    return StoreUnavailableError(f"{url.database}: {cause}{hint}")
