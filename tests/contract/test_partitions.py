"""What makes a partition fit to live on a machine of its own."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import inspect

from profilestore import InvalidArgumentError, ProfileStore, SchemaMismatchError
from profilestore.domain.identity import partition_of
from profilestore.infrastructure.log.database import Database
from profilestore.infrastructure.log.tables import metadata
from tests.simple_events import SPACE, event, rows

GLOBAL = {"store", "alembic_version"}
"""Tables of a row each, which say what the store is."""


def test_every_key_begins_with_the_partition(store: ProfileStore, url: str) -> None:
    """So that no uniqueness and no look-up reaches over partitions."""
    database = Database.open(url)
    with database.read() as connection:
        schema = inspect(connection)
        for table in set(schema.get_table_names()) - GLOBAL:
            keys = [schema.get_pk_constraint(table)["constrained_columns"]]
            keys += [index["column_names"] for index in schema.get_indexes(table)]
            keys += [u["column_names"] for u in schema.get_unique_constraints(table)]
            assert {key[0] for key in keys} == {"partition"}, table
    database.close()


def test_no_sequence_numbers_anything(url: str) -> None:
    """Positions come from the head of a partition, not from the database."""
    database = Database.open(url)
    with database.read() as connection:
        names = inspect(connection).get_sequence_names() if "postgres" in url else []
    database.close()

    assert names == []


@contextmanager
def heard(store: ProfileStore, url: str) -> Iterator[list[str]]:
    """Hear the statements that a store sends to its database."""
    statements: list[str] = []

    class Noting(psycopg.Cursor[Any]):
        def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
            statements.append(query)
            return super().execute(query, *args, **kwargs)

    def note(driver: Any, *_: object) -> None:
        if "postgres" in url:
            driver.cursor_factory = Noting
        else:
            driver.set_trace_callback(statements.append)

    backend = store._database.backend  # noqa: SLF001 - what it sends is the question
    engines = {backend.writer, backend.reader}
    for engine in engines:
        sqlalchemy_event.listen(engine, "checkout", note)
    yield statements
    for engine in engines:
        sqlalchemy_event.remove(engine, "checkout", note)


def test_the_current_profile_is_one_statement(store: ProfileStore, url: str) -> None:
    """Which is one round trip: no transaction is begun for it, none ended."""
    store.append([event(n, f"p{n % 3}") for n in range(30)])

    with heard(store, url) as statements:
        store.current(SPACE, "p1")
        store.current(SPACE, "p1", valid_at=datetime.now(UTC))
        store.profile(SPACE, "p1")

    assert len(statements) == 3


def of_tables(statements: list[str]) -> list[tuple[str, set[str]]]:
    """Pair those that are about a partition's tables with the tables."""
    ours = {table.name for table in metadata.sorted_tables} - GLOBAL
    found = (
        (one, ours & set(re.findall(r"(?:FROM|INTO|UPDATE|JOIN) (\w+)", one)))
        for one in statements
    )
    return [(statement, tables) for statement, tables in found if tables]


def names_partition(statement: str) -> bool:
    where = statement.partition("WHERE")[2]
    return "partition" in where or statement.startswith("INSERT")


def test_appends_and_answers_name_their_partition_in_every_statement(
    store: ProfileStore, url: str
) -> None:
    with heard(store, url) as statements:
        store.append([event(n, f"p{n % 9}") for n in range(30)])
        store.append([event(n, f"p{n % 9}") for n in range(20, 40)])
        store.append([b"{", event(1, revision=5), event(7, name="message.x")])
        store.current(SPACE, "p1")
        store.profile(SPACE, "p1", valid_at=None)
        list(store.quarantine.naming(store.key(SPACE, "p1")))
        store.feed(partition=0)

    hot = of_tables(statements)
    assert len(hot) > 10
    for statement, _ in hot:
        assert names_partition(statement), statement


def test_a_question_about_many_asks_all_partitions_once_how_far_they_are(
    store: ProfileStore, url: str
) -> None:
    """Of the head and the read model of each it reads a row; of all else, by partition."""
    store.append([event(n, f"p{n % 9}") for n in range(30)])
    store.count(SPACE)

    with heard(store, url) as statements:
        store.count(SPACE, valid_at=datetime.now(UTC))
        list(store.profiles(SPACE, status="active"))

    hot = of_tables(statements)
    across = [tables for one, tables in hot if not names_partition(one)]
    assert len(hot) > len(across)
    assert across == [{"heads", "read_models"}] * 2


def test_a_profile_lives_in_the_partition_its_id_says(
    store: ProfileStore, url: str
) -> None:
    store.append([event(n, f"p{n}") for n in range(30)])

    found = rows(url, "SELECT api_space_id, profile_id, partition FROM streams")
    homes = {(space, profile_id): home for space, profile_id, home in found}
    for (space, profile_id), partition in homes.items():
        key = store.key(space, profile_id)
        assert partition == partition_of(key, store.partitions)
        assert len(store.profile(*key).events) == 1
    assert len(homes) == 30
    if store.partitions > 1:
        assert len(set(homes.values())) == store.partitions


def test_partitions_are_fixed_when_the_store_is_made(
    store: ProfileStore, url: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=f"the store has {store.partitions}"):
        ProfileStore.init(url, partitions=store.partitions + 1)

    ProfileStore.init(url, partitions=store.partitions)
    ProfileStore.init(url)


@pytest.mark.parametrize("partitions", [0, -1, 1025])
def test_a_store_has_from_1_to_1024_partitions(url: str, partitions: int) -> None:
    with pytest.raises(InvalidArgumentError, match="from 1 to 1024"):
        ProfileStore.init(url, partitions=partitions)


def test_the_reader_of_a_partition_that_is_not_there_is_refused(
    store: ProfileStore,
) -> None:
    with pytest.raises(InvalidArgumentError, match="partition"):
        store.recorder_of(store.partitions)


def test_a_store_of_another_schema_is_refused(store: ProfileStore, url: str) -> None:
    rows(url, "UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(SchemaMismatchError, match=r"9999.*newer"):
        ProfileStore.open(url)
