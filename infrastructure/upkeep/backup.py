"""A copy of a SQLite store in one file, made while the store is in use."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, Connection

from profilestore.domain.errors import (
    DamagedStoreError,
    InvalidArgumentError,
    StoreUnavailableError,
)
from profilestore.infrastructure.log import schema
from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.log.tables import SCHEMA

from .ends import End, check_ends, read_ends
from .verify import verify

STEP_PAGES = 2000
"""Pages copied before progress is told and an interruption heard: 16 MiB of ours."""

Progress = Callable[[int, int], None]
"""Is told the bytes that are copied and those there are."""


@dataclass(frozen=True)
class Backup:
    """What a finished backup holds."""

    file: Path
    events: int
    bytes: int


def back_up(
    source: Database, file: Path, progress: Progress = lambda _, __: None
) -> Backup:
    """Copy a SQLite store to a new file that has all that was acknowledged before.

    The store may be of an older schema, and in use: writers are not held up. The file
    is there once it is whole, checked and synced; until then it is `FILE.partial`,
    which a process that is killed leaves behind. Raise InvalidArgumentError if one of
    both is there, its directory is not or the store is not in SQLite, DamagedStoreError
    if what was copied is damaged, StoreUnavailableError if it cannot be written.
    """
    if source.backend.url.get_backend_name() != "sqlite":
        raise InvalidArgumentError(
            "backup",
            "this is for stores in SQLite; back PostgreSQL up with pg_dump, or copy "
            "the store to a file with `profilestore copy-to sqlite:///FILE`",
        )
    with _partial(file) as partial:
        ends = _copy(source, partial, progress)
        _check(partial, ends)
        size = _finish(partial)
        _refuse(file)  # once more: it may have been made meanwhile
        partial.rename(file)
        _sync(file.parent)
    return Backup(file, sum(end.position for end in ends.values()), size)


@contextmanager
def _partial(file: Path) -> Iterator[Path]:
    """Give a new file, that only its owner may read, and delete it if it fails."""
    partial = file.with_name(f"{file.name}.partial")
    _refuse(file)
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        rule = "is there: another backup is being made, or was killed; then delete it"
        raise InvalidArgumentError(str(partial), rule) from None
    except (FileNotFoundError, NotADirectoryError):
        rule = f"{file.parent} is no directory; make it, or name a file elsewhere"
        raise InvalidArgumentError(str(file), rule) from None
    except OSError as error:
        raise _unwritten(partial, error) from error
    try:
        yield partial
    except (sqlite3.Error, OSError) as error:
        raise _unwritten(partial, error) from error
    finally:
        for rest in ("", "-journal", "-wal", "-shm"):
            partial.with_name(partial.name + rest).unlink(missing_ok=True)


def _unwritten(partial: Path, error: Exception) -> StoreUnavailableError:
    cause = getattr(error, "strerror", None) or error
    hint = "see that it may be written there, and that there is space"
    return StoreUnavailableError(f"{partial}: {cause}; {hint}")


def _refuse(file: Path) -> None:
    if os.path.lexists(file):
        raise InvalidArgumentError(str(file), "is there already; name a new file")


def _copy(source: Database, partial: Path, progress: Progress) -> dict[int, End]:
    """Copy the pages as they are at one moment; answer where the logs end then.

    SQLite begins a backup anew when another connection has written between two steps,
    so on a busy store it would never end. It does not while the source's connection is
    in a read transaction: then all steps copy what that one sees. In WAL mode this
    holds up no writer, so there is no need to sleep between steps either; the WAL only
    can't begin anew before we are done, so the sooner the better.
    """
    with source.read() as connection:
        _refuse_unknown(connection, source)
        ends = read_ends(connection)  # this takes the snapshot
        page = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
        driver = connection.connection.driver_connection
        assert driver is not None  # noqa: S101 - it is open
        with closing(sqlite3.connect(partial)) as target:
            driver.backup(
                target,
                pages=STEP_PAGES,
                progress=lambda _, left, of: progress(page * (of - left), page * of),
            )
    return ends


def _refuse_unknown(connection: Connection, source: Database) -> None:
    """Refuse what is no store; one of an older schema is copied before its upgrade."""
    if schema.find(connection) not in schema.revisions():
        schema.check(connection, source.backend.url)


def _check(partial: Path, ends: dict[int, End]) -> None:
    """Read the log in the copy: it must be sound, and end where the store's log did."""
    url = URL.create("sqlite", database=str(partial)).render_as_string()
    copy = Database.connect(url, create=False)
    try:
        with copy.read() as connection:
            current = schema.find(connection) == SCHEMA
            read = read_ends if current else check_ends  # where we cannot verify
            if read(connection) != ends:
                raise DamagedStoreError("the copy has another end than the store")
        if current:
            copy.ready(create=False)
            if fault := verify(copy).fault:
                raise DamagedStoreError(f"the copy is damaged: {fault}")
    finally:
        copy.close()


def _finish(partial: Path) -> int:
    """Make it a file that needs no other beside it; answer its size in bytes."""
    with closing(sqlite3.connect(partial, isolation_level=None)) as connection:
        (mode,) = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
        (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if (mode, found) != ("delete", "ok"):
        raise DamagedStoreError(
            f"the copy is damaged, and so may the store be: {found} (journal {mode})"
        )
    _sync(partial)
    return partial.stat().st_size


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
