"""The steps of a rebuild: when they end, what they cost, and who may disturb them."""

from collections.abc import Callable
from typing import Any

import pytest

from profilestore import ProfileStore
from profilestore.domain.cut import UpdatePolicy
from profilestore.infrastructure.log.bulk import ask
from profilestore.infrastructure.readmodels import (
    builder,
    catch_up,
    rebuild,
    stream_rows,
)
from profilestore.infrastructure.readmodels.build_process import _begun_at
from profilestore.infrastructure.readmodels.builder import Builder
from profilestore.infrastructure.readmodels.generation import Generation, Phase
from tests.simple_events import SPACE, event, rows

MOST = 50


def test_it_ends_though_more_is_appended_than_is_folded(
    new_url: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "STEP_EVENTS", 1)
    changed = catch_up._changed  # noqa: SLF001 - what a step reads
    with ProfileStore.open(new_url("file")) as store:
        store.append([event(n, f"p{n}") for n in range(5)])
        appended: list[int] = []

        def disturbed(*of: Any) -> Any:
            if len(appended) < MOST:
                appended.append(len(appended))
                store.append([event(n, f"q{n}-{len(appended)}") for n in range(2)])
            return changed(*of)

        builder = Builder(store._database, 0, UpdatePolicy.MERGE)  # noqa: SLF001
        generation = builder.begin()
        builder.build(generation)
        store.append([event(9, "late")])
        monkeypatch.setattr(catch_up, "_changed", disturbed)
        builder.finish(generation)

        assert len(appended) < MOST
        monkeypatch.undo()
        assert store.count(SPACE).profiles == 6 + 2 * len(appended)


def test_what_somebody_drops_is_never_read(
    new_url: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have other folds, and come between the look at it and the switch."""
    url = new_url("postgresql-1")
    find = Generation.find

    def dropped_meanwhile(_: Generation, *of: Any) -> Any:
        rows(url, "UPDATE read_models SET phase = 'old'")
        return find(*of)

    with ProfileStore.open(url) as store:
        store.append([event(1, "p1")])
        builder = Builder(store._database, 0, UpdatePolicy.MERGE)  # noqa: SLF001
        generation = builder.begin()
        builder.build(generation)
        monkeypatch.setattr(Generation, "find", dropped_meanwhile)
        builder.finish(generation)

    assert rows(url, "SELECT phase FROM read_models") == [("old",)]


def test_how_far_it_is_is_looked_up_now_and_then_not_at_each_step(
    new_url: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild, "LOOK_SECONDS", 1000)
    told: list[tuple[int, int]] = []
    with ProfileStore.open(new_url("file-16")) as store:
        store.append([event(n, f"p{n}") for n in range(60)])

        store.rebuild(progress=lambda *of: told.append(of))

    assert len(told) <= 2
    assert told[-1] == (60, 60)


@pytest.mark.parametrize("at_once", [0, 1000])
def test_while_it_writes_it_reads_nothing(
    new_url: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Or SQLite would keep all that is written in its WAL until it is done."""
    monkeypatch.setattr(builder, "AT_ONCE", at_once)
    monkeypatch.setattr(builder, "STEP_EVENTS", 10)
    monkeypatch.setattr(builder, "PART_PROFILES", 20)
    monkeypatch.setattr(stream_rows, "BATCH", 3)
    readers: list[int] = []
    with ProfileStore.open(new_url("file")) as store:
        store.append([event(n, f"p{n}") for n in range(60)])
        pool: Any = store._database.backend.reader.pool  # noqa: SLF001
        write = Builder._write  # noqa: SLF001

        def watched(*of: Any) -> bool:
            readers.append(pool.checkedout())
            return write(*of)

        monkeypatch.setattr(Builder, "_write", watched)
        assert store.rebuild().profiles == 60

    assert len(readers) >= 3
    assert not any(readers)


@pytest.mark.parametrize(
    ("kind", "plan"),
    [("file", "SCAN events"), ("file-16", "SEARCH events USING INDEX")],
)
def test_a_partition_is_read_without_the_others_and_a_whole_file_as_it_lies(
    new_url: Callable[[str], str], kind: str, plan: str
) -> None:
    with (
        ProfileStore.open(new_url(kind)) as store,
        store._database.read() as connection,  # noqa: SLF001
    ):
        query = stream_rows._between(connection)  # noqa: SLF001
        found = ask(connection, f"EXPLAIN QUERY PLAN {query}", (0, b"", b"\xff"))

    assert plan in str(found)


@pytest.mark.parametrize(("kind", "parts"), [("file", 6), ("file-4", 2)])
def test_there_is_work_for_each_process(
    new_url: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    parts: int,
) -> None:
    begun: list[int] = []
    begin = Generation.begin

    def watched(*of: Any) -> Generation:
        begun.append(of[-1])
        return begin(*of)

    monkeypatch.setattr(Generation, "begin", watched)
    with ProfileStore.open(new_url(kind)) as store:
        store.append([event(n, f"p{n}") for n in range(30)])

        assert store.rebuild(jobs=6).profiles == 30

    assert set(begun) == {parts}


def test_processes_begin_at_different_partitions(new_url: Callable[[str], str]) -> None:
    def build(partition: int) -> tuple[Builder, Generation]:
        generation = Generation(
            partition, 1, UpdatePolicy.MERGE, "", Phase.BUILDING, position=0
        )
        return Builder(store._database, partition, UpdatePolicy.MERGE), generation  # noqa: SLF001

    with ProfileStore.open(new_url("file-4")) as store:
        builds = [build(partition) for partition in range(4)]
        orders = [[p for p, _ in _begun_at(i, builds)] for i in range(4)]

    assert [order[0] for order in orders] == [0, 1, 2, 3]
    assert all(sorted(order) == [0, 1, 2, 3] for order in orders)
