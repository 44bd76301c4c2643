"""What is particular to a store in a file."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from profilestore import (
    InvalidArgumentError,
    ProfileStore,
    SchemaMismatchError,
    StoreBusyError,
    StoreUnavailableError,
)
from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.log.sqlite import PAGE_BYTES
from tests.simple_events import event, rows


def test_durability_does_not_rest_on_defaults(url: str) -> None:
    database = Database.open(url)
    with database.write() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
    with database.read() as connection:
        assert connection.execute(text("PRAGMA query_only")).scalar() == 1
        assert connection.execute(text("PRAGMA wal_autocheckpoint")).scalar() == 0
    database.close()


def test_a_new_file_is_readable_by_its_owner_only(
    store: ProfileStore, url: str
) -> None:
    path = Path(url.removeprefix("sqlite:///"))

    assert path.stat().st_mode & 0o777 == 0o600


def test_a_new_file_has_pages_of_the_size_we_want(
    store: ProfileStore, url: str
) -> None:
    """The size holds from the first page on, which a reader's connection may write."""
    assert rows(url, "PRAGMA page_size") == [(PAGE_BYTES,)]


def test_a_writer_that_waits_too_long_says_busy_and_stores_nothing(url: str) -> None:
    with ProfileStore.open(url, busy_seconds=0.2) as store:
        with sqlite3.connect(url.removeprefix("sqlite:///")) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreBusyError, match="try again"):
                store.append([event(1)])
            other.rollback()

        assert store.append([event(1)]).accepted == 1


@pytest.fixture
def foreign_file(tmp_path: Path) -> Iterator[str]:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE people (name)")
    return f"sqlite:///{path}"


OTHER_PROCESS = """
import sys
from profilestore import ProfileStore
with ProfileStore.open(sys.argv[1]) as store:
    print(store.feed().position)
"""


def test_a_file_that_is_opened_twice_keeps_its_locks(url: str) -> None:
    """Without them another process that ends takes the WAL away with it."""

    def seen_by_another_process() -> bytes:
        run = subprocess.run(
            [sys.executable, "-c", OTHER_PROCESS, url], check=True, capture_output=True
        )
        return run.stdout.strip()

    with ProfileStore.open(url) as store, ProfileStore.open(url):
        store.append([event(1)])
        assert seen_by_another_process() == b"1"

        store.append([event(2)])

        assert seen_by_another_process() == b"2"


def test_a_database_of_something_else_is_left_alone(foreign_file: str) -> None:
    with pytest.raises(SchemaMismatchError, match="people"):
        ProfileStore.open(foreign_file)

    assert rows(foreign_file, "SELECT name FROM sqlite_master") == [("people",)]


def test_a_store_of_another_schema_is_refused(store: ProfileStore, url: str) -> None:
    rows(url, "UPDATE alembic_version SET version_num = '0099'")

    with pytest.raises(SchemaMismatchError, match=r"0099.*newer"):
        ProfileStore.open(url)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(
        b"not a database, but long enough to be read as one" * 9
    )

    with pytest.raises(StoreUnavailableError, match="not a database"):
        ProfileStore.open(f"sqlite:///{tmp_path / 'x.db'}")


@pytest.mark.parametrize(
    "url", ["profiles.db", "mysql://x/y", "postgresql://x", "", "sqlite"]
)
def test_a_url_of_no_store_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgumentError, match="sqlite:///FILE"):
        ProfileStore.open(url)


def test_a_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="No such file"):
        ProfileStore.open(f"sqlite:///{tmp_path}/no/such.db")
