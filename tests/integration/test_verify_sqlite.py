"""SQLite takes any value in any column: what no append can have written is found."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from profilestore import ProfileStore
from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.upkeep.verify import verify
from tests.conftest import DATA
from tests.forgery import change, drop_triggers
from tests.simple_events import event


@pytest.fixture
def database() -> Iterator[Database]:
    database = Database.open("sqlite://")
    with ProfileStore(database) as store:
        store.append([event(n) for n in range(9)])
        drop_triggers(database)
        yield database


def found(database: Database) -> tuple[int, int, str]:
    fault = verify(database).fault
    assert fault is not None
    return fault.partition, fault.position, fault.what


@pytest.mark.parametrize(
    "changed",
    [
        "state = CAST(state AS TEXT)",
        "event_id = CAST(event_id AS TEXT)",
        "name = CAST(name AS BLOB)",
        "name = CAST(x'ff' AS TEXT)",
        "name = name || char(0)",
        "revision = 5.5",
        "version = 'five'",
        "recorded_at = recorded_at + 0.5",
        "digest = hex(digest)",
        "position = 5.5",
        "position = 'five'",
        "partition = 'five'",
        "partition = 0.5",
        "partition = x'00'",
    ],
)
def test_an_event_is_of_the_types_that_were_written(
    database: Database, changed: str
) -> None:
    """As text a state has the same digest, and an event id is not found any more."""
    change(database, f"UPDATE events SET {changed} WHERE position = 5")

    assert found(database)[:2] == (0, 5)


@pytest.mark.parametrize("position", ["0.5", "-1.5"])
def test_a_position_below_1_is_a_fault_whatever_it_is(
    database: Database, position: str
) -> None:
    change(database, f"UPDATE events SET position = {position} WHERE position = 5")

    assert found(database)[:2] == (0, 0)


@pytest.mark.parametrize("column", ["api_space_id", "profile_id"])
@pytest.mark.parametrize("value", ["x'ff'", "CAST(x'ff' AS TEXT)", "''"])
def test_a_profile_is_named_by_text(
    database: Database, column: str, value: str
) -> None:
    change(database, f"UPDATE streams SET {column} = {value}")

    assert found(database) == (0, 1, "its stream is that of another profile")


@pytest.mark.parametrize(
    "changed", ["position = 'nine'", "chain = hex(chain)", "recorded_at = 0.5"]
)
def test_a_head_of_other_types_is_none(database: Database, changed: str) -> None:
    change(database, f"UPDATE heads SET {changed}")

    assert found(database)[:2] == (0, 1)


def test_a_row_in_a_partition_that_is_no_number_is_found(database: Database) -> None:
    change(database, "INSERT INTO streams VALUES (x'00', x'00', NULL, NULL)")

    partition, _, what = found(database)
    assert partition == -1
    assert "no partition b'\\x00'" in what


def test_a_store_of_an_older_schema_is_sound_when_it_was_brought_up_to_date(
    url: str,
) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        connection.executescript((DATA / "store-0001.sql").read_text())
    ProfileStore.init(url)

    database = Database.open(url)
    assert verify(database).fault is None
    database.close()
